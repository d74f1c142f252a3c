//! What a node sees of a tenant's sidecar.

use jiff::Timestamp;

/// A sidecar as its stream last showed it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Presence {
    /// Its delivery stream is open.
    pub connected: bool,
    /// Its local system takes referrals.
    pub taking: bool,
    /// Referrals in its spool that the broker has not answered for.
    pub spooled: u64,
    /// The earliest deadline among them.
    pub next_due: Option<Timestamp>,
    /// When its certificate expires.
    pub credential_expires: Option<Timestamp>,
}
