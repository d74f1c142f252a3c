//! Who is calling, and what that lets them do here.

use std::collections::HashSet;
use std::sync::Arc;

use bulkhead_model::{Code, Cuts, Directory, Nation, Tenant, TenantId};
use bulkhead_transport::{
    Allowance, Connections, Credential, Identity, Peer, Policy, Refusal as Refused, peer,
};
use bulkhead_wire::status::Refusal;
use jiff::Timestamp;
use tokio::sync::watch;
use tonic::Request;
use tracing::info;

use crate::limits::PLACE;

/// Who may ask about referrals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Viewer {
    /// Sees what it sends and gets.
    Tenant(TenantId),
    /// Sees all of the nation.
    Operator,
}

impl Viewer {
    /// Whether it sees a referral of that sender and receiver.
    pub(crate) fn sees(&self, origin: &TenantId, destination: Option<&TenantId>) -> bool {
        match self {
            Viewer::Tenant(tenant) => tenant == origin || Some(tenant) == destination,
            Viewer::Operator => true,
        }
    }

    /// The tenant, when it is one.
    pub(crate) fn tenant(&self) -> Option<&TenantId> {
        match self {
            Viewer::Tenant(tenant) => Some(tenant),
            Viewer::Operator => None,
        }
    }
}

/// The policy that follows from a directory and the cuts: unknown tenants and operators, tenants that are cut off
/// both ways, revoked certificates and those from before a restore are refused at every call, from the moment on
/// that the directory or a cut says so.
pub fn policy(directory: watch::Receiver<Arc<Directory>>, cuts: watch::Receiver<Arc<Cuts>>) -> Policy {
    Arc::new(move |credential| {
        let directory = directory.borrow();
        match &credential.identity {
            Identity::Tenant(id) => match directory.tenant(id) {
                None => Some(Refused::Unknown),
                Some(tenant) => cut_or_revoked(&cuts.borrow(), tenant, credential),
            },
            Identity::Operator(id) => directory.operator(id).is_none().then_some(Refused::Unknown),
            Identity::Cell { .. } => None,
        }
    })
}

/// The connections that a directory's quotas allow its tenants, as it says at each moment.
pub fn allowance(directory: watch::Receiver<Arc<Directory>>) -> Allowance {
    Arc::new(move |identity| match identity {
        Identity::Tenant(id) => directory.borrow().tenant(id).map(|tenant| tenant.quota.connections),
        Identity::Operator(_) | Identity::Cell { .. } => None,
    })
}

fn cut_or_revoked(cuts: &Cuts, tenant: &Tenant, credential: &Credential) -> Option<Refused> {
    if cuts.severs(&tenant.id).is_some() {
        return Some(Refused::Cut);
    }
    // Most tenants have neither; then there is no text to be made.
    if tenant.revoked.is_empty() && !cuts.has_past(&tenant.id) {
        return None;
    }
    let fingerprint = credential.fingerprint.to_string();
    let issued_at = Timestamp::try_from(credential.not_before).unwrap_or(Timestamp::MIN);
    let is_old = cuts.outdates(&tenant.id, &fingerprint, issued_at).is_some();
    (is_old || tenant.revoked.contains(&fingerprint)).then_some(Refused::Revoked)
}

/// Ends the connections of tenants that come to be cut off both ways, until the cuts are followed no more.
pub async fn sever(connections: Connections, mut cuts: watch::Receiver<Arc<Cuts>>) {
    let mut severed: HashSet<TenantId> = HashSet::new();
    let mut seen: Option<Arc<Cuts>> = None;
    loop {
        let now = cuts.borrow_and_update().clone();
        if seen.as_ref().is_none_or(|seen| !seen.says_the_same(&now)) {
            let cut: HashSet<_> = now.touched().filter(|tenant| now.severs(tenant).is_some()).collect();
            for tenant in cut.difference(&severed) {
                let ended = connections.sever(&Identity::Tenant(tenant.clone()));
                info!(%tenant, ended, "cut off: its connections are severed");
            }
            severed = cut;
            seen = Some(now);
        }
        if cuts.changed().await.is_err() {
            return;
        }
    }
}

/// The tenant of this nation that sent a request.
pub(crate) fn sender<T>(request: &Request<T>, home: Nation) -> Result<TenantId, Refusal> {
    sender_of(peer(request).map_err(refused)?, home)
}

/// The tenant of this nation at the other end of a connection, asked again.
pub(crate) fn sender_again(peer: &Peer, home: Nation) -> Result<TenantId, Refusal> {
    sender_of(peer.identity().map_err(refused)?, home)
}

fn sender_of(identity: &Identity, home: Nation) -> Result<TenantId, Refusal> {
    match identity {
        Identity::Tenant(tenant) if tenant.nation() == home => Ok(tenant.clone()),
        Identity::Tenant(tenant) => Err(Refusal::new(
            Code::TenantUnknown,
            format!("{tenant} is a tenant of another nation than {home}; it calls its own nation's cell"),
        )),
        Identity::Cell { .. } | Identity::Operator(_) => {
            Err(Refusal::new(Code::TenantUnknown, "only a tenant submits; use a tenant's certificate"))
        }
    }
}

/// Who asks about referrals.
pub(crate) fn viewer<T>(request: &Request<T>, home: Nation) -> Result<Viewer, Refusal> {
    match peer(request).map_err(refused)? {
        Identity::Operator(operator) if operator.nation() == home => Ok(Viewer::Operator),
        Identity::Operator(operator) => Err(Refusal::new(
            Code::NotGranted,
            format!("{operator} is an operator of another nation than {home}"),
        )),
        Identity::Cell { .. } => {
            Err(Refusal::new(Code::NotGranted, "a cell asks about referrals over the border, not here"))
        }
        tenant @ Identity::Tenant(_) => sender_of(tenant, home).map(Viewer::Tenant),
    }
}

fn refused(refused: Refused) -> Refusal {
    let refusal = Refusal::new(refused.code(), refused.to_string());
    if refused == Refused::Crowded { refusal.retry_after(PLACE) } else { refusal }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tenants_of_this_nation_submit() {
        let check = |identity: &str, expected: Option<Code>| {
            let identity = format!("bulkhead://{identity}").parse().unwrap();
            let got = sender_of(&identity, Nation::England);
            assert_eq!(got.err().map(|refusal| refusal.code), expected, "{identity}");
        };
        check("england/a", None);
        check("wales/a", Some(Code::TenantUnknown));
        check("england/cell/england-1", Some(Code::TenantUnknown));
        check("england/operator/duty", Some(Code::TenantUnknown));
    }

    #[test]
    fn a_tenant_sees_what_it_sends_and_gets() {
        let [a, b, c] = ["england/a", "wales/b", "england/c"].map(|id| TenantId::parse(id).unwrap());
        let check = |viewer: &Viewer, expected: [bool; 3]| {
            let got = [viewer.sees(&a, None), viewer.sees(&b, Some(&a)), viewer.sees(&b, Some(&c))];
            assert_eq!(got, expected);
        };
        check(&Viewer::Tenant(a.clone()), [true, true, false]);
        check(&Viewer::Operator, [true, true, true]);
    }
}
