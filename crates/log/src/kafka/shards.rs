//! Sharing a topic's partitions among nodes, by a consumer group on a topic without records.
//!
//! The group moves only what must move. A partition that is taken from this node is given up once its owner has heard
//! of it and has asked for the next change, so that the next owner does not begin while this one still acts. Nothing
//! is fetched.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use rdkafka::{
    ClientContext, TopicPartitionList,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance},
    error::{KafkaError, RDKafkaErrorCode as Code},
};
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use super::{
    client::{self, Ear},
    config::KafkaConfig,
    faults,
    threads::Running,
};
use crate::{Error, ShardChange, Shards};

/// How long an owner may take to let go of what is moved. Then it is moved without its word, and what the owner
/// still decides is of an older claim.
const LETTING_GO: Duration = Duration::from_secs(5);
/// How long the thread listens before it looks whether the node has left.
const LISTEN: Duration = Duration::from_millis(100);

/// A node's membership.
pub(super) struct Seat {
    state: Arc<Shared>,
    closing: watch::Receiver<bool>,
}

struct Shared {
    held: Mutex<Held>,
    changed: Notify,
    let_go: Condvar,
    leaving: AtomicBool,
}

/// What the group says, and what the owner has heard of it.
#[derive(Debug, Default)]
struct Held {
    held: BTreeSet<u32>,
    /// Taken away since the owner heard of them, even if they are held again.
    lost: BTreeSet<u32>,
    told: BTreeSet<u32>,
    /// The owner was told that it lost these, and has not asked for more since.
    letting_go: BTreeSet<u32>,
    fault: Option<Error>,
}

impl Held {
    /// The next thing that the owner has to hear.
    fn change(&mut self) -> Option<ShardChange> {
        let lost: BTreeSet<u32> = std::mem::take(&mut self.lost).intersection(&self.told).copied().collect();
        if !lost.is_empty() {
            self.told.retain(|shard| !lost.contains(shard));
            self.letting_go = lost.clone();
            return Some(ShardChange::Revoked(lost.into_iter().collect()));
        }
        let gained: Vec<u32> = self.held.difference(&self.told).copied().collect();
        if gained.is_empty() {
            return None;
        }
        self.told.extend(&gained);
        Some(ShardChange::Assigned(gained))
    }

    fn is_free(&self, shards: &[u32]) -> bool {
        let busy = |shard: &u32| {
            self.letting_go.contains(shard) || self.lost.contains(shard) && self.told.contains(shard)
        };
        !shards.iter().any(busy)
    }
}

impl Seat {
    /// Joins the group on that topic, by the brokers' name.
    pub(super) fn join(
        config: &KafkaConfig,
        topic: &str,
        node: &str,
        closing: watch::Receiver<bool>,
        running: Running,
    ) -> Result<Self, Error> {
        let state = Arc::new(Shared {
            held: Mutex::default(),
            changed: Notify::new(),
            let_go: Condvar::new(),
            leaving: AtomicBool::new(false),
        });
        let mut settings = client::sharing(config, topic);
        settings.set("client.id", format!("bulkhead.{}.{node}", config.cell));
        let member = Member { ear: Ear::default(), state: state.clone() };
        let failed =
            |error: KafkaError| Error::Store { doing: "joining the shards", cause: error.to_string() };
        let consumer = BaseConsumer::from_config_and_context(&settings, member).map_err(failed)?;
        consumer.subscribe(&[topic]).map_err(failed)?;
        let topic = topic.to_owned();
        thread::Builder::new()
            .name("log-shards".into())
            .spawn(move || {
                listen(&consumer, &topic);
                drop(consumer);
                drop(running);
            })
            .map_err(|e| Error::Store { doing: "joining the shards", cause: e.to_string() })?;
        Ok(Self { state, closing })
    }
}

/// While brokers are away a consumer complains several times a second; it is said once in so long.
const SAY_AGAIN: Duration = Duration::from_secs(10);

/// How long a node that has nothing waits before it joins anew: each time twice as long, up to the longest.
const WITHOUT_SHARDS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(60));

/// Whether a node joins anew because it was given nothing. Seen once, on an overloaded machine: nothing for three minutes
/// while nobody else was there, and why is not known. Where there are more nodes than shards it changes nothing.
struct Forgotten {
    since: Option<Instant>,
    patience: Duration,
}

impl Forgotten {
    fn new() -> Self {
        Self { since: None, patience: WITHOUT_SHARDS.0 }
    }

    fn joins_anew(&mut self, has_nothing: bool, now: Instant) -> bool {
        if !has_nothing {
            *self = Self::new();
            return false;
        }
        if now.duration_since(*self.since.get_or_insert(now)) < self.patience {
            return false;
        }
        (self.since, self.patience) = (Some(now), (self.patience * 2).min(WITHOUT_SHARDS.1));
        true
    }
}

