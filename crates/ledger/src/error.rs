//! What can go wrong with a ledger.

use std::path::PathBuf;

use bulkhead_log as log;
use bulkhead_model::{Fault, ReferralId};

/// Why the ledger does not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Its file was damaged and is being made again from the log; the same question will be answered soon.
    #[error("ledger is being rebuilt from the log")]
    Rebuilding,
    /// Its follower has ended, so that what is waited for will not come.
    #[error("ledger follows the log no more")]
    Stopped,
    /// The events could not be read.
    #[error("events could not be read: {0}")]
    Log(#[from] log::Error),
    /// SQLite failed.
    #[error("ledger failed while {doing}: {cause}")]
    Store {
        /// What was being done.
        doing: &'static str,
        /// What SQLite said.
        cause: String,
        /// The file is damaged, moved or not a ledger: it must be made again.
        damaged: bool,
    },
    /// Another file, or none, lies where the ledger's was.
    #[error("ledger file {} is gone", path.display())]
    Gone {
        /// Where it was.
        path: PathBuf,
    },
    /// The file could not be made or moved aside.
    #[error("ledger file {}: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// An event that was stored cannot be read back.
    #[error("stored events of referral {id} cannot be read")]
    Event {
        /// Whose.
        id: ReferralId,
    },
}

impl Error {
    /// Who can do something about it.
    pub fn fault(&self) -> Fault {
        match self {
            Error::Rebuilding | Error::Stopped | Error::Gone { .. } | Error::Log(_) => Fault::Unavailable,
            Error::Store { .. } | Error::File { .. } | Error::Event { .. } => Fault::Internal,
        }
    }
}
