//! What is used of the settings: one of the two shared configurations, in Wales's dialect or conventions.

use bulkhead_adapter::Error;
use bulkhead_protocol_bars::Dialect;

use crate::translate::{bars_profile, conventions};
use crate::{Protocol, SystemSettings};

/// The configuration of the face that the settings choose.
pub(crate) enum Face {
    Bars(Box<bulkhead_protocol_bars::Config>),
    Hl7(Box<bulkhead_protocol_hl7::Config>),
}

pub(crate) fn face(system: &SystemSettings) -> Result<Face, Error> {
    match (system.protocol, &system.bars, &system.hl7) {
        (Protocol::Bars, Some(bars), None) => {
            bulkhead_protocol_bars::Config::from_settings(bars, Dialect::wales(bars_profile(system.wpas)))
                .map(|bars| Face::Bars(Box::new(bars)))
        }
        (Protocol::Hl7v2, None, Some(hl7)) => {
            bulkhead_protocol_hl7::Config::from_settings(hl7, &conventions())
                .map(|hl7| Face::Hl7(Box::new(hl7)))
        }
        (Protocol::Bars, _, _) => {
            Err(Error::config("system.protocol", "is bars: give [system.bars] and nothing else"))
        }
        (Protocol::Hl7v2, _, _) => {
            Err(Error::config("system.protocol", "is hl7v2: give [system.hl7] and nothing else"))
        }
    }
}