/// Serves the group until the node leaves; the consumer is dropped here, on its own thread.
fn listen(consumer: &BaseConsumer<Member>, topic: &str) {
    let state = &consumer.context().state;
    let mut said: Option<Instant> = None;
    let mut forgotten = Forgotten::new();
    while !state.leaving.load(Ordering::Acquire) {
        let has_nothing = state.held().held.is_empty();
        if forgotten.joins_anew(has_nothing, Instant::now()) {
            info!(topic, "this node was given no shards and joins anew");
            consumer.unsubscribe();
            if let Err(error) = consumer.subscribe(&[topic]) {
                warn!(%error, "joining the shards anew");
            }
        }
        let Some(Err(error)) = consumer.poll(LISTEN) else { continue };
        let fatal = match &error {
            KafkaError::MessageConsumptionFatal(_) => true,
            error => error.rdkafka_error_code().is_some_and(faults::is_denied),
        };
        if fatal {
            state.held().fault = Some(faults::failed("sharing shards", &error, &consumer.context().ear));
            state.changed.notify_one();
        } else if error.rdkafka_error_code() != Some(Code::PartitionEOF)
            && said.is_none_or(|said| said.elapsed() > SAY_AGAIN)
        {
            said = Some(Instant::now());
            warn!(%error, "sharing shards");
        }
    }
}

#[async_trait]
impl Shards for Seat {
    async fn next(&mut self) -> Result<ShardChange, Error> {
        self.state.held().letting_go.clear();
        self.state.let_go.notify_all();
        loop {
            if *self.closing.borrow() || self.closing.has_changed().is_err() {
                return Err(Error::Closed);
            }
            {
                let mut held = self.state.held();
                if let Some(change) = held.change() {
                    return Ok(change);
                }
                if let Some(fault) = held.fault.take() {
                    return Err(fault);
                }
            }
            tokio::select! {
                // A change that comes between the look above and here is kept.
                () = self.state.changed.notified() => {}
                _ended = self.closing.changed() => {}
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.state.leaving.store(true, Ordering::Release);
        self.state.let_go.notify_all();
    }
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gained(&self, shards: &[u32]) {
        self.held().held.extend(shards);
        self.changed.notify_one();
    }

    /// Tells the owner, and waits until it has let go, if waiting is of any use.
    fn lost(&self, shards: &[u32], wait: bool) {
        let mut held = self.held();
        held.held.retain(|shard| !shards.contains(shard));
        held.lost.extend(shards);
        self.changed.notify_one();
        if wait {
            let busy = |held: &mut Held| !held.is_free(shards) && !self.leaving.load(Ordering::Acquire);
            let (held, waited) = self
                .let_go
                .wait_timeout_while(held, LETTING_GO, busy)
                .unwrap_or_else(PoisonError::into_inner);
            if waited.timed_out() && !held.is_free(shards) {
                warn!(?shards, "the owner did not let go; these are moved without its word");
            }
        }
    }
}

/// What the group's consumer hears.
struct Member {
    ear: Ear,
    state: Arc<Shared>,
}

impl ClientContext for Member {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.ear.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.ear.error(error, reason);
    }
}

impl ConsumerContext for Member {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(list) = rebalance {
            let (shards, gone) = (shards(list), consumer.assignment_lost());
            info!(?shards, gone, "shards revoked");
            // What the group has given to another already is not worth waiting for.
            self.state.lost(&shards, !gone && !self.state.leaving.load(Ordering::Acquire));
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                if let Err(error) = consumer.pause(list) {
                    warn!(%error, "shards are fetched from, which does no harm");
                }
                let shards = shards(list);
                info!(?shards, "shards assigned");
                self.state.gained(&shards);
            }
            Rebalance::Revoke(_) => {}
            Rebalance::Error(error) => warn!(%error, "sharing shards"),
        }
    }
}

fn shards(list: &TopicPartitionList) -> Vec<u32> {
    list.elements().iter().filter_map(|element| u32::try_from(element.partition()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(shards: &[u32]) -> BTreeSet<u32> {
        shards.iter().copied().collect()
    }

    #[test]
    fn an_owner_hears_what_it_lost_before_what_it_gained() {
        let mut held = Held { held: set(&[1, 2]), ..Held::default() };
        assert_eq!(held.change(), Some(ShardChange::Assigned(vec![1, 2])));
        assert_eq!(held.change(), None);
        held.held = set(&[2, 3]);
        held.lost = set(&[1]);
        assert_eq!(held.change(), Some(ShardChange::Revoked(vec![1])));
        assert_eq!(held.change(), Some(ShardChange::Assigned(vec![3])));
    }

    #[test]
    fn what_was_lost_and_came_back_is_said() {
        let mut held = Held { held: set(&[1]), ..Held::default() };
        held.change();
        held.lost = set(&[1]);
        assert_eq!(held.change(), Some(ShardChange::Revoked(vec![1])));
        assert_eq!(held.change(), Some(ShardChange::Assigned(vec![1])));
    }

    #[test]
    fn a_node_that_has_nothing_joins_anew_each_time_later() {
        let (begin, mut forgotten) = (Instant::now(), Forgotten::new());
        let mut joins =
            |second: u64, has_nothing| forgotten.joins_anew(has_nothing, begin + Duration::from_secs(second));
        assert!(!joins(0, true) && !joins(9, true) && joins(10, true));
        assert!(!joins(29, true) && joins(30, true));
        assert!(!joins(69, true) && joins(70, true) && joins(130, true));
        // What it was given and lost begins anew.
        assert!(!joins(131, false) && !joins(132, true) && !joins(141, true) && joins(142, true));
    }

    #[test]
    fn a_shard_is_free_once_its_owner_has_asked_for_more() {
        let mut held = Held { held: set(&[1]), ..Held::default() };
        held.change();
        held.held.clear();
        held.lost = set(&[1]);
        assert!(!held.is_free(&[1]), "its owner has not heard of it");
        held.change();
        assert!(!held.is_free(&[1]), "its owner may still act");
        held.letting_go.clear();
        assert!(held.is_free(&[1]));
    }
}
