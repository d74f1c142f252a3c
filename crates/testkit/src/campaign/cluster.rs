//! Cells of several nodes on a real Kafka: nodes and brokers killed, paused and stopped while all systems send.
//!
//! ```text
//! senders ──▶ simulators, sidecars and the first node of each cell: one process, `bulkhead dev --log kafka`, kept alive
//!                 │
//!                 └─▶ further nodes of each cell, each a process of its own, `bulkhead serve`; and brokers
//!                         └── SIGKILL, SIGSTOP … SIGCONT, SIGTERM, and started again, at moments drawn from the seed
//! ```
//!
//! Sidecars know the first node of their cell only, so that every redirect is followed. No sidecar dies here: whatever
//! a system receives twice is a fault.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::clock::ClockOff;
use super::failure::{Failure, Urn};
use super::node::{self, Kafka, Node};
use super::progress::say;
use super::senders::Senders;
use super::world::{Start, World};
use super::{Report, judge};
use crate::brokers::Brokers;
use crate::history::History;

/// Brokers of a campaign.
const BROKERS: u8 = 3;
/// What a broker says when its disk is full.
const NO_SPACE: &str = "No space left on device";
/// How long it takes at most, under traffic, until it says so.
const MET: Duration = Duration::from_secs(60);

/// What a failure campaign is told.
#[derive(Debug, Clone)]
pub struct FailureCampaign {
    /// The `bulkhead` binary.
    pub binary: PathBuf,
    /// Only nodes fail.
    pub spare_brokers: bool,
    /// How many failures.
    pub failures: u32,
    /// Decides who sends what, and what fails when.
    pub seed: u64,
    /// Where the world keeps its files.
    pub data_dir: PathBuf,
    /// Senders at work at a time.
    pub senders: u32,
    /// Nodes of each cell beside the first.
    pub nodes: usize,
    /// The disk of a broker is made full too.
    pub full_disk: bool,
    /// The clock of a node is set off by an hour too.
    pub clock_off: bool,
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
        let mut urn = Urn { spare_brokers: self.spare_brokers, ..Urn::default() };
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
        let prefix = format!("campaign-{}-{}", self.seed, std::process::id());
        let kafka = ["--log", "kafka", "--kafka", brokers.bootstrap(), "--kafka-prefix", &prefix];
        start.extra = kafka.map(str::to_owned).into();
        let world = World::start(&start).await.context("the first start")?;
        let kafka = Kafka { bootstrap: brokers.bootstrap(), prefix: &prefix };
        let mut nodes = node::further(&world.dev, kafka, &self.data_dir.join("nodes"), self.nodes)?;
        for node in &mut nodes {
            node.start(&self.binary).await?;
        }
        let senders = Senders::start(&world.dev, self.seed, self.senders);
        let mut failures = BTreeMap::new();
        for number in 0..self.failures {
            tokio::time::sleep(random.random_range(Duration::from_millis(300)..Duration::from_secs(4))).await;
            let failure = urn.draw(&mut random);
            let chosen = random.random_range(0..nodes.len());
            let chosen = &mut nodes[chosen];
            say(format_args!("failure {} of {}: {failure} ({})", number + 1, self.failures, chosen.name));
            self.fail(failure, chosen, &brokers, clock.as_ref(), &mut random)
                .await
                .with_context(|| format!("failure {number}, {failure}, at {}", chosen.name))?;
            *failures.entry(failure).or_default() += 1;
        }
        say("the judgement");
        let notebook = senders.finish().await;
        let (history, wrong) = judge(&History::new(), &notebook, &world.dev).await?;
        let mut report = Report::new(self.seed);
        report.judged(&history, wrong, &notebook);
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

