//! The shards that this node decides for, and the tasks that belong to each.
//!
//! ```text
//! assigned ── claim, read back ──▶ held: a router a tenant ── overtaken by a newer claim ──▶ ended at once
//! ```
//!
//! Being assigned a shard is the log's word, and two nodes may believe it for a moment; a claim that is read back
//! is what counts. So a shard that is revoked is decided for until its next owner has claimed it, and nothing stands
//! still meanwhile. Whoever finds itself overtaken gives up, and claims again only if the shard is still assigned
//! to it a while later: by then a node that was taken for dead has heard that it is.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use bulkhead_log::ShardChange;
use bulkhead_model::{Nation, TenantId, shard_of};
use bulkhead_process::Drain;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::courier::Courier;
use crate::owner::Shared;
use crate::router::Router;
use crate::{DeliveryService, Error, deadlines, orders, stands, sweep};

/// How long an overtaken node waits before it claims a shard again that is still said to be its own.
const AFTER_OVERTAKEN: Duration = Duration::from_secs(3);
/// How often is looked whether a shard can be claimed for which a newer release has decided.
const UNTIL_UPGRADED: Duration = Duration::from_secs(30);
/// How often is looked whether another node has claimed what was taken from this one.
const UNTIL_CLAIMED: Duration = Duration::from_millis(20);

/// What this node has of the cell's shards.
pub(crate) struct Shards {
    shared: Shared,
    delivery: DeliveryService,
    drain: Drain,
    tasks: JoinSet<()>,
    assigned: BTreeSet<u32>,
    claiming: FuturesUnordered<BoxFuture<'static, (u32, Result<bool, Error>)>>,
    under_claim: BTreeSet<u32>,
    held: HashMap<u32, Held>,
    not_before: HashMap<u32, Instant>,
}

/// A shard that this node decides for.
struct Held {
    drain: Drain,
    routers: HashSet<TenantId>,
}

impl Shards {
    /// None yet. What a node does once, however many shards it has, begins here.
    pub(crate) fn new(shared: Shared, delivery: DeliveryService) -> Self {
        let drain = Drain::new();
        let mut tasks = JoinSet::new();
        for (nation, far) in shared.config.far.clone() {
            tasks.spawn(Courier::new(shared.clone(), nation, far).run(drain.clone()));
        }
        tasks.spawn(deadlines::run(shared.clone(), drain.clone()));
        tasks.spawn(sweep::run(shared.clone(), drain.clone()));
        tasks.spawn(orders::run(shared.clone(), drain.clone()));
        tasks.spawn(stands::watch(shared.clone(), drain.clone()));
        tasks.spawn(delivery.clone().follow_cuts(drain.clone()));
        tasks.spawn(delivery.clone().follow_lease(drain.clone()));
        Self {
            shared,
            delivery,
            drain,
            tasks,
            assigned: BTreeSet::new(),
            claiming: FuturesUnordered::new(),
            under_claim: BTreeSet::new(),
            held: HashMap::new(),
            not_before: HashMap::new(),
        }
    }

    /// The log has given or taken.
    pub(crate) fn change(&mut self, change: ShardChange) {
        match change {
            ShardChange::Assigned(shards) => {
                self.assigned.extend(shards);
                self.claim_what_is_missing();
            }
            ShardChange::Revoked(shards) => {
                for shard in shards {
                    self.assigned.remove(&shard);
                    self.not_before.remove(&shard);
                }
            }
        }
    }

    /// Waits for a claim under way to be decided, or until it is time to look whether what was taken away is claimed;
    /// does what follows. Safe to cancel.
    pub(crate) async fn go_on(&mut self) -> Result<(), Error> {
        let leaves = self.leaves();
        tokio::select! {
            Some((shard, won)) = self.claiming.next() => self.claimed(shard, won),
            () = tokio::time::sleep(UNTIL_CLAIMED), if leaves => {
                self.look_again();
                Ok(())
            }
            else => std::future::pending().await,
        }
    }

    /// Whether it holds what was taken away.
    fn leaves(&self) -> bool {
        self.held.keys().any(|held| !self.assigned.contains(held))
    }

