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

mod config;
mod conventions;
mod running;
mod settings;

pub use config::Config;
pub use conventions::Conventions;
pub use running::{Running, start};
pub use settings::{Acknowledgement, Answers, Name, Negative, SendSettings, Settings, TellRefusals};
