//! Who is calling, and what that lets them do here.

use std::sync::Arc;

use bulkhead_model::{Code, Directory, Nation, TenantId};
use bulkhead_transport::{Allowance, Identity, Peer, Policy, Refusal as Refused, peer};
use bulkhead_wire::status::Refusal;
use tokio::sync::watch;
use tonic::Request;

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

/// The policy that follows from a directory: unknown tenants and operators, and revoked certificates, are
/// refused at every call, from the moment on that the directory says so.
pub fn policy(directory: watch::Receiver<Arc<Directory>>) -> Policy {
    Arc::new(move |fingerprint, identity| {
        let directory = directory.borrow();
        match identity {
            Identity::Tenant(id) => match directory.tenant(id) {
                None => Some(Refused::Unknown),
                Some(tenant) if tenant.revoked.is_empty() => None,
                Some(tenant) => {
                    let fingerprint = fingerprint.to_string();
                    tenant.revoked.contains(&fingerprint).then_some(Refused::Revoked)
                }
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
