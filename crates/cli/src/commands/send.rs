//! `bulkhead send`: files as referrals, over one stream to the tenant's own nation.
//!
//! ```text
//! files ─▶ letters (ids, read when their turn comes) ─▶ submit (a window of unanswered ones) ─▶ wait ─▶ report
//! ```
//!
//! What is in memory is bounded by the window, however many files there are.

mod address;
mod content;
mod letters;
mod progress;
mod report;
mod submit;
mod wait;

use std::path::PathBuf;

use bulkhead_model::{CaseId, Kind, MessageId, Priority, TenantId};
use clap::{Args, ValueEnum};
use jiff::Timestamp;

pub use progress::When;
pub use report::{Report, Sent};

use self::letters::Letters;
use self::report::Reporter;
use crate::cell::Cell;
use crate::commands::list::parse_priority;
use crate::context::Context;
use crate::time::{Moment, parse_moment};
use crate::{Error, Exit, Global, Screen};

/// The end of its help.
pub const HELP: &str = "\
--timeout is how long an outage may last, and how long --wait waits for each file. An outage is
tried again with the same message id, so nothing is sent twice. A refusal is not tried again.

Examples:
  bulkhead send referral.json --from england/nhs111-north --to wales/cardiff-ooh
  bulkhead send a.xml --from england/ooh-riverside \\
      --to 'https://fhir.nhs.uk/Id/dos-service-id|2000011147'
  bulkhead send ref.hl7 --from scotland/nhs24 --to 2000011147 --priority emergency --deadline 30m \\
      --wait acknowledged
  bulkhead send out/*.json --from wales/wast-111 --to wales/cardiff-ooh --output jsonl

Exit codes: 0 done; 1 failed, or some of the files failed; 2 wrong usage; 3 refused by policy or not
permitted; 4 no such service; 5 cannot reach.";

/// How many unanswered ones may be under way. With the largest payloads this is 80 MiB of memory.
const WINDOW: usize = 16;

/// The arguments of `bulkhead send`.
#[derive(Debug, Clone, Args)]
pub struct Send {
    /// The files; each is one referral.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The tenant to send as (nation/name); the context must have its keys.
    #[arg(long, value_name = "TENANT", value_parser = TenantId::parse)]
    pub from: TenantId,
    /// The service addressed: nation/name, SYSTEM|VALUE, or a value that the context knows.
    #[arg(long, value_name = "SERVICE")]
    pub to: String,
    /// The sender's own id; with several files ID-1, ID-2 and so on. Without it: a new UUID for each file.
    #[arg(long, value_name = "ID", value_parser = MessageId::parse)]
    pub message_id: Option<MessageId>,
    /// The case: referrals of one case are kept in order.
    #[arg(long, value_name = "ID", value_parser = CaseId::parse)]
    pub case: Option<CaseId>,
    /// What it does to its case: request, update, cancel or response.
    #[arg(long, default_value = "request", value_parser = parse_kind)]
    pub kind: Kind,
    /// emergency, urgent or routine; not stated is treated as urgent.
    #[arg(long, value_parser = parse_priority)]
    pub priority: Option<Priority>,
    /// By when the receiving system must have it: a duration (2h) or a time (2026-03-01T09:00:00Z).
    #[arg(long, value_name = "WHEN", value_parser = parse_moment)]
    pub deadline: Option<Moment>,
    /// Media type of the files. Without it: FHIR JSON, FHIR XML and HL7 v2 are recognised.
    #[arg(long, value_name = "TYPE")]
    pub content_type: Option<String>,
    /// For a response: the message id of the request that it answers.
    #[arg(long, value_name = "ID", value_parser = MessageId::parse)]
    pub in_response_to: Option<MessageId>,
    /// How far to follow each referral.
    #[arg(long, value_enum, default_value_t = Wait::Accepted, value_name = "STATE")]
    pub wait: Wait,
    /// How to show progress with several files: `auto` is a bar on a terminal and otherwise a line a second.
    #[arg(long, value_enum, default_value_t = When::Auto, value_name = "HOW")]
    pub progress: When,
}

/// How far a referral is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Wait {
    /// Durable in the log.
    Accepted,
    /// Durable in the receiving sidecar.
    Delivered,
    /// Stored by the receiving system; not yet seen by a clinician.
    Acknowledged,
}

impl Wait {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Wait::Accepted => "accepted",
            Wait::Delivered => "delivered",
            Wait::Acknowledged => "acknowledged",
        }
    }
}

impl Send {
    /// Sends them all and shows what became of each.
    ///
    /// # Errors
    /// When the arguments do not fit the context, or a file did not come as far as was asked.
    pub async fn run(self, global: &Global, screen: &mut Screen) -> Result<Exit, Error> {
        let context = Context::load(global)?;
        let tenant = context.tenant(&self.from)?;
        let to = address::resolve(&self.to, &context)?;
        let nation = self.from.nation();
        let cell = Cell::open(&context, context.cell(nation)?, &tenant.pair, global)?;
        let letters = Letters::new(&self, to.clone(), Timestamp::now())?;
        let report = Report::new(&context, &self.from, &to);
        screen.talk(&report.announcement(self.files.len()));
        // Referrals of one case must arrive in their order, so each waits for the answer to the one before.
        let window = if self.case.is_some() { 1 } else { WINDOW };
        let mut reporter = Reporter::new(report, self.wait, self.progress, letters.len(), screen);
        submit::submit(&cell, letters, window, global.timeout, &mut reporter).await;
        if self.wait != Wait::Accepted {
            let nodes = wait::Desk { cell: &cell, wanted: self.wait, patience: global.timeout };
            nodes.follow(&mut reporter).await;
        }
        reporter.finish()
    }
}

fn parse_kind(text: &str) -> Result<Kind, String> {
    let all = [Kind::Request, Kind::Update, Kind::Cancel, Kind::Response];
    let found = all.into_iter().find(|kind| kind.as_str() == text);
    found.ok_or_else(|| "not a kind: expected request, update, cancel or response".into())
}

#[cfg(test)]
mod tests;
