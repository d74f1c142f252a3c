//! How much is on its way: a bound for each partition and for each producer, far below librdkafka's own.
//!
//! Librdkafka keeps what it has taken until it is delivered or given up, so a broker that hangs would fill the
//! memory of a node. Full, we refuse at once and nothing is dropped. A partition's bound keeps a hung one from taking
//! what the others of its producer need; and so that all those together whose leader hangs do not either, one that stands
//! still gets nothing more when half of its producer's room is taken, but for one record by which it may show that it
//! moves again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::Partition;

/// What a record takes besides its bytes, so that empty ones count.
const OVERHEAD: usize = 256;
/// A partition of which nothing was written for so long, while something was to be, stands still. Longer than healthy
/// brokers take for anything but a change of leaders.
pub(super) const STILL: Duration = Duration::from_secs(2);

/// What one producer has on its way.
#[derive(Debug)]
pub(super) struct Load {
    state: Mutex<State>,
    limits: Limits,
}

/// How much may be on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) partition_bytes: usize,
    pub(super) bytes: usize,
    pub(super) records: usize,
    /// How long nothing of a partition may be written until it stands still.
    pub(super) still: Duration,
}

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    records: usize,
    partitions: HashMap<Partition, Here>,
    /// Since when something was to be written and nothing was.
    waits_since: Option<Instant>,
}

/// What one partition has on its way.
#[derive(Debug)]
struct Here {
    bytes: usize,
    /// When the last of it was written, or the first was taken. What is given up moves nothing.
    moved: Instant,
}

/// The room that one record takes, until this goes.
#[derive(Debug)]
pub(super) struct Room {
    load: Arc<Load>,
    partition: Partition,
    bytes: usize,
    is_written: bool,
}

impl Room {
    /// Gives it back: its record is written.
    pub(super) fn written(mut self) {
        self.is_written = true;
    }
}

impl Load {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        // So that the largest record that the configuration allows fits with its overhead.
        let limits = Limits {
            partition_bytes: limits.partition_bytes.saturating_add(OVERHEAD),
            bytes: limits.bytes.saturating_add(OVERHEAD),
            ..limits
        };
        Arc::new(Self { state: Mutex::default(), limits })
    }

    /// Takes room for a record of that size, if there is any.
    pub(super) fn take(self: &Arc<Self>, partition: &Partition, bytes: usize) -> Option<Room> {
        let bytes = bytes + OVERHEAD;
        let mut state = self.state();
        let (here, still) = state.partitions.get(partition).map_or((0, false), |here| {
            (here.bytes, here.bytes > 0 && here.moved.elapsed() > self.limits.still)
        });
        let is_half_full =
            2 * (state.bytes + bytes) > self.limits.bytes || 2 * state.records >= self.limits.records;
        if here + bytes > self.limits.partition_bytes
            || state.bytes + bytes > self.limits.bytes
            || state.records == self.limits.records
            || still && is_half_full
        {
            return None;
        }
        state.bytes += bytes;
        state.records += 1;
        state.waits_since.get_or_insert_with(Instant::now);
        let first = || Here { bytes: 0, moved: Instant::now() };
        state.partitions.entry(partition.clone()).or_insert_with(first).bytes += bytes;
        drop(state);
        Some(Room { load: self.clone(), partition: partition.clone(), bytes, is_written: false })
    }

    /// For how long nothing at all was written while something was to be.
    pub(super) fn waits(&self) -> Duration {
        self.state().waits_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Another client goes on from here.
    pub(super) fn begin_anew(&self) {
        self.state().waits_since = Some(Instant::now());
    }

    /// Whether nothing is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.state().records == 0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut state = self.load.state();
        state.bytes -= self.bytes;
        state.records -= 1;
        if self.is_written {
            state.waits_since = None;
        }
        if let Some(here) = state.partitions.get_mut(&self.partition) {
            here.bytes -= self.bytes;
            if self.is_written {
                here.moved = Instant::now();
            }
            if self.is_written && here.bytes == 0 {
                state.partitions.remove(&self.partition);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Topic;

    fn partitions() -> [Partition; 2] {
        let topic = Topic::new("t").unwrap();
        [topic.partition(0), topic.partition(1)]
    }

    #[test]
    fn a_full_partition_leaves_room_for_the_others() {
        let load = Load::new(Limits { partition_bytes: 1000, bytes: 4000, records: 100, still: STILL });
        let [a, b] = partitions();
        let held = load.take(&a, 1000).unwrap();
        assert!(load.take(&a, 0).is_none());
        load.take(&b, 1000).unwrap().written();
        held.written();
        load.take(&a, 1000).unwrap().written();
        assert!(
            load.state().partitions.is_empty() && load.state().bytes == 0,
            "room that is given back is kept"
        );
    }

    #[test]
    fn a_producer_waits_from_the_first_that_is_not_written_until_one_is() {
        let load = Load::new(Limits { partition_bytes: 1000, bytes: 4000, records: 100, still: STILL });
        let [a, b] = partitions();
        assert_eq!(load.waits(), Duration::ZERO);
        let first = load.take(&a, 1).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        drop(first);
        let second = load.take(&b, 1).unwrap();
        assert!(load.waits() >= Duration::from_millis(20), "what was given up was not written");
        load.begin_anew();
        assert!(load.waits() < Duration::from_millis(20));
        second.written();
        assert_eq!(load.waits(), Duration::ZERO);
    }

    #[test]
    fn a_producer_is_bounded_in_bytes_and_in_records() {
        let [a, b] = partitions();
        let load = Load::new(Limits { partition_bytes: 1000, bytes: 1500, records: 100, still: STILL });
        let _held = load.take(&a, 800);
        assert!(load.take(&b, 800).is_none());
        let load = Load::new(Limits { partition_bytes: 1000, bytes: 1500, records: 1, still: STILL });
        let _held = load.take(&a, 0);
        assert!(load.take(&b, 0).is_none());
    }

    #[test]
    fn partitions_that_stand_still_leave_half_of_the_room_to_others() {
        let still = Duration::from_millis(20);
        let load = Load::new(Limits { partition_bytes: 10_000, bytes: 10_000, records: 100, still });
        let [hung, moving] = partitions();
        let fill = |partition: &Partition, most: usize| -> Vec<_> {
            std::iter::from_fn(|| load.take(partition, 744)).take(most).collect()
        };
        let first = fill(&hung, 3);
        std::thread::sleep(2 * still);
        let more = fill(&hung, 10);
        assert_eq!(more.len(), 2, "it gets as much as leaves half");
        let others = fill(&moving, 4);
        assert_eq!(others.len(), 4);
        drop(more);
        assert!(load.take(&hung, 744).is_none(), "what was given up has moved nothing");
        drop(first);
        let probe = load.take(&hung, 744).unwrap();
        let _filling = fill(&moving, 2);
        assert!(load.take(&hung, 744).is_none(), "one record shows whether it moves again");
        probe.written();
        assert_eq!(fill(&hung, 2).len(), 2, "one that moves again gets more");
    }
}
