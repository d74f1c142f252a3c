//! Cuts tenants off and brings them back, again and again, while all systems send and everything is killed at any step.
//!
//! ```text
//! operators ── Plan, Cut, Command, ListCuts, ShowCut (signed) ──▶ cells          one process, `bulkhead dev`, killed
//! senders   ── POST /send ──▶ simulators ─▶ sidecars ─▶ cells ─▶ sidecars ─▶ simulators      before, during, after any command
//!                                                  further nodes of each cell, each a process of its own, on Kafka:
//!                                                  killed or paused one by one while a command is under way
//! intruder  ── Submit with every credential of before ──▶ cells                  must be refused, every time
//! ```
//!
//! What was cut off when, and what each referral's life was, is judged at the end, when every cut is over and nothing
//! moves any more.

mod cycle;
mod desk;
mod keys;
mod scene;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::watch;

pub use cycle::End;
pub use scene::Peril;

use super::node::Kafka;
use super::plan::Note;
use super::progress::say;
use super::senders::Senders;
use super::world::{DevJson, Start};
use super::{REST, Report, gather, ports};
use crate::history::{History, Wrong};
use cycle::Cycle;
use scene::Scene;

/// Between two messages of a sender: the ledgers list ten thousand a tenant, and a campaign is long.
const PACE: Duration = Duration::from_millis(350);
/// How likely a crash is at each command.
const RISK: f64 = 0.25;
/// The same where single nodes die too.
const RISK_WITH_NODES: f64 = 0.45;

/// What a cut campaign is told.
#[derive(Debug, Clone)]
pub struct CutCampaign {
    /// The `bulkhead` binary.
    pub binary: PathBuf,
    /// How often a tenant is cut off and comes back.
    pub cycles: u32,
    /// Decides who is cut off, how and by whom, who sends what, and what dies when.
    pub seed: u64,
    /// Where the world keeps its files.
    pub data_dir: PathBuf,
    /// Senders at work at a time.
    pub senders: u32,
    /// More arguments for `bulkhead dev`: another log, several nodes in its process.
    pub arguments: Vec<String>,
    /// Further nodes of each cell, each a process of its own that may die alone.
    pub further: Option<Further>,
}

/// Nodes beside the one of each cell that is in the process of `bulkhead dev`.
#[derive(Debug, Clone)]
pub struct Further {
    /// The brokers, with commas between.
    pub bootstrap: String,
    /// What the names of all topics begin with.
    pub prefix: String,
    /// So many of each cell.
    pub count: usize,
}

impl Further {
    fn kafka(&self) -> Kafka<'_> {
        Kafka { bootstrap: &self.bootstrap, prefix: &self.prefix }
    }

    /// For `bulkhead dev`, so that it is on the same log.
    fn arguments(&self) -> [String; 6] {
        let Self { bootstrap, prefix, .. } = self;
        ["--log", "kafka", "--kafka", bootstrap, "--kafka-prefix", prefix].map(str::to_owned)
    }
}

/// The end of a cut campaign.
#[derive(Debug)]
pub struct Cycled {
    /// How cuts ended.
    pub ends: BTreeMap<End, u32>,
    /// When the world died, as seen from a command.
    pub perils: BTreeMap<Peril, u32>,
    /// Ways back that were aborted.
    pub aborted: u32,
    /// Commands that were given again.
    pub said_again: u32,
    /// Attempts with credentials of before.
    pub old_credentials: u32,
    /// Referrals that were released from quarantine.
    pub released: usize,
    /// Referrals that were rejected there.
    pub rejected: usize,
    /// What the history says.
    pub report: Report,
}

impl CutCampaign {
    /// So many cycles of that binary in that directory, with the usual numbers.
    pub fn new(binary: PathBuf, cycles: u32, seed: u64, data_dir: PathBuf) -> Self {
        Self { binary, cycles, seed, data_dir, senders: 4, arguments: Vec::new(), further: None }
    }

