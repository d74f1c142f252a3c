//! What the ledger answers with.

use std::collections::HashSet;
use std::sync::Arc;

use bulkhead_model::{CutId, Lane, Nation, Place, Priority, Referral, ReferralId, State, TenantId};
use bulkhead_wire::Facts;
use jiff::Timestamp;

use crate::Cursor;

/// One referral as its events make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which.
    pub id: ReferralId,
    /// What is known of it without its payload; of its newest attempt.
    pub facts: Arc<Facts>,
    /// The fold of its events.
    pub referral: Referral,
    /// The record of `in` that its facts came from.
    pub source: Option<Place>,
    /// The newest clock among the events that count.
    pub updated_at: Timestamp,
    /// Its own lane, or that of a more urgent one behind it in its case.
    pub effective_lane: Lane,
}

/// A referral that waits for the next hand-over, or for the answer to the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Which.
    pub id: ReferralId,
    /// Where its bytes lie.
    pub bytes: Place,
    /// The custody number that its custodian holds.
    pub custody: u32,
    /// The newest offer; 0 before the first.
    pub attempt: u32,
    /// Offers that count against the budget.
    pub spent: u32,
    /// Its sender has taken this attempt back.
    pub withdrawn: bool,
    /// All else: facts, lifecycle, lane.
    pub row: Row,
}

/// What is left out when it is asked what waits at a border.
#[derive(Debug, Clone, Copy)]
pub struct Skip<'a> {
    /// These.
    pub referrals: &'a HashSet<ReferralId>,
    /// Whatever these sent, but for cancels and answers.
    pub origins: &'a HashSet<TenantId>,
}

/// One event of a referral's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its writer's clock.
    pub at: Timestamp,
    /// The node that wrote it.
    pub node: String,
    /// Its name, for example `routed`.
    pub event: String,
    /// What it says, in words; for one that does not count also why.
    pub detail: String,
    /// Whether it changed the referral.
    pub counts: bool,
}

/// Which referrals to list. The default lists all of them, at most 100.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Only this tenant's, as sender or receiver.
    pub tenant: Option<TenantId>,
    /// Only in these states; empty: in any.
    pub states: Vec<State>,
    /// Only those accepted since.
    pub since: Option<Timestamp>,
    /// Only those whose deadline has passed by then and that are not handed over.
    pub overdue_at: Option<Timestamp>,
    /// Only this priority.
    pub priority: Option<Priority>,
    /// At most this many, and never more than 10,000.
    pub limit: usize,
    /// Only those behind this place: the next page.
    pub after: Option<Cursor>,
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// What is not settled first, then by deadline, then by priority, then oldest first.
    pub rows: Vec<Row>,
    /// How many match in all, on whatever page.
    pub total: u64,
    /// Where the next page begins; `None`: this is the last.
    pub next: Option<Cursor>,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            tenant: None,
            states: vec![],
            since: None,
            overdue_at: None,
            priority: None,
            limit: 100,
            after: None,
        }
    }
}

/// How many referrals are in one state, by sender and receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The sender.
    pub origin: TenantId,
    /// The tenant that has it or will get it, when one is known.
    pub destination: Option<TenantId>,
    /// The state.
    pub state: State,
    /// How many; never 0.
    pub count: u64,
}

/// How many referrals one cut keeps in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsideCount {
    /// The cut.
    pub cut: CutId,
    /// Held, quarantined or unknown.
    pub state: State,
    /// How many; never 0.
    pub count: u64,
    /// Of these: past their deadline.
    pub overdue: u64,
    /// The earliest deadline that is still to come.
    pub next_due: Option<Timestamp>,
}

/// Whose referrals a cut stood in the way of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// The sender.
    pub origin: TenantId,
    /// How these fare now, by state.
    pub states: Vec<(State, u64)>,
}

/// What may need a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AlertCode {
    /// Its deadline has passed and it is not settled. Concerns the receiver, or the sender before one is known.
    Overdue,
    /// Set aside. Concerns the receiver, or the sender before one is known.
    Parked,
    /// Set aside until a cut ends. Concerns the receiver, or the sender before one is known.
    Held,
    /// Set aside until a release names it. Concerns the sender.
    Quarantined,
    /// Handed over to a tenant that was then cut off, and its outcome not known. Concerns the receiver.
    Unknown,
    /// Its sender was cut off, and its receiver could not give it up. Concerns the receiver.
    NotRecalled,
    /// Given back and not confirmed. Concerns the sender.
    ReturnPending,
    /// Refused by the receiving system, and the sender's system does not know. Concerns the sender.
    Rejected,
    /// Its sender took it back, but it went on. Concerns the sender.
    SentAfterAll,
    /// Delivered more than ten minutes ago and not acknowledged. Concerns the receiver.
    Unanswered,
    /// On its way to another nation for more than ten minutes, and nothing heard. Concerns the far tenant, or the
    /// sender once the far nation has it.
    CarriedUnknown,
}

impl AlertCode {
    /// All of them.
    pub const ALL: [AlertCode; 11] = [
        AlertCode::Overdue,
        AlertCode::Parked,
        AlertCode::Held,
        AlertCode::Quarantined,
        AlertCode::Unknown,
        AlertCode::NotRecalled,
        AlertCode::ReturnPending,
        AlertCode::Rejected,
        AlertCode::SentAfterAll,
        AlertCode::Unanswered,
        AlertCode::CarriedUnknown,
    ];

    /// As it is written on screens and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            AlertCode::Overdue => "OVERDUE",
            AlertCode::Parked => "PARKED",
            AlertCode::Held => "HELD",
            AlertCode::Quarantined => "QUARANTINED",
            AlertCode::Unknown => "UNKNOWN",
            AlertCode::NotRecalled => "NOT_RECALLED",
            AlertCode::ReturnPending => "RETURN_PENDING",
            AlertCode::Rejected => "REJECTED",
            AlertCode::SentAfterAll => "SENT_AFTER_ALL",
            AlertCode::Unanswered => "UNANSWERED",
            AlertCode::CarriedUnknown => "CARRIED_UNKNOWN",
        }
    }
}

/// How many referrals one alert is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertCount {
    /// Which.
    pub code: AlertCode,
    /// The tenant that it concerns.
    pub subject: TenantId,
    /// How many referrals; never 0.
    pub count: u64,
}

/// A referral has changed. Sent after the change can be queried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub id: ReferralId,
    /// The sender.
    pub origin: TenantId,
    /// The tenant that has it or will get it, when one is known.
    pub destination: Option<TenantId>,
    /// The state after the event.
    pub state: State,
    /// The nation that carried it here, if one did.
    pub from_nation: Option<Nation>,
    /// The nation at whose border it waits, if it does.
    pub at_border: Option<Nation>,
    /// The event.
    pub step: Step,
}
