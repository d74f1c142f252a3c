//! The kit of every sidecar: stream, spool, inbox, outcomes.
//!
//! A sidecar stands beside one tenant's system and speaks that nation's protocol on one side and gRPC on the
//! other. What every sidecar does alike is here; an adapter only translates and sends.
//!
//! ```text
//! local system ──> adapter ── submit ──> spool ──> pump ── Ingest ──────> broker
//!                                          └── what was told no: Withdraw ──> broker
//! local system <── adapter <── hand_over ── worker <── inbox <── session <── Delivery ── broker
//!                                             └── outcome ──> inbox ──> session ──────> broker
//! ```
//!
//! Start reading at `kit.rs`, which wires these parts; then `system.rs`, what an adapter implements, and
//! `submit.rs`, what it calls. `mllp_server.rs` and `mllp_client.rs` are for the adapters that speak HL7 v2.

mod backoff;
mod broker;
mod cases;
mod config;
mod contact;
mod directory;
mod error;
mod handover;
mod http;
mod inbox;
mod kit;
mod launch;
mod mllp_client;
mod mllp_server;
mod notes;
mod presence;
mod rivals;
mod services_off;
mod session;
mod settings;
mod spool;
mod store;
mod submit;
mod system;
mod window;

pub use config::{Config, InboxConfig, SpoolConfig};
pub use error::Error;
pub use kit::{BARS_PATIENCE, Kit, KitHandle, MLLP_PATIENCE};
pub use launch::launch;
pub use mllp_client::{AckPolicy, Failure, MllpClient, MllpClientSettings, OnAck, SendMode};
pub use mllp_server::{MllpServer, MllpServerSettings};
pub use notes::Notes;
pub use settings::{BrokerSettings, InboxSettings, Settings, SpoolSettings};
pub use submit::{Answer, Resolved, Status, Submission};
pub use system::{Delivery, Diverted, LocalSystem, Outcome, Receipt, RefusedLater};
