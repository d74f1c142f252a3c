//! `bulkhead list`: referrals of all cells in one list, most urgent due first.

mod text;

use std::collections::HashMap;

use bulkhead_model::{Nation, Priority, State, TenantId};
use bulkhead_wire::{priority_to_wire, state_to_wire, time_to_wire, v1};
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use crate::cell::{Cell, ask_all};
use crate::context::Context;
use crate::global::Output;
use crate::time::{Moment, parse_moment};
use crate::view::{Look, Referral, Unanswered, World};
use crate::{Error, Exit, Global, Screen};

/// The end of its help.
pub const HELP: &str = "\
A referral that crossed a border is in both nations' ledgers and is listed once, as the nation that
has it shows it.

Examples:
  bulkhead list --overdue
  bulkhead list --tenant wales/ooh-cardiff --state delivered
  bulkhead list --state held --state parked --since 4h --output jsonl

It shows what is most urgent, up to --limit. To see what is behind that, narrow it with --tenant,
--state, --priority or --since; a program asks ListReferrals page by page (page_token).

Exit codes: 0 done; 2 wrong usage; 3 not permitted; 5 cannot reach any cell.";

/// The arguments of `bulkhead list`.
#[derive(Debug, Clone, Args)]
pub struct List {
    /// Only this tenant's (nation/name), as sender or receiver.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// Only this state; may be given several times.
    #[arg(long, value_name = "STATE", value_parser = parse_state)]
    pub state: Vec<State>,
    /// Only those accepted since: a duration (2h) or a time (2026-03-01T09:00:00Z).
    #[arg(long, value_name = "WHEN", value_parser = parse_moment)]
    pub since: Option<Moment>,
    /// Only those that are past their deadline and not handed over.
    #[arg(long)]
    pub overdue: bool,
    /// Only this priority.
    #[arg(long, value_parser = parse_priority)]
    pub priority: Option<Priority>,
    /// At most this many.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
}

/// What is shown.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// Which world was asked.
    #[serde(flatten)]
    pub world: World,
    /// Most urgent due first.
    pub referrals: Vec<Referral>,
    /// How many match in each nation's ledger.
    pub totals: Vec<Total>,
    /// Nations that did not answer.
    pub unanswered: Vec<Unanswered>,
}

/// How many match in one nation's ledger; one that crossed a border is counted in both.
#[derive(Debug, Clone, Serialize)]
pub struct Total {
    /// Which.
    pub nation: String,
    /// How many.
    pub matching: u64,
}

impl List {
    /// Asks every cell and shows the list.
    ///
    /// # Errors
    /// When no cell answers.
    pub async fn run(self, global: &Global, screen: &mut Screen) -> Result<Exit, Error> {
        let context = Context::load(global)?;
        let cells = Cell::open_all(&context, global)?;
        let request = self.request(Timestamp::now());
        let (answers, troubles) =
            ask_all(&cells, async |mut client| client.list_referrals(request.clone()).await).await;
        if answers.is_empty() {
            return Err(Error::Cells(troubles));
        }
        let listed = gather(World::of(&context), answers, Unanswered::all(&troubles), self.limit);
        match screen.output() {
            Output::Text => screen.data(&text::render(&listed, &Look::here(screen.paint()))),
            Output::Json => screen.json(&listed),
            Output::Jsonl => {
                listed.referrals.iter().for_each(|one| screen.json_line(&Line::of(&listed, one)))
            }
        }
        // Its lines have no place for it.
        if screen.output() == Output::Jsonl {
            listed.unanswered.iter().for_each(|one| screen.note(&format!("{} {}", one.nation, one.message)));
        }
        Ok(Exit::Done)
    }

    fn request(&self, now: Timestamp) -> v1::ListReferralsRequest {
        v1::ListReferralsRequest {
            tenant: self.tenant.as_ref().map(ToString::to_string).unwrap_or_default(),
            states: self.state.iter().map(|state| state_to_wire(*state) as i32).collect(),
            since: self.since.map(|since| time_to_wire(since.before(now))),
            overdue: self.overdue,
            priority: self.priority.map_or(v1::Priority::Unspecified, priority_to_wire) as i32,
            limit: self.limit,
            page_token: String::new(),
        }
    }
}

/// One line of `jsonl`: a referral, and the world that it is of.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    world: &'a World,
    #[serde(flatten)]
    referral: &'a Referral,
}

impl<'a> Line<'a> {
    fn of(listed: &'a Listed, referral: &'a Referral) -> Self {
        Self { world: &listed.world, referral }
    }
}

fn gather(
    world: World,
    answers: Vec<(Nation, v1::ListReferralsResponse)>,
    unanswered: Vec<Unanswered>,
    limit: u32,
) -> Listed {
    let total = |(nation, answer): &(Nation, v1::ListReferralsResponse)| Total {
        nation: nation.to_string(),
        matching: answer.total,
    };
    let totals = answers.iter().map(total).collect();
    let mut known: HashMap<String, (Nation, Referral)> = HashMap::new();
    for (nation, answer) in &answers {
        for referral in answer.referrals.iter().map(Referral::of) {
            add(&mut known, *nation, referral);
        }
    }
    let mut referrals: Vec<Referral> = known.into_values().map(|(_, referral)| referral).collect();
    referrals.sort_by_cached_key(urgency);
    referrals.truncate(limit as usize);
    Listed { world, referrals, totals, unanswered }
}

/// Adds one that is not there yet; of two copies stays that of the nation whose tenant has it.
fn add(known: &mut HashMap<String, (Nation, Referral)>, nation: Nation, referral: Referral) {
    let has_it = |nation: Nation, copy: &Referral| {
        let destination = copy.destination.as_deref().and_then(|to| to.split_once('/'));
        destination.is_some_and(|(of, _)| of == nation.as_str())
    };
    match known.get(&referral.referral_id) {
        Some((there, copy)) if has_it(*there, copy) || !has_it(nation, &referral) => {}
        Some(_) | None => {
            known.insert(referral.referral_id.clone(), (nation, referral));
        }
    }
}

/// The order that each cell's own list has: what is settled last; the earliest deadline first, those without
/// one behind; then the more urgent, then the older.
fn urgency(referral: &Referral) -> (bool, Timestamp, usize, Option<Timestamp>, String) {
    let rank = ["emergency", "urgent", "routine"].iter().position(|priority| *priority == referral.priority);
    (
        State::parse(&referral.state).is_some_and(State::is_settled),
        referral.deadline.unwrap_or(Timestamp::MAX),
        rank.unwrap_or(usize::MAX),
        referral.accepted_at,
        referral.referral_id.clone(),
    )
}

pub(super) fn parse_priority(text: &str) -> Result<Priority, String> {
    let all = [Priority::Emergency, Priority::Urgent, Priority::Routine];
    let found = all.into_iter().find(|priority| priority.as_str() == text);
    found.ok_or_else(|| "not a priority: expected emergency, urgent or routine".into())
}

fn parse_state(text: &str) -> Result<State, String> {
    State::parse(text).ok_or_else(|| {
        let names: Vec<_> = State::ALL.iter().map(|state| state.as_str()).collect();
        format!("not a state: expected one of {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests;
