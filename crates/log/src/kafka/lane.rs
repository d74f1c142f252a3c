//! One consumer on a thread of its own, with at most 256 partitions, feeding whoever reads them.
//!
//! ```text
//! reader ──touch──> lane ──assign, unassign──> consumer
//!    ^                │                            │ rings when it has something
//!    └── feed <───────┴──────────── poll <─────────┘
//! ```
//!
//! Librdkafka's calls block and its consumers are slow with many partitions, so there are several lanes, and nothing
//! here runs on a thread of the runtime. What is wrong with a partition the consumer says without its name; the
//! scout finds out which it is.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use jiff::Timestamp as Time;
use rdkafka::{
    Message, Offset, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode as Code},
    message::BorrowedMessage,
    metadata::Metadata,
};
use tracing::{debug, warn};

use super::{
    client::{self, Ear},
    config::KafkaConfig,
    faults,
    feed::{Feed, Want},
    scout::Scout,
    threads::Running,
};
use crate::{Entry, Error, Partition, Record};

/// How long a broker holds back a fetch that finds nothing. A partition that is added waits that long at most.
const FETCH_WAIT: Duration = Duration::from_millis(250);
/// The same for what is urgent.
const URGENT_FETCH_WAIT: Duration = Duration::from_millis(100);
/// How long a lane sleeps when nobody wakes it.
const SLEEP: Duration = Duration::from_millis(500);
/// How long a question about a topic may hold up a lane.
const LEARNING: Duration = Duration::from_millis(250);
/// More topics than these are asked about in one question, for all that there are.
const FEW: usize = 16;
/// How often it is looked whether every partition goes on: consumers have been seen to forget one.
const ROUND: Duration = Duration::from_secs(30);
/// How many messages are taken before it is asked again what is wanted, and before readers are woken: what came
/// together is given out in turns, whatever order it came in.
const RUN: usize = 4096;

/// Where a lane is spoken to.
pub(super) struct Lane {
    inbox: Mutex<Inbox>,
    wake: Condvar,
    /// Whether the scout has been told of a complaint and has not begun to look.
    pub(super) in_question: AtomicBool,
}

#[derive(Default)]
struct Inbox {
    touched: Vec<Arc<Feed>>,
    rung: bool,
    ending: bool,
}

impl Lane {
    /// Starts a lane. It ends when it is told to.
    pub(super) fn start(
        config: &KafkaConfig,
        urgent: bool,
        scout: Arc<Scout>,
        running: Running,
    ) -> Result<Arc<Self>, Error> {
        let lane = Arc::new(Self {
            inbox: Mutex::default(),
            wake: Condvar::new(),
            in_question: AtomicBool::new(false),
        });
        let wait = if urgent { URGENT_FETCH_WAIT } else { FETCH_WAIT };
        let consumer = BaseConsumer::from_config_and_context(&client::reading(config, wait), Ear::default());
        let mut consumer: BaseConsumer<Ear> =
            consumer.map_err(|e| Error::Store { doing: "making a consumer", cause: e.to_string() })?;
        let bell = lane.clone();
        consumer.set_nonempty_callback(move || bell.ring());
        let slots = HashMap::new();
        let work =
            Work { lane: lane.clone(), consumer, slots, scout, complaint: false, round: Instant::now() };
        thread::Builder::new()
            .name("log-reader".into())
            .spawn(move || {
                work.run();
                drop(running);
            })
            .map_err(|e| Error::Store { doing: "starting a reader", cause: e.to_string() })?;
        Ok(lane)
    }

    /// Has the lane look at this feed again.
    pub(super) fn touch(&self, feed: &Arc<Feed>) {
        if !feed.touched.swap(true, Ordering::AcqRel) {
            self.inbox().touched.push(feed.clone());
            self.wake.notify_one();
        }
    }

    /// Ends its thread, and with it the consumer.
    pub(super) fn end(&self) {
        self.inbox().ending = true;
        self.wake.notify_one();
    }

    fn ring(&self) {
        self.inbox().rung = true;
        self.wake.notify_one();
    }

