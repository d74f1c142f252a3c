//! What a node is made of; one that exists is valid.

use std::path::PathBuf;
use std::time::Duration;

use bulkhead_model::Nation;
use bulkhead_routing as routing;
use bulkhead_transport::Credentials;

/// A node's configuration.
#[derive(Clone)]
pub(crate) struct NodeConfig {
    pub(crate) nation: Nation,
    /// Where its ledger lies.
    pub(crate) data_dir: PathBuf,
    /// Its certificate, and the authority whose clients may speak.
    pub(crate) credentials: Credentials,
    /// `host:port` at which its tenants reach it; none: where it listens.
    pub(crate) advertise: Option<String>,
    /// Name, far cells, windows.
    pub(crate) routing: routing::Config,
    /// How often it says that it is there, and how old the newest proof of that may be.
    pub(crate) pulse: PulseConfig,
    /// The directory to publish when it differs from the newest; none: what the control log has.
    pub(crate) directory: Option<DirectoryFile>,
}

/// The proof under which a node acts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PulseConfig {
    /// Between two pulses.
    pub(crate) interval: Duration,
    /// The newest pulse that came back is at most so old, or the node stops acting.
    pub(crate) limit: Duration,
}

impl Default for PulseConfig {
    fn default() -> Self {
        Self { interval: bulkhead_control::DEFAULT_INTERVAL, limit: bulkhead_process::lease::DEFAULT_LIMIT }
    }
}

/// A directory as it was read.
#[derive(Clone)]
pub(crate) struct DirectoryFile {
    /// Its file's name, for errors.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
}
