//! The bytes of one partition of `out` or `border`, read on in order as the stream has them.
//!
//! A log answers quickly for the next record and slowly for one at a pointer, so a reader follows the
//! partition; what it meets before it is wanted waits aside, up to a bound, and what lies behind it (a
//! retry, a record that was blocked) is read at its pointer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_log::{Log, Partition, Pointer, Reader, ReaderLimits, Start};
use bytes::Bytes;
use tracing::warn;

use crate::Error;

/// Bytes that wait aside in one source. What does not fit is read at its pointer when it is wanted.
const ASIDE_BYTES: usize = 2 << 20;
/// A wanted record further on than this is jumped to.
const READ_THROUGH: u64 = 64;
/// A record that an event names is there; a reader that does not bring it in this time is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) struct Source {
    log: Arc<dyn Log>,
    partition: Partition,
    reader: Option<Box<dyn Reader>>,
    next: u64,
    aside: BTreeMap<u64, Bytes>,
    aside_bytes: usize,
}

impl Source {
    pub(crate) fn new(log: Arc<dyn Log>, partition: Partition) -> Self {
        Self { log, partition, reader: None, next: 0, aside: BTreeMap::new(), aside_bytes: 0 }
    }

    /// The record at that offset; none when it is not there, or what held it is gone.
    pub(crate) async fn fetch(&mut self, offset: u64) -> Result<Option<Bytes>, Error> {
        use bulkhead_log::Error as Log;
        match self.look_for(offset).await {
            Err(Error::Log(
                error @ (Log::PastEnd { .. } | Log::UnknownTopic { .. } | Log::UnknownPartition { .. }),
            )) => {
                warn!(partition = %self.partition, offset, %error, "bytes that waited are gone");
                self.reader = None;
                Ok(None)
            }
            found => found,
        }
    }

    async fn look_for(&mut self, offset: u64) -> Result<Option<Bytes>, Error> {
        if let Some(value) = self.take_aside(offset) {
            return Ok(Some(value));
        }
        if offset < self.next && self.reader.is_some() {
            return self.at_pointer(offset).await;
        }
        if self.reader.is_none() || offset > self.next + READ_THROUGH {
            let start = Start { partition: self.partition.clone(), offset };
            let limits = ReaderLimits { max_bytes: ASIDE_BYTES / 2, max_entries: READ_THROUGH as usize };
            self.reader = Some(self.log.reader(vec![start], limits).await?);
            self.next = offset;
        }
        match tokio::time::timeout(PATIENCE, self.read_up_to(offset)).await {
            Ok(found) => found,
            Err(_) => self.at_pointer(offset).await,
        }
    }

    async fn read_up_to(&mut self, offset: u64) -> Result<Option<Bytes>, Error> {
        while self.next <= offset {
            let Some(reader) = self.reader.as_mut() else { return Ok(None) };
            for entry in reader.next().await? {
                self.next = entry.offset + 1;
                if entry.offset >= offset {
                    self.put_aside(entry.offset, entry.record.value);
                }
            }
        }
        Ok(self.take_aside(offset))
    }

    async fn at_pointer(&mut self, offset: u64) -> Result<Option<Bytes>, Error> {
        let pointer = Pointer { partition: self.partition.clone(), offset };
        let mut found = self.log.read_at(&[pointer]).await?;
        Ok(found.pop().flatten().map(|entry| entry.record.value))
    }

    fn take_aside(&mut self, offset: u64) -> Option<Bytes> {
        let value = self.aside.remove(&offset)?;
        self.aside_bytes -= value.len();
        Some(value)
    }

    fn put_aside(&mut self, offset: u64, value: Bytes) {
        self.aside_bytes += value.len();
        self.aside.insert(offset, value);
        while self.aside_bytes > ASIDE_BYTES && self.aside.len() > 1 {
            let Some((_, dropped)) = self.aside.pop_last() else { break };
            self.aside_bytes -= dropped.len();
        }
    }
}
