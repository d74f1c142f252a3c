//! `bulkhead dev`: a small country in one process.
//!
//! Four cells, each a node on an embedded log of its own; the sidecars of every demo tenant; behind each a
//! simulator of its clinical system. Everything meets over the real protocols on loopback.

mod banner;
mod dev_json;
mod pki;
mod place;
mod ports;
mod tenants;
mod traffic;
mod world;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bulkhead_log::KafkaConfig;
use bulkhead_model::Nation;
use bulkhead_process::Drain;
use bulkhead_routing::{self as routing, CrashBetweenAppends, FarCell};
use clap::Args;
use tokio::task::JoinSet;
use tracing::warn;

use crate::node::{DirectoryFile, LogConfig, Node, NodeConfig, NodeLog, PulseConfig};
use dev_json::DevJson;
use pki::Pki;
use place::Place;
use ports::PortPlan;
use tenants::Tenants;

pub(crate) const HELP: &str = "\
Examples:
  bulkhead dev                              start, or carry on where it stopped
  bulkhead dev --fresh --traffic 20         start empty, with 20 referrals a second
  bulkhead dev --port-base 7000             the same ports at every start
  bulkhead dev --log kafka --kafka 127.0.0.1:9092 --nodes 3
                                            the same world on Kafka (deploy/kafka/up starts one)

When everything is up it prints the tenants, five commands to try and one line `ready`, and writes
<data-dir>/dev.json, which the other commands read. SIGINT or SIGTERM drains; a second one ends at
once.";

/// How long everything may take to stop.
const GRACE: Duration = Duration::from_secs(9);

/// What the logs of a demo world are kept on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LogKind {
    /// A directory, for this process.
    Embedded,
    /// A Kafka cluster, a prefix for each nation.
    Kafka,
}

/// What `bulkhead dev` is told.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// Where logs, keys, spools and journals are kept.
    #[arg(long, default_value = ".bulkhead", value_name = "DIR")]
    data_dir: PathBuf,
    /// Start empty: what an earlier start left in the data directory is removed.
    #[arg(long)]
    fresh: bool,
    /// The first port; the others follow it. Without it: free ones.
    #[arg(long, value_name = "PORT")]
    port_base: Option<u16>,
    /// Referrals a second between the demo tenants.
    #[arg(long, default_value_t = 0.0, value_name = "N")]
    traffic: f64,
    /// The seed of that traffic.
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    traffic_seed: u64,
    /// Nodes in each cell. On the embedded log the first decides and the others stand by; on Kafka they share.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=9))]
    nodes: u8,
    /// What the logs are kept on.
    #[arg(long, value_enum, default_value_t = LogKind::Embedded)]
    log: LogKind,
    /// The brokers of the Kafka cluster, with commas between. Of three and more, each record lies on three.
    #[arg(long, value_name = "HOST:PORT", required_if_eq("log", "kafka"))]
    kafka: Option<String>,
    /// What the topics of this world begin with on that cluster; each nation's own name follows. `--fresh` does not
    /// empty them: for an empty world on the same cluster choose another.
    #[arg(long, value_name = "PREFIX", default_value = "bulkhead-dev")]
    kafka_prefix: String,
    /// Test-only: end the process at the n-th decision, between its two appends.
    #[arg(long, default_value_t = 0, hide = true)]
    crash_between_appends: u64,
    /// Test-only: the sidecar of this tenant is left to another process, so that it can die alone.
    #[arg(long, value_name = "TENANT", hide = true, requires = "port_base")]
    apart: Vec<String>,
    /// Test-only: be that process, beside the world that runs in this directory on these ports.
    #[arg(long, value_name = "TENANT", hide = true, requires = "port_base")]
    only_sidecar: Option<String>,
}

