//! Reading on: from memory at the tail, from the file behind it, asleep when there is nothing.

use std::{collections::VecDeque, sync::Arc};

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::Notify;

use super::{shared::Shared, shelf, tail::Tail, track::Track};
use crate::{Entry, Error, Partition, Reader, ReaderLimits, Start, budget::Budget};

/// How many partitions share one answer at most, so that each of them gets a run worth fetching.
const SHARERS: usize = 16;

/// A position in each of some partitions.
pub(super) struct Positions {
    shared: Arc<Shared>,
    limits: ReaderLimits,
    bell: Arc<Notify>,
    cursors: Vec<Cursor>,
    /// The cursor whose turn it is.
    turn: usize,
    /// What `add` could not say.
    faults: VecDeque<Error>,
}

struct Cursor {
    track: Arc<Track>,
    next: u64,
    paused: bool,
}

/// One partition's part in the next answer.
#[derive(Clone)]
struct Ask {
    cursor: usize,
    track: Arc<Track>,
    from: u64,
    end: u64,
}

/// What became of an ask: its entries, and where its cursor stands now.
struct Got {
    cursor: usize,
    entries: Vec<Entry>,
    next: u64,
}

impl Positions {
    /// A reader of these; an error if one of them cannot be read.
    pub(super) fn new(shared: Arc<Shared>, starts: Vec<Start>, limits: ReaderLimits) -> Result<Self, Error> {
        let mut positions = Self {
            shared,
            limits,
            bell: Arc::default(),
            cursors: Vec::new(),
            turn: 0,
            faults: VecDeque::new(),
        };
        positions.add(starts);
        match positions.faults.pop_front() {
            Some(fault) => Err(fault),
            None => Ok(positions),
        }
    }

    fn start(&mut self, start: &Start) -> Result<(), Error> {
        let track = self.shared.catalog.track(&start.partition)?;
        let end = track.next();
        self.remove(std::slice::from_ref(&start.partition));
        if start.offset > end {
            return Err(Error::PastEnd { partition: start.partition.clone(), offset: start.offset, end });
        }
        track.wake(&self.bell);
        self.cursors.push(Cursor { track, next: start.offset, paused: false });
        Ok(())
    }

    /// Those that have something, beginning with the one whose turn it is.
    fn asks(&self) -> Vec<Ask> {
        let (before, after) = self.cursors.split_at(self.turn.min(self.cursors.len()));
        let order = after.iter().enumerate().map(|(i, cursor)| (before.len() + i, cursor));
        let order = order.chain(before.iter().enumerate()).filter(|(_, cursor)| !cursor.paused);
        let asks = order.map(|(i, cursor)| {
            let from = cursor.next.max(cursor.track.first());
            Ask { cursor: i, track: cursor.track.clone(), from, end: cursor.track.next() }
        });
        asks.filter(|ask| ask.from < ask.end).take(SHARERS).collect()
    }

    /// Moves the cursors past what was got.
    fn advance(&mut self, got: Vec<Got>) -> Vec<Entry> {
        let mut entries = Vec::new();
        for got in got {
            self.turn = (got.cursor + 1) % self.cursors.len().max(1);
            self.cursors[got.cursor].next = got.next;
            entries.extend(got.entries);
        }
        entries
    }

    /// Answers these, from memory if the first of them can be, or else from the file too.
    async fn get(&self, asks: Vec<Ask>) -> Result<Vec<Got>, Error> {
        let quick = get(&asks, self.limits, &self.shared.tail, None).map_err(|_| Error::Closed)?;
        if !quick.is_empty() {
            return Ok(quick);
        }
        let (shared, limits) = (self.shared.clone(), self.limits);
        self.shared.shelf.read(move |connection| get(&asks, limits, &shared.tail, Some(connection))).await
    }
}

/// Answers the asks in their order, as far as the budget goes. Without a connection it stops at the first that does
/// not lie in memory: what was got until then need not wait for the disk, and that one comes first the next time.
fn get(
    asks: &[Ask],
    limits: ReaderLimits,
    tail: &Tail,
    file: Option<&Connection>,
) -> rusqlite::Result<Vec<Got>> {
    let mut budget = Budget::new(limits, asks.len());
    let mut got = Vec::new();
    for ask in asks {
        if !budget.turn() {
            break;
        }
        let (entries, next) = match (tail.run(&ask.track, ask.from, ask.end, &mut budget), file) {
            (Some(entries), _) => {
                let next = entries.last().map_or(ask.from, |entry| entry.offset + 1);
                (entries, next)
            }
            (None, Some(file)) => shelf::run(file, &ask.track, ask.from, ask.end, &mut budget)?,
            (None, None) => break,
        };
        if entries.is_empty() && next == ask.from {
            // It does not fit any more; it comes first the next time.
            break;
        }
        got.push(Got { cursor: ask.cursor, entries, next });
    }
    Ok(got)
}

#[async_trait]
impl Reader for Positions {
    async fn next(&mut self) -> Result<Vec<Entry>, Error> {
        loop {
            self.shared.check_open()?;
            if let Some(fault) = self.faults.pop_front() {
                return Err(fault);
            }
            let asks = self.asks();
            if asks.is_empty() {
                // Rung after each commit to one of our partitions, and when the log closes. A ring that comes
                // between the look above and here is kept.
                self.bell.notified().await;
                continue;
            }
            let got = self.get(asks).await?;
            let entries = self.advance(got);
            if !entries.is_empty() {
                return Ok(entries);
            }
        }
    }

    fn add(&mut self, starts: Vec<Start>) {
        for start in starts {
            if let Err(fault) = self.start(&start) {
                self.faults.push_back(fault);
            }
        }
    }

    fn remove(&mut self, partitions: &[Partition]) {
        let bell = &self.bell;
        self.cursors.retain(|cursor| {
            let stays = !partitions.contains(&cursor.track.partition);
            if !stays {
                cursor.track.leave(bell);
            }
            stays
        });
        self.turn = if self.turn < self.cursors.len() { self.turn } else { 0 };
    }

    fn pause(&mut self, partitions: &[Partition], paused: bool) {
        let chosen = self.cursors.iter_mut().filter(|cursor| partitions.contains(&cursor.track.partition));
        chosen.for_each(|cursor| cursor.paused = paused);
    }
}
