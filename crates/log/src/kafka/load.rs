//! How much is on its way: a bound for each partition and for each producer, far below librdkafka's own.
//!
//! Librdkafka keeps what it has taken until it is delivered or given up, so a broker that hangs would fill the
//! memory of a node. Full, we refuse at once and nothing is dropped. A partition's bound keeps a hung one from taking
//! what the others of its producer need.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::Partition;

/// What a record takes besides its bytes, so that empty ones count.
const OVERHEAD: usize = 256;

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
}

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    records: usize,
    partitions: HashMap<Partition, usize>,
}

/// The room that one record takes, until this goes.
#[derive(Debug)]
pub(super) struct Room {
    load: Arc<Load>,
    partition: Partition,
    bytes: usize,
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
        let here = state.partitions.get(partition).copied().unwrap_or(0);
        if here + bytes > self.limits.partition_bytes
            || state.bytes + bytes > self.limits.bytes
            || state.records == self.limits.records
        {
            return None;
        }
        state.bytes += bytes;
        state.records += 1;
        state.partitions.insert(partition.clone(), here + bytes);
        drop(state);
        Some(Room { load: self.clone(), partition: partition.clone(), bytes })
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
        if let Some(here) = state.partitions.get_mut(&self.partition) {
            *here -= self.bytes;
            if *here == 0 {
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
        let load = Load::new(Limits { partition_bytes: 1000, bytes: 4000, records: 100 });
        let [a, b] = partitions();
        let held = load.take(&a, 1000);
        assert!(held.is_some() && load.take(&a, 0).is_none());
        assert!(load.take(&b, 1000).is_some());
        drop(held);
        assert!(load.take(&a, 1000).is_some());
        assert!(
            load.state().partitions.is_empty() && load.state().bytes == 0,
            "room that is given back is kept"
        );
    }

    #[test]
    fn a_producer_is_bounded_in_bytes_and_in_records() {
        let [a, b] = partitions();
        let load = Load::new(Limits { partition_bytes: 1000, bytes: 1500, records: 100 });
        let _held = load.take(&a, 800);
        assert!(load.take(&b, 800).is_none());
        let load = Load::new(Limits { partition_bytes: 1000, bytes: 1500, records: 1 });
        let _held = load.take(&a, 0);
        assert!(load.take(&b, 0).is_none());
    }
}
