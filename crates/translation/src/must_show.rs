//! What must be shown, and whether the peer has a place for it: asked before a referral is submitted.

use bulkhead_format_bars::Document;
use bulkhead_format_hl7::Message;

use crate::profile::Target;
use crate::translated::Untranslatable;

/// Whether a BaRS message could be translated for that target.
pub fn check_bars(_document: &Document, _target: &Target) -> Result<(), Untranslatable> {
    Ok(())
}

/// Whether an HL7 message could be translated for that target.
pub fn check_ref(_message: &Message, _target: &Target) -> Result<(), Untranslatable> {
    Ok(())
}
