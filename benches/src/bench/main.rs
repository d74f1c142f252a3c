//! Benches: each answers one question with numbers and their targets, and asserts nothing.
//!
//! `bench` asks how much the broker adds to a bare append, with two cells in a process of their own and their
//! clients and sidecars in another, on the embedded log or with `--kafka` on Kafka; `bench world` asks how `bulkhead dev` does as a whole.
#![allow(clippy::print_stdout, reason = "numbers are what a bench is for")]

mod cell;
mod figures;
mod host;
mod inbox;
mod keys;
mod process;
mod raw;
mod rounds;
mod sender;
mod sidecar;
mod spread;
mod store;
mod submit;
mod tenants;
mod world;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Measures Bulkhead.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    /// How many alternating rounds are run.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Documents of so many KB.
    #[arg(long, value_delimiter = ',', default_values_t = [2, 57, 437])]
    sizes: Vec<usize>,
    /// Where logs are kept while it runs; everything is on this disk.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// About how many MB one measurement of a rate writes.
    #[arg(long, default_value_t = 120)]
    megabytes: usize,
    #[command(flatten)]
    store: store::Store,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The cells of a measurement; the bench starts it itself.
    #[command(hide = true)]
    Host {
        /// Where ledgers, keys and logs are.
        #[arg(long)]
        dir: PathBuf,
        /// What topics begin with.
        #[arg(long)]
        name: String,
        /// How many tenants one of them has besides.
        #[arg(long)]
        tenants: usize,
    },
    /// What many tenants cost in one cell: memory, idle processor time, and the way to the inbox.
    Tenants {
        /// So many tenants, one measurement each.
        #[arg(long, value_delimiter = ',', default_values_t = [50, 500, 2000])]
        counts: Vec<usize>,
        /// Referrals of 57 KB a second between any two of them.
        #[arg(long, default_value_t = 20)]
        per_second: u32,
    },
    /// Starts `bulkhead dev`: the way over a border, idle cost, memory of a backlog, time to ready.
    World {
        /// The `bulkhead` binary. Without it: the one beside this one.
        #[arg(long)]
        binary: Option<PathBuf>,
        /// Referrals a second over the border.
        #[arg(long, default_value_t = 50)]
        per_second: u32,
        /// Only these questions, in this order; a start with what they leave behind comes last.
        #[arg(long, value_enum, value_delimiter = ',', default_values = ["idle", "flow", "backlog"])]
        ask: Vec<world::Question>,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let telemetry = bulkhead_process::telemetry::install("bulkhead-bench")?;
    match arguments.what {
        None => {
            let Arguments { rounds, sizes, dir, megabytes, store, .. } = arguments;
            rounds::run(&rounds::Rounds { rounds, sizes, dir, store, megabytes }).await?;
        }
        Some(What::Host { dir, name, tenants }) => host::run(&dir, &arguments.store, &name, tenants).await?,
        Some(What::Tenants { counts, per_second }) => {
            let Arguments { dir, store, .. } = arguments;
            tenants::run(&tenants::Tenants { counts, dir, store, a_second: per_second }).await?;
        }
        Some(What::World { binary, per_second, ask }) => {
            let beside = || Ok::<_, std::io::Error>(std::env::current_exe()?.with_file_name("bulkhead"));
            world::run(binary.map_or_else(beside, Ok)?, &arguments.dir, per_second, &ask).await?;
        }
    }
    telemetry.shutdown();
    Ok(())
}
