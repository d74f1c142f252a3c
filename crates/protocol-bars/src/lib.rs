//! Serves and calls a system that speaks BaRS, whatever its nation.
//!
//! A sidecar of such a tenant is this crate, the kit, and a few lines of its own: which dialect its nation
//! has. Adapters do not import one another, so what England and Wales share stands here.
//!
//! ```text
//! local system ── POST $process-message ──> face ── process ──> kit.submit ──> broker
//!              <── echo or OperationOutcome ──┘
//! local system <── POST $process-message ── client <── system (hand_over) <── kit <── broker
//!                  memory: what was sent and received, and by which ids, for what belongs to it later
//! ```
//!
//! Start reading at `face.rs`, then `process.rs` (what is checked, in which order) and `answer.rs` (what is
//! said); on the other side at `system.rs`. `README.md` says what travels and what does not.

mod answer;
mod broker;
mod client;
mod config;
mod context;
mod dialect;
mod face;
mod memory;
mod outgoing;
mod pages;
mod process;
mod refusal;
mod reply;
mod requests;
mod routes;
mod running;
mod settings;
mod system;
#[cfg(test)]
mod tests;

pub use config::{Config, Offer};
pub use dialect::Dialect;
pub use face::{Face, FaceConfig};
pub use running::{Running, start};
pub use settings::{ServiceSettings, Settings};
pub use system::BarsSystem;
