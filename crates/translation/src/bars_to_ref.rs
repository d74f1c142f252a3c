//! From a BaRS message to an HL7 referral.

use bulkhead_format_bars::Document;
use bulkhead_format_hl7::Message;

use crate::profile::Profile;
use crate::stamp::Stamp;
use crate::translated::{Item, Translated, Untranslatable};

/// Translates a BaRS message for a peer that takes HL7 referrals.
pub fn bars_to_ref(
    _document: &Document,
    _profile: &Profile,
    _stamp: &Stamp,
) -> Result<Translated<Message>, Untranslatable> {
    Err(Untranslatable::new(Item::Kind, "is being built"))
}
