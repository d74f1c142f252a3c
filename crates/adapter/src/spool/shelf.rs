//! The spool's bytes: one topic of an embedded log, a partition for each lane.
//!
//! Only the index of what is open is in memory. What is done with is trimmed from below.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use bulkhead_log::{Embedded, EmbeddedConfig, Log, Partition, ReaderLimits, Record, Start, Topic, TopicSpec};
use bulkhead_model::Lane;
use bulkhead_wire::v1;
use bytes::Bytes;
use jiff::Timestamp;
use prost::Message;
use tracing::warn;

use crate::Error;

/// Where the spool lies in the log.
pub(super) struct Shelf {
    log: Embedded,
    topic: Topic,
    lanes: Mutex<[Rows; 3]>,
}

/// One lane's offsets.
#[derive(Default)]
struct Rows {
    open: BTreeSet<u64>,
    /// Every offset below this is known, and done with unless it is open.
    seen: u64,
    trimmed: u64,
}

/// A place in the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) lane: Lane,
    pub(super) offset: u64,
}

/// A record found at the start.
pub(super) struct Found {
    pub(super) slot: Slot,
    pub(super) ticket: u64,
    pub(super) at: Timestamp,
    pub(super) request: v1::SubmitRequest,
}

impl Shelf {
    /// Opens the log in that directory, and calls `found` for each record that it holds.
    pub(super) async fn open(
        directory: &Path,
        max_payload: usize,
        found: &mut (dyn FnMut(Found) + Send),
    ) -> Result<Self, Error> {
        let mut config = EmbeddedConfig::new(directory);
        config.max_record_bytes = config.max_record_bytes.max(max_payload + (256 << 10));
        let log = tokio::task::spawn_blocking(move || Embedded::open(config))
            .await
            .map_err(|error| Error::Store { doing: "opening the spool", cause: error.to_string() })??;
        let topic = Topic::new("spool")?;
        log.ensure(&[TopicSpec { topic: topic.clone(), partitions: 3, compacted: false }]).await?;
        let shelf = Self { log, topic, lanes: Mutex::default() };
        for lane in Lane::ALL {
            shelf.load(lane, found).await?;
        }
        Ok(shelf)
    }

    async fn load(&self, lane: Lane, found: &mut (dyn FnMut(Found) + Send)) -> Result<(), Error> {
        let partition = self.partition(lane);
        let bounds = self.log.bounds(&partition).await?;
        self.rows(lane, |rows| rows.seen = bounds.start);
        if bounds.is_empty() {
            return Ok(());
        }
        let start = Start { partition: partition.clone(), offset: bounds.start };
        let mut reader = self.log.reader(vec![start], ReaderLimits::default()).await?;
        let mut next = bounds.start;
        while next < bounds.end {
            // Offsets may have gaps, also at the end.
            let read = tokio::time::timeout(std::time::Duration::from_secs(5), reader.next()).await;
            let Ok(entries) = read else { break };
            for entry in entries? {
                next = entry.offset + 1;
                let slot = Slot { lane, offset: entry.offset };
                self.added(slot);
                match (ticket(&entry.record.key), v1::SubmitRequest::decode(entry.record.value)) {
                    (Some(ticket), Ok(request)) => {
                        found(Found { slot, ticket, at: entry.at, request });
                    }
                    _ => {
                        warn!(%lane, offset = entry.offset, "a record of the spool cannot be read");
                        self.done(slot);
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes; durable when this returns.
    pub(super) async fn append(
        &self,
        lane: Lane,
        ticket: u64,
        request: &v1::SubmitRequest,
    ) -> Result<Slot, Error> {
        let record = Record {
            key: Bytes::copy_from_slice(&ticket.to_be_bytes()),
            value: request.encode_to_vec().into(),
        };
        let appended = self.log.append(&self.partition(lane), record).await?;
        let slot = Slot { lane, offset: appended.offset };
        self.added(slot);
        Ok(slot)
    }

    /// Reads one record again.
    pub(super) async fn read(&self, slot: Slot) -> Result<Option<v1::SubmitRequest>, Error> {
        let pointer = self.partition(slot.lane).at(slot.offset);
        let mut entries = self.log.read_at(&[pointer]).await?;
        let entry = entries.pop().flatten();
        Ok(entry.and_then(|entry| v1::SubmitRequest::decode(entry.record.value).ok()))
    }

    /// Nothing more will be read there.
    pub(super) fn done(&self, slot: Slot) {
        self.rows(slot.lane, |rows| rows.open.remove(&slot.offset));
    }

    /// Gives back the room of what is done with.
    pub(super) async fn trim(&self) -> Result<(), Error> {
        for lane in Lane::ALL {
            let due = self.rows(lane, |rows| {
                let before = rows.open.first().copied().unwrap_or(rows.seen);
                (before > rows.trimmed).then_some(before)
            });
            if let Some(before) = due {
                self.log.trim(&self.partition(lane), before).await?;
                self.rows(lane, |rows| rows.trimmed = before);
            }
        }
        Ok(())
    }

    /// Lets go of the directory.
    pub(super) async fn close(&self) {
        self.log.clone().close().await;
    }

    fn added(&self, slot: Slot) {
        self.rows(slot.lane, |rows| {
            rows.open.insert(slot.offset);
            rows.seen = rows.seen.max(slot.offset + 1);
        });
    }

    fn rows<T>(&self, lane: Lane, use_them: impl FnOnce(&mut Rows) -> T) -> T {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        use_them(&mut lanes[lane.partition() as usize])
    }

    fn partition(&self, lane: Lane) -> Partition {
        self.topic.partition(lane.partition())
    }
}

fn ticket(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}
