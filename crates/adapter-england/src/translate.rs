//! What an English system shows, for referrals that come from HL7 v2 and are translated for it.
//!
//! The translation itself is in `bulkhead-translation`; `bulkhead-protocol-bars` calls it.

use bulkhead_translation::{BarsProfile, profiles};

/// BaRS as the guide has it: every item has an element of its own.
pub(crate) fn profile() -> BarsProfile {
    profiles::england_bars()
}
