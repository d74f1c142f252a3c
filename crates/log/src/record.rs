//! What is appended and what is read: records, and entries, which are records with a place and a time.

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;

use crate::{Partition, Pointer};

/// The largest record, key and value together, that a log takes unless it is configured otherwise: 8 MiB.
pub const DEFAULT_MAX_RECORD_BYTES: usize = 8 * 1024 * 1024;

/// What is appended. The log looks at neither part; `Debug` shows lengths, never content.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// What a compacted topic compares; elsewhere it may be empty.
    pub key: Bytes,
    /// A wire record, which holds all that is to be said.
    pub value: Bytes,
}

impl Record {
    /// The size that limits are about: key and value together.
    pub fn bytes(&self) -> usize {
        self.key.len() + self.value.len()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record {{ key: {} bytes, value: {} bytes }}", self.key.len(), self.value.len())
    }
}

/// Where and when a record became an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its offset in the partition that it was appended to.
    pub offset: u64,
    /// The log's own time of the append, to the millisecond; every reader sees this same time.
    pub at: Timestamp,
}

/// A record in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The partition that holds it.
    pub partition: Partition,
    /// Its offset there.
    pub offset: u64,
    /// The log's own time of the append.
    pub at: Timestamp,
    /// What was appended.
    pub record: Record,
}

impl Entry {
    /// Where it lies.
    pub fn pointer(&self) -> Pointer {
        self.partition.at(self.offset)
    }
}

/// Read on from here: the first entry wanted is the first one kept at or after `offset`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The partition to read.
    pub partition: Partition,
    /// The lowest offset wanted.
    pub offset: u64,
}
