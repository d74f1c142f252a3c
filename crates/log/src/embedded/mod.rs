//! The log on one machine, in one directory: SQLite with one writer thread.
//!
//! It serves `bulkhead dev`, the tests, single sites and the sidecars' spools. An append is answered when the sync
//! of its commit has returned (write-ahead log, `synchronous=FULL`, read back at the start), so it survives a killed
//! process and a power cut. An idle log uses no processor: writer and readers sleep until they are woken.
//!
//! Two ways lead through the files here: an append goes `queue` → `writer` → `batch` → `tail`; a reader goes
//! `reader` → `tail`, or `shelf` when it is behind.

mod batch;
mod catalog;
mod compaction;
mod config;
mod connection;
mod directory;
mod lock;
mod queue;
mod reader;
mod shards;
mod shared;
mod shelf;
mod tail;
#[cfg(test)]
mod tests;
mod track;
mod trimming;
mod writer;

use std::{fmt, ops::Range, sync::Arc, thread::JoinHandle};

use async_trait::async_trait;
use futures::{FutureExt, future::ready};
use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot, watch};

pub use config::EmbeddedConfig;

use self::{
    catalog::Catalog,
    connection::failed,
    directory::Directory,
    queue::{Append, Job, Order, Queue, Refused},
    reader::Positions,
    shards::Seats,
    shared::Shared,
    shelf::Shelf,
    tail::Tail,
    trimming::Trimming,
    writer::Writer,
};
use crate::{
    AppendFuture, Appended, Entry, Error, Log, Partition, Pointer, Reader, ReaderLimits, Record, Shards,
    Start, Topic, TopicSpec,
};

/// How many calls of `ensure` and `trim` may be waiting for the writer; more wait before it.
const ORDERS: usize = 16;

/// A log in one directory. A handle: clones are the same log, and when the last of them goes, it is closed cleanly,
/// its readers with it. That waits for what was appended to become durable; [`Embedded::close`] does so without
/// holding up the thread.
#[derive(Clone)]
pub struct Embedded {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    seats: Seats,
    orders: Arc<Semaphore>,
    max_record_bytes: usize,
    writer: Option<JoinHandle<()>>,
}

impl Embedded {
    /// Opens the log in that directory, or makes it. Blocks for some tens of milliseconds. Refuses with
    /// [`Error::Locked`] if another process has it, and with [`Error::NotDurable`] if an acknowledged append would
    /// not be.
    pub fn open(config: EmbeddedConfig) -> Result<Self, Error> {
        config.check()?;
        let directory = Directory::take(&config.directory)?;
        let connection = connection::to_write(&directory.database(), &config)?;
        Self::start(directory, connection, config)
    }

    fn start(directory: Directory, connection: Connection, config: EmbeddedConfig) -> Result<Self, Error> {
        let catalog = Catalog::load(&connection).map_err(|e| failed("reading the topics", &e))?;
        let trimming = Trimming::left_over(&connection, &catalog.tracks())
            .map_err(|e| failed("looking for what was trimmed", &e))?;
        let (closing, closed) = watch::channel(false);
        let shared = Arc::new(Shared {
            catalog,
            queue: Queue::new(config.queue_bytes, config.queue_records, config.commit_bytes),
            tail: Tail::new(config.tail_bytes),
            shelf: Shelf::new(directory.database()),
            closing: closed,
        });
        let max_record_bytes = config.max_record_bytes;
        let writer = Writer { connection, shared: shared.clone(), trimming, config, directory, closing };
        let writer = writer
            .start()
            .map_err(|e| Error::Store { doing: "starting the writer", cause: e.to_string() })?;
        let (seats, orders) = (Seats::default(), Arc::new(Semaphore::new(ORDERS)));
        Ok(Self { inner: Arc::new(Inner { shared, seats, orders, max_record_bytes, writer: Some(writer) }) })
    }

    /// Makes what was appended durable and lets go of the directory. Readers and later calls, on every clone, get
    /// [`Error::Closed`].
    pub async fn close(self) {
        self.inner.shared.queue.close();
        self.inner.shared.closed().await;
    }

