//! So many a minute and no more: what a tenant may do that is on its way back from a cut.
//!
//! Counted in slots of ten seconds. The slot of now and the six before it hold all of any minute, so that no minute
//! ever sees more; at worst the room comes back ten seconds late.

use std::time::Duration;

/// Seconds that a slot is long.
const SLOT: u64 = 10;
/// Slots that hold any minute.
const SLOTS: usize = 7;

/// What was taken lately. Time is counted from wherever its owner likes.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    taken: [u32; SLOTS],
    newest: u64,
}

impl Pace {
    /// How many may still be taken now.
    pub fn left(&mut self, per_minute: u32, now: Duration) -> u32 {
        self.go_on(now);
        per_minute.saturating_sub(self.taken.iter().fold(0, |sum, slot| sum.saturating_add(*slot)))
    }

    /// Takes one; false: there is no room.
    pub fn take(&mut self, per_minute: u32, now: Duration) -> bool {
        let has_room = self.left(per_minute, now) > 0;
        if has_room {
            self.taken[0] = self.taken[0].saturating_add(1);
        }
        has_room
    }

    /// How long until there may be room again.
    pub fn wait(&self, now: Duration) -> Duration {
        let next = Duration::from_secs((now.as_secs() / SLOT + 1) * SLOT);
        next.saturating_sub(now)
    }

    /// The newest slot comes first.
    fn go_on(&mut self, now: Duration) {
        let slot = now.as_secs() / SLOT;
        let passed = usize::try_from(slot.saturating_sub(self.newest)).unwrap_or(SLOTS).min(SLOTS);
        self.taken.rotate_right(passed % SLOTS);
        self.taken[..passed].fill(0);
        self.newest = self.newest.max(slot);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_was_taken_a_minute_ago_is_room_again() {
        let mut pace = Pace::default();
        assert!((0..3).all(|_| pace.take(3, at(1000))));
        assert!(!pace.take(3, at(1000)) && !pace.take(3, at(1059)));
        assert_eq!(pace.left(5, at(1059)), 2, "another rate counts what was taken before");
        assert_eq!(pace.left(3, at(1070)), 3);
        assert!(pace.take(3, at(1070)));
        assert_eq!(pace.wait(at(1063)), at(7));
        assert_eq!(Pace::default().left(0, at(5)), 0);
    }

    proptest! {
        #[test]
        fn no_minute_sees_more(gaps in prop::collection::vec(0_u64..30, 1..200), per_minute in 1_u32..12) {
            let (mut pace, mut now, mut taken) = (Pace::default(), 0, Vec::new());
            for gap in gaps {
                now += gap;
                if pace.take(per_minute, at(now)) {
                    taken.push(now);
                }
            }
            for begin in &taken {
                let within = taken.iter().filter(|one| (*begin..begin + 60).contains(one)).count();
                prop_assert!(within <= per_minute as usize, "{within} from {begin} on of {taken:?}");
            }
        }
    }
}
