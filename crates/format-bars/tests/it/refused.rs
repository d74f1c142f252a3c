//! What is refused, with what, and that no refusal repeats content.

use bulkhead_format_bars::{BarsMessage, Document, Limits, ReadFault, Rules, Syntax, profile};

use crate::{REFERRAL, read};

fn check(syntax: Syntax, text: &[u8], limits: &Limits, expected: &ReadFault) {
    let error = Document::read(text, syntax, limits).expect_err("refused");
    assert_eq!(&error.fault, expected, "{}", String::from_utf8_lossy(text));
    assert!(!error.to_string().contains("SECRET"));
    assert_eq!((error.problem().status(), error.problem().issue.code()), (400, "structure"));
}

fn json(text: &str, expected: ReadFault) {
    check(Syntax::Json, text.as_bytes(), &Limits::default(), &expected);
}

fn xml(text: &str, expected: ReadFault) {
    check(Syntax::Xml, text.as_bytes(), &Limits::default(), &expected);
}

#[test]
fn bad_json() {
    json("", ReadFault::Truncated);
    json("[]", ReadFault::Malformed("an object was expected"));
    json("{}", ReadFault::Structure("resourceType is missing"));
    json(r#"{"resourceType":"Patient""#, ReadFault::Truncated);
    json(r#"{"resourceType":"Patient","a":tr"#, ReadFault::Truncated);
    json(r#"{"resourceType":"Patient"} {}"#, ReadFault::Malformed("something follows the document"));
    json(
        r#"{"resourceType":"Patient","id":"SECRET","id":"b"}"#,
        ReadFault::Forbidden("a member occurs twice"),
    );
    json(r#"{"resourceType":"Patient","resourceType":"B"}"#, ReadFault::Forbidden("a member occurs twice"));
    json(r#"{"resourceType":"SECRET name"}"#, ReadFault::Structure("resourceType is not a name"));
    json(
        r#"{"resourceType":"P","SECRET key":1}"#,
        ReadFault::Structure("a member's name is not that of an element"),
    );
    json(r#"{"resourceType":"P","a":[[1]]}"#, ReadFault::Structure("an array stands in an array"));
    json(
        r#"{"resourceType":"P","a":["SECRET",{}]}"#,
        ReadFault::Structure("an array mixes values and objects"),
    );
    json(
        r#"{"resourceType":"P","a":["b"],"_a":{}}"#,
        ReadFault::Structure("a member and its extensions do not match"),
    );
    json(r#"{"resourceType":"P","a":"\ud800"}"#, ReadFault::Malformed("half of a surrogate pair"));
    json(
        r#"{"resourceType":"P","a":01}"#,
        ReadFault::Malformed("a comma or the end of the object was expected"),
    );
    json(
        "{\"resourceType\":\"P\",\"a\":\"\u{1}\"}",
        ReadFault::Malformed("a control character stands in a string"),
    );
}

#[test]
fn bad_xml() {
    let fhir = |inner: &str| format!("<Patient xmlns=\"http://hl7.org/fhir\">{inner}</Patient>");
    xml("", ReadFault::Truncated);
    xml("<Patient xmlns=\"http://hl7.org/fhir\">", ReadFault::Truncated);
    xml("<Patient xmlns=\"http://hl7.org/fhir\"><na", ReadFault::Truncated);
    xml("<Patient/>", ReadFault::Structure("the root is not in the namespace of FHIR"));
    xml("<patient xmlns=\"http://hl7.org/fhir\"/>", ReadFault::Structure("the root is not a resource"));
    xml(&fhir("<name></nam>"), ReadFault::Malformed("tags do not match"));
    xml(&fhir("SECRET"), ReadFault::Structure("text stands between elements"));
    xml(&fhir("<id value=\"&SECRET;\"/>"), ReadFault::Forbidden("an entity"));
    xml(&fhir("&SECRET;"), ReadFault::Forbidden("an entity between elements"));
    xml(&fhir("<id secret=\"SECRET\"/>"), ReadFault::Structure("an attribute that FHIR does not have"));
    xml(&fhir("<x xmlns=\"urn:SECRET\"/>"), ReadFault::Structure("an element of another namespace"));
    xml(&fhir("<id value=\"&#1;\"/>"), ReadFault::Malformed("a character that XML does not have"));
    xml(
        &fhir("<text><div xmlns=\"http://www.w3.org/1999/xhtml\">&nbsp;</div></text>"),
        ReadFault::Forbidden("an entity"),
    );
    xml(&(fhir("") + &fhir("")), ReadFault::Malformed("something follows the document"));
    let doctype = "<!DOCTYPE Patient [<!ENTITY a \"SECRET\">]>";
    xml(
        &(doctype.to_owned() + &fhir("<id value=\"&a;\"/>")),
        ReadFault::Forbidden("a document type declaration"),
    );
    let latin = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>";
    xml(&(latin.to_owned() + &fhir("")), ReadFault::Forbidden("an encoding other than UTF-8"));
}

#[test]
fn too_much() {
    let deep = format!("{{\"resourceType\":\"P\"{}{}", ",\"a\":{\"b\":1".repeat(100), "}".repeat(101));
    json(&deep, ReadFault::TooDeep { limit: 64 });
    let deep =
        format!("<P xmlns=\"http://hl7.org/fhir\">{}{}</P>", "<a>".repeat(100_000), "</a>".repeat(100_000));
    xml(&deep, ReadFault::TooDeep { limit: 64 });
    json(&"[".repeat(100_000), ReadFault::Malformed("an object was expected"));
    let few = Limits { nodes: 100, ..Limits::default() };
    let many = format!("{{\"resourceType\":\"P\",\"a\":[{}0]}}", "0,".repeat(200));
    check(Syntax::Json, many.as_bytes(), &few, &ReadFault::TooMany { limit: 100 });
    let many = format!("<P xmlns=\"http://hl7.org/fhir\">{}</P>", "<a/>".repeat(200));
    check(Syntax::Xml, many.as_bytes(), &few, &ReadFault::TooMany { limit: 100 });
    let small = Limits { bytes: 100, ..Limits::default() };
    check(Syntax::Json, REFERRAL[0].1.as_bytes(), &small, &ReadFault::TooLarge { limit: 100 });
    for syntax in [Syntax::Json, Syntax::Xml] {
        check(syntax, b"\xff\xfe{\0", &Limits::default(), &ReadFault::NotUtf8);
    }
}

#[test]
fn an_error_says_where() {
    let text = "{\n  \"resourceType\": \"Patient\",\n  \"id\": nothing\n}";
    let error = Document::read(text.as_bytes(), Syntax::Json, &Limits::default()).expect_err("refused");
    assert_eq!((error.line, error.column), (3, 9));
    let text = "<Patient xmlns=\"http://hl7.org/fhir\">\n  <id wrong=\"a\"/>\n</Patient>";
    let error = Document::read(text.as_bytes(), Syntax::Xml, &Limits::default()).expect_err("refused");
    assert_eq!((error.line, error.column), (2, 3));
}

fn message(change: (&str, &str), expected: (u16, &str, &str)) {
    for (syntax, text) in REFERRAL.into_iter().take(1) {
        assert!(text.contains(change.0), "{}", change.0);
        let changed = text.replacen(change.0, change.1, 1);
        let document = read((syntax, &changed));
        let problem = BarsMessage::read(&document)
            .and_then(|message| profile::check(&document, &message, Rules::default().profile))
            .expect_err(change.1);
        assert_eq!((problem.status(), problem.issue.code()), (expected.0, expected.1), "{problem}");
        assert!(problem.diagnostics.contains(expected.2), "{problem}");
        assert!(!problem.diagnostics.contains("Rookhope"));
    }
}

#[test]
fn messages_that_break_a_rule() {
    message(("\"versionId\": \"1.1.0\",", ""), (400, "invariant", "versionId"));
    message(("\"versionId\": \"1.1.0\",", "\"versionId\": \"2.0.0\","), (422, "not-supported", "versionId"));
    message(("\"versionId\": \"1.1.0\",", "\"versionId\": \"11.0.0\","), (422, "not-supported", "versionId"));
    message(("\"type\": \"message\"", "\"type\": \"batch\""), (400, "invariant", "Bundle.type"));
    message(
        ("\"resourceType\": \"Bundle\"", "\"resourceType\": \"Parameters\""),
        (400, "structure", "Bundle"),
    );
    message(("f019d2e7-400c-5ece-86b3-e4c455dd2cf3", " "), (400, "required", "Bundle.id"));
    message(("\"MessageHeader\"", "\"Basic\""), (400, "invariant", "MessageHeader is missing"));
    message(("\"code\": \"new\"", "\"code\": \"delete\""), (400, "invariant", "combination"));
    message(
        ("\"code\": \"servicerequest-request\"", "\"code\": \"booking-request\""),
        (400, "invariant", "combination"),
    );
    message(
        ("\"resourceType\": \"Consent\"", "\"resourceType\": \"Basic\""),
        (400, "invariant", "Consent (1..*, found 0)"),
    );
    message(("\"status\": \"completed\"", "\"status\": \"active\""), (400, "invariant", "CarePlan.status"));
    message(
        ("\"https://fhir.nhs.uk/Id/dos-service-id|2000099111\"", "\"\""),
        (400, "invariant", "source.endpoint"),
    );
}
