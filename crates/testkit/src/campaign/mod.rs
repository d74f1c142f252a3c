//! Kills a whole country again and again while its systems send, and judges the history at the end.
//!
//! ```text
//! senders ── POST /send ──▶ simulators ─▶ sidecars ─▶ cells ─▶ sidecars ─▶ simulators (durable journals)
//!    │                          one process, `bulkhead dev`, killed at random moments
//!    └─▶ notebook ─────────────▶ History ◀── GET /received, ListReferrals, when nothing moves any more
//! ```
//!
//! A sender sends each message again, with the same id, until it has a definite answer, as a real one does.

mod clock;
mod cluster;
pub mod collector;
mod cycles;
mod failure;
mod gather;
pub mod http;
mod kills;
pub mod node;
mod plan;
pub mod ports;
mod process;
mod progress;
mod report;
mod senders;
mod sidecar;
mod strike;
mod takeover;
pub mod world;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rand::SeedableRng;
use rand::rngs::StdRng;

pub use clock::ClockOff;
pub use cluster::{FailureCampaign, Survived};
pub use cycles::{CutCampaign, Cycled, End, Further, Peril};
pub use failure::Failure;
pub use kills::Kill;
pub use report::Report;
pub use world::{DevJson, Start, World};

use crate::history::{History, Wrong};
use kills::Round;
use progress::{NowAndThen, say};
use senders::Senders;

/// How long what is under way may take to come to rest.
const REST: Duration = Duration::from_secs(120);

/// What a campaign is told.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// The `bulkhead` binary.
    pub binary: PathBuf,
    /// How often the process is killed.
    pub rounds: u32,
    /// Decides who sends what, and when and how the process dies.
    pub seed: u64,
    /// Where the world keeps its files. Kept when something is wrong.
    pub data_dir: PathBuf,
    /// Senders at work at a time.
    pub senders: u32,
    /// How long a round lives at least and at most after it is ready.
    pub life: (Duration, Duration),
}

impl Campaign {
    /// So many rounds of that binary in that directory, with the usual numbers.
    pub fn new(binary: PathBuf, rounds: u32, seed: u64, data_dir: PathBuf) -> Self {
        let life = (Duration::from_millis(200), Duration::from_millis(2500));
        Self { binary, rounds, seed, data_dir, senders: 6, life }
    }

    /// Runs it and judges it.
    ///
    /// # Errors
    /// When the world cannot be started or asked; a wrong history is not an error but in the report.
    pub async fn run(&self) -> Result<Report> {
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut start = Start::new(self.binary.clone(), self.data_dir.clone());
        start.port_base = Some(ports::free_base(&mut random)?);
        let first = World::start(&start).await.context("the first start")?;
        let (dev, mut report) = (first.dev.clone(), Report::new(self.seed));
        let senders = Senders::start(&dev, self.seed, self.senders);
        let mut history = History::new();
        let mut world = Some(first);
        let mut progress = NowAndThen::new();
        for number in 0..self.rounds {
            let round = Round::draw(&mut random, self.life, number == 0);
            let died =
                round.run(&mut start, world.take()).await.with_context(|| format!("round {number}"))?;
            history.crashed(died.dead_by);
            report.killed(died.how);
            progress.say(|| format!("killed {} of {} times", number + 1, self.rounds));
        }
        say("the last start, and the judgement");
        start.extra.clear();
        let last = World::start(&start).await.context("the last start")?;
        let notebook = senders.finish().await;
        let (history, wrong) = judge(&history, &notebook, &last.dev).await?;
        report.judged(&history, wrong, &notebook);
        report.responses = gather::responses(&last.dev).await?;
        last.stop().await?;
        Ok(report)
    }
}

/// Looks until all is well, or until what is wrong has had the time to right itself.
async fn judge(crashes: &History, notebook: &[plan::Note], dev: &DevJson) -> Result<(History, Vec<Wrong>)> {
    let begin = Instant::now();
    loop {
        let mut history = crashes.clone();
        gather::into(&mut history, notebook, dev).await?;
        match history.check() {
            Ok(_) => return Ok((history, Vec::new())),
            Err(wrong) if begin.elapsed() > REST => return Ok((history, wrong)),
            Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
}
