//! Has one thing fail at a time, sees that it is back, and notes what the judge must know of it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use bulkhead_model::Nation;
use bulkhead_wire::topics;
use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use rand::rngs::StdRng;

use super::clock::ClockOff;
use super::failure::Failure;
use super::node::Node;
use super::progress::say;
use super::sidecar::Sidecar;
use crate::brokers::Brokers;
use crate::history::{History, Outage};

/// What a broker says when its disk is full.
const NO_SPACE: &str = "No space left on device";
/// How long it takes at most, under traffic, until it says so.
const MET: Duration = Duration::from_secs(60);
/// How long whatever is dead stays so.
const DEAD: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(9));
/// How long whatever stands still does so: longer than a lease, and some longer than a session.
const STILL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(12));

/// What can fail.
pub(super) struct Targets<'a> {
    pub(super) binary: &'a Path,
    pub(super) nodes: &'a mut [Node],
    pub(super) sidecars: &'a mut [Sidecar],
    pub(super) brokers: &'a Brokers,
    /// How many brokers there are.
    pub(super) count: u8,
    /// What the names of the world's topics begin with.
    pub(super) prefix: &'a str,
    pub(super) clock: Option<&'a ClockOff>,
}

impl Targets<'_> {
    /// Has it fail somewhere, and come back; `history` is told of crashes and outages.
    pub(super) async fn strike(
        &mut self,
        failure: Failure,
        history: &mut History,
        random: &mut StdRng,
    ) -> Result<()> {
        let dead = random.random_range(DEAD.0..DEAD.1);
        let still = random.random_range(STILL.0..STILL.1);
        match failure {
            Failure::NodeKilled
            | Failure::NodePaused
            | Failure::NodeStopped
            | Failure::LedgerLost
            | Failure::ClockOff => self.strike_node(failure, dead, still, random).await,
            Failure::NodeStoppedMidway => self.stop_midway(random).await,
            Failure::ClaimedTwice => self.claim_twice().await,
            Failure::SidecarKilled | Failure::SidecarPaused => {
                let chosen = random.random_range(0..self.sidecars.len());
                let sidecar = &mut self.sidecars[chosen];
                say(format_args!("    {}", sidecar.tenant));
                if failure == Failure::SidecarPaused {
                    return sidecar.pause(still).await;
                }
                let dead_by = sidecar.kill().await?;
                history.sidecar_crashed(&sidecar.tenant, dead_by);
                tokio::time::sleep(dead).await;
                sidecar.start(self.binary).await
            }
            Failure::BrokerKilled => self.kill(&[random.random_range(1..=self.count)], dead).await.map(drop),
            Failure::BrokerPaused => self.freeze(random.random_range(1..=self.count), dead).await,
            Failure::ControlLeaderKilled => {
                let leader = self.leader_of_control(random).await?;
                self.kill(&[leader], dead).await.map(drop)
            }
            Failure::ControlLeaderPaused => {
                let leader = self.leader_of_control(random).await?;
                self.freeze(leader, dead).await
            }
            Failure::TwoBrokersKilled => {
                let one = random.random_range(1..=self.count);
                history.outage(self.kill(&[one, one % self.count + 1], dead).await?);
                Ok(())
            }
            Failure::AllBrokersKilled => {
                let all: Vec<_> = (1..=self.count).collect();
                history.outage(self.kill(&all, dead).await?);
                Ok(())
            }
            Failure::DiskFull => self.fill_disk(dead).await,
        }
    }

    async fn strike_node(
        &mut self,
        failure: Failure,
        dead: Duration,
        still: Duration,
        random: &mut StdRng,
    ) -> Result<()> {
        let chosen = random.random_range(0..self.nodes.len());
        let node = &mut self.nodes[chosen];
        say(format_args!("    {}", node.name));
        if failure == Failure::NodePaused {
            return node.pause(still).await;
        }
        if failure == Failure::NodeStopped {
            node.signal("TERM").await?;
            node.ended().await?;
            return node.start(self.binary).await;
        }
        if failure == Failure::ClockOff {
            let off = SignedDuration::from_hours(if random.random_bool(0.5) { 1 } else { -1 });
            let clock = self.clock.context("it is drawn only where there is a library for it")?;
            return set_clock_off(node, self.binary, clock.variables(off), off, dead).await;
        }
        node.kill().await?;
        if failure == Failure::LedgerLost {
            node.lose_ledger()?;
        }
        tokio::time::sleep(dead).await;
        node.start(self.binary).await
    }

    /// The broker that leads the control log of any cell.
    async fn leader_of_control(&self, random: &mut StdRng) -> Result<u8> {
        let nation = Nation::ALL[random.random_range(0..Nation::ALL.len())];
        let topic = format!("{}.{nation}.{}", self.prefix, topics::control(nation));
        let (brokers, of) = (self.brokers.clone(), topic.clone());
        let leader = tokio::task::spawn_blocking(move || brokers.leader(&of)).await?;
        let leader = leader.with_context(|| format!("nobody leads {topic}"))?;
        say(format_args!("    broker {leader}, which leads {topic}"));
        Ok(leader)
    }

    /// Kills these, waits, and starts them again; while all of them were dead.
    async fn kill(&self, which: &[u8], dead: Duration) -> Result<Outage> {
        which.iter().for_each(|broker| self.brokers.kill(*broker));
        while which.iter().any(|broker| self.brokers.is_alive(*broker)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let since = Timestamp::now();
        tokio::time::sleep(dead).await;
        let until = Timestamp::now();
        self.start_brokers().await?;
        Ok(Outage { since, until })
    }

    /// Starts those again that do not run.
    async fn start_brokers(&self) -> Result<()> {
        let brokers = self.brokers.clone();
        tokio::task::spawn_blocking(move || drop(brokers.up())).await?;
        Ok(())
    }

    async fn freeze(&self, broker: u8, during: Duration) -> Result<()> {
        self.brokers.freeze(broker);
        tokio::time::sleep(during).await;
        self.brokers.thaw(broker);
        Ok(())
    }

    /// Makes the disk of a broker full until it has met that, leaves it so, makes room and has the broker come back.
    async fn fill_disk(&self, full: Duration) -> Result<()> {
        let drawn = self.brokers.disk();
        let (broker, disk) = drawn.context("it is drawn only where a broker has a disk of its own")?;
        disk.fill().map_err(|error| anyhow!(error))?;
        let begin = Instant::now();
        while self.brokers.is_alive(broker) && !self.brokers.said(broker).contains(NO_SPACE) {
            if begin.elapsed() > MET {
                bail!("broker {broker} did not meet its full disk");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::time::sleep(full).await;
        if self.brokers.is_alive(broker) {
            self.brokers.kill(broker);
        }
        disk.make_room().map_err(|error| anyhow!(error))?;
        self.start_brokers().await
    }
}

/// Has a node work with a clock that is off, and then with a right one, and sees that it was off.
async fn set_clock_off(
    node: &mut Node,
    binary: &Path,
    variables: Vec<(String, String)>,
    off: SignedDuration,
    during: Duration,
) -> Result<()> {
    node.kill().await?;
    let before = node.log()?.len();
    node.variables = variables;
    let started = node.start(binary).await;
    node.variables = Vec::new();
    started?;
    tokio::time::sleep(during).await;
    let log = node.log()?;
    let last = log[before..].lines().rev().find_map(|line| {
        serde_json::from_str::<serde_json::Value>(line).ok()?["timestamp"].as_str()?.parse::<Timestamp>().ok()
    });
    let last = last.context("its log has no times")?;
    let differs = last.duration_since(Timestamp::now()) - off;
    ensure!(differs.abs() < SignedDuration::from_mins(10), "its clock was not off: it says {last}");
    node.kill().await?;
    node.start(binary).await
}
