//! What the follower has made known: the file to query, how far it has read, and who is to be woken.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bulkhead_model::{Nation, SHARDS, TenantId};
use tokio::sync::{Notify, broadcast, oneshot, watch};

use crate::intervals::Intervals;
use crate::store::Store;
use crate::{Change, Error};

/// How many changes a receiver may be behind.
pub(crate) const CHANGES: usize = 8192;

/// Who may have something new to do.
#[derive(Debug, Default)]
pub(crate) struct Woken {
    /// Something may have become deliverable to these.
    pub(crate) tenants: HashSet<TenantId>,
    /// Something may have become ready to be carried there.
    pub(crate) borders: HashSet<Nation>,
    /// Another nation may have to be told something.
    pub(crate) reports: bool,
}

impl Woken {
    /// Adds those of another batch.
    pub(crate) fn extend(&mut self, other: Self) {
        self.tenants.extend(other.tenants);
        self.borders.extend(other.borders);
        self.reports |= other.reports;
    }
}

/// A change, with where its event lies.
pub(crate) type Told = ((u32, u64), Change);

/// What one batch has made true.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// The offset to read on from, of each partition that was read.
    pub(crate) read: BTreeMap<u32, u64>,
    /// Records of `in` that need nothing more.
    pub(crate) settled: Vec<(String, u64)>,
    /// What changed.
    pub(crate) changes: Vec<Told>,
    /// Who is to be woken.
    pub(crate) woken: Woken,
}

/// A number that rises, and those who wait for it to reach something.
#[derive(Debug, Default)]
struct Mark {
    at: u64,
    waiting: BTreeMap<u64, Vec<oneshot::Sender<()>>>,
}

impl Mark {
    fn reach(&mut self, at: u64) {
        self.at = self.at.max(at);
        let beyond = self.waiting.split_off(&(self.at + 1));
        // A waiter that has gone needs no answer.
        std::mem::replace(&mut self.waiting, beyond).into_values().flatten().for_each(|waiter| {
            waiter.send(()).ok();
        });
    }

    fn wait(&mut self, until: u64) -> Option<oneshot::Receiver<()>> {
        (until > self.at).then(|| {
            let (sender, receiver) = oneshot::channel();
            self.waiting.entry(until).or_default().push(sender);
            receiver
        })
    }
}

#[derive(Debug, Default)]
struct Topic {
    settled: Intervals,
    mark: Mark,
}

#[derive(Debug)]
struct Marks {
    partitions: Vec<Mark>,
    topics: HashMap<String, Topic>,
    stopped: bool,
}

/// Shared by the follower and all handles.
#[derive(Debug)]
pub(crate) struct Published {
    store: watch::Sender<Option<Arc<Store>>>,
    marks: Mutex<Marks>,
    changes: broadcast::Sender<Change>,
    tenants: Mutex<HashMap<TenantId, Arc<Notify>>>,
    borders: [Arc<Notify>; Nation::ALL.len()],
    reports: Arc<Notify>,
    damaged: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here panics half way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Published {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        let partitions = (0..SHARDS).map(|_| Mark::default()).collect();
        Self {
            store: watch::Sender::new(None),
            marks: Mutex::new(Marks { partitions, topics: HashMap::new(), stopped: false }),
            changes: broadcast::Sender::new(CHANGES),
            tenants: Mutex::default(),
            borders: Default::default(),
            reports: Arc::default(),
            damaged: AtomicBool::new(false),
        }
    }

    /// The file to query.
    pub(crate) fn store(&self) -> Result<Arc<Store>, Error> {
        self.store.borrow().clone().ok_or(Error::Rebuilding)
    }

    /// The file to query, once there is one.
    pub(crate) async fn some_store(&self) -> Result<Arc<Store>, Error> {
        let mut store = self.store.subscribe();
        let found = store.wait_for(Option::is_some).await.map_err(|_| Error::Stopped)?.clone();
        found.ok_or(Error::Rebuilding)
    }

    /// From now on that file is queried, and all that it was made of is known.
    pub(crate) fn adopt(&self, store: Store, read: &[u64], settled: &HashMap<String, Intervals>) {
        self.damaged.store(false, Ordering::Relaxed);
        self.store.send_replace(Some(Arc::new(store)));
        let mut marks = lock(&self.marks);
        for (topic, intervals) in settled {
            intervals.runs().for_each(|run| marks.settle(topic, run));
        }
        marks.partitions.iter_mut().zip(read).for_each(|(mark, at)| mark.reach(*at));
    }

    /// There is nothing to query until the next file is adopted.
    pub(crate) fn withdraw(&self) {
        self.store.send_replace(None);
    }

