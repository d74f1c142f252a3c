//! What the follower has made known: the file to query, how far it has read, and who is to be woken.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bulkhead_model::{Nation, TenantId, Verdict};
use tokio::sync::{Notify, broadcast, watch};

use crate::intervals::Intervals;
use crate::marks::{Marks, Reached};
use crate::recent::Recent;
use crate::stops::Stops;
use crate::store::Store;
use crate::{Change, Error, Stop};

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

/// How many verdicts are remembered; twice as many at most. Whoever waits for one asks soon.
const VERDICTS: usize = 4096;

/// A change, with where its event lies.
pub(crate) type Told = ((u32, u64), Change);

/// What one batch has made true.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// The offset to read on from, of each partition that was read.
    pub(crate) read: BTreeMap<u32, u64>,
    /// What each event did that was read.
    pub(crate) verdicts: Vec<((u32, u64), Verdict)>,
    /// Records of `in` that need nothing more.
    pub(crate) settled: Vec<(String, u64)>,
    /// Where a newer release wrote what this one cannot read, by partition.
    pub(crate) newer: BTreeMap<u32, u64>,
    /// What changed.
    pub(crate) changes: Vec<Told>,
    /// Who is to be woken.
    pub(crate) woken: Woken,
}

/// Shared by the follower and all handles.
#[derive(Debug)]
pub(crate) struct Published {
    store: watch::Sender<Option<Arc<Store>>>,
    marks: Mutex<Marks>,
    verdicts: Mutex<Recent<(u32, u64), Verdict>>,
    changes: broadcast::Sender<Change>,
    tenants: Mutex<HashMap<TenantId, Arc<Notify>>>,
    borders: [Arc<Notify>; Nation::ALL.len()],
    /// One a nation: each is told by a courier of its own.
    reports: [Arc<Notify>; Nation::ALL.len()],
    damaged: AtomicBool,
    stops: Mutex<Stops>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here panics half way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn wait(reached: Option<Reached>) -> Result<(), Error> {
    match reached {
        Some(reached) => reached.await.map_err(|_| Error::Stopped),
        None => Ok(()),
    }
}

impl Published {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            store: watch::Sender::new(None),
            marks: Mutex::default(),
            verdicts: Mutex::new(Recent::new(VERDICTS)),
            changes: broadcast::Sender::new(CHANGES),
            tenants: Mutex::default(),
            borders: Default::default(),
            reports: Default::default(),
            damaged: AtomicBool::new(false),
            stops: Mutex::default(),
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
        (0..).zip(read).for_each(|(partition, at)| marks.reach(partition, *at));
    }

    /// There is nothing to query until the next file is adopted.
    pub(crate) fn withdraw(&self) {
        self.store.send_replace(None);
    }

    /// Nor is anything known any more: the log is another one, or not what it was.
    pub(crate) fn forget(&self) {
        self.withdraw();
        *lock(&self.verdicts) = Recent::new(VERDICTS);
        lock(&self.marks).forget();
    }

    /// How far each partition of events has been read.
    pub(crate) fn read(&self) -> Vec<u64> {
        lock(&self.marks).read()
    }

    /// Makes known what a batch has done; it can be queried already.
    pub(crate) fn tell(&self, news: News) {
        let mut verdicts = lock(&self.verdicts);
        for (at, verdict) in news.verdicts {
            verdicts.put(at, verdict);
        }
        drop(verdicts);
        let mut marks = lock(&self.marks);
        news.settled.iter().for_each(|(topic, offset)| marks.settle(topic, *offset..offset + 1));
        for (partition, at) in news.read {
            marks.reach(partition, at);
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
            self.reports.iter().for_each(|nation| nation.notify_one());
        }
    }

    /// Ends all waiting: nothing more will be read.
    pub(crate) fn stop(&self) {
        lock(&self.marks).stop();
    }

    /// Waits until that partition of events has been read up to there.
    pub(crate) async fn read_up_to(&self, partition: u32, until: u64) -> Result<(), Error> {
        let reached = lock(&self.marks).wait_read(partition, until);
        wait(reached).await
    }

    /// Nobody waits any more for what lies further on in that partition of events.
    pub(crate) fn end(&self, partition: u32) {
        lock(&self.marks).end(partition);
    }

    /// Events of that partition come again.
    pub(crate) fn begin(&self, partition: u32) {
        lock(&self.marks).begin(partition);
    }

    /// Records of that `in` topic were there, up to there.
    pub(crate) fn see(&self, topic: &str, up_to: u64) {
        lock(&self.marks).see(topic, up_to);
    }

    /// Where that `in` topic goes on at least.
    pub(crate) fn goes_on_at(&self, topic: &str) -> u64 {
        lock(&self.marks).goes_on_at(topic)
    }

    /// That partition does not go on at this node. True when that is news.
    pub(crate) fn stop_at(&self, partition: &str, why: Stop) -> bool {
        lock(&self.stops).stop(partition, why)
    }

    /// It goes on again. True when it was stopped.
    pub(crate) fn go_on(&self, partition: &str) -> bool {
        lock(&self.stops).go_on(partition)
    }

    /// Why it does not go on.
    pub(crate) fn stop_of(&self, partition: &str) -> Option<Stop> {
        lock(&self.stops).of(partition).cloned()
    }

    /// All that does not go on.
    pub(crate) fn stops(&self) -> Vec<(String, Stop)> {
        lock(&self.stops).all()
    }

    /// Waits until everything of that `in` topic before there is settled.
    pub(crate) async fn decided_up_to(&self, topic: &str, until: u64) -> Result<(), Error> {
        let reached = lock(&self.marks).wait_decided(topic, until);
        wait(reached).await
    }

    /// The lowest offset of that `in` topic that is not settled.
    pub(crate) fn read_on(&self, topic: &str) -> u64 {
        lock(&self.marks).read_on(topic)
    }

    /// What the event at that place did, if it was read lately and its verdict cannot change any more.
    pub(crate) fn verdict(&self, partition: u32, offset: u64) -> Option<Verdict> {
        let verdict = lock(&self.verdicts).get(&(partition, offset)).cloned();
        verdict.filter(|verdict| *verdict != Verdict::Early)
    }

    /// Whether that record of `in` is settled.
    pub(crate) fn is_settled(&self, topic: &str, offset: u64) -> bool {
        lock(&self.marks).is_settled(topic, offset)
    }

    /// How many records of that `in` topic in that range are not settled.
    pub(crate) fn undecided(&self, topic: &str, range: &Range<u64>) -> u64 {
        lock(&self.marks).undecided(topic, range)
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

    /// Rung when that nation may have to be told something.
    pub(crate) fn reports(&self, nation: Nation) -> &Arc<Notify> {
        &self.reports[nation as usize]
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