    fn enqueue(
        &self,
        to: &Partition,
        record: Record,
    ) -> Result<oneshot::Receiver<Result<Appended, Error>>, Error> {
        let (bytes, limit) = (record.bytes(), self.inner.max_record_bytes);
        if bytes > limit {
            return Err(Error::TooLarge { partition: to.clone(), bytes, limit });
        }
        let track = self.inner.shared.catalog.track(to)?;
        let (reply, answer) = oneshot::channel();
        match self.inner.shared.queue.push(Job::Append(Append { track, record, reply })) {
            Ok(()) => Ok(answer),
            Err(Refused::Full) => Err(Error::QueueFull { partition: to.clone() }),
            Err(Refused::Closed) => Err(Error::Closed),
        }
    }

    /// Has the writer do something that is not an append. Few of these wait at a time.
    async fn order(&self, job: impl FnOnce(Order) -> Job) -> Result<(), Error> {
        let permit = self.inner.orders.clone().acquire_owned().await.map_err(|_| Error::Closed)?;
        let (reply, answer) = oneshot::channel();
        self.inner.shared.queue.push(job(Order { reply, _permit: permit })).map_err(|_| Error::Closed)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }
}

#[async_trait]
impl Log for Embedded {
    async fn ensure(&self, topics: &[TopicSpec]) -> Result<(), Error> {
        self.inner.shared.check_open()?;
        if self.inner.shared.catalog.missing(topics)?.is_empty() {
            return Ok(());
        }
        let topics = topics.to_vec();
        self.order(move |order| Job::Ensure(topics, order)).await
    }

    fn append(&self, to: &Partition, record: Record) -> AppendFuture {
        match self.enqueue(to, record) {
            Ok(answer) => {
                let partition = to.clone();
                let lost = |_| Err(Error::Unknown { partition, cause: "the writer is gone".into() });
                answer.map(|answer| answer.unwrap_or_else(lost)).boxed()
            }
            Err(error) => ready(Err(error)).boxed(),
        }
    }

    async fn reader(&self, starts: Vec<Start>, limits: ReaderLimits) -> Result<Box<dyn Reader>, Error> {
        self.inner.shared.check_open()?;
        Ok(Box::new(Positions::new(self.inner.shared.clone(), starts, limits)?))
    }

    async fn read_at(&self, pointers: &[Pointer]) -> Result<Vec<Option<Entry>>, Error> {
        let shared = &self.inner.shared;
        shared.check_open()?;
        let mut found = Vec::with_capacity(pointers.len());
        let mut behind = Vec::new();
        for Pointer { partition, offset } in pointers {
            let track = shared.catalog.track(partition)?;
            let kept = (track.first()..track.next()).contains(offset);
            let entry = if kept { shared.tail.at(&track, *offset) } else { None };
            if kept && entry.is_none() {
                behind.push((found.len(), track, *offset));
            }
            found.push(entry);
        }
        if !behind.is_empty() {
            let read = move |connection: &Connection| {
                let one = |(i, track, offset): &(usize, Arc<track::Track>, u64)| {
                    Ok((*i, shelf::at(connection, track, *offset)?))
                };
                behind.iter().map(one).collect::<rusqlite::Result<Vec<_>>>()
            };
            for (i, entry) in shared.shelf.read(read).await? {
                found[i] = entry;
            }
        }
        Ok(found)
    }

    async fn bounds(&self, partition: &Partition) -> Result<Range<u64>, Error> {
        self.inner.shared.check_open()?;
        let track = self.inner.shared.catalog.track(partition)?;
        Ok(track.first()..track.next())
    }

    async fn trim(&self, partition: &Partition, before: u64) -> Result<(), Error> {
        let track = self.inner.shared.catalog.track(partition)?;
        self.order(move |order| Job::Trim(track, before, order)).await
    }

    async fn own_shards(&self, topic: &Topic, _node: &str) -> Result<Box<dyn Shards>, Error> {
        self.inner.shared.check_open()?;
        let partitions = self.inner.shared.catalog.partitions(topic)?;
        Ok(Box::new(self.inner.seats.join(topic, partitions, self.inner.shared.clone())))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.queue.close();
        if let Some(writer) = self.writer.take() {
            // It answers for its own failures.
            let _ended = writer.join();
        }
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").finish_non_exhaustive()
    }
}
