//! What an embedded log is made with.

use std::{path::PathBuf, time::Duration};

use crate::{DEFAULT_MAX_RECORD_BYTES, Error};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// What an embedded log is made with. Every limit has a default; see [`EmbeddedConfig::new`].
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// How long, in a compacted topic, an entry stays after a newer one with its key has come.
    pub compaction_lag: Duration,
}

impl EmbeddedConfig {
    /// The defaults, for this directory: a queue of 64 MiB and 16,384 records, records up to 8 MiB, 4 MiB a commit, a
    /// checkpoint every 16 MiB, a tail of 8 MiB, ten minutes before compaction.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            queue_bytes: 64 * MIB,
            queue_records: 16_384,
            max_record_bytes: DEFAULT_MAX_RECORD_BYTES,
            commit_bytes: 4 * MIB,
            checkpoint_bytes: 16 * MIB,
            tail_bytes: 8 * MIB,
            compaction_lag: Duration::from_secs(600),
        }
    }

    /// Whether these numbers make sense together.
    pub(super) fn check(&self) -> Result<(), Error> {
        let bad = |reason| Err(Error::BadConfig { reason });
        if self.queue_records == 0 {
            return bad("the queue must hold at least one record");
        }
        if self.max_record_bytes == 0 || self.max_record_bytes > 512 * MIB {
            return bad("the largest record must be 1 byte to 512 MiB");
        }
        if self.queue_bytes < self.max_record_bytes {
            return bad("the queue must be able to hold the largest record");
        }
        if self.checkpoint_bytes < 64 * KIB {
            return bad("the write-ahead file must be allowed at least 64 KiB");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_make_sense() {
        assert_eq!(EmbeddedConfig::new("somewhere").check(), Ok(()));
    }

    #[test]
    fn a_queue_smaller_than_a_record_is_refused() {
        let config =
            EmbeddedConfig { queue_bytes: 10, max_record_bytes: 11, ..EmbeddedConfig::new("somewhere") };
        assert!(matches!(config.check(), Err(Error::BadConfig { .. })));
    }
}
