//! The cuts of a status: what each keeps back, what comes next, and which of them need a person.

use bulkhead_ledger::{AsideCount, Error};
use bulkhead_model::{CutCourse, CutId, State};
use bulkhead_wire::v1::{Alert, CutStatus, CutSummary, NodePulse};
use bulkhead_wire::{cut_to_wire, pending_cut_to_wire, time_to_wire};
use jiff::Timestamp;

use crate::next;
use crate::service::Shared;

/// Where cuts stand among the alerts: a wide one that nobody confirmed is the worst of all.
const UNCONFIRMED: u8 = 0;
const IN_FORCE: u8 = 5;

impl Shared {
    /// The cuts that cover something, wait for a second person, or still keep something.
    pub(crate) fn cut_statuses(&self, now: Timestamp) -> Result<Vec<CutStatus>, Error> {
        let (directory, cuts) = (self.directory(), self.cuts());
        let kept = self.parts.ledger.aside_counts(now)?;
        let keeps = |id: &CutId| kept.iter().any(|count| count.cut == *id);
        let pending = (self.parts.pending_cuts)();
        let waits = |id: &CutId| pending.iter().any(|cut| cut.id == *id);
        let shown =
            |course: &&CutCourse| !waits(course.id()) && (course.stage().is_active() || keeps(course.id()));
        let mut statuses: Vec<CutStatus> = cuts
            .all()
            .filter(shown)
            .filter_map(|course| {
                let summary = cut_to_wire(course, &directory)?;
                Some(status(summary, next::about_cut(course), course.id(), &kept))
            })
            .collect();
        statuses.extend(pending.iter().map(|cut| {
            let is_closed = cuts.course(&cut.id).is_some_and(|course| course.stage().is_active());
            let shown = pending_cut_to_wire(cut, &directory, is_closed);
            status(shown, next::about_pending(&cut.id), &cut.id, &kept)
        }));
        Ok(statuses)
    }

    /// Every node that was heard, by what it last said of itself.
    pub(crate) fn node_pulses(&self) -> Vec<NodePulse> {
        let pulses = self.parts.pulses.borrow().clone();
        let enforced = self.cuts().digest();
        // Both times are the log's; what has gone by since is known from the own lease alone.
        let own = pulses.all().find(|member| member.pulse.node == self.parts.node);
        let latest = own.map(|own| own.heard_at).or_else(|| pulses.all().map(|member| member.heard_at).max());
        let lease_age = self.parts.lease.age().unwrap_or_default();
        let alive: Vec<&str> = pulses.alive().map(|member| member.pulse.node.as_str()).collect();
        pulses
            .all()
            .map(|member| {
                let behind = latest
                    .map(|latest| latest.duration_since(member.heard_at).max(jiff::SignedDuration::ZERO));
                let age = behind.unwrap_or_default().unsigned_abs() + lease_age;
                NodePulse {
                    name: member.pulse.node.clone(),
                    address: member.pulse.address.clone(),
                    alive: alive.contains(&member.pulse.node.as_str()),
                    age_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
                    position: member.pulse.position,
                    shards: u32::try_from(member.pulse.claims.len()).unwrap_or(u32::MAX),
                    in_force: member.pulse.cuts == enforced,
                }
            })
            .collect()
    }
}

fn status(cut: CutSummary, next: String, id: &CutId, kept: &[AsideCount]) -> CutStatus {
    let all = || kept.iter().filter(|count| count.cut == *id);
    let of = |state: State| all().filter(move |count| count.state == state);
    CutStatus {
        held: of(State::Held).map(|count| count.count).sum(),
        quarantined: of(State::Quarantined).map(|count| count.count).sum(),
        unknown: of(State::Unknown).map(|count| count.count).sum(),
        overdue: all().map(|count| count.overdue).sum(),
        next_due: all().filter_map(|count| count.next_due).min().map(time_to_wire),
        cut: Some(cut),
        next,
    }
}

/// What of these needs a person of this nation. A carried cut is its maker's to see to.
pub(crate) fn alerts(statuses: &[CutStatus]) -> Vec<(u8, Alert)> {
    let own = statuses.iter().filter_map(|status| Some((status, status.cut.as_ref()?)));
    own.filter(|(_, cut)| !cut.carried).filter_map(|(status, cut)| alert(status, cut)).collect()
}

fn alert(status: &CutStatus, cut: &CutSummary) -> Option<(u8, Alert)> {
    let (id, scope) = (&cut.cut_id, &cut.scope);
    let (rank, code, text) = match (cut.stage.as_str(), cut.unconfirmed, cut.active) {
        ("pending", _, is_closed) => {
            let closes = if is_closed { "is closed only where it was taken" } else { "closes nothing yet" };
            let text = format!("the cut of {scope} {closes}, its maker's budget is spent: {}", status.next);
            (UNCONFIRMED, "CUT_WAITS", text)
        }
        (_, true, _) => {
            let text = format!(
                "{scope} is cut off in {} tenants and nobody has confirmed it: a second operator says `bulkhead cuts \
                 confirm {id}`, or two say `bulkhead cuts withdraw {id}`",
                cut.tenants.len()
            );
            (UNCONFIRMED, "CUT_UNCONFIRMED", text)
        }
        (stage, false, true) => {
            (IN_FORCE, "CUT_IN_FORCE", format!("{scope} is cut off ({stage}): {}", status.next))
        }
        // What it keeps has alerts of its own.
        (_, false, false) => return None,
    };
    let count = status.held + status.quarantined + status.unknown;
    Some((rank, Alert { code: code.into(), subject: scope.clone(), count, text }))
}
