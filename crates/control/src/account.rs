//! The account of a cut: what was said about it, and what this cell's ledger knows of the tenants that it covers.

use std::collections::BTreeMap;
use std::ops::Range;

use bulkhead_ledger::{Error, Ledger, Row};
use bulkhead_model::{CutCourse, CutId, State, TenantId};
use bulkhead_wire::v1::{
    Collateral, CutAccount, CutInForce, CutProposal, CutStep, CutSummary, HandedOver, StateCount,
};
use bulkhead_wire::{cut_to_wire, pending_cut_to_wire, state_to_wire, time_to_wire};
use bytes::Bytes;
use jiff::Timestamp;

use crate::authority::{Authority, Proposal, TimelineEntry};
use crate::plan;

/// How many referrals that were handed over are listed one by one.
const LISTED: usize = 1_000;

/// One cut as it stands; none for one that waits for a second person, also where it is closed.
pub(crate) fn summary(authority: &Authority, course: &CutCourse) -> Option<CutSummary> {
    let waits = authority.pending().any(|cut| cut.id == *course.id());
    cut_to_wire(course, authority.directory()).filter(|_| !waits)
}

/// A cut that waits for a second person.
pub(crate) fn pending(authority: &Authority, id: &CutId) -> Option<CutSummary> {
    let cut = authority.pending().find(|cut| cut.id == *id)?;
    Some(pending_cut_to_wire(cut, authority.directory(), authority.is_closed_early(id)))
}

/// One cut, wherever it is.
pub(crate) fn any(authority: &Authority, id: &CutId) -> Option<CutSummary> {
    let course = authority.cuts().course(id).and_then(|course| summary(authority, course));
    course.or_else(|| pending(authority, id))
}

/// What of an account is known without the ledger.
pub(crate) struct Said {
    account: CutAccount,
    cut: CutId,
    tenants: Vec<TenantId>,
    /// What was accepted in it is suspect: from the cut's `since` until the tenant is back.
    suspect: Range<Timestamp>,
}

impl Said {
    /// What was said about a cut; none: there is no such cut.
    pub(crate) fn of(authority: &Authority, id: &CutId) -> Option<Self> {
        let course = authority.cuts().course(id);
        let back = course.and_then(CutCourse::opening).map_or(Timestamp::MAX, |opening| opening.moment.at);
        let cut = course.and_then(CutCourse::cut);
        let cut = cut.or_else(|| authority.pending().find(|cut| cut.id == *id))?;
        let timeline = authority.timeline(id);
        let tenants = cut.covered(authority.directory());
        let not_covered = plan::not_covered(&tenants, authority.directory());
        let at_the_border = tenants.iter().filter(|tenant| tenant.nation() != id.nation());
        let account = CutAccount {
            not_covered: not_covered.iter().map(ToString::to_string).collect(),
            border_only: at_the_border.map(ToString::to_string).collect(),
            cut: any(authority, id),
            steps: timeline.map(|timeline| timeline.entries.iter().map(step).collect()).unwrap_or_default(),
            proposal: timeline.and_then(|timeline| timeline.proposal.as_ref()).map(proposal),
            ..CutAccount::default()
        };
        Some(Self { account, cut: id.clone(), tenants, suspect: cut.since..back })
    }

    /// With when each node was first heard to enforce it, and the time that is counted from.
    pub(crate) fn enforced(mut self, nodes: BTreeMap<String, Timestamp>, made: Option<Timestamp>) -> Self {
        let in_force = |(node, at): (String, Timestamp)| {
            let after = made.map(|made| at.duration_since(made).as_micros());
            CutInForce {
                node,
                at: Some(time_to_wire(at)),
                after_us: after.and_then(|after| u64::try_from(after).ok()).unwrap_or_default(),
                answered: true,
            }
        };
        self.account.nodes = nodes.into_iter().map(in_force).collect();
        self
    }

    /// Those whose `in` topics hold what they sent.
    pub(crate) fn tenants(&self) -> &[TenantId] {
        &self.tenants
    }

