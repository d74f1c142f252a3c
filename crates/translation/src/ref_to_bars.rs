//! From an HL7 referral to a BaRS message.

use bulkhead_format_bars::Document;
use bulkhead_format_hl7::Message;

use crate::profile::BarsProfile;
use crate::stamp::Stamp;
use crate::translated::{Item, Translated, Untranslatable};

/// Translates an HL7 referral for a peer that takes BaRS messages.
pub fn ref_to_bars(
    _message: &Message,
    _profile: &BarsProfile,
    _stamp: &Stamp,
) -> Result<Translated<Document>, Untranslatable> {
    Err(Untranslatable::new(Item::Kind, "is being built"))
}
