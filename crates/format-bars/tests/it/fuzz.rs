//! Any bytes at all: nothing panics, and what is read can be written.

use bulkhead_format_bars::{
    BarsMessage, Document, Limits, Node, ReferralView, Syntax, echo, headers, target,
};
use proptest::prelude::*;

use crate::{CANCEL, REFERRAL, RESPONSE};

/// Does with a document what an adapter would.
fn use_it(bytes: &[u8], syntax: Syntax) {
    let limits = Limits { nodes: 5_000, ..Limits::default() };
    let Ok(document) = Document::read(bytes, syntax, &limits) else { return };
    let _ = BarsMessage::read(&document);
    let _ = ReferralView::read(&document);
    let _ = echo(&document).write();
    let written = document.write().expect("what was read can be written");
    let again = Document::read(&written, syntax, &Limits::default()).expect("what was written can be read");
    assert!(again == document || syntax == Syntax::Json, "another document");
    let _ = document.write_as(Syntax::Json);
    let _ = document.write_as(Syntax::Xml);
}

/// A fixture with some bytes changed, cut out or doubled.
fn mutated(syntax: usize) -> impl Strategy<Value = Vec<u8>> {
    let fixture = prop::sample::select(vec![REFERRAL[syntax].1, CANCEL[syntax].1, RESPONSE[syntax].1]);
    let change = (any::<prop::sample::Index>(), 0..4_u8, any::<u8>(), 0..40_usize);
    (fixture, prop::collection::vec(change, 1..6)).prop_map(|(text, changes)| {
        let mut bytes = text.as_bytes().to_vec();
        for (at, how, byte, length) in changes {
            let at = at.index(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            let end = (at + length).min(bytes.len());
            match how {
                0 if !bytes.is_empty() => bytes[at] = byte,
                1 => drop(bytes.drain(at..end)),
                2 => {
                    let part = bytes[at..end].to_vec();
                    bytes.splice(at..at, part);
                }
                _ => bytes.truncate(bytes.len().saturating_sub(length)),
            }
        }
        bytes
    })
}

/// Pieces of both syntaxes in any order: closer to a document than random bytes are.
fn pieces(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(words), 0..60).prop_map(|words| words.concat())
}

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\"resourceType\":\"Bundle\"",
    "\"entry\":",
    "\"_id\":",
    "\"id\":",
    "null",
    "true",
    "-1.50e+3",
    "\"\\ud83d\\ude00\"",
    "\"é\"",
    "{\"extension\":[",
    " ",
    "\\",
    "\"a\"",
];
const XML: &[&str] = &[
    "<Bundle xmlns=\"http://hl7.org/fhir\">",
    "</Bundle>",
    "<a value=\"1\"/>",
    "<a>",
    "</a>",
    "<f:a xmlns:f=\"http://hl7.org/fhir\"/>",
    "<div xmlns=\"http://www.w3.org/1999/xhtml\">",
    "</div>",
    "&amp;",
    "&#x41;",
    "&x;",
    "<!-- -->",
    "<!DOCTYPE a>",
    "<![CDATA[x]]>",
    "<?xml version=\"1.0\"?>",
    "<",
    ">",
    "\"",
    " ",
    "<extension url=\"u\">",
    "</extension>",
    "<Patient>",
    "</Patient>",
    "\u{feff}",
];

/// A resource as FHIR would have it, of names that may be repeated or unknown.
fn resource() -> impl Strategy<Value = Node> {
    let text = prop_oneof![
        "[ -~]{0,12}",
        "[é€😀\n\t\r&<>\"']{0,6}",
        Just("54.100".to_owned()),
        Just("true".to_owned())
    ];
    let leaf = text.prop_map(|text| Node::text_of(&text));
    let name = prop::sample::select(vec![
        "name",
        "given",
        "birthDate",
        "telecom",
        "rank",
        "contact",
        "unheardOf",
        "status",
        "code",
    ]);
    let element = leaf.prop_recursive(4, 40, 5, move |inner| {
        let children = prop::collection::vec((name.clone(), inner), 1..5);
        (prop::option::of("[a-z]{1,5}"), children).prop_map(|(url, children)| {
            let node = Node::new();
            let node = url.into_iter().fold(node, |node, url| {
                node.with("extension", Node::new().with_text("url", &url).with_text("valueString", &url))
            });
            children.into_iter().fold(node, |node, (name, child)| node.with(name, child))
        })
    });
    let kind = prop::sample::select(vec!["Patient", "Observation", "Unheard"]);
    let names =
        prop::sample::select(vec!["name", "telecom", "birthDate", "contact", "communication", "note"]);
    (kind, prop::collection::vec((names, element), 0..6)).prop_map(|(kind, children)| {
        children.into_iter().fold(Node::of_type(kind), |node, (name, child)| node.with(name, child))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fuzz_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        use_it(&bytes, Syntax::Json);
        use_it(&bytes, Syntax::Xml);
        let _ = target::decode(&bytes);
        let _ = headers::content_type(&bytes);
        let _ = headers::RequestHeaders::read(&headers::HeaderRules::england(), |_| Some(bytes.as_slice()));
    }

    #[test]
    fn fuzz_pieces_of_json(text in pieces(JSON)) {
        use_it(text.as_bytes(), Syntax::Json);
    }

    #[test]
    fn fuzz_pieces_of_xml(text in pieces(XML)) {
        use_it(text.as_bytes(), Syntax::Xml);
        use_it(format!("<Bundle xmlns=\"http://hl7.org/fhir\">{text}</Bundle>").as_bytes(), Syntax::Xml);
    }

    #[test]
    fn fuzz_changed_json(bytes in mutated(0)) {
        use_it(&bytes, Syntax::Json);
        let ours = Document::read(&bytes, Syntax::Json, &Limits::default()).is_ok();
        prop_assert!(!ours || serde_json::from_slice::<serde_json::Value>(&bytes).is_ok(), "we read what is not JSON");
    }

    #[test]
    fn fuzz_changed_xml(bytes in mutated(1)) {
        use_it(&bytes, Syntax::Xml);
    }

    #[test]
    fn fuzz_both_syntaxes_keep_a_resource(root in resource()) {
        let made = Document::new(Syntax::Xml, root);
        let xml = made.write().expect("no character that XML cannot carry");
        let first = Document::read(&xml, Syntax::Xml, &Limits::default()).expect("our own XML");
        let second = Document::read(&first.write().expect("XML"), Syntax::Xml, &Limits::default()).expect("our own XML");
        prop_assert!(first == second, "XML to tree to XML to tree");
        prop_assert_eq!(first.root().count(), made.root().count());
        let json = first.write_as(Syntax::Json).expect("JSON");
        let from_json = Document::read(&json, Syntax::Json, &Limits::default());
        // Unknown elements that are now a value, now an object have no form in JSON.
        if let Ok(from_json) = from_json {
            prop_assert_eq!(from_json.root().count(), made.root().count());
        }
    }
}