    /// Nor is anything known any more: the log is another one.
    pub(crate) fn forget(&self) {
        self.withdraw();
        let mut marks = lock(&self.marks);
        marks.partitions.iter_mut().for_each(|mark| mark.at = 0);
        for topic in marks.topics.values_mut() {
            (topic.settled, topic.mark.at) = (Intervals::default(), 0);
        }
    }

    /// How far each partition of events has been read.
    pub(crate) fn read(&self) -> Vec<u64> {
        lock(&self.marks).partitions.iter().map(|mark| mark.at).collect()
    }

    /// Makes known what a batch has done; it can be queried already.
    pub(crate) fn tell(&self, news: News) {
        let mut marks = lock(&self.marks);
        news.settled.iter().for_each(|(topic, offset)| marks.settle(topic, *offset..offset + 1));
        for (partition, at) in news.read {
            if let Some(mark) = marks.partitions.get_mut(partition as usize) {
                mark.reach(at);
            }
        }
        drop(marks);
        self.wake(&news.woken);
        for (_, change) in news.changes {
            // Nobody may be listening.
            self.changes.send(change).ok();
        }
    }

    fn wake(&self, woken: &Woken) {
        let tenants = lock(&self.tenants);
        woken.tenants.iter().filter_map(|to| tenants.get(to)).for_each(|bell| bell.notify_one());
        woken.borders.iter().for_each(|nation| self.border(*nation).notify_one());
        if woken.reports {
            self.reports.notify_one();
        }
    }

    /// Ends all waiting: nothing more will be read.
    pub(crate) fn stop(&self) {
        let mut marks = lock(&self.marks);
        marks.stopped = true;
        marks.partitions.iter_mut().for_each(|mark| mark.waiting.clear());
        marks.topics.values_mut().for_each(|topic| topic.mark.waiting.clear());
    }

    /// Waits until that partition of events has been read up to there.
    pub(crate) async fn read_up_to(&self, partition: u32, until: u64) -> Result<(), Error> {
        let waiter = {
            let mut marks = lock(&self.marks);
            let stopped = marks.stopped;
            let mark = marks.partitions.get_mut(partition as usize);
            let waiter = mark.and_then(|mark| mark.wait(until));
            if stopped && waiter.is_some() {
                return Err(Error::Stopped);
            }
            waiter
        };
        match waiter {
            Some(waiter) => waiter.await.map_err(|_| Error::Stopped),
            None => Ok(()),
        }
    }

    /// Waits until everything of that `in` topic before there is settled.
    pub(crate) async fn decided_up_to(&self, topic: &str, until: u64) -> Result<(), Error> {
        let waiter = {
            let mut marks = lock(&self.marks);
            let stopped = marks.stopped;
            let waiter = marks.topic(topic).mark.wait(until);
            if stopped && waiter.is_some() {
                return Err(Error::Stopped);
            }
            waiter
        };
        match waiter {
            Some(waiter) => waiter.await.map_err(|_| Error::Stopped),
            None => Ok(()),
        }
    }

    /// The lowest offset of that `in` topic that is not settled.
    pub(crate) fn read_on(&self, topic: &str) -> u64 {
        lock(&self.marks).topics.get(topic).map_or(0, |topic| topic.mark.at)
    }

    /// Whether that record of `in` is settled.
    pub(crate) fn is_settled(&self, topic: &str, offset: u64) -> bool {
        lock(&self.marks).topics.get(topic).is_some_and(|topic| topic.settled.contains(offset))
    }

    /// These offsets of that `in` topic hold nothing.
    pub(crate) fn settle(&self, topic: &str, run: Range<u64>) {
        lock(&self.marks).settle(topic, run);
    }

    /// What changes from now on.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Rung when something may have become deliverable to that tenant.
    pub(crate) fn tenant(&self, to: &TenantId) -> Arc<Notify> {
        lock(&self.tenants).entry(to.clone()).or_default().clone()
    }

    /// Rung when something may have become ready to be carried there.
    pub(crate) fn border(&self, nation: Nation) -> &Arc<Notify> {
        &self.borders[nation as usize]
    }

    /// Rung when another nation may have to be told something.
    pub(crate) fn reports(&self) -> &Arc<Notify> {
        &self.reports
    }

    /// A query has met a damaged file: the follower will see to it.
    pub(crate) fn set_damaged(&self) {
        self.damaged.store(true, Ordering::Relaxed);
    }

    /// Whether a query has met a damaged file.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }
}

impl Marks {
    fn topic(&mut self, name: &str) -> &mut Topic {
        if !self.topics.contains_key(name) {
            self.topics.insert(name.to_owned(), Topic::default());
        }
        self.topics.entry(name.to_owned()).or_default()
    }

    fn settle(&mut self, name: &str, run: Range<u64>) {
        let topic = self.topic(name);
        topic.settled.add(run);
        topic.mark.reach(topic.settled.first_missing());
    }
}
