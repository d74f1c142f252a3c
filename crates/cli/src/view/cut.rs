//! Cuts, in the form that JSON has.

use bulkhead_wire::v1;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{moment, state_name, stated};

/// One cut as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Cut {
    pub(crate) cut_id: String,
    pub(crate) scope: String,
    pub(crate) direction: String,
    pub(crate) stage: String,
    pub(crate) active: bool,
    pub(crate) since: Option<Timestamp>,
    pub(crate) made_at: Option<Timestamp>,
    pub(crate) position: u64,
    pub(crate) by: String,
    pub(crate) reason: String,
    pub(crate) confirmed_by: Option<String>,
    /// It is wide, or over its maker's budget, and nobody has confirmed it.
    pub(crate) unconfirmed: bool,
    pub(crate) drain_clean: bool,
    pub(crate) tenants: Vec<String>,
    /// Another nation made it, about its own tenant.
    pub(crate) carried: bool,
}

/// A cut, and what it keeps back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Kept {
    #[serde(flatten)]
    pub(crate) cut: Cut,
    /// Waiting for its end.
    pub(crate) held: u64,
    /// Waiting for a release.
    pub(crate) quarantined: u64,
    /// Handed over to whom it cut off, with an outcome that nobody knows.
    pub(crate) unknown: u64,
    /// Of these, past their deadline.
    pub(crate) overdue: u64,
    /// The earliest deadline among them that is still to come.
    pub(crate) next_due: Option<Timestamp>,
    /// Who decides what next.
    pub(crate) next: String,
}

/// What a cut would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Planned {
    /// The digest that a cut must carry, hex.
    pub(crate) plan: String,
    pub(crate) scope: String,
    pub(crate) direction: String,
    pub(crate) since: Option<Timestamp>,
    pub(crate) drain_clean: bool,
    pub(crate) tenants: Vec<PlannedTenant>,
    pub(crate) not_covered: Vec<String>,
    pub(crate) last_path: Vec<String>,
    pub(crate) wide: bool,
    pub(crate) foreign: bool,
    pub(crate) budget_left: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PlannedTenant {
    pub(crate) tenant: String,
    pub(crate) supplier: String,
    pub(crate) services: Vec<String>,
    pub(crate) open_from: u64,
    pub(crate) open_to: u64,
    pub(crate) urgent: u64,
    pub(crate) suspect: u64,
    pub(crate) handed_over: u64,
    pub(crate) fallbacks: Vec<String>,
}

/// A node, and when it had the cut in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Forced {
    pub(crate) node: String,
    /// False: it has not answered; by `at` its lease has run out, and it stops by itself.
    pub(crate) answered: bool,
    pub(crate) at: Option<Timestamp>,
    pub(crate) after_us: u64,
}

