//! The bounds of the door. What a tenant may use is in the directory; what is here is the node's own.

use std::time::Duration;

/// Every limit, with its default and what happens when it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Submit streams of one tenant at a time. More: `QUOTA_EXCEEDED`.
    pub streams_per_tenant: usize,
    /// Submits of one stream that are not answered yet. Full: the stream is read on when one is.
    pub stream_window: usize,
    /// How long a stream may say nothing. Longer: it is ended.
    pub stream_idle: Duration,
    /// Watches of one tenant, and of all operators together, at a time. More: `QUOTA_EXCEEDED`.
    pub watches: usize,
    /// Accepted referrals that the ledger does not show yet. More: the oldest is forgotten here, and who asks
    /// for it waits for the ledger.
    pub recent: usize,
    /// Referrals of one tenant of which nobody knows whether the log has them. More: what belongs to a case is answered
    /// `NODE_UNSURE` until some of them were sent again, withdrawn, or are shown by the ledger.
    pub in_doubt: usize,
    /// How long others of its case wait for such a one. Longer: its sender has given it up, and they go.
    pub doubted_for: Duration,
    /// How long a question waits for the ledger. Longer: `NODE_UNSURE`, to be asked again.
    pub patience: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            streams_per_tenant: 16,
            stream_window: 64,
            stream_idle: Duration::from_secs(300),
            watches: 256,
            recent: 100_000,
            in_doubt: 4_096,
            doubted_for: Duration::from_secs(3_600),
            patience: Duration::from_secs(5),
        }
    }
}
