//! The sidecar of a Welsh tenant: a system that speaks BaRS as NHS Wales has it, or HL7 v2 with the conventions of
//! the DHCW hub.
//!
//! What Wales shares with other nations is in `bulkhead-protocol-bars` and `bulkhead-protocol-hl7`; here stands
//! what is Wales's. The Welsh Clinical Communications Gateway is not served: its format is not public.

mod config;
mod running;
mod settings;
mod translate;

use bulkhead_adapter::{Config, Error};
use bulkhead_process::Drain;

pub use bulkhead_protocol_bars::{ServiceSettings, Settings as BarsSettings};
pub use bulkhead_protocol_hl7::Settings as Hl7Settings;
pub use running::Running;
pub use settings::{Protocol, SystemSettings};

use crate::config::Face;

/// Starts the sidecar. It stops when `drain` begins; [`Running::stopped`] waits for that.
///
/// # Errors
/// When a setting, a file, a key or a port cannot be used.
pub async fn serve(system: SystemSettings, config: Config, drain: Drain) -> Result<Running, Error> {
    Ok(match config::face(&system)? {
        Face::Bars(bars) => Running::bars(bulkhead_protocol_bars::start(*bars, config, drain).await?),
        Face::Hl7(hl7) => Running::hl7(bulkhead_protocol_hl7::start(*hl7, config, drain).await?),
    })
}

/// Checks the settings without starting anything.
///
/// # Errors
/// The first setting that cannot be used.
pub fn check(system: &SystemSettings) -> Result<(), Error> {
    config::face(system).map(drop)
}

#[cfg(test)]
mod tests;