    fn claimed(&mut self, shard: u32, won: Result<bool, Error>) -> Result<(), Error> {
        self.under_claim.remove(&shard);
        match won {
            // Even if it was taken away meanwhile: until another claims it nobody else decides.
            Ok(true) => {
                self.held.insert(shard, Held { drain: self.drain.child(), routers: HashSet::new() });
                self.wake_couriers();
                if self.claiming.is_empty() {
                    info!(shards = self.held.len(), node = %self.shared.config.node, "shards claimed");
                }
            }
            Ok(false) => {
                warn!(shard, "another node claimed the shard first");
                self.not_before.insert(shard, Instant::now() + AFTER_OVERTAKEN);
            }
            Err(error @ Error::Ledger(bulkhead_ledger::Error::Stopped)) => return Err(error),
            Err(error) => {
                warn!(shard, %error, "the shard could not be claimed and is claimed again");
                if self.shared.parts.ledger.newer_of(shard).is_some() {
                    self.not_before.insert(shard, Instant::now() + UNTIL_UPGRADED);
                }
            }
        }
        Ok(())
    }

    /// Gives up what another node has claimed since, and claims what is assigned and not held. While the ledger is made
    /// again nobody knows, and it is looked again later.
    pub(crate) fn look_again(&mut self) {
        for shard in self.held.keys().copied().collect::<Vec<_>>() {
            match self.shared.journal.is_overtaken(shard) {
                _ if self.shared.parts.ledger.newer_of(shard).is_some() => {}
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    debug!(shard, %error, "whether another node decides for the shard is not known now");
                    return;
                }
            }
            self.end(shard);
            if self.assigned.contains(&shard) {
                warn!(shard, node = %self.shared.config.node, "this node decides for the shard no more");
                self.not_before.insert(shard, Instant::now() + AFTER_OVERTAKEN);
            } else if !self.leaves() {
                info!(shards = self.held.len(), node = %self.shared.config.node, "shards given up");
            }
        }
        self.claim_what_is_missing();
    }

    /// Decides on until other nodes have claimed all that this one holds; claims nothing. Safe to cancel.
    ///
    /// # Errors
    /// When the ledger is followed no more.
    pub(crate) async fn leave(&mut self) -> Result<(), Error> {
        self.assigned.clear();
        while !self.held.is_empty() || !self.claiming.is_empty() {
            self.go_on().await?;
        }
        Ok(())
    }

    /// A router for each tenant of the directory, its own or foreign, that this node decides for.
    pub(crate) fn start_what_is_new(&mut self) {
        for tenant in self.shared.directory().tenants() {
            let Some(held) = self.held.get_mut(&shard_of(&tenant.id)) else { continue };
            if held.routers.insert(tenant.id.clone()) {
                self.tasks.spawn(Router::new(self.shared.clone(), tenant.id.clone()).run(held.drain.clone()));
            }
        }
        // Those of shards that were given up have ended; nobody asks how.
        while self.tasks.try_join_next().is_some() {}
    }

    /// Ends all of it and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.drain.start();
        while self.tasks.join_next().await.is_some() {}
    }

    fn claim_what_is_missing(&mut self) {
        let now = Instant::now();
        self.not_before.retain(|_, until| *until > now);
        for shard in self.assigned.iter().copied() {
            let waits = self.held.contains_key(&shard) || self.not_before.contains_key(&shard);
            if waits || !self.under_claim.insert(shard) {
                continue;
            }
            let journal = self.shared.journal.clone();
            self.claiming.push(Box::pin(async move { (shard, journal.claim(shard).await) }));
        }
    }

    /// Nothing of this shard is done from here on.
    fn end(&mut self, shard: u32) {
        self.shared.journal.give_up(shard);
        if let Some(held) = self.held.remove(&shard) {
            held.drain.start();
        }
        self.delivery.end_shard(shard);
    }

    /// What waits at a border may be this node's to carry now, and reports its to make.
    fn wake_couriers(&self) {
        let home = self.shared.home();
        for far in Nation::ALL.into_iter().filter(|nation| *nation != home) {
            self.shared.parts.ledger.border_waiting(far).notify_one();
            self.shared.parts.ledger.reports(far).notify_one();
        }
    }
}
