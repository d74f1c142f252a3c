//! `bulkhead apply`: the directory under version control becomes a signed fact.

use std::fs;
use std::path::PathBuf;

use bulkhead_wire::fact::{Command, HeaderScope};
use bulkhead_wire::v1::{self, directory_change::Kind};
use bytes::Bytes;
use clap::Args;
use ring::digest::{SHA256, digest};
use serde::Serialize;

use super::cuts::say;
use crate::desk::{Desk, Desked, Seen, confirmed};
use crate::global::Output;
use crate::table::plain;
use crate::{Error, Exit, Global, Paint, Screen};

/// The end of its help.
pub const HELP: &str = "\
The file is the whole directory: suppliers, tenants, services, grants, fallbacks, operators. What
differs from the one in force is shown first: + is new, - is no more, ~ says something else. It
becomes a signed fact of the operator's nation; every node reads it from there. A directory that
would remove a tenant that is cut off is refused, and so is one that is not whole.

Examples:
  bulkhead apply -f directory.toml --plan --as wales-lead
  bulkhead apply -f directory.toml --as wales-lead

Exit codes: 0 in force, or nothing differs; 1 failed, or the file is not a whole directory; 2 wrong
usage; 3 not permitted; 5 cannot reach.";

/// The arguments of `bulkhead apply`.
#[derive(Debug, Clone, Args)]
pub struct Apply {
    /// The directory.
    #[arg(long, short, value_name = "FILE")]
    pub file: PathBuf,
    /// Show what would change, and do nothing.
    #[arg(long)]
    pub plan: bool,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// What applying the file would change.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Planned {
    #[serde(flatten)]
    pub(crate) desk: Desked,
    pub(crate) file: String,
    /// In the order of tables and ids; empty when nothing differs.
    pub(crate) changes: Vec<Change>,
    /// What fits together and does nothing, in words.
    pub(crate) idle: Vec<String>,
}

/// An entry of the directory that differs.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Change {
    pub(crate) table: String,
    pub(crate) id: String,
    /// `added`, `removed` or `changed`.
    pub(crate) kind: &'static str,
    pub(crate) lines: Vec<String>,
}

impl Change {
    fn of(wire: &v1::DirectoryChange) -> Self {
        let kind = match wire.kind() {
            Kind::Added => "added",
            Kind::Removed => "removed",
            Kind::Changed | Kind::Unspecified => "changed",
        };
        Self { table: wire.table.clone(), id: wire.id.clone(), kind, lines: wire.lines.clone() }
    }
}

impl Apply {
    /// Shows the difference, signs the file and sends it.
    ///
    /// # Errors
    /// When it cannot be read, or the cell says no.
    pub async fn run(self, global: &Global, screen: &mut Screen) -> Result<Exit, Error> {
        let bad = |problem: String| Error::BadFile { path: self.file.clone(), problem };
        let toml = fs::read_to_string(&self.file).map_err(|error| bad(error.to_string()))?;
        let desk = Desk::open(global, None)?;
        let request = v1::PlanDirectoryRequest { toml: toml.clone() };
        let plan = desk.cell.command(async |mut client| client.plan_directory(request.clone()).await).await;
        let plan = plan.map_err(|trouble| desk.failed(trouble))?;
        let changes = plan.changes.iter().map(Change::of).collect();
        let (file, idle) = (self.file.display().to_string(), plan.idle);
        let planned = Planned { desk: desk.desked(), file, changes, idle };
        match screen.output() {
            Output::Text => screen.data(&text(&planned, screen.paint())),
            Output::Json | Output::Jsonl if self.plan || planned.changes.is_empty() => screen.json(&planned),
            Output::Json | Output::Jsonl => {}
        }
        if self.plan || planned.changes.is_empty() {
            return Ok(Exit::Done);
        }
        confirmed(screen, self.yes, "Apply it?")?;
        let digest = Bytes::copy_from_slice(digest(&SHA256, toml.as_bytes()).as_ref());
        let command = Command::Directory { toml, digest };
        let answer = desk.command(command, HeaderScope::None, Seen::of(plan.position, plan.now)).await?;
        say(&desk, &answer, screen)
    }
}

fn text(planned: &Planned, paint: Paint) -> String {
    let mut text = planned.desk.banner(paint);
    let notes = planned.idle.iter().map(|said| format!("  {}\n", paint.warn(&plain(said))));
    let notes: String = notes.collect();
    if planned.changes.is_empty() {
        text.push_str(&format!("{}: nothing differs from what is in force\n", plain(&planned.file)));
        return text + &notes;
    }
    text.push_str(&format!("{}:\n", plain(&planned.file)));
    for change in &planned.changes {
        let name = format!("{} {}", change.table, change.id);
        let (mark, painted): (_, fn(Paint, &str) -> String) = match change.kind {
            "added" => ("+", Paint::good),
            "removed" => ("-", Paint::bad),
            _ => ("~", Paint::warn),
        };
        text.push_str(&format!("{}\n", painted(paint, &plain(&format!("  {mark} {name}")))));
        change.lines.iter().for_each(|line| text.push_str(&format!("      {}\n", plain(line))));
    }
    text + &notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::desked;

    #[test]
    fn the_difference_as_text() {
        let change = |kind, table: &str, id: &str, lines: &[&str]| Change {
            table: table.into(),
            id: id.into(),
            kind,
            lines: lines.iter().map(ToString::to_string).collect(),
        };
        let mut planned = Planned {
            desk: desked(),
            file: "directory.toml".into(),
            changes: vec![
                change("changed", "services", "wales/s", &["grants = [\"wales/a\"] -> left out"]),
                change("added", "tenants", "wales/b", &["supplier = \"meridian\""]),
                change("removed", "tenants", "wales/gone", &["supplier = \"castell\""]),
            ],
            idle: vec!["nothing is diverted from wales/s: wales/f does not name it in takes_over".into()],
        };
        insta::assert_snapshot!(text(&planned, Paint::PLAIN));
        planned.changes.clear();
        planned.idle.clear();
        assert!(
            text(&planned, Paint::PLAIN).ends_with("directory.toml: nothing differs from what is in force\n")
        );
    }
}
