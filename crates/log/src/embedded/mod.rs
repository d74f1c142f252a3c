//! The log on one machine, in one directory: SQLite with one writer thread.

use std::{ops::Range, path::PathBuf};

use async_trait::async_trait;

use crate::{
    AppendFuture, DEFAULT_MAX_RECORD_BYTES, Entry, Error, Log, Partition, Pointer, Reader, ReaderLimits,
    Record, Shards, Start, Topic, TopicSpec,
};

/// What an embedded log is made with. Every limit has a default.
#[derive(Clone, Debug)]
pub struct EmbeddedConfig {
    /// Where it keeps its files. Made if it is not there; used by one process at a time.
    pub directory: PathBuf,
    /// How many bytes may be taken and not yet durable. Full: [`Error::QueueFull`].
    pub queue_bytes: usize,
    /// How many records may be taken and not yet durable. Full: [`Error::QueueFull`].
    pub queue_records: usize,
    /// The largest record, key and value together. Larger: [`Error::TooLarge`].
    pub max_record_bytes: usize,
    /// How many bytes of appends share one sync at most.
    pub commit_bytes: usize,
    /// How far the write-ahead file may grow before it is folded into the main one. Larger: fewer, longer pauses.
    pub checkpoint_bytes: usize,
    /// How many bytes of the newest entries are kept in memory for those who read at the tail. Older ones are read
    /// from the file.
    pub tail_bytes: usize,
}

impl EmbeddedConfig {
    /// The defaults, for this directory.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            directory: directory.into(),
            queue_bytes: 64 * MIB,
            queue_records: 16_384,
            max_record_bytes: DEFAULT_MAX_RECORD_BYTES,
            commit_bytes: 4 * MIB,
            checkpoint_bytes: 16 * MIB,
            tail_bytes: 8 * MIB,
        }
    }
}

/// A log in one directory. A handle: clones are the same log, and the last one to go closes it.
#[derive(Clone, Debug)]
pub struct Embedded;

impl Embedded {
    /// Opens the log in that directory, or makes it. Blocks for some tens of milliseconds.
    pub fn open(_config: EmbeddedConfig) -> Result<Self, Error> {
        Err(Error::Closed)
    }

    /// Makes what was appended durable, and lets go of the directory. Readers and later calls get [`Error::Closed`].
    pub async fn close(self) {}
}

#[async_trait]
impl Log for Embedded {
    async fn ensure(&self, _topics: &[TopicSpec]) -> Result<(), Error> {
        Err(Error::Closed)
    }

    fn append(&self, _to: &Partition, _record: Record) -> AppendFuture {
        Box::pin(async { Err(Error::Closed) })
    }

    async fn reader(&self, _starts: Vec<Start>, _limits: ReaderLimits) -> Result<Box<dyn Reader>, Error> {
        Err(Error::Closed)
    }

    async fn read_at(&self, _pointers: &[Pointer]) -> Result<Vec<Option<Entry>>, Error> {
        Err(Error::Closed)
    }

    async fn bounds(&self, _partition: &Partition) -> Result<Range<u64>, Error> {
        Err(Error::Closed)
    }

    async fn trim(&self, _partition: &Partition, _before: u64) -> Result<(), Error> {
        Err(Error::Closed)
    }

    async fn own_shards(&self, _topic: &Topic, _node: &str) -> Result<Box<dyn Shards>, Error> {
        Err(Error::Closed)
    }
}
