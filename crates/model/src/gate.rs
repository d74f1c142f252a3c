//! The gate: it is asked about a record, not about a tenant.
//!
//! Every point that must ask, asks now: ingest before and after the append, routing, the border door,
//! delivery before the last frame. No cut can be made yet, so the answer is always open.

use jiff::Timestamp;

use crate::{Nation, TenantId};

/// What the gate needs to know about a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// Who sent it first.
    pub origin: TenantId,
    /// Who gets it, when that is known.
    pub destination: Option<TenantId>,
    /// The broker's append time of the first acceptance; none before that.
    pub accepted_at: Option<Timestamp>,
    /// The admitting node's clock.
    pub admitted_at: Timestamp,
    /// The control positions that its doors admitted it under.
    pub epochs: Vec<(Nation, u64)>,
}

/// What the gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Open,
    /// Keep it until the cut ends.
    Hold,
    /// Keep it until a release names it.
    Quarantine,
}

/// The cuts that a node knows of, past and present, and the control position up to which it knows them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cuts {
    /// The newest control record that these follow from.
    pub position: u64,
}

impl Cuts {
    /// May this record go on?
    pub fn ask(&self, _record: &Provenance) -> Answer {
        Answer::Open
    }
}
