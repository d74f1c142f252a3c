//! What is used of the settings: the shared BaRS configuration in England's dialect.

use bulkhead_adapter::Error;
use bulkhead_protocol_bars::{Config, Dialect};

use crate::{SystemSettings, translate};

/// The configuration of the BaRS face and client.
pub(crate) fn bars(system: &SystemSettings) -> Result<Config, Error> {
    Config::from_settings(&system.bars, Dialect::england(translate::profile()))
}
