//! How far has been read, and those who wait for more.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use bulkhead_model::SHARDS;
use tokio::sync::oneshot;

use crate::intervals::Intervals;

/// What a waiter gets: when it resolves to an error, nothing more will be read.
pub(crate) type Reached = oneshot::Receiver<()>;

/// The partitions of events, and the `in` topics that events settle.
#[derive(Debug)]
pub(crate) struct Marks {
    partitions: Vec<Mark>,
    topics: HashMap<String, Topic>,
    stopped: bool,
}

#[derive(Debug, Default)]
struct Topic {
    settled: Intervals,
    mark: Mark,
    /// Where it goes on at least, by what this process has seen of it.
    seen: u64,
}

/// A number that rises, and those who wait for it to reach something.
#[derive(Debug, Default)]
struct Mark {
    at: u64,
    /// It rises no more: nobody waits for what lies beyond.
    ends: bool,
    waiting: BTreeMap<u64, Vec<oneshot::Sender<()>>>,
}

impl Default for Marks {
    fn default() -> Self {
        let partitions = (0..SHARDS).map(|_| Mark::default()).collect();
        Self { partitions, topics: HashMap::new(), stopped: false }
    }
}

impl Marks {
    /// That partition of events has been read up to there.
    pub(crate) fn reach(&mut self, partition: u32, at: u64) {
        if let Some(mark) = self.partitions.get_mut(partition as usize) {
            mark.reach(at);
        }
    }

    /// That partition of events is not read on.
    pub(crate) fn end(&mut self, partition: u32) {
        if let Some(mark) = self.partitions.get_mut(partition as usize) {
            mark.ends = true;
            mark.waiting.clear();
        }
    }

    /// That partition of events is read on.
    pub(crate) fn begin(&mut self, partition: u32) {
        if let Some(mark) = self.partitions.get_mut(partition as usize) {
            mark.ends = false;
        }
    }

    /// Records of that `in` topic were there, up to there.
    pub(crate) fn see(&mut self, topic: &str, up_to: u64) {
        let topic = self.topic(topic);
        topic.seen = topic.seen.max(up_to);
    }

    /// Where that `in` topic goes on at least, by all that is known of it.
    pub(crate) fn goes_on_at(&self, topic: &str) -> u64 {
        self.topics.get(topic).map_or(0, |topic| topic.seen.max(topic.settled.end()))
    }

    /// These records of an `in` topic need nothing more.
    pub(crate) fn settle(&mut self, topic: &str, run: Range<u64>) {
        let topic = self.topic(topic);
        topic.settled.add(run);
        topic.mark.reach(topic.settled.first_missing());
    }

    /// How far each partition of events has been read.
    pub(crate) fn read(&self) -> Vec<u64> {
        self.partitions.iter().map(|mark| mark.at).collect()
    }

    /// The lowest offset of that `in` topic that is not settled.
    pub(crate) fn read_on(&self, topic: &str) -> u64 {
        self.topics.get(topic).map_or(0, |topic| topic.mark.at)
    }

    /// Whether that record of `in` is settled.
    pub(crate) fn is_settled(&self, topic: &str, offset: u64) -> bool {
        self.topics.get(topic).is_some_and(|topic| topic.settled.contains(offset))
    }

    /// How many records of that `in` topic in that range are not settled.
    pub(crate) fn undecided(&self, topic: &str, range: &Range<u64>) -> u64 {
        let length = range.end.saturating_sub(range.start);
        self.topics.get(topic).map_or(length, |topic| topic.settled.missing_in(range))
    }

    /// To wait until that partition of events has been read up to there; `None` when it has been.
    pub(crate) fn wait_read(&mut self, partition: u32, until: u64) -> Option<Reached> {
        let stopped = self.stopped;
        self.partitions.get_mut(partition as usize)?.wait(until, stopped)
    }

    /// To wait until everything of that `in` topic before there is settled; `None` when it is.
    pub(crate) fn wait_decided(&mut self, topic: &str, until: u64) -> Option<Reached> {
        let stopped = self.stopped;
        self.topic(topic).mark.wait(until, stopped)
    }

    /// Nothing is known any more; who waits goes on waiting.
    pub(crate) fn forget(&mut self) {
        self.partitions.iter_mut().for_each(|mark| (mark.at, mark.ends) = (0, false));
        for topic in self.topics.values_mut() {
            (topic.settled, topic.mark.at, topic.seen) = (Intervals::default(), 0, 0);
        }
    }

    /// Ends all waiting, now and later.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
        self.partitions.iter_mut().for_each(|mark| mark.waiting.clear());
        self.topics.values_mut().for_each(|topic| topic.mark.waiting.clear());
    }

    fn topic(&mut self, name: &str) -> &mut Topic {
        self.topics.entry(name.to_owned()).or_default()
    }
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

    fn wait(&mut self, until: u64, stopped: bool) -> Option<Reached> {
        (until > self.at).then(|| {
            let (sender, reached) = oneshot::channel();
            if !stopped && !self.ends {
                let waiting = self.waiting.entry(until).or_default();
                // Those who gave up make room.
                waiting.retain(|waiter| !waiter.is_closed());
                waiting.push(sender);
            }
            reached
        })
    }
}
