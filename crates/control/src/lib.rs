//! Authority: the control log of a nation, followed by every node, and what an operator appends to it.
//!
//! ```text
//! directory.toml ── publish_directory ──▶ control.<nation> ── Follower ──▶ Authority ──▶ Arc<Directory>, Arc<Cuts>
//! operator ── signed fact ── Service ─────▶      ▲                             ▲
//!                               └── an early closing: in force at once ────────┘
//! ```
//!
//! The first directory comes from a file. All else is a fact that an operator signed: every node verifies it and
//! judges by its place and its append time whether it counts. Start reading at `authority.rs`.

mod account;
mod apply;
mod audit;
mod authority;
mod book;
mod carrier;
mod closings;
mod difference;
mod directory_file;
mod error;
mod fact;
mod follow;
mod known;
mod neighbours;
mod place;
mod plan;
mod pulse;
mod refusals;
#[cfg(test)]
mod samples;
mod scribe;
mod sentry;
mod service;
mod shape;
mod witness;

pub use apply::{Published, publish_directory};
pub use audit::{Audit, Note};
pub use authority::{
    Authority, Copy, Effect, Judged, LIFE, Outcome, Proposal, Refused, Timeline, TimelineEntry,
};
pub use book::Book;
pub use carrier::{Carrier, FarDesk};
pub use closings::Closer;
pub use directory_file::parse_directory;
pub use error::Error;
pub use follow::{Follower, Following};
pub use neighbours::Neighbours;
pub use place::FileError;
pub use pulse::{DEFAULT_INTERVAL, Pulse, PulseConfig};
pub use sentry::{Alarm, Anomaly, Sentry};
pub use service::{Service, ServiceParts};
pub use witness::{Behind, Witness};
