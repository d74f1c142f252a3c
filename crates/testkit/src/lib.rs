//! samples, fakes, conformance suites, history checker
pub mod brokers;
#[cfg(feature = "campaign")]
pub mod campaign;
pub mod disk;
pub mod history;
pub mod log_conformance;
pub mod losing;
pub mod meddled;
#[cfg(feature = "sidecar")]
pub mod sidecar;
