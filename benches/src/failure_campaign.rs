//! Makes nodes, sidecars and brokers fail while all systems send, and checks that nothing was lost, doubled or reordered.
#![allow(clippy::print_stdout, reason = "numbers are what it is for")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use bulkhead_testkit::campaign::FailureCampaign;
use clap::Parser;

/// Kills, pauses and stops nodes, sidecars and brokers of cells on a real Kafka while all systems send, and judges the history.
#[derive(Debug, Parser)]
#[command(
    name = "failure-campaign",
    after_help = "\
Example:
  failure-campaign --failures 300 --senders 30
  failure-campaign --failures 30 --full-disk --clock-off

It starts three brokers of its own, by deploy/kafka/up, and removes them at the end."
)]
struct Arguments {
    /// Only nodes fail.
    #[arg(long)]
    spare_brokers: bool,
    /// How many failures.
    #[arg(long, default_value_t = 300)]
    failures: u32,
    /// Decides everything but the scheduler. Without it: the time.
    #[arg(long)]
    seed: Option<u64>,
    /// Senders at work at a time.
    #[arg(long, default_value_t = 6)]
    senders: u32,
    /// Nodes of each cell beside the first.
    #[arg(long, default_value_t = 2)]
    nodes: usize,
    /// How many sidecars, at most eight, are processes of their own, and fail too.
    #[arg(long, default_value_t = 3)]
    sidecars: usize,
    /// The disk of a broker is made full too: a tmpfs, which only root may mount. Where that is not permitted the
    /// report says SKIPPED.
    #[arg(long)]
    full_disk: bool,
    /// The wall clock of a node is set an hour off too, by a library that is compiled for it. Where that is not
    /// possible the report says SKIPPED.
    #[arg(long)]
    clock_off: bool,
    /// The `bulkhead` binary. Without it: the one beside this one.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where the world is kept; it stays there when something is wrong.
    #[arg(long)]
    data_dir: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let beside = || Ok::<_, std::io::Error>(std::env::current_exe()?.with_file_name("bulkhead"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let seed = arguments.seed.unwrap_or(now.as_secs());
    println!("seed {seed}");
    let place = tempfile::tempdir()?;
    let data_dir = arguments.data_dir.unwrap_or_else(|| place.path().join("world"));
    std::fs::create_dir_all(&data_dir)?;
    let campaign = FailureCampaign {
        binary: arguments.binary.map_or_else(beside, Ok)?,
        spare_brokers: arguments.spare_brokers,
        failures: arguments.failures,
        only: Vec::new(),
        seed,
        data_dir,
        senders: arguments.senders,
        nodes: arguments.nodes,
        only_in: None,
        full_disk: arguments.full_disk,
        clock_off: arguments.clock_off,
        sidecars: arguments.sidecars,
    };
    let survived = campaign.run().await;
    if !survived.as_ref().is_ok_and(|survived| survived.report.is_good()) {
        println!("its files: {}", place.keep().display());
    }
    let survived = survived.with_context(|| format!("seed {seed}"))?;
    println!("{survived}");
    Ok(if survived.report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
