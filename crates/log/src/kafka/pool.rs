//! The lanes of one log, shared by all its readers: made as partitions come, ended when they have none.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::{
    config::KafkaConfig,
    feed::{Feed, ReadAhead},
    lane::Lane,
    names::Names,
    scout::Scout,
    threads::Threads,
};
use crate::{Error, Partition};

/// How many partitions one consumer reads. Each fetch lists every one of them.
const PARTITIONS: usize = 256;

/// All lanes, and what they share.
pub(super) struct Pool {
    config: KafkaConfig,
    names: Names,
    scout: Arc<Scout>,
    threads: Threads,
    pub(super) ahead: Arc<ReadAhead>,
    lanes: Mutex<Vec<Place>>,
    /// Its sender is the log's; it changes once, when the log is closed.
    pub(super) closing: watch::Receiver<bool>,
}

struct Place {
    lane: Arc<Lane>,
    urgent: bool,
    partitions: HashSet<Partition>,
}

impl Pool {
    pub(super) fn new(
        config: KafkaConfig,
        names: Names,
        scout: Arc<Scout>,
        threads: Threads,
        closing: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let ahead = Arc::new(ReadAhead::new(config.read_ahead_bytes));
        Arc::new(Self { config, names, scout, threads, ahead, lanes: Mutex::default(), closing })
    }

    /// The brokers' name for it.
    pub(super) fn address(&self, partition: &Partition) -> Result<(String, i32), Error> {
        let number = i32::try_from(partition.number)
            .map_err(|_| Error::UnknownPartition { partition: partition.clone() })?;
        Ok((self.names.of(&partition.topic), number))
    }

    /// Finds a lane for the feed. No lane reads one partition for two readers.
    pub(super) fn join(&self, feed: &Arc<Feed>) -> Result<Arc<Lane>, Error> {
        let partition = &feed.partition;
        let urgent = self.names.is_urgent(&partition.topic);
        let mut lanes = self.lanes();
        let fits = |place: &&mut Place| {
            place.urgent == urgent
                && place.partitions.len() < PARTITIONS
                && !place.partitions.contains(partition)
        };
        let lane = match lanes.iter_mut().find(fits) {
            Some(place) => {
                place.partitions.insert(partition.clone());
                place.lane.clone()
            }
            None => {
                let lane = Lane::start(&self.config, urgent, self.scout.clone(), self.threads.begin())?;
                let partitions = HashSet::from([partition.clone()]);
                lanes.push(Place { lane: lane.clone(), urgent, partitions });
                lane
            }
        };
        lane.touch(feed);
        Ok(lane)
    }

    /// The feed is retired, and its lane too if it was the last there.
    pub(super) fn leave(&self, lane: &Arc<Lane>, feed: &Arc<Feed>) {
        feed.retire();
        let mut lanes = self.lanes();
        let Some(at) = lanes.iter().position(|place| Arc::ptr_eq(&place.lane, lane)) else { return };
        lanes[at].partitions.remove(&feed.partition);
        let urgent = lanes[at].urgent;
        // One lane of a kind stays, so that readers that come and go need not wait for new connections.
        let spare = lanes.iter().filter(|place| place.urgent == urgent).count() > 1;
        if lanes[at].partitions.is_empty() && spare {
            lanes.remove(at).lane.end();
        } else {
            lane.touch(feed);
        }
    }

    /// Ends all lanes.
    pub(super) fn end(&self) {
        for place in self.lanes().drain(..) {
            place.lane.end();
        }
    }

    fn lanes(&self) -> MutexGuard<'_, Vec<Place>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
