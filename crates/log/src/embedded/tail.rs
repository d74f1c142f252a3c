//! The newest entries, in memory, for those who read at the tail.
//!
//! A reader that keeps up never touches the file: an entry is here from the moment its commit is done. A reader
//! that has fallen behind what is here reads from the file until it has caught up.

use std::{
    collections::{HashMap, VecDeque},
    sync::RwLock,
};

use super::{
    lock::{hold_to_read, hold_to_write},
    track::{Track, place},
};
use crate::{Entry, budget::Budget};

/// What an entry takes besides its bytes, so that empty ones count.
const OVERHEAD: usize = 256;

/// A bounded run of the newest entries of all partitions. Full, it forgets the oldest.
#[derive(Debug)]
pub(super) struct Tail {
    max_bytes: usize,
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<i64, Entry>,
    order: VecDeque<i64>,
    bytes: usize,
}

impl Tail {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, state: RwLock::default() }
    }

    /// Adds what was just committed, in order.
    pub(super) fn push(&self, committed: impl Iterator<Item = (i64, Entry)>) {
        let mut state = hold_to_write(&self.state);
        for (place, entry) in committed {
            state.bytes += entry.record.bytes() + OVERHEAD;
            state.entries.insert(place, entry);
            state.order.push_back(place);
            while state.bytes > self.max_bytes {
                let Some(oldest) = state.order.pop_front() else { break };
                if let Some(entry) = state.entries.remove(&oldest) {
                    state.bytes -= entry.record.bytes() + OVERHEAD;
                }
            }
        }
    }

    /// The entry there, if it is among the newest.
    pub(super) fn at(&self, track: &Track, offset: u64) -> Option<Entry> {
        hold_to_read(&self.state).entries.get(&place(track.id, offset)).cloned()
    }

    /// The run of entries from `from` on that lies here, as far as `end` and the budget go. `None`: the entry at
    /// `from` does not lie here, so the file has to be asked.
    pub(super) fn run(&self, track: &Track, from: u64, end: u64, budget: &mut Budget) -> Option<Vec<Entry>> {
        let state = hold_to_read(&self.state);
        let there = |offset: &u64| state.entries.get(&place(track.id, *offset));
        there(&from)?;
        let run = (from..end).map_while(|offset| there(&offset));
        Some(run.take_while(|entry| budget.take(entry.record.bytes())).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{ReaderLimits, Record, Topic, embedded::track::Marks};

    #[test]
    fn it_forgets_the_oldest_and_never_skips() {
        let partition = Topic::new("t").unwrap().partition(0);
        let track = Track::new(1, partition.clone(), false, Marks { first: 0, next: 0, last_at: 0 });
        let tail = Tail::new(3 * (OVERHEAD + 100));
        let entry = |offset| {
            let record = Record { key: Default::default(), value: vec![0; 100].into() };
            (
                place(1, offset),
                Entry { partition: partition.clone(), offset, at: Timestamp::UNIX_EPOCH, record },
            )
        };
        tail.push((0..5).map(entry));
        let run = |from| {
            let mut budget = Budget::new(ReaderLimits::default(), 1);
            budget.turn();
            let run = tail.run(&track, from, 5, &mut budget);
            run.map(|entries| entries.iter().map(|entry| entry.offset).collect::<Vec<_>>())
        };
        assert_eq!(run(1), None);
        assert_eq!(run(2), Some(vec![2, 3, 4]));
        assert_eq!(run(4), Some(vec![4]));
        assert_eq!(run(5), None);
    }
}
