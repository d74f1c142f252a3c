//! What a tenant may send that is on its way back from a cut: so many new referrals a minute, and this node's part of
//! it where the cell has several.
//!
//! One that goes far beyond in one minute is told no all the same, and somebody else hears of it: what was thought to
//! be well again floods its door. A sidecar that heeds what it is told never gets there, because the same referral
//! that comes again counts once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bulkhead_model::{CutId, Pace, ReferralId};

/// So many times its allowance of a minute, refused in one minute, is a flood.
const FLOOD: u32 = 10;
/// The least that is called a flood, and the most that is counted.
const LEAST: usize = 100;
const MOST: usize = 10_000;
const MINUTE: Duration = Duration::from_secs(60);

/// The way back of one tenant at this node.
pub(crate) struct Probation {
    begun: Instant,
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    pace: Pace,
    refused: HashSet<ReferralId>,
    refused_since: Duration,
}

/// A tenant that was told to go slowly sends as if it had not been told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flood {
    /// What it was told.
    pub per_minute: u32,
    /// How many new referrals were refused for that within a minute.
    pub refused: usize,
}

/// Who hears of a flood.
pub type OnFlood = Arc<dyn Fn(&CutId, &Flood) + Send + Sync>;

/// There is no room for one more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoRoom {
    /// Until there may be some.
    pub(crate) wait: Duration,
    /// It has gone too far, and this is the first that shows it.
    pub(crate) flood: Option<Flood>,
}

impl Probation {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), counted: Mutex::default() }
    }

    /// Whether one more new referral may go in, as one of so many nodes.
    pub(crate) fn take(&self, id: ReferralId, per_minute: u32, nodes: usize) -> Result<(), NoRoom> {
        let now = self.begun.elapsed();
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).take(id, per_minute, nodes, now)
    }
}

impl Counted {
    fn take(&mut self, id: ReferralId, per_minute: u32, nodes: usize, now: Duration) -> Result<(), NoRoom> {
        let share = (per_minute / u32::try_from(nodes).unwrap_or(u32::MAX).max(1)).max(1);
        if self.pace.take(share, now) {
            self.refused.remove(&id);
            return Ok(());
        }
        Err(NoRoom { wait: self.pace.wait(now), flood: self.refused(id, per_minute, now) })
    }

    /// Told once a minute at most.
    fn refused(&mut self, id: ReferralId, per_minute: u32, now: Duration) -> Option<Flood> {
        if now.saturating_sub(self.refused_since) > MINUTE {
            self.refused.clear();
            self.refused_since = now;
        }
        let flood = usize::try_from(per_minute.saturating_mul(FLOOD)).unwrap_or(MOST).clamp(LEAST, MOST);
        let was_flood = self.refused.len() >= flood;
        if was_flood || !self.refused.insert(id) {
            return None;
        }
        let refused = self.refused.len();
        (refused >= flood).then_some(Flood { per_minute, refused })
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_model::TenantId;

    use super::*;

    fn id(number: usize) -> ReferralId {
        let message = bulkhead_model::MessageId::parse(&format!("m-{number}")).unwrap();
        ReferralId::derive(&TenantId::parse("wales/a").unwrap(), &message)
    }

    fn take(
        counted: &mut Counted,
        number: usize,
        per_minute: u32,
        nodes: usize,
        at: u64,
    ) -> (bool, Option<Flood>) {
        match counted.take(id(number), per_minute, nodes, Duration::from_secs(at)) {
            Ok(()) => (true, None),
            Err(NoRoom { wait, flood }) => {
                assert!(wait > Duration::ZERO);
                (false, flood)
            }
        }
    }

    #[test]
    fn each_node_lets_its_part_in() {
        let check = |per_minute, nodes, expected: usize| {
            let mut counted = Counted::default();
            let went_in =
                (0..50).filter(|number| take(&mut counted, *number, per_minute, nodes, 5).0).count();
            assert_eq!(went_in, expected, "{per_minute} a minute, {nodes} nodes");
        };
        check(20, 1, 20);
        check(20, 3, 6);
        check(1, 3, 1);
        check(20, 0, 20);
    }

    #[test]
    fn a_flood_is_told_once_and_the_same_again_is_none() {
        let mut counted = Counted::default();
        let again: Vec<_> = (0..5_000).filter_map(|_| take(&mut counted, 1, 1, 1, 5).1).collect();
        assert_eq!(again, []);
        let floods: Vec<_> = (2..500).filter_map(|number| take(&mut counted, number, 1, 1, 6).1).collect();
        assert_eq!(floods, [Flood { per_minute: 1, refused: 100 }]);
        let later: Vec<_> = (500..590).filter_map(|number| take(&mut counted, number, 1, 1, 90).1).collect();
        assert_eq!(later, [], "less than a hundred in another minute");
    }
}
