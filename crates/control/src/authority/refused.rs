//! Why a signed fact has no effect.

use bulkhead_model::{Code, CutId, TenantId};

/// Why a signed fact has no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nobody knows whose it is.
    #[error("its header cannot be read")]
    Header,
    /// It is of a nation that has no say here.
    #[error("its signer is an operator of another nation, which can say nothing about this scope here")]
    Foreign,
    /// The directory has no such operator.
    #[error("the directory does not know its signer")]
    OperatorUnknown,
    /// The key is not the operator's, or something was changed.
    #[error("its signature does not hold")]
    Signature,
    /// It came too late, lives too long, or was signed by a clock that is far ahead.
    #[error("it had expired when the log took it, or its times cannot be right")]
    Expired,
    /// Its nonce was used before.
    #[error("its nonce was used before: it is a replay")]
    Replayed,
    /// Its signer had seen more of the log than there is.
    #[error("its signer had seen more of the control log than lies here: this log is an older copy")]
    OldLog,
    /// Its signer had not seen what was said since.
    #[error("something was said about it that its signer had not seen; look again and repeat it")]
    Unseen,
    /// This release cannot read it, and it names no scope.
    #[error("this release cannot read it")]
    Unreadable,
    /// Its parts do not fit together.
    #[error("{0}")]
    NotNow(String),
    /// No such cut.
    #[error("there is no cut {0}")]
    NoSuchCut(CutId),
    /// The same person twice.
    #[error("it needs a second person: its signer is the one who said it first")]
    SamePerson,
    /// The signer works for the supplier of the tenant.
    #[error("its signer works for the supplier of {0}")]
    OfTheSupplier(TenantId),
    /// The hour's budget is spent.
    #[error("its signer has spent this hour's budget of cuts; a second person must confirm it")]
    Budget,
    /// Only a signed directory counts.
    #[error("it is not signed, and would change the operators or replace a signed one; use `bulkhead apply`")]
    DirectoryUnsigned,
    /// The text is not whole.
    #[error("its directory cannot be used: {0}")]
    Directory(String),
    /// It would remove a tenant that is cut off.
    #[error("it would remove {0}, which is cut off")]
    RemovesCutTenant(TenantId),
}

impl Refused {
    /// The reason that the signer reads.
    pub fn code(&self) -> Code {
        match self {
            Refused::Header
            | Refused::OperatorUnknown
            | Refused::Signature
            | Refused::Expired
            | Refused::Replayed
            | Refused::Unreadable => Code::SignatureInvalid,
            Refused::Foreign | Refused::OfTheSupplier(_) | Refused::DirectoryUnsigned => Code::NotGranted,
            Refused::OldLog | Refused::Unseen | Refused::NotNow(_) => Code::PlanChanged,
            Refused::NoSuchCut(_) => Code::ScopeUnknown,
            Refused::SamePerson | Refused::Budget => Code::SecondPersonNeeded,
            Refused::Directory(_) => Code::InvalidEnvelope,
            Refused::RemovesCutTenant(_) => Code::TenantCut,
        }
    }
}
