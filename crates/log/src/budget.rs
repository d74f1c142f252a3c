//! How much one answer of a reader may hold, and how the partitions share it, in every log.

use crate::ReaderLimits;

/// What is left for an answer, and for the partition whose turn it is.
///
/// Each partition may take an equal share. The first entry of a turn may be larger than the share, as long as it
/// fits into the answer; the first of the answer may be larger than everything, or it would never come.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: ReaderLimits,
    share: ReaderLimits,
    taken: ReaderLimits,
    this_turn: ReaderLimits,
}

const NOTHING: ReaderLimits = ReaderLimits { max_bytes: 0, max_entries: 0 };

impl Budget {
    /// For an answer within these limits, shared by so many.
    pub(crate) fn new(limits: ReaderLimits, sharers: usize) -> Self {
        let sharers = sharers.max(1);
        let limits = ReaderLimits { max_entries: limits.max_entries.max(1), ..limits };
        let share = ReaderLimits {
            max_bytes: limits.max_bytes / sharers,
            max_entries: (limits.max_entries / sharers).max(1),
        };
        Self { limits, share, taken: NOTHING, this_turn: NOTHING }
    }

    /// The next partition's turn begins. False: nothing more may be taken.
    pub(crate) fn turn(&mut self) -> bool {
        self.this_turn = NOTHING;
        self.taken.max_entries < self.limits.max_entries
            && (self.taken.max_entries == 0 || self.taken.max_bytes < self.limits.max_bytes)
    }

    /// Takes an entry of that size, or not.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let first_of_turn = self.this_turn.max_entries == 0;
        let in_share = self.this_turn.max_bytes + bytes <= self.share.max_bytes
            && self.this_turn.max_entries < self.share.max_entries;
        let in_answer = self.taken.max_bytes + bytes <= self.limits.max_bytes
            && self.taken.max_entries < self.limits.max_entries;
        let fits = self.taken.max_entries == 0 || in_answer && (in_share || first_of_turn);
        if fits {
            for count in [&mut self.this_turn, &mut self.taken] {
                count.max_bytes += bytes;
                count.max_entries += 1;
            }
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ReaderLimits = ReaderLimits { max_bytes: 100, max_entries: 10 };

    #[test]
    fn partitions_share_equally() {
        let mut budget = Budget::new(LIMITS, 2);
        assert!(budget.turn());
        assert!(budget.take(30));
        assert!(!budget.take(30), "over its share");
        assert!(budget.turn());
        assert!(budget.take(60), "the first of a turn may exceed the share");
        assert!(budget.turn());
        assert!(!budget.take(20), "but not the answer");
    }

    #[test]
    fn an_entry_larger_than_everything_comes_alone() {
        let mut budget = Budget::new(LIMITS, 2);
        assert!(budget.turn());
        assert!(budget.take(1000));
        assert!(!budget.take(0));
        assert!(!budget.turn());
    }

    #[test]
    fn entries_are_counted_too() {
        let mut budget = Budget::new(ReaderLimits { max_bytes: 100, max_entries: 0 }, 3);
        assert!(budget.turn());
        assert!(budget.take(0));
        assert!(!budget.take(0));
        assert!(!budget.turn());
    }
}
