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
use std::time::Duration;

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::node::{self, Kafka, Node};
use super::senders::Senders;
use super::world::{Start, World};
use super::{Report, judge};
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
    /// Decides who sends what, and what fails when.
    pub seed: u64,
    /// Where the world keeps its files.
    pub data_dir: PathBuf,
    /// Senders at work at a time.
    pub senders: u32,
    /// Nodes of each cell beside the first.
    pub nodes: usize,
}

/// What was made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// SIGKILL of a node.
    NodeKilled,
    /// SIGSTOP of a node, longer than its lease and sometimes longer than its session, then SIGCONT.
    NodePaused,
    /// SIGTERM of a node.
    NodeStopped,
    /// SIGKILL of a node, and its ledger deleted.
    LedgerLost,
    /// SIGKILL of a broker.
    BrokerKilled,
    /// SIGSTOP of a broker, then SIGCONT.
    BrokerPaused,
    /// SIGKILL of two brokers: none may acknowledge.
    TwoBrokersKilled,
    /// SIGKILL of all of them.
    AllBrokersKilled,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failure::NodeKilled => "node killed",
            Failure::NodePaused => "node paused",
            Failure::NodeStopped => "node stopped",
            Failure::LedgerLost => "ledger lost",
            Failure::BrokerKilled => "broker killed",
            Failure::BrokerPaused => "broker paused",
            Failure::TwoBrokersKilled => "two brokers killed",
            Failure::AllBrokersKilled => "all brokers killed",
        })
    }
}

/// The end of a failure campaign.
#[derive(Debug)]
pub struct Survived {
    /// Failures by kind.
    pub failures: BTreeMap<Failure, u32>,
    /// What the history says.
    pub report: Report,
}

impl fmt::Display for Survived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failures: Vec<_> = self.failures.iter().map(|(what, count)| format!("{count} {what}")).collect();
        writeln!(f, "failures: {}", failures.join(", "))?;
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
        let brokers = tokio::task::spawn_blocking(|| Brokers::start(BROKERS, &[])).await?;
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
            let failure = self.draw(&mut random);
            let chosen = random.random_range(0..nodes.len());
            let chosen = &mut nodes[chosen];
            progress(number, failure, &chosen.name);
            self.fail(failure, chosen, &brokers, &mut random)
                .await
                .with_context(|| format!("failure {number}, {failure}, at {}", chosen.name))?;
            *failures.entry(failure).or_default() += 1;
        }
        let notebook = senders.finish().await;
        let (history, wrong) = judge(&History::new(), &notebook, &world.dev).await?;
        let mut report = Report::new(self.seed);
        report.judged(&history, wrong, &notebook);
        for node in nodes {
            node.stop().await?;
        }
        world.stop().await?;
        Ok(Survived { failures, report })
    }

    fn draw(&self, random: &mut StdRng) -> Failure {
        let node = [
            Failure::NodeKilled,
            Failure::NodeKilled,
            Failure::NodePaused,
            Failure::NodePaused,
            Failure::NodeStopped,
            Failure::LedgerLost,
        ];
        let broker = [
            Failure::BrokerKilled,
            Failure::BrokerKilled,
            Failure::BrokerPaused,
            Failure::TwoBrokersKilled,
            Failure::AllBrokersKilled,
        ];
        let of = if !self.spare_brokers && random.random_bool(0.35) { &broker[..] } else { &node[..] };
        of[random.random_range(0..of.len())]
    }

    async fn fail(
        &self,
        failure: Failure,
        node: &mut Node,
        brokers: &Brokers,
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
        }
    }
}

/// A long campaign shows that it goes on.
#[allow(clippy::print_stderr, reason = "it is for whoever waits for it, and no part of the result")]
fn progress(number: u32, failure: Failure, node: &str) {
    eprintln!("{} failure {number}: {failure} ({node})", jiff::Timestamp::now());
}

/// Kills these, waits, and starts them again.
async fn revive(brokers: &Brokers, which: &[u8], dead: Duration) -> Result<()> {
    which.iter().for_each(|broker| brokers.kill(*broker));
    tokio::time::sleep(dead).await;
    let brokers = brokers.clone();
    tokio::task::spawn_blocking(move || drop(brokers.up())).await?;
    Ok(())
}
