//! The sidecar of an English tenant: a system that speaks BaRS.
//!
//! Everything about BaRS is in `bulkhead-protocol-bars`; here stands what is England's: its rules and its
//! profile. ITK and MESH are not served yet.

mod config;
mod settings;
mod translate;

use bulkhead_adapter::{Config, Error};
use bulkhead_process::Drain;

pub use bulkhead_protocol_bars::{Running, ServiceSettings, Settings as BarsSettings};
pub use settings::SystemSettings;

/// Starts the sidecar. It stops when `drain` begins; [`Running::stopped`] waits for that.
///
/// # Errors
/// When a setting, a file, a key or a port cannot be used.
pub async fn serve(system: SystemSettings, config: Config, drain: Drain) -> Result<Running, Error> {
    bulkhead_protocol_bars::start(config::bars(&system)?, config, drain).await
}

/// Checks the settings without starting anything.
///
/// # Errors
/// The first setting that cannot be used.
pub fn check(system: &SystemSettings) -> Result<(), Error> {
    config::bars(system).map(drop)
}
