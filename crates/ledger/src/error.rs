//! What can go wrong with a ledger.

use std::path::{Path, PathBuf};

use bulkhead_log as log;
use bulkhead_model::{Fault, Nation, ReferralId};

use crate::Stop;

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
    /// What is asked of lies in a partition that does not go on at this node.
    #[error("{partition} does not go on at this node: {why}")]
    Stands {
        /// Which.
        partition: String,
        /// Why.
        why: Stop,
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
    /// A file that was to be copied, or that was copied, is not fit for that.
    #[error("ledger {} {why} (BH0108)", path.display())]
    Unfit {
        /// Which.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: Unfit,
    },
    /// An event that was stored cannot be read back.
    #[error("stored events of referral {id} cannot be read")]
    Event {
        /// Whose.
        id: ReferralId,
    },
}

/// Why a ledger cannot be copied, or a copy not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// There is none to be copied.
    #[error("is not there")]
    Missing,
    /// Another file.
    #[error("is no ledger: name the ledger.sqlite of a node, or a copy that was made of one")]
    NoLedger,
    /// Of an earlier or a later release.
    #[error("is of format {found} and this release knows {known}: both nodes must be of one release")]
    OtherVersion {
        /// Its format.
        found: i64,
        /// That of this release.
        known: i64,
    },
    /// Of another nation's cell.
    #[error("is of {found} and this node is of {wanted}: copy from a node of its own cell, or remove it")]
    OtherNation {
        /// Whose.
        found: Nation,
        /// This node's.
        wanted: Nation,
    },
    /// Damaged, or a part of it is missing.
    #[error("is not whole ({cause}): copy it again, or remove it to have the log read from its start")]
    Torn {
        /// What SQLite said.
        cause: String,
    },
    /// Of another prefix, other brokers, or from before a trimming.
    #[error(
        "has read an event at {at} that this node's log does not have there, so it is of another prefix or \
         other brokers, or too old: copy from a node of its own cell, or remove it to have the log read from \
         its start"
    )]
    OtherLog {
        /// Where.
        at: String,
    },
    /// Something lies where the copy should.
    #[error("is there already and is not overwritten: stop its node and move it away first")]
    Occupied,
    /// A copy that is being made, or that was ended by force.
    #[error("is an unfinished copy: unless one is being made now, remove it and copy again")]
    Unfinished,
}

impl Error {
    pub(crate) fn unfit(path: &Path, why: Unfit) -> Self {
        Error::Unfit { path: path.to_owned(), why }
    }

    /// Who can do something about it.
    pub fn fault(&self) -> Fault {
        match self {
            Error::Rebuilding
            | Error::Stopped
            | Error::Stands { .. }
            | Error::Gone { .. }
            | Error::Log(_) => Fault::Unavailable,
            Error::Store { .. } | Error::File { .. } | Error::Event { .. } | Error::Unfit { .. } => {
                Fault::Internal
            }
        }
    }
}
