//! The cuts over one tenant, and what they come to together: most records are answered from that, without asking each
//! cut, however many there are.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Gate, Provenance, SKEW};
use crate::Nation;

/// The cuts that cover one tenant now or did.
#[derive(Debug, Default)]
pub(super) struct Over {
    gates: Vec<Arc<Gate>>,
    /// Of those that close what it sends.
    sent: Together,
    /// One of them may close what is for it.
    may_close_to: bool,
}

#[derive(Debug)]
struct Together {
    /// The earliest `since`: what was accepted before it is suspect to none.
    since: i64,
    /// The latest opening: what was accepted after it, under the newest epochs, is suspect to none. None: one of them
    /// has no opening.
    opened_at: Option<i64>,
    /// The newest opening of each nation's cuts.
    positions: [u64; Nation::ALL.len()],
    /// One of them holds what is not suspect.
    may_hold: bool,
}

impl Default for Together {
    fn default() -> Self {
        let positions = [0; Nation::ALL.len()];
        Self { since: i64::MAX, opened_at: Some(i64::MIN), positions, may_hold: false }
    }
}

impl Over {
    pub(super) fn push(&mut self, gate: Arc<Gate>) {
        if gate.direction.closes_from() {
            self.sent.add(&gate);
        }
        self.may_close_to |= gate.direction.closes_to() && gate.is_active && !gate.is_limited;
        self.gates.push(gate);
    }

    pub(super) fn gates(&self) -> &[Arc<Gate>] {
        &self.gates
    }

    pub(super) fn may_hold(&self) -> bool {
        self.sent.may_hold
    }

    pub(super) fn may_close_to(&self) -> bool {
        self.may_close_to
    }

    /// True: no cut finds it suspect. False: they must be asked one by one.
    pub(super) fn is_suspect_to_none(&self, record: &Provenance) -> bool {
        self.sent.is_suspect_to_none(record)
    }
}

impl Together {
    fn add(&mut self, gate: &Gate) {
        self.since = self.since.min(gate.since);
        self.opened_at = match (self.opened_at, &gate.opening) {
            (Some(latest), Some((opening, at))) => {
                let position = &mut self.positions[gate.id.nation() as usize];
                *position = opening.position.max(*position);
                Some(latest.max(*at))
            }
            _ => None,
        };
        self.may_hold |= gate.is_active && !gate.drain_clean && !gate.is_limited;
    }

    fn is_suspect_to_none(&self, record: &Provenance) -> bool {
        let admitted = record.admitted_at.as_microsecond();
        let accepted = record.accepted_at.map_or(admitted, Timestamp::as_microsecond);
        if accepted.max(admitted).saturating_add(SKEW) < self.since {
            return true;
        }
        let Some(opened_at) = self.opened_at else { return false };
        let spooled = record.spooled_at.map_or(admitted, Timestamp::as_microsecond);
        let earliest = accepted.min(admitted).min(spooled);
        earliest.saturating_sub(SKEW) > opened_at
            && Nation::ALL.iter().zip(self.positions).all(|(nation, position)| {
                position == 0 || record.epochs.iter().any(|(of, epoch)| of == nation && *epoch >= position)
            })
    }
}
