//! Whole messages, from bytes to answer: our own fixtures, the public samples when they are at hand, and
//! bytes that are no messages at all.

mod answers;
mod fixtures;
mod fuzz;
mod public_samples;
mod refused;

use bulkhead_format_bars::{Document, Limits, Syntax};

/// A fixture in both syntaxes.
macro_rules! fixture {
    ($name:literal) => {
        [
            (Syntax::Json, include_str!(concat!("../../fixtures/", $name, ".json"))),
            (Syntax::Xml, include_str!(concat!("../../fixtures/", $name, ".xml"))),
        ]
    };
}

const REFERRAL: [(Syntax, &str); 2] = fixture!("referral-111-to-out-of-hours");
const CANCEL: [(Syntax, &str); 2] = fixture!("cancel-revoked");
const RESPONSE: [(Syntax, &str); 2] = fixture!("response-rejected");

fn read((syntax, text): (Syntax, &str)) -> Document {
    Document::read(text.as_bytes(), syntax, &Limits::default()).expect("a readable document")
}

fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).expect("JSON")
}
