//! Sharing a topic's partitions among the nodes of one process: one node has them all, the others wait.
//!
//! A directory is used by one process, so there is nobody else to share with. Where that process runs several
//! nodes, one that comes later takes over when the one before it leaves.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex as Lock},
};

use async_trait::async_trait;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{lock::hold, shared::Shared};
use crate::{Error, ShardChange, Shards, Topic};

/// For each topic, the seat that one node at a time can have.
#[derive(Default)]
pub(super) struct Seats {
    seats: Lock<HashMap<Topic, Arc<Mutex<()>>>>,
}

impl Seats {
    /// Stands in line for a topic of so many partitions.
    pub(super) fn join(&self, topic: &Topic, partitions: u32, shared: Arc<Shared>) -> Seat {
        let seat = hold(&self.seats).entry(topic.clone()).or_default().clone();
        Seat { seat, partitions, shared, held: None }
    }
}

/// One node's place in the line, or its seat.
pub(super) struct Seat {
    seat: Arc<Mutex<()>>,
    partitions: u32,
    shared: Arc<Shared>,
    held: Option<OwnedMutexGuard<()>>,
}

#[async_trait]
impl Shards for Seat {
    async fn next(&mut self) -> Result<ShardChange, Error> {
        if self.held.is_some() {
            self.shared.closing().await;
            return Err(Error::Closed);
        }
        // Safe to cancel: whoever stops waiting only loses the place in the line.
        tokio::select! {
            biased;
            () = self.shared.closing() => Err(Error::Closed),
            held = self.seat.clone().lock_owned() => {
                self.held = Some(held);
                Ok(ShardChange::Assigned((0..self.partitions).collect()))
            }
        }
    }
}
