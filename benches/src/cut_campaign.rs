//! Cuts tenants off and brings them back while all systems send and everything is killed, and judges the history.
#![allow(clippy::print_stdout, reason = "numbers are what it is for")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use bulkhead_testkit::campaign::{CutCampaign, Further};
use clap::Parser;

/// Cuts tenants of the demo world off and brings them back, under traffic, with crashes at any step, and judges the
/// history at the end.
#[derive(Debug, Parser)]
#[command(
    name = "cut-campaign",
    after_help = "\
Examples:
  cut-campaign --cycles 200 --seed 7
  cut-campaign --cycles 50 --kafka $(deploy/kafka/up 3 --dir /tmp/brokers) --nodes 3"
)]
struct Arguments {
    /// How often a tenant is cut off and comes back.
    #[arg(long, default_value_t = 200)]
    cycles: u32,
    /// Decides everything but the scheduler. Without it: the time.
    #[arg(long)]
    seed: Option<u64>,
    /// Senders at work at a time.
    #[arg(long, default_value_t = 4)]
    senders: u32,
    /// The brokers of a Kafka cluster, with commas between. Without it: the embedded log.
    #[arg(long)]
    kafka: Option<String>,
    /// Nodes in each cell. On Kafka those beside the first are processes of their own, killed and paused one by one; else
    /// they are in the one process of the world.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    nodes: u8,
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
    let binary = arguments.binary.map_or_else(beside, Ok)?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let seed = arguments.seed.unwrap_or(now.as_secs());
    println!("seed {seed}");
    let place = tempfile::tempdir()?;
    let data_dir = arguments.data_dir.unwrap_or_else(|| place.path().join("world"));
    std::fs::create_dir_all(&data_dir)?;
    let mut campaign = CutCampaign::new(binary, arguments.cycles, seed, data_dir);
    campaign.senders = arguments.senders;
    match arguments.kafka {
        Some(bootstrap) => {
            let prefix = format!("cuts-{seed}-{}", std::process::id());
            campaign.further = Some(Further { bootstrap, prefix, count: usize::from(arguments.nodes) - 1 });
        }
        None => campaign.arguments = vec!["--nodes".into(), arguments.nodes.to_string()],
    }
    let cycled = campaign.run().await.with_context(|| format!("seed {seed}"));
    if !cycled.as_ref().is_ok_and(|cycled| cycled.report.is_good()) {
        println!("its files: {}", place.keep().display());
    }
    let cycled = cycled?;
    println!("{cycled}");
    Ok(if cycled.report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
