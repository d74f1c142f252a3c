//! The simulated system itself: what its doors, pages and senders share.

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bulkhead_format_bars::{IdMap, Identifier};
use bulkhead_model::TenantId;
use tokio_util::sync::CancellationToken;

use crate::behaviour::Conduct;
use crate::config::Protocol;
use crate::counters::Counters;
use crate::digest;
use crate::door::Door;
use crate::journal::Journal;
use crate::send::times::Times;

/// Of how many cases the ids are remembered that the sidecar gave; the oldest are forgotten first.
const MOST_CASES: usize = 4096;

/// What the parts of a simulator share.
#[derive(Debug)]
pub(crate) struct System {
    pub(crate) tenant: TenantId,
    pub(crate) protocol: Protocol,
    pub(crate) services: Vec<Identifier>,
    pub(crate) conduct: Conduct,
    pub(crate) journal: Journal,
    pub(crate) times: Times,
    pub(crate) counters: Counters,
    pub(crate) door: Door,
    pub(crate) stop: CancellationToken,
    sidecar: Mutex<Option<SocketAddr>>,
    under_way: Mutex<HashSet<u128>>,
    learnt: Mutex<VecDeque<(String, IdMap)>>,
}

/// A message that is being processed; dropping it ends that.
#[derive(Debug)]
pub(crate) struct UnderWay {
    system: Arc<System>,
    key: u128,
}

impl System {
    pub(crate) fn new(
        config: &crate::Config,
        journal: Journal,
        times: Times,
        door: Door,
        stop: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            tenant: config.tenant.clone(),
            protocol: config.protocol.clone(),
            services: config.services.clone(),
            conduct: Conduct::default(),
            journal,
            times,
            counters: Counters::default(),
            door,
            stop,
            sidecar: Mutex::new(config.sidecar),
            under_way: Mutex::default(),
            learnt: Mutex::default(),
        })
    }

    /// Where the sidecar listens.
    pub(crate) fn sidecar(&self) -> Option<SocketAddr> {
        *lock(&self.sidecar)
    }

    /// Says where the sidecar listens.
    pub(crate) fn set_sidecar(&self, address: SocketAddr) {
        *lock(&self.sidecar) = Some(address);
    }

    /// Begins to process a message, unless that is going on already.
    pub(crate) fn begin(self: &Arc<Self>, key: u128) -> Option<UnderWay> {
        lock(&self.under_way).insert(key).then(|| UnderWay { system: self.clone(), key })
    }

    /// Remembers the ids that the sidecar gave to what was sent in a case.
    pub(crate) fn learn(&self, case: &str, map: IdMap) {
        let mut learnt = lock(&self.learnt);
        learnt.retain(|(known, _)| known != case);
        if learnt.len() >= MOST_CASES {
            learnt.pop_front();
        }
        learnt.push_back((case.to_owned(), map));
    }

    /// The ids that the sidecar gave in a case.
    pub(crate) fn learnt(&self, case: &str) -> Option<IdMap> {
        lock(&self.learnt).iter().rev().find(|(known, _)| known == case).map(|(_, map)| map.clone())
    }

    /// The id that this system gives to a resource: always the same, and not the sender's.
    pub(crate) fn own_id(&self, theirs: &str) -> String {
        format!("{}{:032x}", self.own_mark(), digest::key(&["resource", theirs]))
    }

    /// What every id of this system begins with.
    pub(crate) fn own_mark(&self) -> String {
        format!("sim{:08x}.", digest::key(&["system", self.tenant.as_str()]) >> 96)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        lock(&self.system.under_way).remove(&self.key);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is one call, so a panic elsewhere leaves the value good to use.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
