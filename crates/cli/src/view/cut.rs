//! Cuts, in the form that JSON has.

use bulkhead_model::State;
use bulkhead_wire::{state_from_wire, v1};
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
    /// Those that take something now.
    pub(crate) fallbacks: Vec<String>,
    /// All that are named.
    pub(crate) named_fallbacks: Vec<NamedFallback>,
    /// It exists for drills alone.
    pub(crate) synthetic: bool,
    /// Another nation's: only the border to it is closed.
    pub(crate) border_only: bool,
}

/// A fallback that the directory names, and what its host has agreed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct NamedFallback {
    pub(crate) service: String,
    pub(crate) instead_of: String,
    pub(crate) accepted: bool,
    pub(crate) terms: String,
    /// It takes something now.
    pub(crate) open: bool,
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
    /// When each node of the cell was first heard to enforce it.
    pub(crate) nodes: Vec<Forced>,
    /// From the scope, accepted at or after `since`, by state.
    pub(crate) sent: Map<String, Value>,
    /// How many were accepted from the scope at or after `since`, whether any state accounts for them or not.
    pub(crate) accepted: u64,
    /// The same, summed up as people count it.
    pub(crate) balance: Balance,
    /// The balance accounts for every one that was accepted.
    pub(crate) adds_up: bool,
    /// In the log and in no state yet.
    pub(crate) undecided: u64,
    /// To the scope and not settled, by state.
    pub(crate) received: Map<String, Value>,
    pub(crate) last_accepted: Option<Timestamp>,
    pub(crate) last_delivery: Option<Timestamp>,
    pub(crate) handed_over: Vec<HandedOver>,
    pub(crate) handed_over_total: u64,
    pub(crate) recalls: Recalls,
    /// Referrals of others that it stood in the way of.
    pub(crate) collateral: Vec<Collateral>,
    /// Tenants of the same suppliers that it does not cover.
    pub(crate) not_covered: Vec<String>,
    /// Those that it covers at its maker's border only.
    pub(crate) border_only: Vec<String>,
    pub(crate) proposal: Option<Proposal>,
}

/// What became of all that was accepted: every state is in exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Balance {
    /// In a receiving sidecar or its system.
    pub(crate) delivered: u64,
    pub(crate) held: u64,
    pub(crate) parked: u64,
    pub(crate) diverted: u64,
    /// Given back, confirmed or not.
    pub(crate) returned: u64,
    pub(crate) quarantined: u64,
    pub(crate) rejected: u64,
    pub(crate) unknown: u64,
    /// Taken back by its sender.
    pub(crate) cancelled: u64,
    /// Accepted, routed, carried or being handed over: nothing keeps it.
    pub(crate) under_way: u64,
}

/// How what was handed over stands to the recall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Recalls {
    /// Its receiver gave it up.
    pub(crate) recalled: u64,
    /// Its receiver's system has it.
    pub(crate) not_recalled: u64,
    /// Its receiver's system refused it.
    pub(crate) refused: u64,
    /// Nobody has said yet.
    pub(crate) no_answer: u64,
}

