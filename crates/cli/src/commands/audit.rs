//! `bulkhead audit`: who did what; exported with its signed head, and verified without any cell.

use std::fs;
use std::path::{Path, PathBuf};

use bulkhead_wire::audit::{Entry, Verified, agree, read, verify};
use bulkhead_wire::v1;
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::desk::{Desk, Desked};
use crate::global::Output;
use crate::table::Table;
use crate::view::Look;
use crate::{Error, Exit, Global, Screen};

/// The end of its help.
pub const HELP: &str = "\
Every command is noted by the node that took it, refused ones too: the intent before, the outcome
after. The entries of a node are chained and signed. An export ends with the signed head, so that
a shortened one is noticed; compare its key with the one that `audit show` prints. The nodes of a
cell note how far each other's file went: --against holds a file against another node's export.

Examples:
  bulkhead audit show --as wales-duty
  bulkhead audit export wales.jsonl --as wales-duty
  bulkhead audit verify wales.jsonl
  bulkhead audit verify wales-2.jsonl --against wales-1.jsonl

Exit codes: 0 done, or the file holds; 1 the file does not hold; 2 wrong usage; 3 not permitted; 5
cannot reach.";

/// The arguments of `bulkhead audit`.
#[derive(Debug, Clone, Args)]
pub struct Audit {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with the audit file.
#[derive(Debug, Clone, Subcommand)]
pub enum What {
    /// Show what was commanded, newest last.
    Show {
        /// Only from this number on.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// Of this node of the cell, host:port as `status` shows it; without it, of whichever answers.
        #[arg(long, value_name = "HOST:PORT")]
        node: Option<String>,
    },
    /// Check an export: nothing changed, left out, moved or missing at its end. Needs no cell.
    Verify {
        /// The file.
        file: PathBuf,
        /// The key that it must be signed with, hex.
        #[arg(long)]
        key: Option<String>,
        /// The export of another node of the cell: what it had seen of this file must be in it.
        #[arg(long, value_name = "OTHER")]
        against: Vec<PathBuf>,
    },
    /// Write the whole file with its signed head.
    Export {
        /// Where to.
        file: PathBuf,
        /// Of this node of the cell, host:port as `status` shows it; without it, of whichever answers.
        #[arg(long, value_name = "HOST:PORT")]
        node: Option<String>,
    },
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    desk: Desked,
    entries: Vec<Entry>,
    head: &'a Verified,
}

/// A file that holds.
#[derive(Serialize)]
struct Checked<'a> {
    #[serde(flatten)]
    verified: &'a Verified,
    /// What other nodes knew of it.
    known: Vec<Known>,
}

/// What another node knew of a file, all of which is in it.
#[derive(Serialize)]
struct Known {
    /// The other node.
    by: String,
    /// How many heads of it that node had noted.
    heads: usize,
}

impl Audit {
    /// Shows, exports or verifies.
    ///
    /// # Errors
    /// When the cell does not answer, or a file does not hold.
    pub async fn run(self, global: &Global, screen: &mut Screen) -> Result<Exit, Error> {
        match self.what {
            What::Verify { file, key, against } => {
                let text = read_file(&file)?;
                let tampered = |problem: String| Error::Tampered { path: file.clone(), problem };
                let verified = verify(&text).map_err(|error| tampered(error.to_string()))?;
                let known = against
                    .iter()
                    .map(|other| known_by(&file, &text, other))
                    .collect::<Result<Vec<_>, _>>()?;
                if key.is_some_and(|key| !key.eq_ignore_ascii_case(&verified.key)) {
                    return Err(tampered(format!("it is signed by {} and not by that key", verified.key)));
                }
                match screen.output() {
                    Output::Text => {
                        screen.data(&(holds(&verified) + &known.iter().map(agrees).collect::<String>()))
                    }
                    Output::Json | Output::Jsonl => screen.json(&Checked { verified: &verified, known }),
                }
                Ok(Exit::Done)
            }
            What::Export { file, node } => {
                let desk = Desk::at(global, None, node)?;
                let text = fetch(&desk).await?;
                fs::write(&file, &text).map_err(|error| bad(&file, error.to_string()))?;
                let tampered = |error: bulkhead_wire::audit::Tampered| Error::Tampered {
                    path: file.clone(),
                    problem: format!("as the cell sent it: {error}"),
                };
                screen.data(&holds(&verify(&text).map_err(tampered)?));
                Ok(Exit::Done)
            }
            What::Show { from, node } => {
                let desk = Desk::at(global, None, node)?;
                let text = fetch(&desk).await?;
                let head = verify(&text).map_err(|error| Error::Tampered {
                    path: "the cell's own file".into(),
                    problem: error.to_string(),
                })?;
                let entries = text.lines().filter_map(read).map(|(entry, _)| entry);
                let entries: Vec<Entry> = entries.filter(|entry| entry.number >= from).collect();
                match screen.output() {
                    Output::Text => {
                        screen.data(&shown(&desk.desked(), &entries, &head, &Look::here(screen.paint())))
                    }
                    Output::Json => screen.json(&Shown { desk: desk.desked(), entries, head: &head }),
                    Output::Jsonl => entries.iter().for_each(|entry| screen.json_line(entry)),
                }
                Ok(Exit::Done)
            }
        }
    }
}

