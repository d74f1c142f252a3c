//! From BaRS as in England to BaRS as in Wales, and back.

use bulkhead_format_bars::Document;

use crate::profile::BarsProfile;
use crate::stamp::Stamp;
use crate::translated::{Item, Translated, Untranslatable};

/// Changes as little of a message as the other nation's rules demand.
pub fn bars_to_bars(
    _document: &Document,
    _profile: &BarsProfile,
    _stamp: &Stamp,
) -> Result<Translated<Document>, Untranslatable> {
    Err(Untranslatable::new(Item::Kind, "is being built"))
}