/// What a cut did to another sender's referrals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Collateral {
    pub(crate) tenant: String,
    /// How they fare now, by state.
    pub(crate) referrals: Map<String, Value>,
    pub(crate) total: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Step {
    pub(crate) at: Option<Timestamp>,
    pub(crate) position: u64,
    pub(crate) by: String,
    pub(crate) what: String,
    pub(crate) detail: String,
    /// The node that brought it into the log.
    pub(crate) node: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct HandedOver {
    pub(crate) referral_id: String,
    pub(crate) message_id: String,
    pub(crate) tenant: String,
    pub(crate) destination: Option<String>,
    pub(crate) state: String,
    pub(crate) at: Option<Timestamp>,
    /// recalled, not-recalled, refused or no-answer.
    pub(crate) recall: String,
    /// What the receiver's sidecar said.
    pub(crate) answer: Option<String>,
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
            named_fallbacks: one.named_fallbacks.iter().map(NamedFallback::of).collect(),
            synthetic: one.synthetic,
            border_only: one.border_only,
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

impl NamedFallback {
    fn of(wire: &v1::PlannedFallback) -> Self {
        Self {
            service: wire.service.clone(),
            instead_of: wire.instead_of.clone(),
            accepted: wire.accepted,
            terms: wire.terms.clone(),
            open: wire.open,
        }
    }

    /// What it does for the service, as a sentence.
    pub(crate) fn said(&self) -> String {
        let Self { service, instead_of, terms, .. } = self;
        match (self.accepted, self.open) {
            (false, _) => {
                format!("{service} is named as the fallback of {instead_of}; its host has not accepted that")
            }
            (true, true) => format!("{service} takes over for {instead_of}: {terms}"),
            (true, false) => format!("{service} does not take over for {instead_of} now: {terms}"),
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
            node: stated(&one.node),
        };
        let handed_over = |one: &v1::HandedOver| HandedOver {
            referral_id: one.referral_id.clone(),
            message_id: one.message_id.clone(),
            tenant: one.tenant.clone(),
            destination: stated(&one.destination),
            state: state_name(one.state),
            at: moment(one.at),
            recall: one.recall.clone(),
            answer: stated(&one.answer),
        };
        let collateral = |one: &v1::Collateral| Collateral {
            tenant: one.tenant.clone(),
            referrals: by_state(&one.referrals),
            total: one.referrals.iter().map(|count| count.count).sum(),
        };
        let balance = Balance::of(&wire.sent);
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
            nodes: wire.nodes.iter().map(Forced::of).collect(),
            sent: by_state(&wire.sent),
            accepted: wire.accepted,
            balance,
            adds_up: balance.sum() == wire.accepted,
            undecided: wire.undecided,
            received: by_state(&wire.received),
            last_accepted: moment(wire.last_accepted),
            last_delivery: moment(wire.last_delivery),
            handed_over: wire.handed_over.iter().map(handed_over).collect(),
            handed_over_total: wire.handed_over_total,
            not_covered: wire.not_covered.clone(),
            border_only: wire.border_only.clone(),
            recalls: Recalls {
                recalled: wire.recalled,
                not_recalled: wire.not_recalled,
                refused: wire.refused,
                no_answer: wire.no_answer,
            },
            collateral: wire.collateral.iter().map(collateral).collect(),
            proposal: wire.proposal.as_ref().map(proposal),
        }
    }
}

impl Balance {
    fn of(counts: &[v1::StateCount]) -> Self {
        let mut balance = Self::default();
        for count in counts {
            // A state of a newer cell is in none of these: then the balance does not add up, and says so.
            let Some(state) = state_from_wire(count.state) else { continue };
            *balance.of_state(state) += count.count;
        }
        balance
    }

    fn of_state(&mut self, state: State) -> &mut u64 {
        match state {
            State::Delivered | State::Acknowledged => &mut self.delivered,
            State::Held => &mut self.held,
            State::Parked => &mut self.parked,
            State::Diverted => &mut self.diverted,
            State::Returned | State::ReturnPending => &mut self.returned,
            State::Quarantined => &mut self.quarantined,
            State::Rejected => &mut self.rejected,
            State::Unknown => &mut self.unknown,
            State::Cancelled => &mut self.cancelled,
            State::Accepted | State::Routed | State::Carried | State::Offered => &mut self.under_way,
        }
    }

    pub(crate) fn sum(&self) -> u64 {
        self.named().iter().map(|(_, count)| count).sum()
    }

    /// By the words of the report, in its order.
    pub(crate) fn named(&self) -> [(&'static str, u64); 10] {
        [
            ("delivered", self.delivered),
            ("held", self.held),
            ("parked", self.parked),
            ("diverted", self.diverted),
            ("returned", self.returned),
            ("quarantined", self.quarantined),
            ("rejected", self.rejected),
            ("unknown", self.unknown),
            ("cancelled", self.cancelled),
            ("under way", self.under_way),
        ]
    }
}

fn by_state(counts: &[v1::StateCount]) -> Map<String, Value> {
    counts.iter().map(|count| (state_name(count.state), count.count.into())).collect()
}
