//! The world in which cuts are made, and what happens to it: it is killed before a command, while it is under way, after
//! it, or at a decision of its own, and started again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bulkhead_model::Nation;
use jiff::Timestamp;
use rand::Rng;
use rand::rngs::StdRng;

use super::Further;
use super::desk::{Desk, Who};
use super::keys::Keys;
use crate::campaign::node::{self, Node};
use crate::campaign::world::{DevJson, Start, World};
use crate::history::History;

/// A goal that is not reached in this time never will be.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a single node is gone: as long as a lease, and longer than a session at a broker.
const LEAST_GONE: Duration = Duration::from_millis(100);
const MOST_GONE: Duration = Duration::from_secs(9);

/// When the world dies, or one node of it, as seen from a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peril {
    /// Before it is sent.
    Before,
    /// While it is under way.
    During,
    /// After it was answered.
    After,
    /// Between the two appends of a decision, some time later.
    AtADecision,
    /// SIGKILL of a single node while it is under way; the others live.
    NodeKilled,
    /// SIGSTOP of a single node while it is under way, mostly longer than its lease, then SIGCONT.
    NodePaused,
}

/// The world, and what is remembered of it.
pub(super) struct Scene {
    pub(super) start: Start,
    /// What it was started with at first.
    extra: Vec<String>,
    world: Option<World>,
    pub(super) dev: DevJson,
    pub(super) desks: BTreeMap<Nation, Desk>,
    pub(super) keys: Keys,
    pub(super) history: History,
    pub(super) random: StdRng,
    pub(super) perils: BTreeMap<Peril, u32>,
    /// How likely a crash is at each command.
    pub(super) risk: f64,
    /// Nodes that are processes of their own; they live on when the world dies.
    nodes: Vec<Node>,
    /// Whose cut is under way.
    pub(super) about: Option<Nation>,
}

impl Scene {
    pub(super) async fn open(
        start: Start,
        random: StdRng,
        risk: f64,
        further: Option<&Further>,
    ) -> Result<Self> {
        let world = World::start(&start).await.context("the first start")?;
        let dev = world.dev.clone();
        let mut nodes = match further {
            Some(further) => {
                let place = start.data_dir.with_extension("nodes");
                node::further(&dev, further.kafka(), &place, further.count)?
            }
            None => Vec::new(),
        };
        for node in &mut nodes {
            node.start(&start.binary).await?;
        }
        let mut desks = BTreeMap::new();
        for nation in Nation::ALL {
            let cell = dev.cells.iter().find(|cell| cell.nation == nation.as_str());
            let first = cell.context("a nation without a cell")?.nodes.iter().map(|node| node.grpc);
            let more = nodes.iter().filter(|node| node.nation == nation.as_str()).map(|node| node.grpc);
            desks.insert(nation, Desk::open(&dev, nation, first.chain(more).collect())?);
        }
        let keys = Keys::open(&dev)?;
        let extra = start.extra.clone();
        Ok(Self {
            start,
            extra,
            world: Some(world),
            dev,
            desks,
            keys,
            history: History::new(),
            random,
            perils: BTreeMap::new(),
            risk,
            nodes,
            about: None,
        })
    }

    pub(super) fn desk(&self, nation: Nation) -> Result<&Desk> {
        self.desks.get(&nation).context("a nation without a desk")
    }

    /// The same for one command, which any node of the cell may be the first to hear.
    pub(super) fn desk_for_one(&mut self, nation: Nation) -> Result<Desk> {
        let mut desk = self.desk(nation)?.clone();
        if desk.nodes.len() > 1 {
            let first = self.random.random_range(0..desk.nodes.len());
            desk.nodes.rotate_left(first);
        }
        Ok(desk)
    }

    pub(super) fn nodes(&self, nation: Nation) -> Vec<SocketAddr> {
        self.desks.get(&nation).map(|desk| desk.nodes.clone()).unwrap_or_default()
    }

    /// A little life between two commands.
    pub(super) async fn dwell(&mut self) {
        let long = self.random.random_range(Duration::ZERO..Duration::from_millis(700));
        tokio::time::sleep(long).await;
    }

    /// SIGKILL, `between` while all is dead, and a new start.
    pub(super) async fn crash(&mut self, between: impl FnOnce(&Keys) -> Result<()>) -> Result<()> {
        if let Some(world) = self.world.take() {
            let dead_by = world.kill().await?;
            self.history.crashed(dead_by);
        }
        between(&self.keys)?;
        self.start.extra = self.extra.clone();
        self.begin().await
    }

    async fn begin(&mut self) -> Result<()> {
        // It may die at a decision before it is ready.
        for _ in 0..3 {
            match World::start(&self.start).await {
                Ok(world) => {
                    self.world = Some(world);
                    return Ok(());
                }
                Err(error) if self.start.extra == self.extra => return Err(error),
                Err(_) => {
                    self.history.crashed(Timestamp::now());
                    self.start.extra = self.extra.clone();
                }
            }
        }
        bail!("it does not start")
    }