    /// Has a node work with a clock that is off, and then with a right one, and sees that it was off.
    async fn set_clock_off(
        &self,
        node: &mut Node,
        variables: Vec<(String, String)>,
        off: SignedDuration,
        during: Duration,
    ) -> Result<()> {
        node.kill().await?;
        let before = node.log()?.len();
        node.variables = variables;
        let started = node.start(&self.binary).await;
        node.variables = Vec::new();
        started?;
        tokio::time::sleep(during).await;
        let log = node.log()?;
        let last = log[before..].lines().rev().find_map(|line| {
            serde_json::from_str::<serde_json::Value>(line).ok()?["timestamp"]
                .as_str()?
                .parse::<Timestamp>()
                .ok()
        });
        let last = last.context("its log has no times")?;
        let differs = last.duration_since(Timestamp::now()) - off;
        ensure!(differs.abs() < SignedDuration::from_mins(10), "its clock was not off: it says {last}");
        node.kill().await?;
        node.start(&self.binary).await
    }

    async fn fail(
        &self,
        failure: Failure,
        node: &mut Node,
        brokers: &Brokers,
        clock: Option<&ClockOff>,
        random: &mut StdRng,
    ) -> Result<()> {
        let dead = random.random_range(Duration::from_millis(100)..Duration::from_secs(9));
        match failure {
            Failure::NodeKilled | Failure::LedgerLost => {
                node.kill().await?;
                if failure == Failure::LedgerLost {
                    node.lose_ledger()?;
                }
                tokio::time::sleep(dead).await;
                node.start(&self.binary).await
            }
            Failure::NodePaused => {
                node.signal("STOP").await?;
                tokio::time::sleep(random.random_range(Duration::from_secs(1)..Duration::from_secs(12)))
                    .await;
                node.signal("CONT").await?;
                node.ready().await
            }
            Failure::NodeStopped => {
                node.signal("TERM").await?;
                node.ended().await?;
                node.start(&self.binary).await
            }
            Failure::BrokerKilled => revive(brokers, &[random.random_range(1..=BROKERS)], dead).await,
            Failure::TwoBrokersKilled => {
                let one = random.random_range(1..=BROKERS);
                revive(brokers, &[one, one % BROKERS + 1], dead).await
            }
            Failure::AllBrokersKilled => revive(brokers, &(1..=BROKERS).collect::<Vec<_>>(), dead).await,
            Failure::BrokerPaused => {
                let broker = random.random_range(1..=BROKERS);
                brokers.freeze(broker);
                tokio::time::sleep(dead).await;
                brokers.thaw(broker);
                Ok(())
            }
            Failure::DiskFull => fill_disk(brokers, dead).await,
            Failure::ClockOff => {
                let off = SignedDuration::from_hours(if random.random_bool(0.5) { 1 } else { -1 });
                let clock = clock.context("it is drawn only where there is a library for it")?;
                self.set_clock_off(node, clock.variables(off), off, dead).await
            }
        }
    }
}

/// Makes the disk of a broker full until it has met that, leaves it so, makes room and has the broker come back.
async fn fill_disk(brokers: &Brokers, full: Duration) -> Result<()> {
    let (broker, disk) = brokers.disk().context("it is drawn only where a broker has a disk of its own")?;
    disk.fill().map_err(|error| anyhow!(error))?;
    let begin = Instant::now();
    while brokers.is_alive(broker) && !brokers.said(broker).contains(NO_SPACE) {
        if begin.elapsed() > MET {
            bail!("broker {broker} did not meet its full disk");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(full).await;
    if brokers.is_alive(broker) {
        brokers.kill(broker);
    }
    disk.make_room().map_err(|error| anyhow!(error))?;
    revive(brokers, &[], Duration::ZERO).await
}

/// Kills these, waits, and starts them again.
async fn revive(brokers: &Brokers, which: &[u8], dead: Duration) -> Result<()> {
    which.iter().for_each(|broker| brokers.kill(*broker));
    tokio::time::sleep(dead).await;
    let brokers = brokers.clone();
    tokio::task::spawn_blocking(move || drop(brokers.up())).await?;
    Ok(())
}
