//! What is known in memory of one partition: how far it goes, and who waits for more.

use std::sync::{
    Arc, Mutex, Weak,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use tokio::sync::Notify;

use super::lock::hold;
use crate::Partition;

/// Bits of a place that are the offset; the rest is the partition's number in this file.
const OFFSET_BITS: u32 = 40;
/// How many partitions one file can hold, so that a place stays a positive integer.
pub(super) const MAX_TRACKS: i64 = 1 << (63 - OFFSET_BITS);

/// Where an entry lies in the index: partition and offset in one integer, ordered by partition, then offset.
pub(super) fn place(track: i64, offset: u64) -> i64 {
    (track << OFFSET_BITS) | offset.cast_signed()
}

/// The offset in a place.
pub(super) fn offset_of(place: i64) -> u64 {
    place.cast_unsigned() & ((1 << OFFSET_BITS) - 1)
}

/// One partition. Only the writer changes the numbers, and only after the commit that makes them true.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) id: i64,
    pub(super) partition: Partition,
    pub(super) compacted: bool,
    first: AtomicU64,
    next: AtomicU64,
    last_at: AtomicI64,
    waiting: Mutex<Vec<Weak<Notify>>>,
}

/// The numbers of a track that lie in its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    /// The lowest offset kept.
    pub(super) first: u64,
    /// The offset of the next entry.
    pub(super) next: u64,
    /// The time of the last entry, in milliseconds.
    pub(super) last_at: i64,
}

impl Track {
    pub(super) fn new(id: i64, partition: Partition, compacted: bool, marks: Marks) -> Arc<Self> {
        Arc::new(Self {
            id,
            partition,
            compacted,
            first: AtomicU64::new(marks.first),
            next: AtomicU64::new(marks.next),
            last_at: AtomicI64::new(marks.last_at),
            waiting: Mutex::default(),
        })
    }

    pub(super) fn first(&self) -> u64 {
        self.first.load(Ordering::Acquire)
    }

    pub(super) fn next(&self) -> u64 {
        self.next.load(Ordering::Acquire)
    }

    pub(super) fn marks(&self) -> Marks {
        Marks { first: self.first(), next: self.next(), last_at: self.last_at.load(Ordering::Acquire) }
    }

    /// Makes durable marks visible. Those who wait are woken separately, by [`Track::ring`].
    pub(super) fn publish(&self, marks: Marks) {
        self.last_at.store(marks.last_at, Ordering::Release);
        self.next.store(marks.next, Ordering::Release);
        self.first.store(marks.first, Ordering::Release);
    }

    /// Wakes everyone who reads here.
    pub(super) fn ring(&self) {
        hold(&self.waiting).retain(|reader| reader.upgrade().map(|reader| reader.notify_one()).is_some());
    }

    /// Has this reader woken from now on.
    pub(super) fn wake(&self, reader: &Arc<Notify>) {
        let mut waiting = hold(&self.waiting);
        waiting.retain(|other| other.strong_count() > 0);
        waiting.push(Arc::downgrade(reader));
    }

    /// Wakes this reader no more.
    pub(super) fn leave(&self, reader: &Arc<Notify>) {
        let reader = Arc::downgrade(reader);
        hold(&self.waiting).retain(|other| other.strong_count() > 0 && !other.ptr_eq(&reader));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_ordered_by_partition_then_offset() {
        let last = (1 << OFFSET_BITS) - 1;
        assert!(place(1, 7) < place(1, 8));
        assert!(place(1, last) < place(2, 0));
        assert!(place(MAX_TRACKS - 1, last) > 0);
        assert_eq!(offset_of(place(MAX_TRACKS - 1, 17)), 17);
    }
}
