//! Who decides: claims the shards that the log assigns and runs what belongs to each.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bulkhead_ledger::Ledger;
use bulkhead_log::{Log, ShardChange, Topic, TopicSpec};
use bulkhead_model::{Cuts, Directory, Nation, Pulses, SHARDS, TenantId, shard_of};
use bulkhead_process::{Drain, Lease};
use bulkhead_transport::Dialer;
use bulkhead_wire::topics;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::courier::Courier;
use crate::journal::Journal;
use crate::router::Router;
use crate::{Board, Config, DeliveryService, DoorService, Error, deadlines};

/// What routing works with.
#[derive(Clone)]
pub struct Parts {
    /// The cell's log.
    pub log: Arc<dyn Log>,
    /// What follows from its events.
    pub ledger: Ledger,
    /// Who is who.
    pub directory: watch::Receiver<Arc<Directory>>,
    /// What is cut.
    pub cuts: watch::Receiver<Arc<Cuts>>,
    /// What the nodes of the cell say of themselves: who holds what, and whose clock is off.
    pub pulses: watch::Receiver<Arc<Pulses>>,
    /// The right to act, asked before each step that cannot be undone.
    pub lease: Lease,
    /// Dials other nations' doors with this cell's certificate.
    pub dialer: Dialer,
}

/// What every part of routing shares.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) parts: Parts,
    pub(crate) journal: Journal,
    pub(crate) board: Board,
}

impl Shared {
    pub(crate) fn directory(&self) -> Arc<Directory> {
        self.parts.directory.borrow().clone()
    }

    pub(crate) fn cuts(&self) -> Arc<Cuts> {
        self.parts.cuts.borrow().clone()
    }

    /// Asked right before what cannot be taken back.
    pub(crate) fn check_lease(&self) -> Result<(), Error> {
        Ok(self.parts.lease.check()?)
    }

    pub(crate) fn home(&self) -> Nation {
        self.config.nation
    }
}

/// The routing of one node.
pub struct Routing {
    shared: Shared,
    delivery: DeliveryService,
}

impl Routing {
    /// Builds it; nothing runs yet.
    ///
    /// # Errors
    /// When a topic's name is not one.
    pub fn new(config: Config, parts: Parts) -> Result<Self, Error> {
        let Parts { log, ledger, lease, .. } = parts.clone();
        let journal = Journal::new(log, ledger, lease, config.nation, config.node.clone())?;
        let shared = Shared { config: Arc::new(config), parts, journal, board: Board::default() };
        let delivery = DeliveryService::new(shared.clone());
        Ok(Self { shared, delivery })
    }

    /// The service that sidecars receive from.
    pub fn delivery(&self) -> DeliveryService {
        self.delivery.clone()
    }

    /// The service that other nations' cells call.
    pub fn door(&self) -> DoorService {
        DoorService::new(self.shared.clone())
    }

    /// What this node sees of its sidecars.
    pub fn board(&self) -> Board {
        self.shared.board.clone()
    }

    /// How many shards this node owns now.
    pub fn owned(&self) -> impl Fn() -> u32 + Send + Sync + 'static {
        let journal = self.shared.journal.clone();
        move || u32::try_from(journal.owned().len()).unwrap_or(u32::MAX)
    }

    /// The claims that this node holds now: number by shard.
    pub fn claims(&self) -> impl Fn() -> BTreeMap<u32, u64> + Send + Sync + 'static {
        let journal = self.shared.journal.clone();
        move || journal.claims()
    }

    /// Runs until the drain starts. Whatever fails for one tenant is tried again for that tenant.
    ///
    /// # Errors
    /// When the log cannot be used at all.
    pub async fn run(self, drain: Drain) -> Result<(), Error> {
        ensure_topics(&self.shared).await?;
        self.shared.parts.ledger.caught_up().await?;
        let shards = Topic::new(&topics::shards(self.shared.home()))?;
        let mut changes = self.shared.parts.log.own_shards(&shards, &self.shared.config.node).await?;
        let mut owner = Owner::new(self.shared.clone());
        let mut directory = self.shared.parts.directory.clone();
        loop {
            tokio::select! {
                () = drain.started() => break,
                change = changes.next() => owner.change(change?).await?,
                Ok(()) = directory.changed() => {
                    ensure_topics(&self.shared).await?;
                    owner.start_what_is_new();
                }
            }
        }
        self.delivery.close();
        owner.stop().await;
        Ok(())
    }
}

/// The tasks of the shards that this node owns.
struct Owner {
    shared: Shared,
    drain: Drain,
    tasks: JoinSet<()>,
    routers: HashMap<u32, (Drain, HashSet<TenantId>)>,
}

impl Owner {
    fn new(shared: Shared) -> Self {
        let drain = Drain::new();
        let mut tasks = JoinSet::new();
        for (nation, far) in shared.config.far.clone() {
            tasks.spawn(Courier::new(shared.clone(), nation, far).run(drain.clone()));
        }
        tasks.spawn(deadlines::run(shared.clone(), drain.clone()));
        Self { shared, drain, tasks, routers: HashMap::new() }
    }

    async fn change(&mut self, change: ShardChange) -> Result<(), Error> {
        match change {
            ShardChange::Assigned(shards) => {
                let claims = shards.iter().map(|shard| self.shared.journal.claim(*shard));
                let won = futures::future::try_join_all(claims).await?;
                for (shard, won) in shards.iter().zip(won) {
                    if won {
                        self.routers.insert(*shard, (self.drain.child(), HashSet::new()));
                    } else {
                        warn!(shard, "another node claimed the shard first");
                    }
                }
                info!(shards = self.routers.len(), node = %self.shared.config.node, "shards claimed");
                self.start_what_is_new();
            }
            ShardChange::Revoked(shards) => {
                for shard in shards {
                    self.shared.journal.give_up(shard);
                    if let Some((drain, _)) = self.routers.remove(&shard) {
                        drain.start();
                    }
                }
            }
        }
        Ok(())
    }

    /// A router for each tenant of the directory, its own or foreign, that this node decides for.
    fn start_what_is_new(&mut self) {
        for tenant in self.shared.directory().tenants() {
            let Some((drain, running)) = self.routers.get_mut(&shard_of(&tenant.id)) else { continue };
            if running.insert(tenant.id.clone()) {
                self.tasks.spawn(Router::new(self.shared.clone(), tenant.id.clone()).run(drain.clone()));
            }
        }
    }

    async fn stop(mut self) {
        self.drain.start();
        for (drain, _) in self.routers.values() {
            drain.start();
        }
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn ensure_topics(shared: &Shared) -> Result<(), Error> {
    let home = shared.home();
    let spec = |name: String, partitions| {
        Ok::<_, Error>(TopicSpec { topic: Topic::new(&name)?, partitions, compacted: false })
    };
    let mut specs = vec![spec(topics::events(home), SHARDS)?, spec(topics::shards(home), SHARDS)?];
    for far in Nation::ALL.into_iter().filter(|nation| *nation != home) {
        specs.push(spec(topics::border(far), topics::BORDER_PARTITIONS)?);
    }
    for tenant in shared.directory().tenants() {
        specs.push(spec(topics::inward(&tenant.id), 1)?);
        if tenant.id.nation() == home {
            specs.push(spec(topics::outward(&tenant.id), 3)?);
        }
    }
    Ok(shared.parts.log.ensure(&specs).await?)
}
