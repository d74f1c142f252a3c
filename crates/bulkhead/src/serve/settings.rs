//! What was written for a broker node: `node.toml`, then the environment. `deploy/node.example.toml` explains each.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use bulkhead_process::settings;
use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use serde::{Deserialize, Serialize};

/// The whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The nation of its cell.
    pub(crate) nation: String,
    /// Its name, one of its own in the cell.
    pub(crate) name: String,
    /// Where the ledger is kept, and an embedded log.
    pub(crate) data_dir: PathBuf,
    /// Where tenants, operators and other cells connect.
    pub(crate) grpc: SocketAddr,
    /// Where `/livez`, `/readyz` and `/metrics` are served.
    #[serde(default = "default_http")]
    pub(crate) http: SocketAddr,
    /// `host:port` at which its tenants reach it. Left out: `grpc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) advertise: Option<String>,
    /// A directory to publish at start where it differs from the newest. Left out: what the control log has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) directory: Option<PathBuf>,
    /// Who it is, and whom it trusts.
    pub(crate) tls: Tls,
    /// The log that it stands on.
    pub(crate) log: Log,
    /// The proof under which it acts.
    #[serde(default)]
    pub(crate) pulse: Pulse,
    /// The other nations' cells, by nation.
    #[serde(default)]
    pub(crate) border: BTreeMap<String, Border>,
}

/// Who it is, and whom it trusts. PEM files.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    pub(crate) ca: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// The log that it stands on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Log {
    /// On one machine, for one process.
    Embedded(EmbeddedLog),
    /// On a cluster, for every real deployment.
    Kafka(Box<KafkaLog>),
}

/// An embedded log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmbeddedLog {
    /// Its directory. Left out: `log` in `data_dir`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<PathBuf>,
}

/// A log on Kafka.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KafkaLog {
    /// `host:port` of some brokers.
    pub(crate) bootstrap: Vec<String>,
    /// What every topic and group of this cell begins with; no other cell may have it.
    pub(crate) prefix: String,
    /// On how many brokers each record lies.
    #[serde(default = "default_replicas")]
    pub(crate) replicas: u16,
    /// How many of them must have it before it is acknowledged.
    #[serde(default = "default_min_in_sync")]
    pub(crate) min_in_sync: u16,
    /// After this long an append without an answer counts as unknown.
    #[serde(default = "default_append_timeout", with = "duration")]
    pub(crate) append_timeout: Duration,
    /// After this long without news a node is taken for dead and its shards go to others.
    #[serde(default = "default_session_timeout", with = "duration")]
    pub(crate) session_timeout: Duration,
    /// Encryption.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tls: Option<KafkaTls>,
    /// SASL/SCRAM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scram: Option<KafkaScram>,
}

/// TLS towards the brokers. PEM files.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KafkaTls {
    /// The authority of the brokers' certificates. Left out: those that the system trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<PathBuf>,
    /// Our own certificate, where the brokers ask for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) certificate: Option<PathBuf>,
    /// Its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<PathBuf>,
}

/// SASL/SCRAM. The password is in a file, so that nothing printed holds it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KafkaScram {
    /// `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub(crate) mechanism: String,
    pub(crate) username: String,
    pub(crate) password_file: PathBuf,
}

/// The proof under which a node acts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Pulse {
    /// Between two pulses.
    #[serde(with = "duration")]
    pub(crate) interval: Duration,
    /// The newest that came back is at most so old, or the node stops acting.
    #[serde(with = "duration")]
    pub(crate) limit: Duration,
}

/// Another nation's cell.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Border {
    /// `host:port` of its nodes, dialled in turn.
    pub(crate) addresses: Vec<String>,
    /// The name on their certificates.
    pub(crate) server_name: String,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { interval: bulkhead_control::DEFAULT_INTERVAL, limit: bulkhead_process::lease::DEFAULT_LIMIT }
    }
}

fn default_http() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9465))
}

fn default_replicas() -> u16 {
    3
}

fn default_min_in_sync() -> u16 {
    2
}

fn default_append_timeout() -> Duration {
    Duration::from_secs(5)
}

fn default_session_timeout() -> Duration {
    Duration::from_secs(6)
}

impl Settings {
    /// Reads the file, then the environment of this process.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        settings::read(&text, std::env::vars()).with_context(|| format!("in {}", path.display()))
    }
}
