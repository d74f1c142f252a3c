//! The binary: `bulkhead dev`, `bulkhead serve`, and the commands of operators and integrators.

mod dev;
mod ledger;
mod node;
mod serve;

use std::process::ExitCode;

use anyhow::Result;
use bulkhead_cli::{Global, Output};
use bulkhead_process::{Drain, signals, telemetry};
use clap::{CommandFactory, Parser, Subcommand};

/// Carries patient referrals between the health services of four nations, and keeps one environment's
/// trouble from becoming another's.
#[derive(Debug, Parser)]
#[command(name = "bulkhead", version, after_help = EXAMPLES)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  bulkhead dev                        a small country on this machine
  bulkhead status                     how all nations are
  bulkhead send referral.xml --from england/nhs111-north --to wales/cardiff-ooh --wait acknowledged
  bulkhead trace ID                   one referral's life, across the border
  bulkhead explain SERVICE_UNKNOWN    what a reason means and what to do";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a small country in one process: four cells, the sidecars of the demo tenants, and behind each a
    /// simulator of its clinical system.
    #[command(after_help = dev::HELP)]
    Dev(dev::Settings),
    /// Run a broker node of one cell.
    #[command(after_help = serve::HELP)]
    Serve(serve::Arguments),
    /// Copy the ledger of a node for another one.
    Ledger(ledger::Arguments),
    #[command(flatten)]
    Other(bulkhead_cli::Command),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return said(&error.into()),
    };
    runtime.block_on(async {
        match arguments.command {
            Command::Dev(settings) => {
                let quiet = arguments.global.quiet || arguments.global.output != Output::Text;
                until_drained("bulkhead-dev", |drain| dev::run(settings, quiet, drain)).await
            }
            Command::Serve(arguments) => match serve::prepare(&arguments) {
                Ok(Some(ready)) => until_drained("bulkhead", |drain| serve::run(ready, drain)).await,
                Ok(None) => ExitCode::SUCCESS,
                Err(error) => said(&error),
            },
            Command::Ledger(of_ledger) => ledger::run(of_ledger, &arguments.global),
            Command::Other(command) => bulkhead_cli::run(command, arguments.global, Arguments::command).await,
        }
    })
}

/// What a long-running process does around its work.
async fn until_drained<F: Future<Output = Result<()>>>(
    name: &'static str,
    work: impl FnOnce(Drain) -> F,
) -> ExitCode {
    let telemetry = match telemetry::install(name) {
        Ok(telemetry) => telemetry,
        Err(error) => return said(&error.into()),
    };
    let drain = Drain::new();
    if let Err(error) = signals::drain_on_signal(drain.clone()) {
        return said(&error.into());
    }
    let ended = work(drain).await;
    telemetry.shutdown();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => said(&error),
    }
}

#[allow(clippy::print_stderr, reason = "the process ends with this")]
fn said(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}
