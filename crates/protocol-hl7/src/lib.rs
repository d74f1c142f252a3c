//! Serves and calls a system that speaks HL7 v2 over MLLP, whatever its nation.
//!
//! A sidecar of such a tenant is this crate, the kit, and a few lines of its own: the conventions of its nation.
//!
//! ```text
//! local system ── REF, RRI ──> face ── read ── address ── check ──> kit.submit ──> broker
//!              <── ACK ─────────┘
//! local system <── REF, RRI ── client <── outgoing <── system (hand_over) <── kit <── broker
//!                  memory: what was sent and received, for the answers and changes that belong to it
//! ```
//!
//! Start reading at `face.rs`, then `read.rs` (what is checked) and `answer.rs` (what is said); on the other side at
//! `system.rs` and `outgoing.rs`. `later.rs` gives the application acknowledgements of enhanced mode.

mod address;
mod answer;
mod config;
mod conventions;
mod face;
mod later;
mod memory;
mod outgoing;
mod read;
mod refusal;
mod running;
mod say;
mod settings;
mod system;
mod technical;

pub use config::Config;
pub use conventions::Conventions;
pub use running::{Running, start};
pub use settings::{Acknowledgement, Answers, Name, Negative, SendSettings, Settings, TellRefusals};
