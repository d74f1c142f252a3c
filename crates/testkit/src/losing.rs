//! A log whose topics can be lost, as if somebody had deleted them, made anew, and put back.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bulkhead_log::{
    AppendFuture, Entry, Error, Log, Partition, Pointer, Reader, ReaderLimits, Record, Shards, Start, Topic,
    TopicSpec,
};
use tokio::sync::watch;

/// Wraps a log; until something is lost it is that log.
#[derive(Debug)]
pub struct Losing<L> {
    inner: L,
    lost: watch::Sender<Lost>,
}

impl<L> Losing<L> {
    /// That log.
    pub fn new(inner: L) -> Arc<Self> {
        Arc::new(Self { inner, lost: watch::Sender::default() })
    }

    /// That topic is gone from now on, until it is made anew; what was in it is not.
    pub fn lose(&self, topic: &str) {
        self.lost.send_modify(|lost| *lost.0.entry(topic.to_owned()).or_default() += 1);
    }

    /// What was in it at first is there again, as somebody has put it back.
    pub fn find(&self, topic: &str) {
        self.lost.send_if_modified(|lost| lost.0.remove(topic).is_some());
    }
}

/// How often each topic was lost. Below, every one after the first has a name of its own.
#[derive(Debug, Clone, Default)]
struct Lost(HashMap<String, u32>);

impl Lost {
    fn inner(&self, topic: &Topic) -> Topic {
        match self.0.get(topic.as_str()) {
            Some(times) => Topic::new(&format!("{topic}.anew-{times}")).unwrap_or_else(|_| topic.clone()),
            None => topic.clone(),
        }
    }

    fn below(&self, partition: &Partition) -> Partition {
        self.inner(&partition.topic).partition(partition.number)
    }
}

fn outer(topic: &Topic) -> Topic {
    let name = topic.as_str().split(".anew-").next().unwrap_or_default();
    Topic::new(name).unwrap_or_else(|_| topic.clone())
}

fn above(partition: &Partition) -> Partition {
    outer(&partition.topic).partition(partition.number)
}

fn named_above(error: Error) -> Error {
    match error {
        Error::UnknownTopic { topic } => Error::UnknownTopic { topic: outer(&topic) },
        Error::UnknownPartition { partition } => Error::UnknownPartition { partition: above(&partition) },
        Error::PastEnd { partition, offset, end } => {
            Error::PastEnd { partition: above(&partition), offset, end }
        }
        error => error,
    }
}

fn entry_above(entry: Entry) -> Entry {
    Entry { partition: above(&entry.partition), ..entry }
}

/// A reader that says it once when a topic is lost that it reads.
struct Watching {
    inner: Box<dyn Reader>,
    lost: watch::Receiver<Lost>,
    /// As they were called below when they were added.
    reads: Vec<(Topic, Topic)>,
}

impl Watching {
    /// One of its topics that is not what it was, which it then reads no more.
    fn gone(&mut self) -> Option<Topic> {
        let lost = self.lost.borrow_and_update();
        let place = self.reads.iter().position(|(topic, below)| lost.inner(topic) != *below)?;
        drop(lost);
        Some(self.reads.remove(place).0)
    }
}

#[async_trait::async_trait]
impl Reader for Watching {
    async fn next(&mut self) -> Result<Vec<Entry>, Error> {
        loop {
            if let Some(topic) = self.gone() {
                return Err(Error::UnknownTopic { topic });
            }
            tokio::select! {
                biased;
                Ok(()) = self.lost.changed() => {}
                entries = self.inner.next() => {
                    let entries = entries.map_err(named_above)?;
                    return Ok(entries.into_iter().map(entry_above).collect());
                }
            }
        }
    }

    fn add(&mut self, starts: Vec<Start>) {
        let lost = self.lost.borrow();
        let below = |start: Start| Start { partition: lost.below(&start.partition), ..start };
        self.reads.extend(starts.iter().map(|start| {
            let topic = &start.partition.topic;
            (topic.clone(), lost.inner(topic))
        }));
        self.inner.add(starts.into_iter().map(below).collect());
    }

    fn remove(&mut self, partitions: &[Partition]) {
        let below: Vec<_> = partitions.iter().map(|partition| self.lost.borrow().below(partition)).collect();
        self.inner.remove(&below);
    }

    fn pause(&mut self, partitions: &[Partition], paused: bool) {
        let below: Vec<_> = partitions.iter().map(|partition| self.lost.borrow().below(partition)).collect();
        self.inner.pause(&below, paused);
    }
}

#[async_trait::async_trait]
impl<L: Log> Log for Losing<L> {
    async fn ensure(&self, topics: &[TopicSpec]) -> Result<(), Error> {
        let topics: Vec<_> = {
            let lost = self.lost.borrow();
            let below = |spec: &TopicSpec| TopicSpec { topic: lost.inner(&spec.topic), ..spec.clone() };
            topics.iter().map(below).collect()
        };
        self.inner.ensure(&topics).await.map_err(named_above)
    }

    fn append(&self, to: &Partition, record: Record) -> AppendFuture {
        let below = self.lost.borrow().below(to);
        let appended = self.inner.append(&below, record);
        Box::pin(async move { appended.await.map_err(named_above) })
    }

    async fn reader(&self, starts: Vec<Start>, limits: ReaderLimits) -> Result<Box<dyn Reader>, Error> {
        let lost = self.lost.subscribe();
        let (reads, starts) = {
            let lost = lost.borrow();
            let reads = starts.iter().map(|start| {
                let topic = &start.partition.topic;
                (topic.clone(), lost.inner(topic))
            });
            let reads: Vec<_> = reads.collect();
            let below = |start: Start| Start { partition: lost.below(&start.partition), ..start };
            (reads, starts.into_iter().map(below).collect())
        };
        let inner = self.inner.reader(starts, limits).await.map_err(named_above)?;
        Ok(Box::new(Watching { inner, lost, reads }))
    }

    async fn read_at(&self, pointers: &[Pointer]) -> Result<Vec<Option<Entry>>, Error> {
        let pointers: Vec<_> = {
            let lost = self.lost.borrow();
            pointers.iter().map(|pointer| lost.below(&pointer.partition).at(pointer.offset)).collect()
        };
        let found = self.inner.read_at(&pointers).await.map_err(named_above)?;
        Ok(found.into_iter().map(|entry| entry.map(entry_above)).collect())
    }

    async fn bounds(&self, partition: &Partition) -> Result<Range<u64>, Error> {
        let below = self.lost.borrow().below(partition);
        self.inner.bounds(&below).await.map_err(named_above)
    }

    async fn trim(&self, partition: &Partition, before: u64) -> Result<(), Error> {
        let below = self.lost.borrow().below(partition);
        self.inner.trim(&below, before).await.map_err(named_above)
    }

    async fn own_shards(&self, topic: &Topic, node: &str) -> Result<Box<dyn Shards>, Error> {
        self.inner.own_shards(topic, node).await
    }
}
