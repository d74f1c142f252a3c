//! Whether the local system is there. While it is not, nothing is handed over and the broker grants nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bulkhead_process::{Condition, Drain};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::{LocalSystem, backoff};

/// How long one probe may take.
const PROBE: Duration = Duration::from_secs(5);

/// What is known of the local system, cheap to clone. It is not there until a probe says so.
#[derive(Debug, Clone)]
pub(crate) struct Presence {
    up: watch::Sender<bool>,
    condition: Condition,
    tenant: String,
    /// How often it went down since it last answered a hand-over: one that takes connections and answers nothing
    /// is not probed without pause.
    falls: Arc<AtomicU32>,
}

impl Presence {
    pub(crate) fn new(condition: Condition, tenant: String) -> Self {
        metrics::gauge!("bulkhead_sidecar_local_system_up", "tenant" => tenant.clone()).set(0.0);
        Self { up: watch::Sender::new(false), condition, tenant, falls: Arc::default() }
    }

    /// Whether it takes referrals.
    pub(crate) fn is_up(&self) -> bool {
        *self.up.borrow()
    }

    /// Waits until it does. Safe to cancel.
    pub(crate) async fn up(&self) {
        // The sender is ours, so this cannot fail.
        let _ = self.up.subscribe().wait_for(|up| *up).await;
    }

    /// Its state as it changes.
    pub(crate) fn changes(&self) -> watch::Receiver<bool> {
        self.up.subscribe()
    }

    /// It was found not to be there.
    pub(crate) fn went_down(&self, cause: String) {
        if self.up.send_if_modified(|up| std::mem::replace(up, false)) {
            self.falls.fetch_add(1, Ordering::Relaxed);
            warn!(tenant = self.tenant, cause, "the local system is down; hand-over pauses");
        }
        metrics::gauge!("bulkhead_sidecar_local_system_up", "tenant" => self.tenant.clone()).set(0.0);
        self.condition.unmet(cause);
    }

    /// It answered a hand-over, well or badly.
    pub(crate) fn answered(&self) {
        self.falls.store(0, Ordering::Relaxed);
    }

    fn came_up(&self) {
        if self.up.send_if_modified(|up| !std::mem::replace(up, true)) {
            info!(tenant = self.tenant, "the local system is up");
        }
        metrics::gauge!("bulkhead_sidecar_local_system_up", "tenant" => self.tenant.clone()).set(1.0);
        self.condition.met();
    }

    /// Probes whenever it is not there, with growing pauses, until it is.
    pub(crate) async fn run(self, system: Arc<dyn LocalSystem>, pauses: (Duration, Duration), drain: Drain) {
        let work = async {
            let mut changes = self.changes();
            loop {
                // The sender is ours, so waiting cannot fail.
                let _ = changes.wait_for(|up| !*up).await;
                let mut tries = self.falls.load(Ordering::Relaxed);
                if tries > 0 {
                    tokio::time::sleep(backoff::pause(pauses.0, pauses.1, tries - 1)).await;
                }
                loop {
                    let probed = tokio::time::timeout(PROBE, system.probe()).await;
                    match probed.unwrap_or_else(|_| Err("the probe had no answer in time".to_owned())) {
                        Ok(()) => break self.came_up(),
                        Err(cause) => self.went_down(cause),
                    }
                    tokio::time::sleep(backoff::pause(pauses.0, pauses.1, tries)).await;
                    tries += 1;
                }
            }
        };
        // Safe to cancel: probing changes nothing.
        tokio::select! {
            () = drain.started() => {}
            () = work => {}
        }
    }
}
