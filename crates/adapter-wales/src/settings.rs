//! What was written in `[system]` of a Welsh sidecar.

use serde::{Deserialize, Serialize};

/// The local system.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemSettings {
    /// Which of the two it speaks. The section of that name must be there, and no other.
    pub protocol: Protocol,
    /// With BaRS: the referral ends in WPAS, which shows little of it. What it cannot show is then refused.
    #[serde(default)]
    pub wpas: bool,
    /// BaRS over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bars: Option<bulkhead_protocol_bars::Settings>,
    /// HL7 v2 over MLLP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hl7: Option<bulkhead_protocol_hl7::Settings>,
}

impl SystemSettings {
    /// A system that speaks BaRS.
    pub fn bars(settings: bulkhead_protocol_bars::Settings) -> Self {
        Self { protocol: Protocol::Bars, wpas: false, bars: Some(settings), hl7: None }
    }

    /// A system that speaks HL7 v2.
    pub fn hl7(settings: bulkhead_protocol_hl7::Settings) -> Self {
        Self { protocol: Protocol::Hl7v2, wpas: false, bars: None, hl7: Some(settings) }
    }
}

/// What a Welsh system speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// BaRS as the Welsh eReferrals service has it: `[system.bars]`.
    Bars,
    /// HL7 v2 over MLLP: `[system.hl7]`.
    Hl7v2,
}
