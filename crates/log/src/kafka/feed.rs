//! One partition as one reader wants it: where it is, what was fetched for it, and whether it wants more.
//!
//! A lane fills it, a reader empties it. What it holds is bounded: full, paused or at fault, it is taken out of its
//! lane's assignment, and put back at `next`, the lowest offset that it has not been given.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::{Entry, Error, Partition, budget::Budget};

/// How many bytes wait in one feed before it wants no more, while there is room in all of them together.
const FEED_BYTES: usize = 1024 * 1024;
/// What an entry takes besides its bytes, so that empty ones count.
const OVERHEAD: usize = 256;

/// How much all feeds together hold, and how much they should.
#[derive(Debug)]
pub(super) struct ReadAhead {
    held: AtomicUsize,
    limit: usize,
}

impl ReadAhead {
    pub(super) fn new(limit: usize) -> Self {
        Self { held: AtomicUsize::new(0), limit }
    }

    /// What one feed may hold now. When all together hold too much, a feed with anything is full.
    fn share(&self) -> usize {
        if self.held.load(Ordering::Relaxed) < self.limit { FEED_BYTES } else { 1 }
    }
}

/// One partition as one reader wants it.
pub(super) struct Feed {
    pub(super) partition: Partition,
    /// What the brokers call the topic.
    pub(super) topic: String,
    pub(super) number: i32,
    bell: Arc<Notify>,
    ahead: Arc<ReadAhead>,
    /// Whether its lane has been told that something changed, and has not looked yet.
    pub(super) touched: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Entry>,
    bytes: usize,
    next: u64,
    full: bool,
    paused: bool,
    retired: bool,
    /// What comes now is of before `next` was set anew.
    rewound: bool,
    fault: Option<Error>,
    /// How often in a row a check found it missing or past its end, and when first.
    suspicions: Option<(u32, Instant)>,
    /// Where it was when a check found that there was more.
    behind: Option<u64>,
}

/// What a feed wants from its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// To be fed on.
    More,
    /// To be fed from this offset on, which is another than it was.
    From(u64),
    /// Nothing for now.
    Rest,
    /// Nothing any more.
    Gone,
}

/// What became of an entry that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offered {
    /// The feed had nothing before: its reader may be waiting.
    pub(super) woken: bool,
    /// It is full now, and was not before.
    pub(super) filled: bool,
}

impl Feed {
    pub(super) fn new(
        partition: Partition,
        (topic, number): (String, i32),
        next: u64,
        bell: Arc<Notify>,
        ahead: Arc<ReadAhead>,
    ) -> Arc<Self> {
        let state = State {
            queue: VecDeque::new(),
            bytes: 0,
            next,
            full: false,
            paused: false,
            retired: false,
            rewound: true,
            fault: None,
            suspicions: None,
            behind: None,
        };
        Arc::new(Self {
            partition,
            topic,
            number,
            bell,
            ahead,
            touched: AtomicBool::new(false),
            state: Mutex::new(state),
        })
    }

    /// What the lane should do about it, and the offset to begin at. Asked when its lane acts on the answer.
    pub(super) fn want(&self, assigned: bool) -> Want {
        let mut state = self.state();
        if state.retired {
            return Want::Gone;
        }
        if state.paused || state.full || state.fault.is_some() {
            return Want::Rest;
        }
        if assigned && !state.rewound {
            return Want::More;
        }
        state.rewound = false;
        Want::From(state.next)
    }

    /// Takes what the lane has fetched. Its reader is rung separately, by [`Feed::ring`].
    pub(super) fn offer(&self, entry: Entry) -> Offered {
        let mut state = self.state();
        let stale = state.rewound || entry.offset < state.next;
        if stale || state.paused || state.retired || state.fault.is_some() {
            return Offered { woken: false, filled: false };
        }
        let woken = state.queue.is_empty();
        state.next = entry.offset + 1;
        state.suspicions = None;
        let bytes = entry.record.bytes() + OVERHEAD;
        state.bytes += bytes;
        state.queue.push_back(entry);
        self.ahead.held.fetch_add(bytes, Ordering::Relaxed);
        let full = state.bytes >= self.ahead.share();
        let filled = full && !state.full;
        state.full = full;
        Offered { woken, filled }
    }

    /// Wakes its reader.
    pub(super) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Gives out as much as the budget allows. True: it was full and wants more now.
    pub(super) fn take(&self, budget: &mut Budget, entries: &mut Vec<Entry>) -> bool {
        let mut state = self.state();
        let mut given = 0;
        while let Some(entry) = state.queue.front() {
            let bytes = entry.record.bytes();
            if !budget.take(bytes) {
                break;
            }
            given += bytes + OVERHEAD;
            entries.extend(state.queue.pop_front());
        }
        state.bytes -= given;
        self.ahead.held.fetch_sub(given, Ordering::Relaxed);
        let drained = state.full && state.bytes <= self.ahead.share() / 2;
        state.full &= !drained;
        drained
    }

    /// Whether there is something to give out.
    pub(super) fn has_entries(&self) -> bool {
        !self.state().queue.is_empty()
    }

    /// What is wrong with it, said once.
    pub(super) fn fault(&self) -> Option<Error> {
        self.state().fault.clone()
    }

    /// Wants nothing until it is resumed. What was fetched is given back, to be fetched again.
    pub(super) fn pause(&self, paused: bool) {
        let mut state = self.state();
        if state.paused != paused {
            state.paused = paused;
            self.rewind(&mut state);
        }
    }

    /// Wants nothing any more.
    pub(super) fn retire(&self) {
        let mut state = self.state();
        state.retired = true;
        self.rewind(&mut state);
    }

    /// The lowest offset that it has not been given.
    pub(super) fn next(&self) -> u64 {
        self.state().next
    }

