//! What the handles, the readers and the writer of one log have in common.

use std::sync::Arc;

use tokio::sync::watch;

use super::{catalog::Catalog, queue::Queue, shelf::Shelf, tail::Tail};
use crate::Error;

/// The parts of one open log.
pub(super) struct Shared {
    pub(super) catalog: Catalog,
    pub(super) queue: Queue,
    pub(super) tail: Tail,
    pub(super) shelf: Arc<Shelf>,
    /// Its sender is the writer's. It changes once, when nothing more will be taken, and goes when all is closed.
    pub(super) closing: watch::Receiver<bool>,
}

impl Shared {
    /// Refuses what comes after the end.
    pub(super) fn check_open(&self) -> Result<(), Error> {
        if *self.closing.borrow() || self.closing.has_changed().is_err() {
            Err(Error::Closed)
        } else {
            Ok(())
        }
    }

    /// Waits until the log is closing.
    pub(super) async fn closing(&self) {
        let mut closing = self.closing.clone();
        // An error means that the writer is gone, which is an end too.
        let _gone = closing.wait_for(|closing| *closing).await;
    }

    /// Waits until the writer has let go of everything.
    pub(super) async fn closed(&self) {
        let mut closing = self.closing.clone();
        while closing.changed().await.is_ok() {}
    }
}
