//! Finds out what is wrong with a lane's partitions: the topic is gone, the start is past the end, what lay there was
//! trimmed. Consumers say that something is, and not where.
//!
//! One thread for all lanes, so that a broker that does not answer holds up no reader.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use rdkafka::error::KafkaError;
use tracing::{debug, warn};

use super::{
    asker::Asker,
    faults,
    feed::Feed,
    lane::Lane,
    shapes::{Shapes, check},
    threads::Running,
};
use crate::Error;

/// How many lanes may be in question at a time. One more is asked about when it complains again.
const QUESTIONS: usize = 256;
/// How long between two looks at what is in doubt.
const PAUSE: Duration = Duration::from_millis(200);
/// How often in a row, and how long, a topic must be missing: brokers learn of a new one at different times, and on a
/// machine that has too much to do one of them may take seconds.
const MISSING: (u32, Duration) = (6, super::LAG);
/// How often in a row a position must be past the end.
const PAST: (u32, Duration) = (2, Duration::ZERO);

/// Where lanes ask.
pub(super) struct Scout {
    questions: SyncSender<Question>,
}

struct Question {
    lane: Arc<Lane>,
    feeds: Vec<Arc<Feed>>,
    why: Why,
}

enum Why {
    /// The consumer said that something is wrong.
    Complaint,
    /// The consumer has not learned whether they are there. Nothing has stopped.
    Doubt,
    /// It is looked now and then, because a consumer may say nothing.
    Round,
}

impl Scout {
    /// Starts the thread, which ends when the last lane and the log are gone.
    pub(super) fn start(
        asker: Arc<Asker>,
        shapes: Arc<Shapes>,
        running: Running,
    ) -> Result<Arc<Self>, Error> {
        let (questions, asked) = sync_channel(QUESTIONS);
        thread::Builder::new()
            .name("log-scout".into())
            .spawn(move || {
                run(&asker, &shapes, &asked);
                drop(asker);
                drop(running);
            })
            .map_err(|e| Error::Store { doing: "starting the scout", cause: e.to_string() })?;
        Ok(Arc::new(Self { questions }))
    }

    /// Has these looked at, because something is wrong with one of them. False: too much is asked already.
    pub(super) fn complain(&self, lane: &Arc<Lane>, feeds: impl FnOnce() -> Vec<Arc<Feed>>) -> bool {
        if lane.in_question.swap(true, Ordering::AcqRel) {
            return false;
        }
        let question = Question { lane: lane.clone(), feeds: feeds(), why: Why::Complaint };
        let asked = self.questions.try_send(question).is_ok();
        if !asked {
            lane.in_question.store(false, Ordering::Release);
        }
        asked
    }

    /// Has it looked whether these are there. False: too much is asked already.
    pub(super) fn doubt(&self, lane: &Arc<Lane>, feeds: Vec<Arc<Feed>>) -> bool {
        self.questions.try_send(Question { lane: lane.clone(), feeds, why: Why::Doubt }).is_ok()
    }

    /// Has it looked whether these go on, if there is nothing better to do.
    pub(super) fn go_round(&self, lane: &Arc<Lane>, feeds: Vec<Arc<Feed>>) {
        // There is another round.
        let _asked = self.questions.try_send(Question { lane: lane.clone(), feeds, why: Why::Round });
    }
}

