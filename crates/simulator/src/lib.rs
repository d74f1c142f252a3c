//! A stand-in for a local clinical system, speaking its nation's real protocol.
//!
//! `bulkhead dev` runs one behind each sidecar, and tests use them to see what arrives. A simulator is strict
//! as a real receiver is, keeps what it took before it answers, answers as it is told, and sends referrals of
//! its own. It shares the formats with the sidecars and nothing else, so that it cannot be wrong in the same
//! way as they.
//!
//! ```text
//!             listen                            http
//! sidecar ── BaRS, MLLP ──▶ receive ──▶ journal ──▶ GET /received
//!                              ▲
//!                          behaviour ◀──────────── PUT /behaviour
//! sidecar ◀── BaRS, MLLP ── send, respond ◀─────── POST /send, /respond, Handle, Traffic
//! ```
//!
//! `README.md` says what is agreed on between simulators and sidecars.

mod behaviour;
mod config;
mod counters;
mod digest;
mod door;
mod error;
mod journal;
mod pages;
mod receive;
mod send;
mod simulator;
mod system;
pub mod traffic;

pub use behaviour::{Answer, Behaviour};
pub use config::{Acknowledgement, Config, Mllp, Protocol};
pub use error::Error;
pub use journal::{Kind, Received};
pub use send::{Address, Outcome, Priority, Respond, SendError, SendKind, Sending, Sent};
pub use simulator::{Handle, Simulator};
pub use traffic::Traffic;
