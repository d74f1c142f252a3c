//! Who is calling, asked again at every call.
//!
//! A connection may live for days, so that its certificate was good when it opened proves nothing about
//! the call that it carries now: the clock and the [`Policy`] are asked each time. A call that is itself a
//! stream is asked when it begins; what ends it later is [`crate::Connections::sever`].

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use bulkhead_model::Code;

use crate::connection::Crowded;
use crate::{Credential, Error, Identity};

/// Whether a credential that chains to our CA is refused at this moment, and why. It is asked at every
/// handshake and at every call, so it must be quick, and its answer may change at any time.
pub type Policy = Arc<dyn Fn(&Credential) -> Option<Refusal> + Send + Sync>;

/// The policy of a world where every certificate of the CA is good: tests and one-off servers.
pub fn admit_all() -> Policy {
    Arc::new(|_| None)
}

/// Why a call of somebody whose certificate chains to our CA is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The certificate is past its last moment.
    #[error("the certificate has expired")]
    Expired,
    /// The certificate was revoked.
    #[error("the certificate was revoked")]
    Revoked,
    /// The directory does not know the tenant, cell or operator.
    #[error("the directory does not know who the certificate speaks for")]
    Unknown,
    /// The certificate does not say who it speaks for.
    #[error("the certificate names no tenant, cell or operator")]
    Unnamed,
    /// Its holder is cut off.
    #[error("the tenant is cut off")]
    Cut,
    /// The directory allows its holder fewer connections than are open.
    #[error("more connections than the quota allows are open: close one, or wait until one ends")]
    Crowded,
}

impl Refusal {
    /// The reason that the caller reads.
    pub fn code(self) -> Code {
        match self {
            Refusal::Expired => Code::CredentialExpired,
            Refusal::Revoked => Code::CredentialRevoked,
            Refusal::Cut => Code::TenantCut,
            Refusal::Unknown | Refusal::Unnamed => Code::TenantUnknown,
            Refusal::Crowded => Code::QuotaExceeded,
        }
    }
}

/// The other end of one connection, cheap to clone. tonic puts it among the extensions of each request.
#[derive(Clone)]
pub struct Peer {
    facts: Arc<Facts>,
    crowded: Crowded,
}

struct Facts {
    credential: Option<Credential>,
    remote: SocketAddr,
    policy: Policy,
}

impl Peer {
    /// The holder of `certificate`, which has passed the verifier.
    pub(crate) fn new(certificate: Option<&[u8]>, remote: SocketAddr, policy: Policy) -> Self {
        let credential = certificate.map_or(Err(Error::NotX509), Credential::from_der).ok();
        Self { facts: Arc::new(Facts { credential, remote, policy }), crowded: Crowded::default() }
    }

    /// On a connection that is refused as long as `crowded` is set.
    pub(crate) fn on(self, crowded: Crowded) -> Self {
        Self { crowded, ..self }
    }

    /// Who it is, or why it is refused now.
    ///
    /// # Errors
    /// When the certificate has expired, is revoked, or speaks for nobody that the policy knows, or its holder
    /// has too many connections.
    pub fn identity(&self) -> Result<&Identity, Refusal> {
        let credential = self.credential().ok_or(Refusal::Unnamed)?;
        if credential.has_expired(SystemTime::now()) {
            return Err(Refusal::Expired);
        }
        match (self.facts.policy)(credential) {
            Some(refusal) => Err(refusal),
            None if self.crowded.load(Ordering::Relaxed) => Err(Refusal::Crowded),
            None => Ok(&credential.identity),
        }
    }

    /// What its certificate says, refused or not: for the audit. `None` when it names nobody.
    pub fn credential(&self) -> Option<&Credential> {
        self.facts.credential.as_ref()
    }

    /// Its address.
    pub fn remote(&self) -> SocketAddr {
        self.facts.remote
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("credential", &self.facts.credential)
            .field("remote", &self.facts.remote)
            .finish_non_exhaustive()
    }
}

/// Who sent `request`. Every method asks this first.
///
/// # Errors
/// The refusal to answer with. A request that did not come over an [`crate::Acceptor`] is nobody's.
pub fn peer<T>(request: &tonic::Request<T>) -> Result<&Identity, Refusal> {
    request.extensions().get::<Peer>().ok_or(Refusal::Unnamed)?.identity()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_from_nowhere_is_nobodys() {
        assert_eq!(peer(&tonic::Request::new(())), Err(Refusal::Unnamed));
    }

    #[test]
    fn refusals_have_the_reasons_of_the_surface() {
        let refusals = [Refusal::Expired, Refusal::Revoked, Refusal::Unknown, Refusal::Crowded];
        let reasons = refusals.map(|why| why.code().as_str());
        assert_eq!(reasons, ["CREDENTIAL_EXPIRED", "CREDENTIAL_REVOKED", "TENANT_UNKNOWN", "QUOTA_EXCEEDED"]);
    }
}
