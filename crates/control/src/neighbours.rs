//! The other nodes of this cell, told of a closing directly, before the log brings it to them.
//!
//! A push proves nothing and nobody waits for it: whoever does not hear it hears the log, or stops within its lease. It
//! is the shortest way while the log is busy. Each node verifies what it is pushed like any other fact.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bulkhead_model::{Nation, Pulses};
use bulkhead_process::Drain;
use bulkhead_transport::Dialer;
use bulkhead_wire::fact::SignedFact;
use bulkhead_wire::time_to_wire;
use bulkhead_wire::v1::PushRequest;
use bulkhead_wire::v1::control_client::ControlClient;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::transport::Channel;
use tracing::debug;

/// How long a push may take: after that the lease has said what follows.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is seen to that there is a connection to each.
const GREET: Duration = Duration::from_secs(5);

/// The others, by their newest pulses. Cheap to clone; clones are the same.
#[derive(Clone)]
pub struct Neighbours {
    shared: Arc<Shared>,
}

/// A closing on its way to the others.
#[derive(Default)]
pub(crate) struct Pushed(Vec<JoinHandle<Option<String>>>);

impl Pushed {
    /// Those that have closed. It waits no longer than a push may take.
    pub(crate) async fn answered(self) -> Vec<String> {
        let answers = futures::future::join_all(self.0).await;
        answers.into_iter().filter_map(|answer| answer.ok().flatten()).collect()
    }
}

struct Shared {
    dialer: Dialer,
    server_name: String,
    node: String,
    pulses: watch::Receiver<Arc<Pulses>>,
    /// By address; of those that are alive, so there are few.
    channels: Mutex<HashMap<String, Channel>>,
}

impl Neighbours {
    /// Those of that nation's cell, without this node.
    pub fn new(dialer: Dialer, nation: Nation, node: String, pulses: watch::Receiver<Arc<Pulses>>) -> Self {
        let server_name = format!("{nation}.bulkhead.internal");
        Self { shared: Arc::new(Shared { dialer, server_name, node, pulses, channels: Mutex::default() }) }
    }

    /// Keeps a connection to each, so that none is to be made when it is needed. Runs until the drain begins.
    pub async fn run(self, drain: Drain) {
        loop {
            for channel in self.channels() {
                // It says nothing, and is told so; what counts is that it got there.
                let mut client = ControlClient::new(channel);
                drop(timeout(PATIENCE, client.push(PushRequest::default())).await);
            }
            tokio::select! {
                () = drain.started() => return,
                () = tokio::time::sleep(GREET) => {}
            }
        }
    }

    /// Tells each of them, and returns at once. The pushes go on whatever becomes of what is returned.
    pub(crate) fn push(&self, fact: &SignedFact, taken_at: Timestamp) -> Pushed {
        let push = |channel| {
            let request = PushRequest { fact: Some(fact.to_wire()), taken_at: Some(time_to_wire(taken_at)) };
            tokio::spawn(async move {
                match timeout(PATIENCE, ControlClient::new(channel).push(request)).await {
                    Ok(Ok(answer)) => return Some(answer.into_inner().node),
                    Ok(Err(status)) => {
                        debug!(why = status.message(), "a node does not take a pushed closing")
                    }
                    Err(_) => debug!("a node does not answer a pushed closing"),
                }
                None
            })
        };
        Pushed(self.channels().into_iter().map(push).collect())
    }

    fn channels(&self) -> Vec<Channel> {
        let Shared { dialer, server_name, node, pulses, channels } = &*self.shared;
        let pulses = pulses.borrow().clone();
        let others = pulses.alive().filter(|member| member.pulse.node != *node);
        let addresses: Vec<_> = others.map(|member| &member.pulse.address).collect();
        let mut channels = channels.lock().unwrap_or_else(PoisonError::into_inner);
        channels.retain(|address, _| addresses.contains(&address));
        for address in addresses {
            if !channels.contains_key(address)
                && let Ok(channel) = dialer.channel(address, server_name)
            {
                channels.insert(address.clone(), channel);
            }
        }
        channels.values().cloned().collect()
    }
}

#[cfg(test)]
#[path = "neighbours_tests.rs"]
mod tests;
