//! Kills `bulkhead dev` again and again while it works, and checks that nothing was lost, doubled or reordered.
#![allow(clippy::print_stdout, reason = "numbers are what it is for")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use bulkhead_testkit::campaign::Campaign;
use clap::Parser;

/// Kills `bulkhead dev` again and again while it works, and judges the history at the end.
#[derive(Debug, Parser)]
#[command(name = "kill-campaign")]
struct Arguments {
    /// How often it is killed.
    #[arg(long, default_value_t = 100)]
    rounds: u32,
    /// Decides everything but the scheduler. Without it: the time.
    #[arg(long)]
    seed: Option<u64>,
    /// Senders at work at a time.
    #[arg(long, default_value_t = 6)]
    senders: u32,
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
    let campaign =
        Campaign { senders: arguments.senders, ..Campaign::new(binary, arguments.rounds, seed, data_dir) };
    let report = campaign.run().await.with_context(|| format!("seed {seed}"))?;
    println!("{report}");
    if report.is_good() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("its files: {}", place.keep().display());
    Ok(ExitCode::FAILURE)
}
