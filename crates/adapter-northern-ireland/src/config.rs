//! What is used of the settings: the shared HL7 v2 configuration under Northern Ireland's conventions.

use bulkhead_adapter::Error;
use bulkhead_protocol_hl7::Config;

use crate::SystemSettings;
use crate::translate::conventions;

/// The configuration of the HL7 v2 face and client.
pub(crate) fn hl7(system: &SystemSettings) -> Result<Config, Error> {
    Config::from_settings(&system.hl7, &conventions())
}