    /// With what the ledger knows, and how many it does not know yet. Takes milliseconds and more on a large ledger.
    pub(crate) fn counted(self, ledger: &Ledger, undecided: u64) -> Result<CutAccount, Error> {
        let Self { mut account, cut, tenants, suspect } = self;
        let (mut sent, mut received) = (BTreeMap::new(), BTreeMap::new());
        let (mut last_accepted, mut last_delivery) = (None, None);
        for tenant in &tenants {
            add(&mut sent, ledger.sent_in(tenant, &suspect)?);
            add(&mut received, ledger.open_to_by_state(tenant)?);
            last_accepted = last_accepted.max(ledger.last_accepted(tenant)?);
            last_delivery = last_delivery.max(ledger.last_offered(tenant)?);
            for (recall, count) in ledger.recalls(tenant, &suspect)? {
                account.handed_over_total += count;
                *match recall.as_str() {
                    "recalled" => &mut account.recalled,
                    "not-recalled" => &mut account.not_recalled,
                    "refused" => &mut account.refused,
                    _ => &mut account.no_answer,
                } += count;
            }
            let room = LISTED - account.handed_over.len();
            for row in ledger.sent_and_handed_over(tenant, &suspect, room)? {
                account.handed_over.push(handed_over(&row, ledger)?);
            }
        }
        let of_others = ledger.touched(&cut)?.into_iter().filter(|of| !tenants.contains(&of.origin));
        account.collateral = of_others
            .map(|of| {
                let mut sums = BTreeMap::new();
                add(&mut sums, of.states);
                Collateral { tenant: of.origin.to_string(), referrals: counts(&sums) }
            })
            .collect();
        account.undecided = undecided;
        account.accepted = sent.values().map(|(_, count)| count).sum::<u64>() + undecided;
        (account.sent, account.received) = (counts(&sent), counts(&received));
        account.last_accepted = last_accepted.map(time_to_wire);
        account.last_delivery = last_delivery.map(time_to_wire);
        Ok(account)
    }
}

fn handed_over(row: &Row, ledger: &Ledger) -> Result<HandedOver, Error> {
    let shown = bulkhead_ledger::referral_to_wire(row);
    let state = row.referral.lifecycle.state();
    let recall = match (row.referral.recalled, row.referral.not_recalled, state) {
        (true, ..) => "recalled",
        (_, true, _) | (_, _, State::Acknowledged) => "not-recalled",
        (_, _, State::Rejected) => "refused",
        _ => "no-answer",
    };
    // What a sidecar said is in the event that recorded it.
    let answer = match row.referral.not_recalled {
        true => {
            let steps = ledger.trace(&row.id)?;
            let said = steps.into_iter().rfind(|step| step.counts && step.event == "not-recalled");
            said.map(|step| step.detail).unwrap_or_default()
        }
        false => String::new(),
    };
    Ok(HandedOver {
        referral_id: shown.referral_id,
        message_id: shown.envelope.map(|envelope| envelope.message_id).unwrap_or_default(),
        tenant: shown.tenant,
        destination: shown.destination,
        state: shown.state,
        at: shown.updated_at,
        recall: recall.to_owned(),
        answer,
    })
}

fn add(sums: &mut BTreeMap<&'static str, (State, u64)>, counts: Vec<(State, u64)>) {
    for (state, count) in counts {
        sums.entry(state.as_str()).or_insert((state, 0)).1 += count;
    }
}

fn counts(sums: &BTreeMap<&'static str, (State, u64)>) -> Vec<StateCount> {
    sums.values()
        .map(|(state, count)| StateCount { state: state_to_wire(*state) as i32, count: *count })
        .collect()
}

fn step(entry: &TimelineEntry) -> CutStep {
    CutStep {
        at: Some(time_to_wire(entry.moment.at)),
        position: entry.moment.position,
        by: entry.by.to_string(),
        what: entry.what.clone(),
        detail: entry.detail.clone(),
        node: entry.node.clone(),
    }
}

fn proposal(proposal: &Proposal) -> CutProposal {
    CutProposal {
        fact: Bytes::copy_from_slice(&proposal.fact.0),
        by: proposal.by.to_string(),
        evidence: proposal.evidence.clone(),
        certificates: proposal.certificates.clone(),
        inbox_id: proposal.inbox.clone(),
    }
}