    /// A check found that all below is gone: it goes on from there.
    pub(super) fn skip_to(&self, first: u64) {
        let mut state = self.state();
        if state.next < first {
            state.next = first;
            state.rewound = true;
        }
    }

    /// To be fetched anew from where it is.
    pub(super) fn again(&self) {
        self.state().rewound = true;
    }

    /// A check found it in order.
    pub(super) fn trust(&self) {
        self.state().suspicions = None;
    }

    /// Whether it wants more, there is more, and it has not moved since the last time that this was so.
    pub(super) fn is_stuck(&self, end: u64) -> bool {
        let mut state = self.state();
        let resting = state.paused || state.full || state.retired || state.fault.is_some();
        let behind = (!resting && state.next < end).then_some(state.next);
        behind.is_some() && std::mem::replace(&mut state.behind, behind) == behind
    }

    /// A check found something wrong. The first time it may be a broker that does not know yet, so only what is
    /// found `times` in a row, over so long, is said. True: check again.
    pub(super) fn suspect(&self, (times, for_at_least): (u32, Duration), fault: Error) -> bool {
        let mut state = self.state();
        let (before, since) = state.suspicions.unwrap_or((0, Instant::now()));
        state.suspicions = Some((before + 1, since));
        if before + 1 < times || since.elapsed() < for_at_least {
            return true;
        }
        state.fault.get_or_insert(fault);
        drop(state);
        self.bell.notify_one();
        false
    }

    fn rewind(&self, state: &mut State) {
        if let Some(first) = state.queue.front() {
            state.next = first.offset;
        }
        state.queue.clear();
        self.ahead.held.fetch_sub(state.bytes, Ordering::Relaxed);
        state.bytes = 0;
        state.full = false;
        state.rewound = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ReaderLimits, Record, Topic};

    fn feed(limit: usize) -> Arc<Feed> {
        let partition = Topic::new("t").unwrap().partition(0);
        let ahead = Arc::new(ReadAhead::new(limit));
        let feed = Feed::new(partition, ("p.t".into(), 0), 5, Arc::default(), ahead);
        assert_eq!(feed.want(false), Want::From(5));
        feed
    }

    fn entry(offset: u64, bytes: usize) -> Entry {
        let record = Record { key: Default::default(), value: vec![0; bytes].into() };
        let partition = Topic::new("t").unwrap().partition(0);
        Entry { partition, offset, at: jiff::Timestamp::UNIX_EPOCH, record }
    }

    fn taken(feed: &Feed) -> (Vec<u64>, bool) {
        let mut entries = Vec::new();
        let drained = feed.take(&mut Budget::new(ReaderLimits::default(), 1), &mut entries);
        (entries.iter().map(|entry| entry.offset).collect(), drained)
    }

    #[test]
    fn what_comes_twice_is_given_once() {
        let feed = feed(FEED_BYTES);
        for offset in [4, 5, 6, 6, 9, 7] {
            feed.offer(entry(offset, 1));
        }
        assert_eq!(taken(&feed), (vec![5, 6, 9], false));
    }

    #[test]
    fn full_it_rests_until_it_is_half_empty() {
        let feed = feed(2 * FEED_BYTES);
        assert!(!feed.offer(entry(5, FEED_BYTES / 2)).filled);
        assert!(feed.offer(entry(6, FEED_BYTES / 2)).filled);
        assert_eq!(feed.want(true), Want::Rest);
        assert_eq!(taken(&feed), (vec![5, 6], true));
        assert_eq!(feed.want(false), Want::From(7));
    }

    #[test]
    fn when_all_hold_too_much_one_entry_fills_it() {
        let feed = feed(1);
        assert!(feed.offer(entry(5, 10)).filled);
    }

    #[test]
    fn a_pause_gives_back_and_loses_nothing() {
        let feed = feed(FEED_BYTES);
        feed.offer(entry(5, 1));
        feed.offer(entry(6, 1));
        feed.pause(true);
        assert_eq!(taken(&feed).0, [0_u64; 0]);
        assert_eq!(feed.want(true), Want::Rest);
        feed.pause(false);
        // What its lane had fetched before it heard of the pause.
        feed.offer(entry(7, 1));
        assert_eq!(feed.want(true), Want::From(5));
        feed.offer(entry(5, 1));
        assert_eq!(taken(&feed).0, [5]);
    }

    #[test]
    fn a_fault_is_said_when_it_stays() {
        let feed = feed(FEED_BYTES);
        assert!(feed.suspect((2, Duration::ZERO), Error::Closed));
        assert_eq!(feed.fault(), None);
        feed.trust();
        assert!(feed.suspect((2, Duration::ZERO), Error::Closed));
        assert!(feed.suspect((2, Duration::from_hours(1)), Error::Closed), "it is not long enough");
        assert!(!feed.suspect((2, Duration::ZERO), Error::Closed));
        assert_eq!(feed.fault(), Some(Error::Closed));
        assert_eq!(feed.want(true), Want::Rest);
    }

    #[test]
    fn one_that_does_not_move_is_stuck() {
        let feed = feed(FEED_BYTES);
        assert!(!feed.is_stuck(5), "there is no more");
        assert!(!feed.is_stuck(7), "it is seen for the first time");
        feed.offer(entry(5, 1));
        assert!(!feed.is_stuck(7), "it has moved");
        assert!(feed.is_stuck(8));
        feed.pause(true);
        assert!(!feed.is_stuck(8), "it wants no more");
    }

    #[test]
    fn what_was_trimmed_is_passed_over() {
        let feed = feed(FEED_BYTES);
        feed.skip_to(9);
        assert_eq!(feed.want(true), Want::From(9));
        feed.skip_to(3);
        assert_eq!(feed.want(true), Want::More);
    }
}
