//! What a node is made of; one that exists is valid.

use std::path::PathBuf;

use bulkhead_model::Nation;
use bulkhead_routing as routing;
use bulkhead_transport::Credentials;

/// A node's configuration.
#[derive(Clone)]
pub(crate) struct NodeConfig {
    pub(crate) nation: Nation,
    /// Where its log and ledger lie.
    pub(crate) data_dir: PathBuf,
    /// Its certificate, and the authority whose clients may speak.
    pub(crate) credentials: Credentials,
    /// Name, far cells, windows.
    pub(crate) routing: routing::Config,
    /// The directory to publish when it differs from the newest; none: what the control log has.
    pub(crate) directory: Option<DirectoryFile>,
}

/// A directory as it was read.
#[derive(Clone)]
pub(crate) struct DirectoryFile {
    /// Its file's name, for errors.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
}