    /// Starts it again if it died by itself.
    pub(super) async fn revived(&mut self) -> Result<bool> {
        let ended = match &mut self.world {
            Some(world) => world.ended(Duration::ZERO).await?,
            None => None,
        };
        let Some(dead_by) = ended else { return Ok(false) };
        if self.start.extra == self.extra {
            bail!("the world ended by itself; see {}", self.start.log_file().display());
        }
        self.history.crashed(dead_by);
        self.world = None;
        self.start.extra = self.extra.clone();
        self.begin().await?;
        Ok(true)
    }

    /// Does it, and something may happen meanwhile. What came of it is for the next look to say.
    pub(super) async fn at_risk(&mut self, action: impl Future<Output = Result<()>>) -> Result<()> {
        let peril = self.random.random_bool(self.risk).then(|| {
            let world = [
                Peril::Before,
                Peril::During,
                Peril::During,
                Peril::During,
                Peril::After,
                Peril::AtADecision,
            ];
            let alone = [Peril::NodeKilled, Peril::NodePaused];
            let all =
                if !self.nodes.is_empty() && self.random.random_bool(0.6) { &alone[..] } else { &world[..] };
            all[self.random.random_range(0..all.len())]
        });
        if let Some(peril) = peril {
            *self.perils.entry(peril).or_default() += 1;
        }
        match peril {
            None => Ok(action.await?),
            Some(Peril::Before) => {
                self.crash(|_| Ok(())).await?;
                action.await
            }
            Some(Peril::During) => {
                // A command takes milliseconds, and some dozen with the plan before it.
                let after = self.random.random_range(Duration::ZERO..Duration::from_millis(60));
                let killed = async {
                    tokio::time::sleep(after).await;
                    self.crash(|_| Ok(())).await
                };
                let (done, killed) = tokio::join!(action, killed);
                killed?;
                done
            }
            Some(Peril::After) => {
                let done = action.await;
                self.crash(|_| Ok(())).await?;
                done
            }
            Some(Peril::AtADecision) => {
                if let Some(world) = self.world.take() {
                    self.history.crashed(world.kill().await?);
                }
                let decision: u32 = self.random.random_range(1..40);
                self.start.extra = self.extra.clone();
                self.start.extra.extend(["--crash-between-appends".to_owned(), decision.to_string()]);
                self.begin().await?;
                action.await
            }
            Some(Peril::NodeKilled | Peril::NodePaused) => {
                // A pause may begin before the command does.
                let after = self.random.random_range(Duration::ZERO..Duration::from_millis(60));
                let long = self.random.random_range(LEAST_GONE..MOST_GONE);
                let (is_killed, binary) = (peril == Some(Peril::NodeKilled), self.start.binary.clone());
                let node = self.a_node();
                let gone = async {
                    tokio::time::sleep(after).await;
                    match is_killed {
                        true => node.kill().await?,
                        false => node.signal("STOP").await?,
                    }
                    tokio::time::sleep(long).await;
                    match is_killed {
                        true => node.start(&binary).await,
                        false => {
                            node.signal("CONT").await?;
                            node.ready().await
                        }
                    }
                };
                let (done, gone) = tokio::join!(action, gone);
                gone?;
                done
            }
        }
    }

    /// Mostly one of the cell that the cut is of.
    fn a_node(&mut self) -> &mut Node {
        let nation = self.about.filter(|_| self.random.random_bool(0.7));
        let is_of = |node: &&mut Node| nation.is_none_or(|nation| node.nation == nation.as_str());
        let mut nodes: Vec<_> = self.nodes.iter_mut().filter(is_of).collect();
        let chosen = self.random.random_range(0..nodes.len());
        nodes.swap_remove(chosen)
    }

    /// Looks until it is seen; what fails meanwhile is looked at again. `act` is tried whenever it is not seen yet.
    pub(super) async fn until<T>(
        &mut self,
        what: &str,
        mut look: impl AsyncFnMut(&mut Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let begin = Instant::now();
        let mut last = None;
        while begin.elapsed() < PATIENCE {
            self.revived().await?;
            match look(self).await {
                Ok(Some(seen)) => return Ok(seen),
                Ok(None) => {}
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("not in time: {what}; the last trouble: {last:?}")
    }

    /// By when every nation showed that of a cut, on every node.
    pub(super) async fn everywhere(
        &mut self,
        cut: &str,
        shows: fn(&str) -> bool,
    ) -> Result<BTreeMap<String, Timestamp>> {
        let mut by = BTreeMap::new();
        for nation in Nation::ALL {
            let what = format!("{nation} shows {cut}");
            let seen = self.until(&what, async |scene| {
                let nodes = scene.desk(nation)?.cuts_of_every_node().await?;
                let has = |cuts: &Vec<_>| {
                    cuts.iter()
                        .any(|one: &bulkhead_wire::v1::CutSummary| one.cut_id == cut && shows(&one.stage))
                };
                Ok(nodes.iter().all(has).then(Timestamp::now))
            });
            by.insert(nation.to_string(), seen.await?);
        }
        Ok(by)
    }

    /// Ends it in good order.
    pub(super) async fn close(mut self) -> Result<()> {
        for node in std::mem::take(&mut self.nodes) {
            node.stop().await?;
        }
        match self.world.take() {
            Some(world) => world.stop().await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Either of the two.
    pub(super) fn anybody(&mut self) -> Who {
        if self.random.random_bool(0.5) { Who::Duty } else { Who::Lead }
    }
}