    /// Runs it and judges it.
    ///
    /// # Errors
    /// When the world cannot be started or asked, or a cut does not come to its end.
    pub async fn run(&self) -> Result<Cycled> {
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut start = Start::new(self.binary.clone(), self.data_dir.clone());
        start.port_base = Some(ports::free_base(&mut random)?);
        start.extra = self.arguments.clone();
        start.extra.extend(self.further.iter().flat_map(Further::arguments));
        let risk = if self.further.is_some() { RISK_WITH_NODES } else { RISK };
        let mut scene = Scene::open(start, random, risk, self.further.as_ref()).await?;
        let (about, named) = watch::channel(None);
        let senders = Senders::about(&scene.dev, self.seed, self.senders, PACE, &named);
        let mut cycled = Cycled::new(self.seed);
        for number in 0..self.cycles {
            let cycle = Cycle::draw(&mut scene, number)?;
            about.send_replace(Some(cycle.tenant().to_owned()));
            let context = || format!("cycle {number}, of {}", cycle.tenant());
            let (story, came) = cycle.run(&mut scene).await.with_context(context)?;
            scene.history.cut(story);
            cycled.add(cycle.end(), &came);
            say(format_args!(
                "cycle {} of {}: {} {}; crashes so far: {}",
                number + 1,
                self.cycles,
                cycle.tenant(),
                cycle.end(),
                scene.perils.values().sum::<u32>()
            ));
            scene.dwell().await;
        }
        say("the last crash, and the judgement");
        // The last life has no end of its own.
        scene.crash(|_| Ok(())).await?;
        let notebook = senders.finish().await;
        let (history, wrong) = judge(&scene.history, &notebook, &scene.dev).await?;
        cycled.report.judged(&history, wrong, &notebook);
        cycled.perils = std::mem::take(&mut scene.perils);
        scene.close().await?;
        Ok(cycled)
    }
}

/// Looks until all is well, or until what is wrong has had the time to right itself.
async fn judge(known: &History, notebook: &[Note], dev: &DevJson) -> Result<(History, Vec<Wrong>)> {
    let begin = Instant::now();
    loop {
        let mut history = known.clone();
        let lives = gather::lives(notebook, dev).await?;
        gather::with_lives(&mut history, notebook, &lives, dev).await?;
        match history.check() {
            Ok(_) => return Ok((history, Vec::new())),
            Err(wrong) if begin.elapsed() > REST => return Ok((history, wrong)),
            Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
}

impl Cycled {
    fn new(seed: u64) -> Self {
        Self {
            ends: BTreeMap::new(),
            perils: BTreeMap::new(),
            aborted: 0,
            said_again: 0,
            old_credentials: 0,
            released: 0,
            rejected: 0,
            report: Report::new(seed),
        }
    }

    fn add(&mut self, end: End, came: &cycle::Came) {
        *self.ends.entry(end).or_default() += 1;
        self.aborted += came.aborted;
        self.said_again += came.said_again;
        self.old_credentials += came.old_credentials;
        self.released += came.released;
        self.rejected += came.rejected;
    }
}

impl fmt::Display for Cycled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let perils: Vec<_> = self.perils.iter().map(|(peril, count)| format!("{count} {peril}")).collect();
        let of = |end: End| self.ends.get(&end).copied().unwrap_or_default();
        writeln!(
            f,
            "cuts: {} restored, {} withdrawn; {} ways back aborted; commands given again: {}",
            of(End::Restored),
            of(End::Withdrawn),
            self.aborted,
            self.said_again
        )?;
        writeln!(f, "crashes at a command: {}", perils.join(", "))?;
        writeln!(f, "old credentials tried {} times", self.old_credentials)?;
        writeln!(f, "from quarantine: {} released, {} rejected", self.released, self.rejected)?;
        self.report.fmt(f)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            End::Restored => "restored",
            End::Withdrawn => "withdrawn",
        })
    }
}

impl fmt::Display for Peril {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Peril::Before => "before it",
            Peril::During => "during it",
            Peril::After => "after it",
            Peril::AtADecision => "at a decision",
            Peril::NodeKilled => "a node killed",
            Peril::NodePaused => "a node paused",
        })
    }
}
