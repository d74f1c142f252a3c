//! Reads an HL7 referral.

use bulkhead_format_hl7::Message;

use crate::content::Content;
use crate::translated::Untranslatable;

/// What the message says.
pub(crate) fn content(_message: &Message) -> Result<Content, Untranslatable> {
    Ok(Content::default())
}
