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

use super::desk::{Desk, Who};
use super::keys::Keys;
use crate::campaign::world::{DevJson, Start, World};
use crate::history::History;

/// A goal that is not reached in this time never will be.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// When the world dies, as seen from a command.
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
}

impl Scene {
    pub(super) async fn open(start: Start, random: StdRng, risk: f64) -> Result<Self> {
        let world = World::start(&start).await.context("the first start")?;
        let dev = world.dev.clone();
        let mut desks = BTreeMap::new();
        for nation in Nation::ALL {
            let cell = dev.cells.iter().find(|cell| cell.nation == nation.as_str());
            let nodes = cell.context("a nation without a cell")?.nodes.iter().map(|node| node.grpc);
            desks.insert(nation, Desk::open(&dev, nation, nodes.collect())?);
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
        })
    }

    pub(super) fn desk(&self, nation: Nation) -> Result<&Desk> {
        self.desks.get(&nation).context("a nation without a desk")
    }

    pub(super) fn nodes(&self, nation: Nation) -> Vec<SocketAddr> {
        let cell = self.dev.cells.iter().find(|cell| cell.nation == nation.as_str());
        cell.into_iter().flat_map(|cell| cell.nodes.iter().map(|node| node.grpc)).collect()
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
            let all = [
                Peril::Before,
                Peril::During,
                Peril::During,
                Peril::During,
                Peril::After,
                Peril::AtADecision,
            ];
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
        }
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