/// Runs until the drain starts.
pub(crate) async fn run(settings: Settings, quiet: bool, drain: Drain) -> Result<()> {
    if let Some(tenant) = &settings.only_sidecar {
        let plan = PortPlan::new(settings.port_base, settings.nodes.into())?;
        let data_dir = settings.data_dir.canonicalize()?;
        return tenants::only_sidecar(tenant, &data_dir, &Pki::open(&data_dir)?, &plan, drain).await;
    }
    let place = Place::take(&settings.data_dir, settings.fresh)?;
    let data_dir = place.dir.clone();
    let pki = Pki::open(&data_dir)?;
    let plan = PortPlan::new(settings.port_base, settings.nodes.into())?;
    let directory = world::directory(|operator| pki.public_key(operator));
    fs::write(data_dir.join("directory.toml"), &directory)?;

    let cells = Drain::new();
    let mut nodes: JoinSet<Result<()>> = JoinSet::new();
    let mut ready = Vec::new();
    let crash = CrashBetweenAppends::at(settings.crash_between_appends);
    let mut logs = Vec::new();
    for nation in Nation::ALL {
        let log = NodeLog::open(log_config(nation, &settings, &data_dir))
            .await
            .with_context(|| format!("the cell of {nation}"))?;
        for (number, ports) in (1..).zip(plan.cell(nation)) {
            let config = node_config((nation, number), &data_dir, &pki, &plan, &directory, crash.clone())?;
            let (grpc, http) = ports.listeners()?;
            let opened = Node::open(config, log.log(), grpc, http).await;
            let node = opened.with_context(|| format!("the cell of {nation}"))?;
            ready.push(node.health());
            nodes.spawn(node.run(cells.clone()));
        }
        logs.push(log);
    }
    for health in ready {
        tokio::select! {
            () = health.ready() => {}
            Some(ended) = nodes.join_next() => {
                ended.context("a cell panicked")??;
                bail!("a cell ended before it was ready");
            }
        }
    }
    let sidecars = Drain::new();
    let tenants = Tenants::start(&data_dir, &pki, &plan, &sidecars, &settings.apart).await?;
    dev_json(settings.log, &data_dir, &plan, &pki, &tenants).write(&data_dir)?;
    banner::write_sample(&data_dir)?;
    if !quiet {
        banner::print(&settings.data_dir, &tenants);
    }
    banner::ready();

    let errands = traffic::start(settings.traffic, settings.traffic_seed, &tenants, drain.clone());
    let failed = tokio::select! {
        () = drain.started() => None,
        ended = nodes.join_next() => ended,
    };
    drain.start();
    let stop = async {
        errands.await.ok();
        sidecars.start();
        tenants.stopped().await;
        cells.start();
        while let Some(ended) = nodes.join_next().await {
            if let Ok(Err(error)) = ended {
                warn!(%error, "a cell did not end well");
            }
        }
        futures::future::join_all(logs.into_iter().map(NodeLog::close)).await;
    };
    if tokio::time::timeout(GRACE, stop).await.is_err() {
        warn!("not everything had stopped after {GRACE:?}; what is durable is kept");
    }
    match failed {
        None => Ok(()),
        Some(ended) => ended.context("a cell panicked")?,
    }
}

fn log_config(nation: Nation, settings: &Settings, data_dir: &Path) -> LogConfig {
    match (settings.log, &settings.kafka) {
        (LogKind::Kafka, Some(bootstrap)) => {
            let prefix = format!("{}.{nation}", settings.kafka_prefix);
            let mut config = KafkaConfig::new(bootstrap.clone(), prefix, nation.as_str());
            // As on a real cluster where three brokers are named; a desk may have only one.
            if bootstrap.split(',').count() < 3 {
                (config.replicas, config.min_in_sync) = (1, 1);
            }
            LogConfig::Kafka(Box::new(config))
        }
        (LogKind::Kafka | LogKind::Embedded, _) => {
            LogConfig::Embedded(cell_dir(data_dir, nation).join("log"))
        }
    }
}

fn cell_dir(data_dir: &Path, nation: Nation) -> PathBuf {
    data_dir.join("cells").join(nation.as_str())
}

fn node_config(
    (nation, number): (Nation, usize),
    data_dir: &Path,
    pki: &Pki,
    plan: &PortPlan,
    directory: &str,
    crash: CrashBetweenAppends,
) -> Result<NodeConfig> {
    let mut routing = routing::Config::new(nation, format!("{nation}-{number}"));
    routing.crash = crash;
    for far in Nation::ALL.into_iter().filter(|far| *far != nation) {
        let cell = FarCell { addresses: plan.addresses(far), server_name: pki::server_name(far) };
        routing.far.insert(far, cell);
    }
    let cell_dir = cell_dir(data_dir, nation);
    // The first node's ledger lies where a cell of one node has always had it.
    let data_dir = if number == 1 { cell_dir } else { cell_dir.join(format!("{nation}-{number}")) };
    fs::create_dir_all(&data_dir)?;
    Ok(NodeConfig {
        nation,
        data_dir,
        advertise: None,
        pulse: PulseConfig::default(),
        credentials: pki.cell(nation)?,
        routing,
        directory: Some(DirectoryFile { name: "directory.toml".into(), text: directory.to_owned() }),
    })
}

fn dev_json(log: LogKind, data_dir: &Path, plan: &PortPlan, pki: &Pki, tenants: &Tenants) -> DevJson {
    let text = |path: PathBuf| path.display().to_string();
    DevJson {
        pid: std::process::id(),
        log: match log {
            LogKind::Embedded => "embedded",
            LogKind::Kafka => "kafka",
        },
        demo: true,
        ca: text(pki.ca()),
        cells: Nation::ALL
            .into_iter()
            .map(|nation| dev_json::Cell {
                nation: nation.to_string(),
                nodes: (1..)
                    .zip(plan.cell(nation))
                    .map(|(number, ports): (usize, _)| dev_json::Node {
                        name: format!("{nation}-{number}"),
                        grpc: ports.grpc,
                        http: ports.http,
                    })
                    .collect(),
            })
            .collect(),
        tenants: tenants.dev_json(pki),
        synthetic: world::synthetic()
            .map(|(id, service)| {
                let files = pki.tenant_files(&id);
                let services = vec![dev_json::Service { id: service, identifiers: vec![] }];
                dev_json::Synthetic {
                    id,
                    services,
                    certificate: text(files.certificate),
                    key: text(files.key),
                }
            })
            // The keys of an older world have none for them.
            .filter(|synthetic| data_dir.join(&synthetic.certificate).exists())
            .collect(),
        operators: world::operators()
            .map(|(nation, name)| {
                let files = pki.operator_files(&name);
                dev_json::Operator {
                    nation: nation.to_string(),
                    key: text(files.key),
                    certificate: text(files.certificate),
                    name,
                }
            })
            .collect(),
    }
}
