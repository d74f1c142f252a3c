//! What was written in `[system]` of a Northern Irish sidecar.

use serde::{Deserialize, Serialize};

/// The local system, by the protocols that it speaks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemSettings {
    /// HL7 v2 over MLLP.
    pub hl7: bulkhead_protocol_hl7::Settings,
}
