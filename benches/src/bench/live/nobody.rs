//! Where nodes are told that the others are, when nothing that they say directly is to get there: a port that drops
//! whoever connects, and counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The port. Dropped, it is closed.
pub(super) struct Nobody {
    pub(super) address: String,
    knocks: Arc<AtomicUsize>,
    _dropping: JoinSet<()>,
}

impl Nobody {
    pub(super) async fn listen() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, knocks) = (listener.local_addr()?.to_string(), Arc::<AtomicUsize>::default());
        let (counted, mut dropping) = (knocks.clone(), JoinSet::new());
        dropping.spawn(async move {
            while listener.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(Self { address, knocks, _dropping: dropping })
    }

    /// How many connected so far.
    pub(super) fn knocks(&self) -> usize {
        self.knocks.load(Ordering::Relaxed)
    }
}
