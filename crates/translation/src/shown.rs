//! What a person must see of a referral to care for its patient by telephone, whichever format it came in: for the
//! continuity pack that is printed when a system is cut off.

use bulkhead_format_bars::{Document, Limits, ReferralView, Syntax};
use bulkhead_format_hl7::Message;

use crate::{read_bars, read_ref};

/// What a document says; `None` when no reader can read it.
pub fn view_of(payload: &[u8]) -> Option<ReferralView> {
    let start = payload.iter().find(|byte| !byte.is_ascii_whitespace())?;
    match start {
        b'{' | b'<' => {
            let syntax = if *start == b'{' { Syntax::Json } else { Syntax::Xml };
            let document = Document::read(payload, syntax, &Limits::default()).ok()?;
            let read = read_bars::read(&document).map(|read| read.content.view);
            // A message that no profile takes may still name its patient.
            read.ok().or_else(|| ReferralView::read(&document).ok())
        }
        _ => {
            let message = Message::parse(payload.to_vec()).ok()?;
            read_ref::content(&message).ok().map(|content| content.view)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_reader_reads_is_nothing() {
        for payload in [&b""[..], b"  ", b"{}", b"<a/>", b"PK\x03\x04", b"MSH|^~\\&|", b"\xff\xfe"] {
            assert!(view_of(payload).is_none_or(|view| view.patient.is_none()), "{payload:?}");
        }
    }
}
