//! What waits for the writer: bounded, in the order of the calls.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{lock::hold, track::Track};
use crate::{Appended, Error, Record, TopicSpec};

/// How many jobs share one commit at most.
const MAX_JOBS: usize = 1024;
/// What a record takes in the queue besides its bytes, so that empty ones count.
const OVERHEAD: usize = 128;

/// Who waits for an answer.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What the writer is asked to do.
pub(super) enum Job {
    /// Append this record.
    Append(Append),
    /// Make these topics.
    Ensure(Vec<TopicSpec>, Order),
    /// Give up what lies below this offset.
    Trim(Arc<Track>, u64, Order),
}

/// One record on its way.
pub(super) struct Append {
    pub(super) track: Arc<Track>,
    pub(super) record: Record,
    pub(super) reply: Reply<Appended>,
}

/// Who waits for something that is not an append. The permit bounds how many do.
pub(super) struct Order {
    pub(super) reply: Reply<()>,
    pub(super) _permit: OwnedSemaphorePermit,
}

impl Order {
    /// Answers, whether or not anybody still waits.
    pub(super) fn answer(self, answer: Result<(), Error>) {
        let _gone = self.reply.send(answer);
    }
}

impl Job {
    fn cost(&self) -> usize {
        match self {
            Self::Append(append) => append.record.bytes() + OVERHEAD,
            Self::Ensure(..) | Self::Trim(..) => 0,
        }
    }
}

fn is_append(job: &Job) -> bool {
    matches!(job, Job::Append(_))
}

/// Jobs between the callers and the writer. Full, it refuses appends and drops nothing.
///
/// What it counts is all that has no outcome yet: a job that the writer has taken counts until [`Queue::done`].
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    max_bytes: usize,
    max_records: usize,
    commit_bytes: usize,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    queued: Load,
    taken: Load,
    closed: bool,
}

#[derive(Clone, Copy, Default)]
struct Load {
    bytes: usize,
    records: usize,
}

/// Why a job was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Closed,
}

impl Queue {
    pub(super) fn new(max_bytes: usize, max_records: usize, commit_bytes: usize) -> Self {
        // So that the largest record that the configuration allows fits with its overhead.
        let max_bytes = max_bytes.saturating_add(OVERHEAD);
        Self { state: Mutex::default(), wake: Condvar::new(), max_bytes, max_records, commit_bytes }
    }

    /// Takes a job for the writer, or refuses it at once.
    pub(super) fn push(&self, job: Job) -> Result<(), Refused> {
        let cost = job.cost();
        let mut state = hold(&self.state);
        if state.closed {
            return Err(Refused::Closed);
        }
        if is_append(&job) {
            let bytes = state.queued.bytes + state.taken.bytes + cost;
            let records = state.queued.records + state.taken.records + 1;
            if bytes > self.max_bytes || records > self.max_records {
                return Err(Refused::Full);
            }
            state.queued.bytes += cost;
            state.queued.records += 1;
        }
        state.jobs.push_back(job);
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// What shares the next commit: appends, or what is not an append. With `wait`, waits until there is a job;
    /// without, answers at once. `None`: closed, and nothing is left.
    pub(super) fn take(&self, wait: bool) -> Option<Vec<Job>> {
        let mut state = hold(&self.state);
        state.taken = Load::default();
        while wait && state.jobs.is_empty() && !state.closed {
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.jobs.is_empty() && state.closed {
            return None;
        }
        let mut jobs = Vec::new();
        while let Some(job) = state.jobs.front() {
            let cost = job.cost();
            let over = state.taken.bytes + cost > self.commit_bytes && !jobs.is_empty();
            // So that a trim does not fail with the appends that it should make room for.
            let other = jobs.first().is_some_and(|first| is_append(first) != is_append(job));
            if over || other || jobs.len() == MAX_JOBS {
                break;
            }
            if is_append(job) {
                state.queued.bytes -= cost;
                state.queued.records -= 1;
                state.taken.bytes += cost;
                state.taken.records += 1;
            }
            jobs.extend(state.jobs.pop_front());
        }
        Some(jobs)
    }

    /// What was taken has its outcome and counts no more. Said before anybody hears of it.
    pub(super) fn done(&self) {
        hold(&self.state).taken = Load::default();
    }

    /// Takes no more jobs. The writer still does those that are queued.
    pub(super) fn close(&self) {
        hold(&self.state).closed = true;
        self.wake.notify_all();
    }

    /// Takes no more jobs and gives up those that are queued: nothing of them was written.
    pub(super) fn abandon(&self) {
        let jobs = {
            let mut state = hold(&self.state);
            state.closed = true;
            std::mem::take(&mut state.jobs)
        };
        for job in jobs {
            match job {
                Job::Append(append) => drop(append.reply.send(Err(Error::Closed))),
                Job::Ensure(_, order) | Job::Trim(_, _, order) => order.answer(Err(Error::Closed)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Topic, embedded::track::Marks};

    fn append(bytes: usize) -> Job {
        let partition = Topic::new("t").unwrap().partition(0);
        let track = Track::new(1, partition, false, Marks { first: 0, next: 0, last_at: 0 });
        let record = Record { key: Default::default(), value: vec![0; bytes].into() };
        Job::Append(Append { track, record, reply: oneshot::channel().0 })
    }

    #[test]
    fn full_of_bytes_it_refuses_until_they_are_done() {
        let queue = Queue::new(1000, 100, 1000);
        assert_eq!(queue.push(append(1000)), Ok(()));
        assert_eq!(queue.push(append(1)), Err(Refused::Full));
        assert_eq!(queue.take(true).map(|jobs| jobs.len()), Some(1));
        assert_eq!(queue.push(append(1)), Err(Refused::Full), "taken is not durable");
        queue.done();
        assert_eq!(queue.take(false).map(|jobs| jobs.len()), Some(0));
        assert_eq!(queue.push(append(1)), Ok(()));
    }

    #[test]
    fn full_of_records_it_refuses() {
        let queue = Queue::new(1000, 2, 1000);
        assert_eq!(queue.push(append(0)), Ok(()));
        assert_eq!(queue.push(append(0)), Ok(()));
        assert_eq!(queue.push(append(0)), Err(Refused::Full));
    }

    #[test]
    fn a_commit_is_bounded_and_takes_at_least_one() {
        let queue = Queue::new(10_000, 100, 1000);
        for bytes in [2000, 400, 300, 200] {
            assert_eq!(queue.push(append(bytes)), Ok(()));
        }
        assert_eq!(queue.take(true).map(|jobs| jobs.len()), Some(1));
        assert_eq!(queue.take(true).map(|jobs| jobs.len()), Some(2));
        assert_eq!(queue.take(true).map(|jobs| jobs.len()), Some(1));
    }

    #[test]
    fn closed_it_gives_out_what_it_has_and_takes_no_more() {
        let queue = Queue::new(1000, 100, 1000);
        assert_eq!(queue.push(append(1)), Ok(()));
        queue.close();
        assert_eq!(queue.push(append(1)), Err(Refused::Closed));
        assert_eq!(queue.take(true).map(|jobs| jobs.len()), Some(1));
        assert!(queue.take(true).is_none());
    }
}
