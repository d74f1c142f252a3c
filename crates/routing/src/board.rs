//! What this node sees of the sidecars that are connected to it, for `status`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bulkhead_model::{Presence, TenantId};

/// Shared by the delivery streams that write it and by `status` that reads it.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<HashMap<TenantId, Presence>>>);

impl Board {
    /// Every tenant that was seen since the start.
    pub fn snapshot(&self) -> HashMap<TenantId, Presence> {
        self.lock().clone()
    }

    /// Its sidecar has a stream to this node.
    pub(crate) fn is_connected(&self, tenant: &TenantId) -> bool {
        self.lock().get(tenant).is_some_and(|seen| seen.connected)
    }

    pub(crate) fn update(&self, tenant: &TenantId, change: impl FnOnce(&mut Presence)) {
        change(self.lock().entry(tenant.clone()).or_default());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Presence>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
