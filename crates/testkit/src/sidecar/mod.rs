//! What the tests of sidecars share: a broker that answers as a test tells it, over the real transport.
//!
//! ```text
//! sidecar ── gRPC, mutual TLS ──▶ Broker ─▶ Memory (what was submitted, what is known, what is answered)
//!    ▲                              │
//!    └───────── Delivery ───────── Stream (a test offers, hands over, settles)
//! ```
#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests may")]

mod authority;
mod broker;
mod memory;
mod services;
mod stream;

use std::time::Duration;

pub use authority::{Authority, NAME};
pub use broker::Broker;
pub use memory::{Memory, OnSubmit, REFUSAL, Submitted};
pub use services::Hosted;
pub use stream::Stream;

/// Longer than anything that should happen takes.
pub const SOON: Duration = Duration::from_secs(15);