    /// Waits until there is something to do. `None`: it is to end.
    fn wait(&self, wait: bool) -> Option<Vec<Arc<Feed>>> {
        let mut inbox = self.inbox();
        if wait && !inbox.rung && !inbox.ending && inbox.touched.is_empty() {
            inbox = self.wake.wait_timeout(inbox, SLEEP).unwrap_or_else(PoisonError::into_inner).0;
        }
        inbox.rung = false;
        (!inbox.ending).then(|| std::mem::take(&mut inbox.touched))
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread of a lane owns.
struct Work {
    lane: Arc<Lane>,
    consumer: BaseConsumer<Ear>,
    /// By the brokers' name of the topic, then the number.
    slots: HashMap<String, HashMap<i32, Slot>>,
    scout: Arc<Scout>,
    /// Something is wrong with a partition, and the scout has not been asked yet.
    complaint: bool,
    /// When the scout was last asked whether all goes on.
    round: Instant,
}

struct Slot {
    feed: Arc<Feed>,
    assigned: bool,
}

impl Work {
    fn run(mut self) {
        let mut wait = false;
        while let Some(touched) = self.lane.wait(wait) {
            self.settle(touched);
            wait = self.fetch();
            self.ask();
        }
        // Dropped here, on the thread that used it.
    }

    /// Assigns and unassigns as the feeds want it now.
    fn settle(&mut self, touched: Vec<Arc<Feed>>) {
        let (mut stop, mut start) = (TopicPartitionList::new(), TopicPartitionList::new());
        for feed in touched {
            feed.touched.store(false, Ordering::Release);
            let numbers = self.slots.entry(feed.topic.clone()).or_default();
            let others = numbers.get(&feed.number).is_some_and(|slot| !Arc::ptr_eq(&slot.feed, &feed));
            if others && feed.want(true) == Want::Gone {
                continue;
            }
            let assigned = match numbers.get(&feed.number) {
                Some(slot) if Arc::ptr_eq(&slot.feed, &feed) => slot.assigned,
                // Another reader has had it, and has let go of it: this one was given its place.
                Some(slot) => {
                    if slot.assigned {
                        stop.add_partition(&feed.topic, feed.number);
                    }
                    false
                }
                None => false,
            };
            let want = feed.want(assigned);
            if assigned && want != Want::More {
                stop.add_partition(&feed.topic, feed.number);
            }
            if let Want::From(next) = want {
                let offset = Offset::Offset(next.try_into().unwrap_or(i64::MAX));
                if let Err(error) = start.add_partition_offset(&feed.topic, feed.number, offset) {
                    warn!(partition = %feed.partition, %error, "cannot be read");
                }
            }
            match want {
                Want::Gone => drop(numbers.remove(&feed.number)),
                Want::More | Want::From(_) | Want::Rest => {
                    let assigned = want != Want::Rest;
                    numbers.insert(feed.number, Slot { feed: feed.clone(), assigned });
                }
            }
            if numbers.is_empty() {
                self.slots.remove(&feed.topic);
            }
        }
        let missing = acquaint(&self.consumer, &start);
        let stopped = if stop.count() > 0 { self.consumer.incremental_unassign(&stop) } else { Ok(()) };
        let started = if start.count() > 0 { self.consumer.incremental_assign(&start) } else { Ok(()) };
        if let Err(error) = stopped.and(started) {
            warn!(%error, "an assignment was refused; all of it is made again");
            self.assign_all();
        }
        if !missing.is_empty() {
            let slots = missing.iter().filter_map(|topic| self.slots.get(topic)).flat_map(HashMap::values);
            let feeds = slots.map(|slot| slot.feed.clone()).collect();
            self.complaint |= !self.scout.doubt(&self.lane, feeds);
        }
    }

    /// Makes the whole assignment anew, whatever it was.
    fn assign_all(&mut self) {
        let mut all = TopicPartitionList::new();
        for slot in self.slots.values_mut().flat_map(HashMap::values_mut) {
            slot.feed.again();
            if let Want::From(next) = slot.feed.want(false) {
                let offset = Offset::Offset(next.try_into().unwrap_or(i64::MAX));
                slot.assigned = all.add_partition_offset(&slot.feed.topic, slot.feed.number, offset).is_ok();
            } else {
                slot.assigned = false;
            }
        }
        if let Err(error) = self.consumer.assign(&all) {
            warn!(%error, "an assignment was refused");
        }
    }

    /// Takes what has come. True: there was nothing left.
    fn fetch(&mut self) -> bool {
        let (mut full, mut woken) = (Vec::new(), Vec::new());
        // An event that is no message looks like nothing, so only the second nothing counts.
        let mut nothing = 0;
        let mut taken = 0;
        while nothing < 2 && taken < RUN && full.is_empty() {
            match self.consumer.poll(Duration::ZERO) {
                None => nothing += 1,
                Some(Ok(message)) => {
                    taken += 1;
                    self.deliver(&message, &mut full, &mut woken);
                }
                Some(Err(error)) => {
                    taken += 1;
                    self.trouble(&error);
                }
            }
        }
        woken.iter().for_each(|feed| feed.ring());
        full.iter().for_each(|feed| self.lane.touch(feed));
        nothing == 2
    }

    /// Gives a message to its feed.
    fn deliver(&self, message: &BorrowedMessage<'_>, full: &mut Vec<Arc<Feed>>, woken: &mut Vec<Arc<Feed>>) {
        let slot = self.slots.get(message.topic()).and_then(|numbers| numbers.get(&message.partition()));
        let Some(Slot { feed, .. }) = slot else { return };
        let Some(entry) = entry(&feed.partition, message) else { return };
        let offered = feed.offer(entry);
        if offered.filled {
            full.push(feed.clone());
        }
        if offered.woken {
            woken.push(feed.clone());
        }
    }

    /// Has the scout look, if something was complained about or it is time to.
    fn ask(&mut self) {
        let assigned = || {
            let slots = self.slots.values().flat_map(HashMap::values).filter(|slot| slot.assigned);
            slots.map(|slot| slot.feed.clone()).collect()
        };
        if self.complaint {
            // What cannot be asked now is asked after the next sleep.
            self.complaint = !self.scout.complain(&self.lane, assigned);
        } else if self.round.elapsed() > ROUND {
            self.round = Instant::now();
            self.scout.go_round(&self.lane, assigned());
        }
    }

    fn trouble(&mut self, error: &KafkaError) {
        let about_a_partition = error.rdkafka_error_code().is_some_and(|code| {
            faults::is_absent(code)
                || faults::is_denied(code)
                || matches!(code, Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::NoOffset)
        });
        if about_a_partition {
            self.complaint = true;
        } else {
            // Connections come and go; librdkafka makes them again.
            debug!(%error, "a reader's consumer");
        }
    }
}

/// Has a consumer learn who leads these partitions before it is assigned them: by itself it looks once a second. What
/// it does not learn now it learns then. Answers the topics of which it has not learned that they are there with
/// these partitions: once it knows, the consumer will not say that one is missing.
pub(super) fn acquaint(consumer: &BaseConsumer<Ear>, partitions: &TopicPartitionList) -> BTreeSet<String> {
    let elements = partitions.elements();
    let mut wanted: BTreeMap<&str, i32> = BTreeMap::new();
    for element in &elements {
        let highest = wanted.entry(element.topic()).or_default();
        *highest = element.partition().max(*highest);
    }
    let lacks = |metadata: &Metadata, topic: &str, highest: i32| {
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        !found.is_some_and(|found| found.partitions().iter().any(|partition| partition.id() == highest))
    };
    let all = if wanted.len() > FEW { consumer.fetch_metadata(None, LEARNING).ok() } else { None };
    let (mut missing, mut silent) = (BTreeSet::new(), false);
    for (topic, highest) in wanted {
        let absent = silent
            || match &all {
                Some(metadata) => lacks(metadata, topic, highest),
                None => match consumer.fetch_metadata(Some(topic), LEARNING) {
                    Ok(metadata) => lacks(&metadata, topic, highest),
                    // A broker that does not answer must not hold up what is read already; the scout may ask for longer.
                    Err(_) => {
                        silent = true;
                        true
                    }
                },
            };
        if absent {
            missing.insert(topic.to_owned());
        }
    }
    missing
}

/// A message as an entry of the partition that it is from.
pub(super) fn entry(partition: &Partition, message: &BorrowedMessage<'_>) -> Option<Entry> {
    let offset = u64::try_from(message.offset()).ok()?;
    let at = message.timestamp().to_millis().and_then(|at| Time::from_millisecond(at).ok());
    let record = Record {
        key: message.key().map(Bytes::copy_from_slice).unwrap_or_default(),
        value: message.payload().map(Bytes::copy_from_slice).unwrap_or_default(),
    };
    Some(Entry { partition: partition.clone(), offset, at: at.unwrap_or(Time::UNIX_EPOCH), record })
}
