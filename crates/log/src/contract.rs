//! The contract that every log keeps: what a caller may rely on, and what it may not.
//!
//! Kafka and the embedded log both keep it, so it promises only what both can. Three things are weaker than one
//! machine would make them:
//!
//! * **Offsets rise and may have gaps.** The next entry after 7 may be 9. Only compare them.
//! * **An entry may become visible a little after its append was answered.** A reader sees it soon, not at once.
//! * **The outcome of an append may stay unknown.** Then the record may be there, or appear later, or never;
//!   [`Error::nothing_written`] tells those failures apart that leave nothing behind.

use std::ops::Range;

use async_trait::async_trait;
use futures::future::BoxFuture;

use crate::{Appended, Entry, Error, Partition, Pointer, Record, Start, Topic, TopicSpec};

/// The answer to an append, once it is known.
pub type AppendFuture = BoxFuture<'static, Result<Appended, Error>>;

/// An append-only store of records, in topics of partitions.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// Makes the topics that do not exist yet. Repeating it changes nothing; a topic that exists with another
    /// shape is left as it is and answered with [`Error::TopicDiffers`].
    async fn ensure(&self, topics: &[TopicSpec]) -> Result<(), Error>;

    /// Takes the record at once, in call order: of two appends to one partition by one caller, the first call's
    /// entry comes first. The future resolves when the entry is durable; dropping it does not cancel the append.
    ///
    /// The queue behind this is bounded. When it is full the future resolves at once to [`Error::QueueFull`] and
    /// nothing was written: it is for the caller to wait, to try again, or to say no.
    fn append(&self, to: &Partition, record: Record) -> AppendFuture;

    /// Starts to read. Each partition is read from its start on; one that begins below the first entry kept is read
    /// from that entry on, one that begins past the end is refused with [`Error::PastEnd`], here or by `next`.
    async fn reader(&self, starts: Vec<Start>, limits: ReaderLimits) -> Result<Box<dyn Reader>, Error>;

    /// The entries at these places, in the same order. `None`: trimmed, compacted away, or never written. Costly on
    /// some logs (up to a second): for what was set aside, never for a stream. The caller bounds how many it asks.
    async fn read_at(&self, pointers: &[Pointer]) -> Result<Vec<Option<Entry>>, Error>;

    /// What the partition holds: the lowest offset kept, and the one that the next entry will have at least.
    async fn bounds(&self, partition: &Partition) -> Result<Range<u64>, Error>;

    /// Gives up all entries below `before` (at most all there are). Resolves when they can be read no more, durably;
    /// the room that they took comes back a little later, in steps small enough not to hold up appends.
    async fn trim(&self, partition: &Partition, before: u64) -> Result<(), Error>;

    /// Joins the nodes that share the partitions of this topic among them. No partition is held by two nodes at a
    /// time, as far as the log knows; a node that was taken for dead may not know it yet, so whoever decides by what
    /// it holds must also be able to tell old decisions from new ones. Dropping the answer leaves.
    async fn own_shards(&self, topic: &Topic, node: &str) -> Result<Box<dyn Shards>, Error>;
}

/// A position in each of some partitions, moving on.
#[async_trait]
pub trait Reader: Send {
    /// Waits for at least one entry. Entries of one partition come in order, and each partition has its turn: a long
    /// backlog in one does not keep the others waiting. Safe to cancel: a call that is dropped has read nothing.
    ///
    /// After an error about one partition ([`Error::PastEnd`], [`Error::UnknownPartition`]), which is said once,
    /// that partition is left out and the others go on.
    async fn next(&mut self) -> Result<Vec<Entry>, Error>;

    /// Reads these too, or from here on, if they are being read already; they are not paused.
    /// What is wrong with them, `next` says.
    fn add(&mut self, starts: Vec<Start>);

    /// Reads these no more; nothing of them comes after this returns.
    fn remove(&mut self, partitions: &[Partition]);

    /// Leaves these out until they are resumed; nothing of them comes meanwhile, and nothing is lost.
    fn pause(&mut self, partitions: &[Partition], paused: bool);
}

/// How much one call of [`Reader::next`] may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderLimits {
    /// Key and value bytes. A single entry that is larger comes alone.
    pub max_bytes: usize,
    /// Entries; at least one comes.
    pub max_entries: usize,
}

impl Default for ReaderLimits {
    /// 1 MiB, 256 entries.
    fn default() -> Self {
        Self { max_bytes: 1024 * 1024, max_entries: 256 }
    }
}

/// A node's share of a topic's partitions, as it changes.
#[async_trait]
pub trait Shards: Send {
    /// Waits for the next change. What was revoked must not be acted for once this is called again. Safe to cancel.
    async fn next(&mut self) -> Result<ShardChange, Error>;
}

/// What a node gained or lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShardChange {
    /// These are this node's now, besides what it had.
    Assigned(Vec<u32>),
    /// These are another's, or nobody's.
    Revoked(Vec<u32>),
}
