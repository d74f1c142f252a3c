//! While most brokers are dead nothing becomes durable, so that no yes may be said to what came meanwhile.
//!
//! What the log took before may be told at any time, and a repeat of it too. For a routine one the sender's sidecar may
//! speak a while on its spool's strength.

use jiff::Timestamp;

use super::{History, Submit, Wrong};

/// A time in which nothing could become durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// All brokers that had to die were dead.
    pub since: Timestamp,
    /// None of them had been started again.
    pub until: Timestamp,
}

/// How a message was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Yes {
    /// When its sender was first told so.
    pub at: Timestamp,
    /// The log's time of the record that counts.
    pub appended: Timestamp,
    /// A sidecar may say it by itself.
    pub spool_may_speak: bool,
}

/// None of those that only the log could give.
pub(super) fn yes(history: &History, submit: &Submit, wrong: &mut Vec<Wrong>) {
    let Some(yes) = submit.yes.as_ref().filter(|yes| !yes.spool_may_speak) else { return };
    let too_early = |outage: &&Outage| outage.since < yes.appended && yes.at < outage.until;
    if history.outages.iter().any(|outage| too_early(&outage)) {
        wrong.push(Wrong::AcceptedInOutage { message_id: submit.message_id.clone(), at: yes.at });
    }
}
