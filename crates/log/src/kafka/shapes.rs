//! The topics that were seen, and what they are like: so that what is known need not be asked for again.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use crate::{Error, Partition, Topic};

/// The topics that were seen, each with its number of partitions.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    seen: RwLock<HashMap<Topic, u32>>,
}

impl Shapes {
    pub(super) fn partitions(&self, topic: &Topic) -> Option<u32> {
        self.seen.read().unwrap_or_else(PoisonError::into_inner).get(topic).copied()
    }

    pub(super) fn has(&self, partition: &Partition) -> bool {
        self.partitions(&partition.topic).is_some_and(|partitions| partition.number < partitions)
    }

    pub(super) fn insert(&self, topic: &Topic, partitions: u32) {
        self.seen.write().unwrap_or_else(PoisonError::into_inner).insert(topic.clone(), partitions);
    }

    pub(super) fn remove(&self, topic: &Topic) {
        self.seen.write().unwrap_or_else(PoisonError::into_inner).remove(topic);
    }
}

/// That a topic of so many partitions has this one.
pub(super) fn check(partition: &Partition, partitions: u32) -> Result<(), Error> {
    if partition.number < partitions {
        Ok(())
    } else {
        Err(Error::UnknownPartition { partition: partition.clone() })
    }
}
