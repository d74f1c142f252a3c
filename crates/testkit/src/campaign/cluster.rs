//! Cells of several nodes on a real Kafka: nodes and brokers killed, paused and stopped while all systems send.
//!
//! ```text
//! senders ──▶ simulators, most sidecars and the first node of each cell: one process, `bulkhead dev --log kafka`, kept
//!                 │                                                       alive
//!                 └─▶ further nodes of each cell, `bulkhead serve`, and a few sidecars, each a process of its own; brokers
//!                         └── SIGKILL, SIGSTOP … SIGCONT, SIGTERM, and started again, at moments drawn from the seed
//! ```
//!
//! Sidecars know the first node of their cell only, so that every redirect is followed. What a system receives twice
//! is a fault, unless its own sidecar has died in between.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::clock::ClockOff;
use super::failure::{Failure, Urn};
use super::node::{self, Kafka};
use super::progress::say;
use super::senders::Senders;
use super::sidecar::{self, Sidecar};
use super::strike::Targets;
use super::world::{Start, World};
use super::{Report, judge, ports};
use crate::brokers::Brokers;
use crate::history::History;

/// Brokers of a campaign.
const BROKERS: u8 = 3;
/// What a failure campaign is told.
#[derive(Debug, Clone)]
pub struct FailureCampaign {
    /// The `bulkhead` binary.
    pub binary: PathBuf,
    /// Only nodes fail.
    pub spare_brokers: bool,
    /// How many failures.
    pub failures: u32,
    /// These, in this order, instead of what is drawn.
    pub only: Vec<Failure>,
    /// Decides who sends what, and what fails when.
    pub seed: u64,
    /// Where the world keeps its files.
    pub data_dir: PathBuf,
    /// Senders at work at a time.
    pub senders: u32,
    /// Nodes of each cell beside the first.
    pub nodes: usize,
    /// Only the cell of this nation has them.
    pub only_in: Option<String>,
    /// The disk of a broker is made full too.
    pub full_disk: bool,
    /// The clock of a node is set off by an hour too.
    pub clock_off: bool,
    /// How many sidecars, at most eight, are processes of their own, and fail too.
    pub sidecars: usize,
}

/// The end of a failure campaign.
#[derive(Debug)]
pub struct Survived {
    /// Failures by kind.
    pub failures: BTreeMap<Failure, u32>,
    /// What was asked for and cannot be done on this machine, with the reason.
    pub skipped: Vec<String>,
    /// What the history says.
    pub report: Report,
}

impl fmt::Display for Survived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failures: Vec<_> = self.failures.iter().map(|(what, count)| format!("{count} {what}")).collect();
        writeln!(f, "failures: {}", failures.join(", "))?;
        self.skipped.iter().try_for_each(|skipped| writeln!(f, "SKIPPED: {skipped}"))?;
        self.report.fmt(f)
    }
}

impl FailureCampaign {
    /// Runs it and judges it.
    ///
    /// # Errors
    /// When the world cannot be started or asked, or a node does not come back.
    pub async fn run(&self) -> Result<Survived> {
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut urn = Urn {
            spare_brokers: self.spare_brokers,
            spare_sidecars: self.sidecars == 0,
            pairs: self.nodes > 1,
            besides: Vec::new(),
        };
        let mut skipped = Vec::new();
        let brokers = self.brokers(&mut urn, &mut skipped).await?;
        let clock =
            self.clock_off.then(|| ClockOff::compile(&self.data_dir)).transpose().unwrap_or_else(|why| {
                skipped.push(format!("{}: {why}", Failure::ClockOff));
                None
            });
        urn.besides.extend(clock.as_ref().map(|_| Failure::ClockOff));
        // What was asked for and is not done must be seen.
        skipped.iter().for_each(|skipped| say(format_args!("SKIPPED: {skipped}")));
        let mut start = Start::new(self.binary.clone(), self.data_dir.clone());
        start.port_base = Some(ports::free_base(&mut random)?);
        let prefix = format!("campaign-{}-{}", self.seed, std::process::id());
        let kafka = ["--log", "kafka", "--kafka", brokers.bootstrap(), "--kafka-prefix", &prefix];
        start.extra = kafka.map(str::to_owned).into();
        let apart = sidecar::choose(self.sidecars, &mut random);
        start.extra.extend(apart.iter().flat_map(|tenant| ["--apart".to_owned(), tenant.clone()]));
        let world = World::start(&start).await.context("the first start")?;
        let kafka = Kafka { bootstrap: brokers.bootstrap(), prefix: &prefix };
        let mut nodes = node::further(&world.dev, kafka, &self.data_dir.join("nodes"), self.nodes)?;
        nodes.retain(|node| self.only_in.as_ref().is_none_or(|nation| *nation == node.nation));
        for node in &mut nodes {
            node.start(&self.binary).await?;
        }
        let mut sidecars = Vec::new();
        for tenant in &apart {
            let mut sidecar = Sidecar::of(tenant, &start, &world.dev, &self.data_dir.join("apart"))?;
            sidecar.start(&self.binary).await?;
            sidecars.push(sidecar);
        }
        let senders = Senders::start(&world.dev, self.seed, self.senders);
        let mut history = History::new();
        let mut targets = Targets {
            binary: &self.binary,
            nodes: &mut nodes,
            sidecars: &mut sidecars,
            brokers: &brokers,
            count: BROKERS,
            prefix: &prefix,
            clock: clock.as_ref(),
        };
        let mut failures = BTreeMap::new();
        let row = if self.only.is_empty() { urn.row(self.failures, &mut random) } else { self.only.clone() };
        for (number, failure) in (1..).zip(&row) {
            tokio::time::sleep(random.random_range(Duration::from_millis(300)..Duration::from_secs(4))).await;
            say(format_args!("failure {number} of {}: {failure}", row.len()));
            let struck = targets.strike(*failure, &mut history, &mut random).await;
            struck.with_context(|| format!("failure {number}, {failure}"))?;
            *failures.entry(*failure).or_default() += 1;
        }
        say("the judgement");
        let notebook = senders.finish().await;
        let (history, wrong) = judge(&history, &notebook, &world.dev).await?;
        let mut report = Report::new(self.seed);
        report.judged(&history, wrong, &notebook);
        for sidecar in sidecars {
            sidecar.stop().await?;
        }
        for node in nodes {
            node.stop().await?;
        }
        world.stop().await?;
        Ok(Survived { failures, skipped, report })
    }

    /// Starts them, one of them with a disk of its own if its disk is to be made full.
    async fn brokers(&self, urn: &mut Urn, skipped: &mut Vec<String>) -> Result<Brokers> {
        if self.full_disk {
            match tokio::task::spawn_blocking(|| Brokers::start_with_disk(BROKERS, BROKERS)).await? {
                Ok(brokers) => {
                    urn.besides.push(Failure::DiskFull);
                    return Ok(brokers);
                }
                Err(why) => {
                    skipped.push(format!("{}: nothing can be mounted here: {why}", Failure::DiskFull))
                }
            }
        }
        Ok(tokio::task::spawn_blocking(|| Brokers::start(BROKERS, &[])).await?)
    }
}
