//! What can go wrong with a log. Variants carry topics, partitions and offsets, never content.

use std::path::PathBuf;

use crate::{Partition, Topic};

/// Why the log did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not a name that every log takes.
    #[error("topic name {name:?} is not 1 to 200 of A-Z a-z 0-9 . _ -")]
    BadTopic {
        /// What was given.
        name: String,
    },
    /// No such topic; for an append, nothing was written.
    #[error("topic {topic} does not exist")]
    UnknownTopic {
        /// The topic asked for.
        topic: Topic,
    },
    /// The topic has fewer partitions; for an append, nothing was written.
    #[error("partition {partition} does not exist")]
    UnknownPartition {
        /// The partition asked for.
        partition: Partition,
    },
    /// The topic exists and is not what `ensure` was told; nothing was changed.
    #[error("topic {topic} has {found}, not {wanted}")]
    TopicDiffers {
        /// The topic.
        topic: Topic,
        /// What it is like.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// The specification could not be met by any log; nothing was changed.
    #[error("topic {topic} cannot have {partitions} partitions")]
    BadPartitions {
        /// The topic.
        topic: Topic,
        /// The number asked for.
        partitions: u32,
    },
    /// The record is larger than the log takes; nothing was written.
    #[error("record of {bytes} bytes for {partition} is over the limit of {limit}")]
    TooLarge {
        /// Where it was to go.
        partition: Partition,
        /// Its size, key and value together.
        bytes: usize,
        /// The largest size taken.
        limit: usize,
    },
    /// The queue before the log is full; nothing was written. Try again later.
    #[error("queue is full: record for {partition} was not taken")]
    QueueFull {
        /// Where the record was to go.
        partition: Partition,
    },
    /// Nobody knows whether the record was written: it may be there now, or appear later, or never.
    #[error("outcome of an append to {partition} is unknown: {cause}")]
    Unknown {
        /// Where the record was to go.
        partition: Partition,
        /// What went wrong.
        cause: String,
    },
    /// A reader was started past the end: the log has lost entries, or the position is of another log.
    #[error("offset {offset} of {partition} is past its end, {end}")]
    PastEnd {
        /// The partition.
        partition: Partition,
        /// Where reading was to start.
        offset: u64,
        /// The offset that the next entry will have.
        end: u64,
    },
    /// Another process has this directory open.
    #[error("directory {} is in use by another process", directory.display())]
    Locked {
        /// The directory.
        directory: PathBuf,
    },
    /// The store does not run with the settings that make an acknowledged append durable.
    #[error("store is not durable: {setting} is {found}, not {wanted}")]
    NotDurable {
        /// The setting.
        setting: &'static str,
        /// Its value as read back.
        found: String,
        /// The value that it must have.
        wanted: &'static str,
    },
    /// The log, or a topic in it, is not set up so that it can keep what it promises.
    #[error("{what} is {found}, not {wanted}: {change}")]
    Unfit {
        /// The setting, and of what.
        what: String,
        /// Its value.
        found: String,
        /// The value that it must have.
        wanted: String,
        /// What to do about it.
        change: &'static str,
    },
    /// What is kept there belongs to another cell.
    #[error(
        "prefix {prefix:?} belongs to the cell {owner:?}, not to {cell:?}: give this cell another prefix"
    )]
    OtherCell {
        /// The prefix of both.
        prefix: String,
        /// The cell that had it first.
        owner: String,
        /// The cell that asked for it.
        cell: String,
    },
    /// The log cannot be reached.
    #[error("no answer while {doing}: {cause}")]
    Unreachable {
        /// What was being done.
        doing: &'static str,
        /// What the connections said last.
        cause: String,
    },
    /// The log did not let us: the credentials are wrong, or they do not allow it. For an append, nothing was
    /// written.
    #[error("not permitted while {doing}: {cause}")]
    Denied {
        /// What was being done.
        doing: &'static str,
        /// What was said about it.
        cause: String,
    },
    /// The configuration contradicts itself.
    #[error("log configuration: {reason}")]
    BadConfig {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The log was closed, or has stopped after a failure of its store; for an append, nothing was written.
    #[error("log is closed")]
    Closed,
    /// The store holds something that was never written.
    #[error("store is corrupt: {cause}")]
    Corrupt {
        /// What was found, and where.
        cause: String,
    },
    /// The store could not be opened, read or written.
    #[error("store failed while {doing}: {cause}")]
    Store {
        /// What was being done.
        doing: &'static str,
        /// What the store said.
        cause: String,
    },
}

impl Error {
    /// Whether an append that ended so has surely written nothing, so that the same record may be appended again
    /// without fear of a second copy.
    pub fn nothing_written(&self) -> bool {
        match self {
            Self::BadTopic { .. }
            | Self::UnknownTopic { .. }
            | Self::UnknownPartition { .. }
            | Self::TooLarge { .. }
            | Self::QueueFull { .. }
            | Self::Denied { .. }
            | Self::Closed => true,
            Self::TopicDiffers { .. }
            | Self::BadPartitions { .. }
            | Self::Unknown { .. }
            | Self::PastEnd { .. }
            | Self::Locked { .. }
            | Self::NotDurable { .. }
            | Self::Unfit { .. }
            | Self::OtherCell { .. }
            | Self::Unreachable { .. }
            | Self::BadConfig { .. }
            | Self::Corrupt { .. }
            | Self::Store { .. } => false,
        }
    }
}
