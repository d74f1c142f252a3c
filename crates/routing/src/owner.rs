//! The routing of one node: what it is made of, and the loop that keeps it to what it may do.
//!
//! Which shards this node decides for is [`crate::shards`]'s to know; here it hears of changes: of shards, and of the
//! directory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_ledger::Ledger;
use bulkhead_log::{Log, Topic, TopicSpec};
use bulkhead_model::{Cuts, Directory, Nation, Order, Pulses, SHARDS};
use bulkhead_process::{Drain, Lease};
use bulkhead_transport::Dialer;
use bulkhead_wire::topics;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::warn;

use crate::abreast;
use crate::fresh::Fresh;
use crate::journal::Journal;
use crate::layers::Layer;
use crate::paces::Paces;
use crate::shards::Shards;
use crate::stands;
use crate::{Board, Config, DeliveryService, DoorService, Error};

/// How often it is looked whether another node has taken a shard, and what could not be claimed is tried again.
const TICK: Duration = Duration::from_millis(500);
/// How long a stopping node decides on for what it leaves to others at most.
const LEAVING: Duration = Duration::from_secs(3);

/// How many topics are looked at at a time.
const LOOKS: usize = 32;

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
    /// What a person ordered for referrals that are set aside.
    pub orders: watch::Receiver<Arc<Vec<Order>>>,
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
    pub(crate) paces: Paces,
    pub(crate) fresh: Fresh,
}

impl Shared {
    pub(crate) fn directory(&self) -> Arc<Directory> {
        self.parts.directory.borrow().clone()
    }

    pub(crate) fn cuts(&self) -> Arc<Cuts> {
        self.parts.cuts.borrow().clone()
    }

    /// The cuts, as that place asks them.
    pub(crate) fn gate(&self, layer: Layer) -> Arc<Cuts> {
        if self.config.layers.asks(layer) { self.cuts() } else { Arc::default() }
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
        let shared = Shared {
            config: Arc::new(config),
            parts,
            journal,
            board: Board::default(),
            paces: Paces::new(),
            fresh: Fresh::default(),
        };
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
        tokio::select! {
            () = drain.started() => return Ok(()),
            ready = self.get_ready() => ready?,
        }
        let shards = Topic::new(&topics::shards(self.shared.home()))?;
        let mut changes = self.shared.parts.log.own_shards(&shards, &self.shared.config.node).await?;
        let mut owned = Shards::new(self.shared.clone(), self.delivery.clone());
        let mut directory = self.shared.parts.directory.clone();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut has_topics = true;
        loop {
            tokio::select! {
                () = drain.started() => break,
                change = changes.next() => owned.change(change?),
                went_on = owned.go_on() => went_on?,
                Ok(()) = directory.changed() => has_topics = false,
                _ = tick.tick() => owned.look_again(),
            }
            if !has_topics {
                match ensure_topics(&self.shared).await {
                    Ok(()) => has_topics = true,
                    Err(error) => warn!(%error, "topics of the new directory cannot be made yet"),
                }
            }
            owned.start_what_is_new();
        }
        // From here on others are given its shards; until they have claimed them this node decides.
        drop(changes);
        if self.has_company() {
            match timeout(LEAVING, owned.leave()).await {
                Ok(left) => left?,
                Err(_) => {
                    warn!(node = %self.shared.config.node, "nobody has claimed all that this node leaves")
                }
            }
        }
        tokio::join!(self.delivery.close(), owned.stop());
        Ok(())
    }

    /// Sees to its topics, and reads all that was decided; waits for a log that does not answer. Safe to cancel.
    async fn get_ready(&self) -> Result<(), Error> {
        let once = async || {
            ensure_topics(&self.shared).await?;
            abreast::reach(|| {
                let ledger = self.shared.parts.ledger.clone();
                async move { Ok(ledger.caught_up().await?) }
            })
            .await
        };
        loop {
            match once().await {
                Err(error) if error.is_passing() => warn!(%error, "routing begins when the log answers"),
                ready => return ready,
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Whether another node of the cell is there to take its shards.
    fn has_company(&self) -> bool {
        self.shared.parts.pulses.borrow().alive().any(|other| other.pulse.node != self.shared.config.node)
    }
}

/// Sees to it that the topics of the cell are there. An `in` topic that held something and is gone is not made anew: below
/// where it ended everything counts as settled, and what was accepted next would never be read.
pub(crate) async fn ensure_topics(shared: &Shared) -> Result<(), Error> {
    let (home, ledger) = (shared.home(), &shared.parts.ledger);
    let spec = |name: String, partitions| {
        Ok::<_, Error>(TopicSpec { topic: Topic::new(&name)?, partitions, compacted: false })
    };
    let mut inward = Vec::new();
    let mut specs = vec![spec(topics::shards(home), SHARDS)?];
    if ledger.lost().is_none() {
        specs.push(spec(topics::events(home), SHARDS)?);
    }
    for far in Nation::ALL.into_iter().filter(|nation| *nation != home) {
        specs.push(spec(topics::border(far), topics::BORDER_PARTITIONS)?);
    }
    for tenant in shared.directory().tenants() {
        inward.push(spec(topics::inward(&tenant.id), 1)?);
        if tenant.id.nation() == home {
            specs.push(spec(topics::outward(&tenant.id), 3)?);
        }
    }
    let log = &shared.parts.log;
    let goes_on = |spec: &&TopicSpec| ledger.in_stands(spec.topic.as_str()).is_ok();
    let look = |spec: &TopicSpec| stands::look(ledger.clone(), log.clone(), spec.topic.clone());
    let looks: Vec<_> = inward.iter().filter(goes_on).map(look).collect();
    stream::iter(looks).buffer_unordered(LOOKS).try_collect::<Vec<()>>().await?;
    specs.extend(inward.into_iter().filter(|spec| ledger.in_stands(spec.topic.as_str()).is_ok()));
    Ok(shared.parts.log.ensure(&specs).await?)
}
