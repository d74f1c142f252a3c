//! Test-only: ends the process between the two appends of a decision, where a crash hurts most.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts decisions and aborts at the n-th, after its bytes are durable and before its event is appended.
#[derive(Debug, Clone, Default)]
pub struct CrashBetweenAppends {
    left: Option<Arc<AtomicU64>>,
}

impl CrashBetweenAppends {
    /// The only value outside tests.
    pub fn never() -> Self {
        Self { left: None }
    }

    /// Aborts at the n-th decision from now; 0 is never.
    pub fn at(n: u64) -> Self {
        Self { left: (n > 0).then(|| Arc::new(AtomicU64::new(n))) }
    }

    pub(crate) fn bytes_are_durable(&self) {
        if let Some(left) = &self.left
            && left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            std::process::abort();
        }
    }
}
