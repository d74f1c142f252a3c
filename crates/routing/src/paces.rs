//! How much of what is for it each tenant is handed that is on its way back from a cut. Kept beside the streams, so
//! that a sidecar which connects anew finds what was handed over before.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bulkhead_model::{Cuts, Pace, TenantId};

/// The paces of all that this node hands over to. Cheap to clone; clones are the same.
#[derive(Clone)]
pub(crate) struct Paces {
    begun: Instant,
    by_tenant: Arc<Mutex<HashMap<TenantId, Pace>>>,
}

impl Paces {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), by_tenant: Arc::default() }
    }

    /// How many more it may be handed now; none: as many as it likes.
    pub(crate) fn left(&self, cuts: &Cuts, tenant: &TenantId) -> Option<usize> {
        let (per_minute, _) = cuts.paces_to(tenant)?;
        let left = self.with(tenant, |pace| pace.left(per_minute, self.begun.elapsed()));
        Some(usize::try_from(left).unwrap_or(usize::MAX))
    }

    /// It is handed one more.
    pub(crate) fn take(&self, cuts: &Cuts, tenant: &TenantId) {
        if let Some((per_minute, _)) = cuts.paces_to(tenant) {
            self.with(tenant, |pace| pace.take(per_minute, self.begun.elapsed()));
        }
    }

    /// Bounded by the directory: only its tenants are asked about.
    fn with<T>(&self, tenant: &TenantId, ask: impl FnOnce(&mut Pace) -> T) -> T {
        let mut paces = self.by_tenant.lock().unwrap_or_else(PoisonError::into_inner);
        ask(paces.entry(tenant.clone()).or_default())
    }
}
