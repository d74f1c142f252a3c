//! What can go wrong in routing.

use bulkhead_model::{Fault, ReferralId, TenantId};

/// A failure of routing. Variants carry ids, never payload.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log failed.
    #[error(transparent)]
    Log(#[from] bulkhead_log::Error),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] bulkhead_ledger::Error),
    /// This node does not hold the claim that it would need.
    #[error("shard {shard} is not owned by this node")]
    NotOwner {
        /// The shard.
        shard: u32,
    },
    /// This node has no right to act now.
    #[error("this node may not act now: {0}")]
    Unsure(#[from] bulkhead_process::lease::Stale),
    /// The bytes that an event names are not there.
    #[error("the bytes of referral {id} are not where its event says")]
    BytesMissing {
        /// The referral.
        id: ReferralId,
    },
    /// The tenant is not in the directory.
    #[error("the directory has no tenant {0}")]
    UnknownTenant(TenantId),
    /// Mutual TLS could not be set up.
    #[error(transparent)]
    Transport(#[from] bulkhead_transport::Error),
}

impl Error {
    /// The log does not answer now, or lacks what was read of it, and may have it again.
    pub(crate) fn is_passing(&self) -> bool {
        use bulkhead_ledger::Error as Ledger;
        use bulkhead_log::Error as Log;
        matches!(
            self,
            Error::Log(Log::Unreachable { .. })
                | Error::Ledger(Ledger::Log(Log::Unreachable { .. }) | Ledger::Stands { .. })
        )
    }

    /// Who can do something about it.
    pub fn fault(&self) -> Fault {
        match self {
            Error::Log(_) | Error::Ledger(_) | Error::NotOwner { .. } | Error::Unsure(_) => {
                Fault::Unavailable
            }
            Error::UnknownTenant(_) => Fault::NotFound,
            Error::BytesMissing { .. } | Error::Transport(_) => Fault::Internal,
        }
    }
}
