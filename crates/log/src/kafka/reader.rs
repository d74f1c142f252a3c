//! Reading on: a feed for each partition, emptied in turn.

use std::{collections::VecDeque, sync::Arc};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{feed::Feed, lane::Lane, pool::Pool};
use crate::{Entry, Error, Partition, Reader, ReaderLimits, Start, budget::Budget};

/// How many partitions share one answer at most, so that each of them gets a run worth having.
const SHARERS: usize = 16;

/// A position in each of some partitions.
pub(super) struct Positions {
    pool: Arc<Pool>,
    limits: ReaderLimits,
    bell: Arc<Notify>,
    feeds: Vec<(Arc<Feed>, Arc<Lane>)>,
    /// The feed whose turn it is.
    turn: usize,
    /// What `add` could not say.
    faults: VecDeque<Error>,
}

impl Positions {
    pub(super) fn new(pool: Arc<Pool>, starts: Vec<Start>, limits: ReaderLimits) -> Self {
        let (bell, feeds, faults) = (Arc::default(), Vec::new(), VecDeque::new());
        let mut positions = Self { pool, limits, bell, feeds, turn: 0, faults };
        positions.add(starts);
        positions
    }

    fn start(&mut self, start: Start) -> Result<(), Error> {
        let Start { partition, offset } = start;
        self.remove(std::slice::from_ref(&partition));
        let address = self.pool.address(&partition)?;
        let feed = Feed::new(partition, address, offset, self.bell.clone(), self.pool.ahead.clone());
        let lane = self.pool.join(&feed)?;
        self.feeds.push((feed, lane));
        Ok(())
    }

    fn check_open(&self) -> Result<(), Error> {
        if *self.pool.closing.borrow() || self.pool.closing.has_changed().is_err() {
            return Err(Error::Closed);
        }
        Ok(())
    }

    /// What is wrong, once: that partition is left out from now on.
    fn fault(&mut self) -> Option<Error> {
        if let Some(fault) = self.faults.pop_front() {
            return Some(fault);
        }
        let (at, fault) = self
            .feeds
            .iter()
            .enumerate()
            .find_map(|(at, (feed, _))| feed.fault().map(|fault| (at, fault)))?;
        let (feed, lane) = self.feeds.remove(at);
        self.pool.leave(&lane, &feed);
        self.turn = 0;
        Some(fault)
    }

    /// What is there, beginning with the one whose turn it is.
    fn take(&mut self) -> Vec<Entry> {
        let count = self.feeds.len();
        let order = (0..count).map(|i| (self.turn + i) % count);
        let ready: Vec<_> = order.filter(|i| self.feeds[*i].0.has_entries()).take(SHARERS).collect();
        let mut budget = Budget::new(self.limits, ready.len());
        let mut entries = Vec::new();
        for at in ready {
            if !budget.turn() {
                break;
            }
            let (feed, lane) = &self.feeds[at];
            let before = entries.len();
            if feed.take(&mut budget, &mut entries) {
                lane.touch(feed);
            }
            if entries.len() == before {
                // It does not fit any more; it comes first the next time.
                break;
            }
            self.turn = (at + 1) % count;
        }
        entries
    }
}

#[async_trait]
impl Reader for Positions {
    async fn next(&mut self) -> Result<Vec<Entry>, Error> {
        loop {
            self.check_open()?;
            if let Some(fault) = self.fault() {
                return Err(fault);
            }
            let entries = self.take();
            if !entries.is_empty() {
                return Ok(entries);
            }
            let mut closing = self.pool.closing.clone();
            tokio::select! {
                // Rung for each entry that a lane brings. A ring that comes between the look above and here is kept.
                () = self.bell.notified() => {}
                // An error means that the log is gone, which the next look finds too.
                _ended = closing.changed() => {}
            }
        }
    }

    fn add(&mut self, starts: Vec<Start>) {
        for start in starts {
            if let Err(fault) = self.start(start) {
                self.faults.push_back(fault);
            }
        }
    }

    fn remove(&mut self, partitions: &[Partition]) {
        let (gone, stay) = std::mem::take(&mut self.feeds)
            .into_iter()
            .partition(|(feed, _)| partitions.contains(&feed.partition));
        self.feeds = stay;
        for (feed, lane) in gone {
            self.pool.leave(&lane, &feed);
        }
        self.turn = if self.turn < self.feeds.len() { self.turn } else { 0 };
    }

    fn pause(&mut self, partitions: &[Partition], paused: bool) {
        for (feed, lane) in self.feeds.iter().filter(|(feed, _)| partitions.contains(&feed.partition)) {
            feed.pause(paused);
            lane.touch(feed);
        }
    }
}

impl Drop for Positions {
    fn drop(&mut self) {
        for (feed, lane) in self.feeds.drain(..) {
            self.pool.leave(&lane, &feed);
        }
    }
}