/// Questions take turns, so that one about a broker that hangs does not hold up the others.
fn run(asker: &Asker, shapes: &Shapes, asked: &Receiver<Question>) {
    let mut open: VecDeque<Question> = VecDeque::new();
    loop {
        let next = if open.is_empty() {
            asked.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            asked.recv_timeout(PAUSE)
        };
        match next {
            Ok(question) => open.push_back(question),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let Some(Question { lane, feeds, why }) = open.pop_front() else { continue };
        match why {
            Why::Round => go_round(asker, &lane, &feeds),
            Why::Complaint | Why::Doubt => {
                let stopped = matches!(why, Why::Complaint);
                if stopped {
                    // What is complained about from here on is a new question.
                    lane.in_question.store(false, Ordering::Release);
                }
                let feeds = look(asker, shapes, &lane, feeds, stopped);
                if !feeds.is_empty() {
                    open.push_back(Question { lane, feeds, why });
                }
            }
        }
    }
}

/// Has those fetched again that have stood still while there was more.
fn go_round(asker: &Asker, lane: &Arc<Lane>, feeds: &[Arc<Feed>]) {
    let places: Vec<_> = feeds.iter().map(|feed| (feed.topic.clone(), feed.number)).collect();
    if places.is_empty() {
        return;
    }
    let bounds = match asker.bounds(&places) {
        Ok(bounds) => bounds,
        Err(error) => return debug!(%error, "bounds of what is read"),
    };
    for (feed, place) in feeds.iter().zip(places) {
        if let Some(Ok(bounds)) = bounds.get(&place)
            && feed.is_stuck(bounds.end)
        {
            warn!(partition = %feed.partition, "its consumer has forgotten it; it is assigned again");
            feed.again();
            lane.touch(feed);
        }
    }
}

/// Looks at each once, and answers those that must be looked at again.
fn look(
    asker: &Asker,
    shapes: &Shapes,
    lane: &Arc<Lane>,
    feeds: Vec<Arc<Feed>>,
    stopped: bool,
) -> Vec<Arc<Feed>> {
    let mut doubtful = Vec::new();
    let mut there = Vec::new();
    for feed in feeds {
        match asker.topic(&feed.topic) {
            Ok(seen) => match missing(&feed, seen.map(|seen| seen.partitions)) {
                None => there.push(feed),
                Some(fault) => {
                    let topic = feed.partition.topic.clone();
                    // Until it is certain, what was seen counts: one broker may not know of it for a moment.
                    if suspect(lane, feed, MISSING, fault, &mut doubtful) {
                        shapes.remove(&topic);
                    }
                }
            },
            Err(error) => unanswered(asker, lane, feed, &error, &mut doubtful),
        }
    }
    let places: Vec<_> = there.iter().map(|feed| (feed.topic.clone(), feed.number)).collect();
    if places.is_empty() {
        return doubtful;
    }
    let bounds = match asker.bounds(&places) {
        Ok(bounds) => bounds,
        Err(error) => {
            debug!(%error, "bounds of what is in doubt");
            doubtful.extend(there);
            return doubtful;
        }
    };
    for (feed, place) in there.into_iter().zip(places) {
        let Some(Ok(bounds)) = bounds.get(&place) else {
            doubtful.push(feed);
            continue;
        };
        let (partition, offset, end) = (feed.partition.clone(), feed.next(), bounds.end);
        if offset > end {
            suspect(lane, feed, PAST, Error::PastEnd { partition, offset, end }, &mut doubtful);
            continue;
        }
        if offset < bounds.start {
            warn!(%partition, offset, first = bounds.start, "what was to be read next is not kept any more");
            feed.skip_to(bounds.start);
        }
        feed.trust();
        if stopped {
            // A consumer that has complained about a partition has left it.
            feed.again();
        }
        lane.touch(&feed);
    }
    doubtful
}

/// Why a feed cannot be read at all, by how many partitions its topic has.
fn missing(feed: &Feed, partitions: Option<u32>) -> Option<Error> {
    let Some(partitions) = partitions else {
        return Some(Error::UnknownTopic { topic: feed.partition.topic.clone() });
    };
    check(&feed.partition, partitions).err()
}

/// True: it is certain now, and said.
fn suspect(
    lane: &Arc<Lane>,
    feed: Arc<Feed>,
    times: (u32, Duration),
    fault: Error,
    doubtful: &mut Vec<Arc<Feed>>,
) -> bool {
    let again = feed.suspect(times, fault);
    if again {
        doubtful.push(feed);
    } else {
        lane.touch(&feed);
    }
    !again
}

fn unanswered(
    asker: &Asker,
    lane: &Arc<Lane>,
    feed: Arc<Feed>,
    error: &KafkaError,
    doubtful: &mut Vec<Arc<Feed>>,
) {
    if error.rdkafka_error_code().is_some_and(faults::is_denied) {
        let fault = faults::failed("reading", error, asker.ear());
        suspect(lane, feed, PAST, fault, doubtful);
    } else {
        debug!(partition = %feed.partition, %error, "a topic in doubt");
        doubtful.push(feed);
    }
}
