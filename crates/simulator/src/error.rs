//! Why a simulator does not start, or cannot keep what it received.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;

use bulkhead_model::Fault;

/// Why a simulator does not start, or cannot keep what it received.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {kind}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        kind: ErrorKind,
    },
    /// The journal cannot be opened, read or written.
    #[error("journal {}: {kind}", path.display())]
    Journal {
        /// Its path, empty for one without a file.
        path: PathBuf,
        /// Why.
        kind: ErrorKind,
    },
    /// Another process has the journal.
    #[error("journal {} is in use", path.display())]
    InUse {
        /// Its path.
        path: PathBuf,
    },
    /// A line of the journal, not the last one, cannot be read.
    #[error("journal {}: line {line} cannot be read", path.display())]
    Corrupt {
        /// Its path.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// The simulator has been shut down.
    #[error("the simulator has stopped")]
    Stopped,
}

impl Error {
    /// What kind of failure it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Listen { .. } | Self::InUse { .. } => Fault::Conflict,
            Self::Journal { .. } | Self::Stopped => Fault::Unavailable,
            Self::Corrupt { .. } => Fault::Internal,
        }
    }
}
