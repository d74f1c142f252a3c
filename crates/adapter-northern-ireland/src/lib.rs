//! The sidecar of a Northern Irish tenant: a system that speaks HL7 v2.
//!
//! Everything about HL7 v2 is in `bulkhead-protocol-hl7`; here stands what is Northern Ireland's: its conventions.
//! No profile of HSC is public: what is served is the plain standard.

mod config;
mod settings;
mod translate;

use bulkhead_adapter::{Config, Error};
use bulkhead_process::Drain;

pub use bulkhead_protocol_hl7::{Running, Settings as Hl7Settings};
pub use settings::SystemSettings;

/// Starts the sidecar. It stops when `drain` begins; [`Running::stopped`] waits for that.
///
/// # Errors
/// When a setting, a file, a key or a port cannot be used.
pub async fn serve(system: SystemSettings, config: Config, drain: Drain) -> Result<Running, Error> {
    bulkhead_protocol_hl7::start(config::hl7(&system)?, config, drain).await
}

/// Checks the settings without starting anything.
///
/// # Errors
/// The first setting that cannot be used.
pub fn check(system: &SystemSettings) -> Result<(), Error> {
    config::hl7(system).map(drop)
}

#[cfg(test)]
mod tests;