/// The full account of a cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Account {
    pub(crate) cut: Option<Cut>,
    pub(crate) steps: Vec<Step>,
    /// From the scope, accepted at or after `since`, by state; the sum is `accepted`.
    pub(crate) sent: Map<String, Value>,
    pub(crate) accepted: u64,
    /// To the scope and not settled, by state.
    pub(crate) received: Map<String, Value>,
    pub(crate) last_accepted: Option<Timestamp>,
    pub(crate) last_delivery: Option<Timestamp>,
    pub(crate) handed_over: Vec<HandedOver>,
    pub(crate) handed_over_total: u64,
    pub(crate) proposal: Option<Proposal>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Step {
    pub(crate) at: Option<Timestamp>,
    pub(crate) position: u64,
    pub(crate) by: String,
    pub(crate) what: String,
    pub(crate) detail: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct HandedOver {
    pub(crate) referral_id: String,
    pub(crate) message_id: String,
    pub(crate) tenant: String,
    pub(crate) destination: Option<String>,
    pub(crate) state: String,
    pub(crate) at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Proposal {
    pub(crate) fact: String,
    pub(crate) by: String,
    pub(crate) evidence: String,
    pub(crate) certificates: Vec<String>,
    pub(crate) inbox_id: Option<String>,
}

impl Cut {
    pub(crate) fn of(wire: &v1::CutSummary) -> Self {
        Self {
            cut_id: wire.cut_id.clone(),
            scope: wire.scope.clone(),
            direction: wire.direction.clone(),
            stage: wire.stage.clone(),
            active: wire.active,
            since: moment(wire.since),
            made_at: moment(wire.made_at),
            position: wire.position,
            by: wire.by.clone(),
            reason: wire.reason.clone(),
            confirmed_by: stated(&wire.confirmed_by),
            unconfirmed: wire.unconfirmed,
            drain_clean: wire.drain_clean,
            tenants: wire.tenants.clone(),
            carried: wire.carried,
        }
    }
}

impl Kept {
    pub(crate) fn of(wire: &v1::CutStatus) -> Self {
        Self {
            cut: Cut::of(&wire.cut.clone().unwrap_or_default()),
            held: wire.held,
            quarantined: wire.quarantined,
            unknown: wire.unknown,
            overdue: wire.overdue,
            next_due: moment(wire.next_due),
            next: wire.next.clone(),
        }
    }

    /// The same cut as another nation's cell knows it: each keeps its own referrals, and its maker knows it best.
    pub(crate) fn and(self, other: Self) -> Self {
        let (first, second) = if self.cut.carried { (other, self) } else { (self, other) };
        Self {
            held: first.held + second.held,
            quarantined: first.quarantined + second.quarantined,
            unknown: first.unknown + second.unknown,
            overdue: first.overdue + second.overdue,
            next_due: first.next_due.into_iter().chain(second.next_due).min(),
            cut: first.cut,
            next: first.next,
        }
    }
}

impl Planned {
    pub(crate) fn of(wire: &v1::PlanResponse, drain_clean: bool) -> Self {
        let tenant = |one: &v1::PlannedTenant| PlannedTenant {
            tenant: one.tenant.clone(),
            supplier: one.supplier.clone(),
            services: one.services.clone(),
            open_from: one.open_from,
            open_to: one.open_to,
            urgent: one.urgent,
            suspect: one.suspect,
            handed_over: one.handed_over,
            fallbacks: one.fallbacks.clone(),
        };
        Self {
            plan: bulkhead_wire::fact::hex(&wire.plan),
            scope: wire.scope.clone(),
            direction: wire.direction.clone(),
            since: moment(wire.since),
            drain_clean,
            tenants: wire.tenants.iter().map(tenant).collect(),
            not_covered: wire.not_covered.clone(),
            last_path: wire.last_path.clone(),
            wide: wire.wide,
            foreign: wire.foreign,
            budget_left: wire.budget_left,
        }
    }
}

impl Forced {
    pub(crate) fn of(wire: &v1::CutInForce) -> Self {
        Self {
            node: wire.node.clone(),
            answered: wire.answered,
            at: moment(wire.at),
            after_us: wire.after_us,
        }
    }
}

impl Account {
    pub(crate) fn of(wire: &v1::CutAccount) -> Self {
        let step = |one: &v1::CutStep| Step {
            at: moment(one.at),
            position: one.position,
            by: one.by.clone(),
            what: one.what.clone(),
            detail: one.detail.clone(),
        };
        let handed_over = |one: &v1::HandedOver| HandedOver {
            referral_id: one.referral_id.clone(),
            message_id: one.message_id.clone(),
            tenant: one.tenant.clone(),
            destination: stated(&one.destination),
            state: state_name(one.state),
            at: moment(one.at),
        };
        let proposal = |one: &v1::CutProposal| Proposal {
            fact: bulkhead_wire::fact::hex(&one.fact),
            by: one.by.clone(),
            evidence: one.evidence.clone(),
            certificates: one.certificates.clone(),
            inbox_id: stated(&one.inbox_id),
        };
        Self {
            cut: wire.cut.as_ref().map(Cut::of),
            steps: wire.steps.iter().map(step).collect(),
            sent: by_state(&wire.sent),
            accepted: wire.sent.iter().map(|count| count.count).sum(),
            received: by_state(&wire.received),
            last_accepted: moment(wire.last_accepted),
            last_delivery: moment(wire.last_delivery),
            handed_over: wire.handed_over.iter().map(handed_over).collect(),
            handed_over_total: wire.handed_over_total,
            proposal: wire.proposal.as_ref().map(proposal),
        }
    }
}

fn by_state(counts: &[v1::StateCount]) -> Map<String, Value> {
    counts.iter().map(|count| (state_name(count.state), count.count.into())).collect()
}
