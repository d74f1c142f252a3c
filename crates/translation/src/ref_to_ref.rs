//! From one nation's HL7 referral to another's.

use bulkhead_format_hl7::Message;

use crate::profile::Profile;
use crate::stamp::Stamp;
use crate::translated::{Item, Translated, Untranslatable};

/// Changes as little of a referral as the peer's version and profile demand.
pub fn ref_to_ref(
    _message: &Message,
    _profile: &Profile,
    _stamp: &Stamp,
) -> Result<Translated<Message>, Untranslatable> {
    Err(Untranslatable::new(Item::Kind, "is being built"))
}