async fn fetch(desk: &Desk) -> Result<String, Error> {
    let call = async |mut client: v1::control_client::ControlClient<_>| {
        client.read_audit(v1::ReadAuditRequest { from: 1 }).await
    };
    let mut lines = desk.cell.command(call).await.map_err(|trouble| desk.failed(trouble))?;
    let mut text = String::new();
    while let Some(line) =
        lines.message().await.map_err(|status| desk.failed(crate::cell::Trouble::of(&status)))?
    {
        text.push_str(&line.line);
        text.push('\n');
    }
    Ok(text)
}

fn shown(desk: &Desked, entries: &[Entry], head: &Verified, look: &Look) -> String {
    let mut text = desk.banner(look.paint);
    let mut table = Table::new(&["n", "when", "who", "", "what", "about", ""]);
    for entry in entries {
        let detail = [entry.code.as_str(), entry.detail.as_str()].join(" ");
        table.row([
            entry.number.to_string().into(),
            entry.at.as_str().into(),
            entry.who.as_str().into(),
            entry.phase.as_str().into(),
            entry.command.as_str().into(),
            entry.subject.as_str().into(),
            detail.trim().into(),
        ]);
    }
    text.push_str(&table.render(look.paint, ""));
    text.push_str(&holds(head));
    text
}

fn holds(verified: &Verified) -> String {
    format!(
        "{} entries of {} hold, {} of them refused commands\nsigned with {}\n",
        verified.head.count, verified.head.node, verified.refused, verified.key
    )
}

/// Holds a file against another node's export, which must hold itself.
fn known_by(file: &Path, text: &str, other: &Path) -> Result<Known, Error> {
    let tampered = |path: &Path, problem: String| Error::Tampered { path: path.to_owned(), problem };
    let knowing = read_file(other)?;
    let knower = verify(&knowing).map_err(|error| tampered(other, error.to_string()))?;
    let by = knower.head.node;
    let heads =
        agree(text, &knowing).map_err(|error| tampered(file, format!("{error} (as {by} knew it)")))?;
    Ok(Known { by, heads })
}

fn agrees(known: &Known) -> String {
    match known.heads {
        0 => format!("{} had noted nothing of it\n", known.by),
        heads => format!("all that {} had noted of it is there: {heads} heads\n", known.by),
    }
}

fn read_file(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|error| bad(path, error.to_string()))
}

fn bad(path: &Path, problem: String) -> Error {
    Error::BadFile { path: path.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use bulkhead_wire::audit::Head;

    use super::*;
    use crate::Paint;
    use crate::samples::{desked, look};

    #[test]
    fn the_audit_as_text() {
        let entry = |number: u64, phase: &str, code: &str, detail: &str| Entry {
            number,
            at: "2026-07-01T08:01:00Z".into(),
            node: "wales-1".into(),
            phase: phase.into(),
            who: "wales/wales-duty".into(),
            command: "cut".into(),
            subject: "wales/wast-111".into(),
            fact: "ab".repeat(32),
            code: code.into(),
            detail: detail.into(),
            position: 57,
            missed: 0,
            previous: "cd".repeat(32),
        };
        let entries = [
            entry(1, "intent", "", ""),
            entry(2, "outcome", "", "in force"),
            entry(3, "refused", "ALREADY_CUT", "wales/wast-111 is cut off already"),
        ];
        let head = Head {
            node: "wales-1".into(),
            count: 3,
            hash: "ef".repeat(32),
            at: "2026-07-01T09:00:00Z".into(),
        };
        let verified = Verified { head, key: "01".repeat(32), refused: 1 };
        insta::assert_snapshot!(shown(&desked(), &entries, &verified, &look(Paint::PLAIN)));
    }
}
