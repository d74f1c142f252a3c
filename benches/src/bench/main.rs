//! Benches: each answers one question with numbers and their targets, and asserts nothing.
//!
//! `bench` asks how much the broker adds to a bare append, with two cells in a process of their own and their
//! clients and sidecars in another, on the embedded log or with `--kafka` on Kafka; `bench world` asks how `bulkhead dev`
//! does as a whole, and `bench cuts`, `stopped` and `others` ask about a cut. What the gate costs is `cargo bench`'s to say.
#![allow(clippy::print_stdout, reason = "numbers are what a bench is for")]

mod bare;
mod cell;
mod cuts;
mod figures;
mod host;
mod inbox;
mod keys;
mod live;
mod others;
mod pauses;
mod process;
mod raw;
mod rounds;
mod sender;
mod sidecar;
mod spread;
mod stopped;
mod store;
mod submit;
mod tenants;
mod world;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use jiff::SignedDuration;

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
    /// How long traffic stands still when a node or a broker fails, on three brokers of its own.
    Pauses {
        /// The `bulkhead` binary. Without it: the one beside this one.
        #[arg(long)]
        binary: Option<PathBuf>,
        /// Only these failures.
        #[arg(long, value_enum, value_delimiter = ',', default_values = ["undisturbed", "kill", "term", "stop", "broker"])]
        kinds: Vec<pauses::Kind>,
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
    /// How fast a cut is in force: nodes of their own processes, tenants that send without pause.
    Cuts {
        /// The `bulkhead` binary. Without it: the one beside this one.
        #[arg(long)]
        binary: Option<PathBuf>,
        /// How many nodes the cell has; more than one only with --kafka.
        #[arg(long, default_value_t = 1)]
        nodes: usize,
        /// How many cuts.
        #[arg(long, default_value_t = 500)]
        count: usize,
        /// The most streams of one tenant.
        #[arg(long, default_value_t = 16)]
        streams: usize,
        /// Documents of so many bytes.
        #[arg(long, default_value_t = 2_000)]
        bytes: usize,
    },
    /// Whether a cut holds at a node that cannot hear of it.
    Stopped {
        /// The `bulkhead` binary. Without it: the one beside this one.
        #[arg(long)]
        binary: Option<PathBuf>,
        /// How many nodes the cell has.
        #[arg(long, default_value_t = 3)]
        nodes: usize,
        /// How often.
        #[arg(long, default_value_t = 100)]
        runs: u32,
        /// How a node is kept from hearing.
        #[arg(long, value_enum, default_value = "stop")]
        how: stopped::How,
        /// The wall clock of the last node is so many seconds ahead, or behind when it is negative.
        #[arg(long, allow_negative_numbers = true)]
        clock: Option<i64>,
        /// What nodes tell one another directly reaches nobody, so that only the log and the lease are left.
        #[arg(long)]
        unpushed: bool,
        /// Receivers wait so many ms after each document that they read.
        #[arg(long)]
        slowly: Option<u64>,
    },
    /// What the other tenants notice when one is cut off, or storms the door.
    Others {
        /// The `bulkhead` binary. Without it: the one beside this one.
        #[arg(long)]
        binary: Option<PathBuf>,
        /// How many nodes the cell has; more than one only with --kafka.
        #[arg(long, default_value_t = 1)]
        nodes: usize,
        /// What happens to the one.
        #[arg(long, value_enum, default_value = "cut")]
        event: others::Event,
        /// How many windows with it, and as many without.
        #[arg(long, default_value_t = 20)]
        windows: u32,
        /// How long a window is.
        #[arg(long, default_value_t = 3)]
        seconds: u64,
        /// Attempts to connect a second, in a storm.
        #[arg(long, default_value_t = 3000)]
        attempts: u32,
    },
    /// Somebody who connects without end; the bench starts it itself.
    #[command(hide = true)]
    Knock {
        #[arg(long)]
        dir: PathBuf,
        #[arg(long)]
        address: String,
        #[arg(long)]
        attempts: u32,
    },
    /// A node in a network of its own; the bench starts it itself.
    #[command(hide = true)]
    Within {
        #[arg(long)]
        dir: PathBuf,
        #[arg(long, value_delimiter = ',')]
        ins: Vec<String>,
        #[arg(long, value_delimiter = ',')]
        brokers: Vec<String>,
        #[arg(last = true)]
        node: Vec<String>,
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
        Some(What::Cuts { binary, nodes, count, streams, bytes }) => {
            let Arguments { dir, store, .. } = arguments;
            let plan = cuts::Cuts { binary: beside(binary)?, dir, store, nodes, count, streams, bytes };
            cuts::run(&plan).await?;
        }
        Some(What::Stopped { binary, nodes, runs, how, clock, unpushed, slowly }) => {
            let Arguments { dir, store, .. } = arguments;
            let (binary, slowly) = (beside(binary)?, slowly.map(Duration::from_millis));
            let clock = clock.map(SignedDuration::from_secs);
            let plan = stopped::Stopped { binary, dir, store, nodes, runs, how, clock, unpushed, slowly };
            stopped::run(&plan).await?;
        }
        Some(What::Others { binary, nodes, event, windows, seconds, attempts }) => {
            let Arguments { dir, store, .. } = arguments;
            let binary = beside(binary)?;
            let plan = others::Others { binary, dir, store, nodes, event, windows, seconds, attempts };
            others::run(&plan).await?;
        }
        Some(What::Knock { dir, address, attempts }) => others::knock(&dir, &address, attempts).await?,
        Some(What::Within { dir, ins, brokers, node }) => {
            live::apart::within(&dir, &ins, &brokers, &node).await?;
        }
        Some(What::Pauses { binary, kinds }) => {
            pauses::run(beside(binary)?, &kinds, arguments.rounds).await?;
        }
        Some(What::World { binary, per_second, ask }) => {
            world::run(beside(binary)?, &arguments.dir, per_second, &ask).await?;
        }
    }
    telemetry.shutdown();
    Ok(())
}

/// That binary, or the one beside this one.
fn beside(binary: Option<PathBuf>) -> Result<PathBuf> {
    Ok(match binary {
        Some(binary) => binary,
        None => std::env::current_exe()?.with_file_name("bulkhead"),
    })
}
