//! What was written in `[system]` of an English sidecar.

use serde::{Deserialize, Serialize};

/// The local system, by the protocols that it speaks. ITK and MESH will stand beside BaRS.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemSettings {
    /// BaRS over HTTP.
    pub bars: bulkhead_protocol_bars::Settings,
}
