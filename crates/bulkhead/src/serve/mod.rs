//! `bulkhead serve`: a broker node of one cell.

mod config;
mod settings;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use bulkhead_process::Drain;
use clap::Args;
use tokio::net::TcpListener;

use crate::node::{Node, NodeLog};
use config::Config;
use settings::Settings;

pub(crate) const HELP: &str = "\
Examples:
  bulkhead serve --config /etc/bulkhead/node.toml
  bulkhead serve --config node.toml --check-config     is it whole? exits
  BULKHEAD__NAME=england-2 bulkhead serve --config node.toml --print-config

Every setting can come from the environment as BULKHEAD__SECTION__KEY. deploy/node.example.toml explains each.
SIGINT or SIGTERM drains; a second one ends at once.";

/// What `bulkhead serve` is told.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The settings file.
    #[arg(long, env = "BULKHEAD_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// Checks the settings and exits.
    #[arg(long)]
    check_config: bool,
    /// Prints the settings in force and exits.
    #[arg(long)]
    print_config: bool,
}

/// A node that is to be run.
pub(crate) struct Ready {
    settings: Settings,
    config: Config,
}

/// Reads and checks; none when that was all that was asked.
#[allow(
    clippy::print_stdout,
    reason = "this is what --print-config is for; secrets are in files and not shown"
)]
pub(crate) fn prepare(arguments: &Arguments) -> Result<Option<Ready>> {
    let settings = Settings::load(&arguments.config)?;
    let config =
        Config::from_settings(&settings).with_context(|| format!("in {}", arguments.config.display()))?;
    if arguments.print_config {
        print!("{}", toml::to_string(&settings)?);
    }
    Ok((!arguments.check_config && !arguments.print_config).then_some(Ready { settings, config }))
}

/// Runs until the drain starts.
pub(crate) async fn run(ready: Ready, drain: Drain) -> Result<()> {
    let Ready { settings, config } = ready;
    fs::create_dir_all(&settings.data_dir)
        .with_context(|| format!("{} cannot be made", settings.data_dir.display()))?;
    let listen = async |address| {
        TcpListener::bind(address).await.with_context(|| format!("{address} cannot be listened on"))
    };
    let (grpc, http) = (listen(settings.grpc).await?, listen(settings.http).await?);
    let log = NodeLog::open(config.log).await?;
    let node = Node::open(config.node, log.log(), grpc, http).await?;
    let ended = node.run(drain).await;
    log.close().await;
    ended
}
