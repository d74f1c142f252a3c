//! Signals, drain, telemetry, health, lease, settings: what every long-running process does alike.
//!
//! `bulkhead dev` runs many of these processes inside one, so only the tracing subscriber and the
//! metrics recorder are global. Everything else is a value that is passed in, and every metric carries
//! the labels that its caller gives it.

pub mod capture;
pub mod drain;
pub mod health;
pub mod lease;
pub mod settings;
pub mod signals;
pub mod telemetry;

pub use drain::Drain;
pub use health::{Condition, Health};
pub use lease::{BootTime, Lease};
pub use telemetry::Telemetry;
