//! `bulkhead ledger copy`: a node's ledger for another node, so that it need not read the whole log.

use std::path::PathBuf;
use std::process::ExitCode;

use bulkhead_cli::{Exit, Global, Output, Screen};
use bulkhead_ledger::{Copied, Error, Unfit};
use clap::{Args, Subcommand};
use serde::Serialize;

pub(crate) const HELP: &str = "\
A ledger is derived from the log: without a copy a node reads the log from its start before it serves. The node that
is copied from may be at work; the one that is copied for must be stopped, and have no ledger. What a node finds to be
a copy of another cell or another release, or not whole, it refuses, and says so when it starts.

Examples:
  bulkhead ledger copy /var/lib/bulkhead/ledger.sqlite england.ledger      a snapshot, of a node at work
  bulkhead ledger copy england.ledger /var/lib/bulkhead/ledger.sqlite      for a node, before it is started

Exit codes: 0 done; 1 failed, and nothing lies at TO; 2 wrong usage; 4 there is no FROM.";

/// What is done with ledger files.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Copy one state of a ledger, of a node that may be at work.
    #[command(after_help = HELP)]
    Copy {
        /// A node's ledger.sqlite, or a copy of one.
        from: PathBuf,
        /// Where nothing lies yet: for a node, ledger.sqlite in its data_dir.
        to: PathBuf,
    },
}

/// As `--output json` shows it.
#[derive(Serialize)]
struct Shown {
    from: PathBuf,
    to: PathBuf,
    nation: String,
    events: u64,
    referrals: u64,
    bytes: u64,
}

/// Does it, and shows it.
pub(crate) fn run(arguments: Arguments, global: &Global) -> ExitCode {
    let What::Copy { from, to } = arguments.what;
    let mut screen = Screen::new(global);
    match bulkhead_ledger::copy(&from, &to) {
        Ok(Copied { nation, events, referrals, bytes }) => {
            let shown = Shown { from, to, nation: nation.to_string(), events, referrals, bytes };
            match screen.output() {
                Output::Text => screen.data(&text(&shown)),
                Output::Json => screen.json(&shown),
                Output::Jsonl => screen.json_line(&shown),
            }
            Exit::Done.into()
        }
        Err(error) => {
            let is_missing = matches!(error, Error::Unfit { why: Unfit::Missing, .. });
            super::said(&error.into());
            if is_missing { Exit::NotFound } else { Exit::Failed }.into()
        }
    }
}

fn text(shown: &Shown) -> String {
    let Shown { to, nation, events, referrals, bytes, .. } = shown;
    format!(
        "{}: the ledger of {nation} with {referrals} referrals, as of {events} events; {bytes} bytes\n",
        to.display()
    )
}
