//! `bulkhead apply`: the directory under version control becomes a signed fact.

use std::fs;
use std::path::PathBuf;

use bulkhead_wire::fact::{Command, HeaderScope};
use bulkhead_wire::v1;
use bytes::Bytes;
use clap::Args;
use ring::digest::{SHA256, digest};

use super::cuts::say;
use crate::desk::{Desk, Seen, confirmed};
use crate::global::Output;
use crate::{Error, Exit, Global, Screen};

/// The end of its help.
pub const HELP: &str = "\
The file is the whole directory: suppliers, tenants, services, grants, fallbacks, operators. It
becomes a signed fact of the operator's nation; every node reads it from there. A directory that
would remove a tenant that is cut off is refused, and so is one that is not whole.

Examples:
  bulkhead apply -f directory.toml --plan --as wales-lead
  bulkhead apply -f directory.toml --as wales-lead

Exit codes: 0 in force; 1 failed, or the file is not a whole directory; 2 wrong usage; 3 not
permitted; 5 cannot reach.";

/// The arguments of `bulkhead apply`.
#[derive(Debug, Clone, Args)]
pub struct Apply {
    /// The directory.
    #[arg(long, short, value_name = "FILE")]
    pub file: PathBuf,
    /// Show what would be applied, and do nothing.
    #[arg(long)]
    pub plan: bool,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

impl Apply {
    /// Signs the file and sends it.
    ///
    /// # Errors
    /// When it cannot be read, or the cell says no.
    pub async fn run(self, global: &Global, screen: &mut Screen) -> Result<Exit, Error> {
        let bad = |problem: String| Error::BadFile { path: self.file.clone(), problem };
        let toml = fs::read_to_string(&self.file).map_err(|error| bad(error.to_string()))?;
        let desk = Desk::open(global, None)?;
        let count = |table: &str| toml.lines().filter(|line| line.trim() == format!("[[{table}]]")).count();
        if screen.output() == Output::Text {
            screen.data(&format!(
                "{}apply {}: {} suppliers, {} tenants, {} services, {} operators",
                desk.desked().banner(screen.paint()),
                self.file.display(),
                count("suppliers"),
                count("tenants"),
                count("services"),
                count("operators"),
            ));
        }
        if self.plan {
            return Ok(Exit::Done);
        }
        confirmed(screen, self.yes, "Apply it?")?;
        let call = async |mut client: v1::control_client::ControlClient<_>| {
            client.list_cuts(v1::ListCutsRequest {}).await
        };
        let known = desk.cell.command(call).await.map_err(|trouble| desk.failed(trouble))?;
        let digest = Bytes::copy_from_slice(digest(&SHA256, toml.as_bytes()).as_ref());
        let command = Command::Directory { toml, digest };
        let answer = desk.command(command, HeaderScope::None, Seen::of(known.position, known.now)).await?;
        say(&desk, &answer, screen)
    }
}
