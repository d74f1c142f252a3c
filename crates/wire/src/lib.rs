//! Bytes to model and back, and the one map from faults to gRPC status.
//!
//! The generated messages are [`v1`]; nothing outside this crate's conversions treats them as domain types.

mod accepted;
pub mod audit;
mod cut;
mod envelope;
mod event;
pub mod fact;
mod newer;
mod pulse;
pub mod record;
pub mod status;
mod time;
pub mod topics;

/// The generated messages and services of `bulkhead.v1`.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod v1 {
    tonic::include_proto!("bulkhead.v1");

    /// The compiled descriptors, for gRPC reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
}

pub use accepted::{Accepted, provenance};
pub use cut::{cut_to_wire, pending_cut_to_wire};
pub use envelope::{
    address_from_wire, address_to_wire, envelope_from_wire, envelope_to_wire, kind_from_wire, kind_to_wire,
    priority_from_wire, priority_to_wire,
};
pub use event::{
    Author, EventRecord, Facts, ReadEvent, claim_from_wire, claim_to_wire, place_from_wire, place_to_wire,
    reason_from_wire, reason_to_wire, state_from_wire, state_to_wire,
};
pub use pulse::{pulse_from_wire, pulse_to_wire};
pub use time::{from_wire as time_from_wire, to_wire as time_to_wire};

/// Largest gRPC message on either side: a payload of 5 MiB with room for its envelope.
pub const MAX_MESSAGE_BYTES: usize = (5 << 20) + (256 << 10);

/// A wire record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not protobuf, or cut short.
    #[error("not a readable record")]
    Malformed,
    /// A field that must be there is not, or does not parse.
    #[error("record field {0} is missing or malformed")]
    Field(&'static str),
    /// A record of ours, of a kind that this release does not know. Whoever reads a topic in order must not go past it.
    #[error("it was written by a newer release: its {0} is not known to this one")]
    Newer(&'static str),
}
