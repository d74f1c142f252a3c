//! The public samples of BaRS and NWRI, when `BULKHEAD_SAMPLES` says where they are. They are not ours to
//! keep here.

use std::path::{Path, PathBuf};

use bulkhead_format_bars::peer::issues;
use bulkhead_format_bars::{
    BarsMessage, Document, ErrorCode, IssueType, Limits, MessageKind, Profile, ReferralView, ResponseKind,
    Rules, Syntax, echo, profile,
};

#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("BULKHEAD_SAMPLES").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: BULKHEAD_SAMPLES is not set");
    }
    folder
}

fn open(path: &Path) -> Document {
    let syntax = match path.extension().and_then(|e| e.to_str()) {
        Some("xml") => Syntax::Xml,
        _ => Syntax::Json,
    };
    let bytes = std::fs::read(path).expect("a sample");
    Document::read(&bytes, syntax, &Limits::default()).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn all(folder: &Path) -> Vec<(String, Document)> {
    let mut found = Vec::new();
    for (part, prefix) in [("england/bars-api", ""), ("england/bars-ig", ""), ("wales", "bars-")] {
        for file in std::fs::read_dir(folder.join(part)).expect("a folder of samples").flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            if name.starts_with(prefix) && (name.ends_with(".xml") || name.ends_with(".json")) {
                found.push((name, open(&file.path())));
            }
        }
    }
    assert!(found.len() > 18, "{}", found.len());
    found
}

#[test]
fn every_sample_is_read_and_written() {
    let Some(folder) = folder() else { return };
    for (name, document) in all(&folder) {
        for syntax in [Syntax::Json, Syntax::Xml] {
            let bytes = document.write_as(syntax).unwrap_or_else(|e| panic!("{name}: {e}"));
            let again =
                Document::read(&bytes, syntax, &Limits::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
            if syntax == document.syntax() {
                assert!(again == document, "{name}");
            }
            let back = again.write_as(document.syntax()).expect("writable");
            let back = Document::read(&back, document.syntax(), &Limits::default()).expect("readable");
            assert_eq!(back.root().count(), document.root().count(), "{name} there and back");
        }
    }
}

#[test]
fn json_samples_are_the_same_after_a_turn_through_xml() {
    let Some(folder) = folder() else { return };
    for (name, document) in all(&folder).into_iter().filter(|(name, _)| name.ends_with(".json")) {
        let straight = document.write().expect("JSON");
        let xml = document.write_as(Syntax::Xml).expect("XML");
        let turned = Document::read(&xml, Syntax::Xml, &Limits::default())
            .expect("XML")
            .write_as(Syntax::Json)
            .expect("JSON");
        let differences = differ("", &crate::json(&straight), &crate::json(&turned));
        // The specification's own faults: elements that are lists in one example and not in FHIR.
        let known = |path: &String| {
            ["/security", "/service", "/code", "/managingOrganization", "/connectionType", "/header"]
                .iter()
                .any(|k| path.contains(k))
        };
        let unknown: Vec<_> = differences.into_iter().filter(|path| !known(path)).collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
    }
}

fn differ(path: &str, a: &serde_json::Value, b: &serde_json::Value) -> Vec<String> {
    use serde_json::Value::{Array, Object};
    match (a, b) {
        (Object(a), Object(b)) if a.len() == b.len() => a
            .iter()
            .flat_map(|(key, value)| {
                differ(&format!("{path}/{key}"), value, b.get(key).unwrap_or(&serde_json::Value::Null))
            })
            .collect(),
        (Array(a), Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).flat_map(|(a, b)| differ(path, a, b)).collect()
        }
        _ if a == b => Vec::new(),
        _ => vec![path.to_owned()],
    }
}

#[test]
fn samples_are_what_they_are_called() {
    let Some(folder) = folder() else { return };
    for (file, profile, expected) in [
        ("england/bars-ig/refreq01-111-to-ed-new.xml", Profile::England, MessageKind::NewReferral),
        (
            "england/bars-ig/refreq03-primary-care-to-pharmacy-new.xml",
            Profile::England,
            MessageKind::NewReferral,
        ),
        (
            "england/bars-ig/refreq08a-cad-out-of-area-c1-initial.xml",
            Profile::England,
            MessageKind::NewReferral,
        ),
        ("england/bars-ig/refreq08b-cad-out-of-area-c1-update.xml", Profile::England, MessageKind::Update),
        ("england/bars-ig/servreq01-cancel-revoked.xml", Profile::England, MessageKind::Cancel),
        (
            "england/bars-ig/refresp01-ed-to-111-dna-response.xml",
            Profile::England,
            MessageKind::Response(ResponseKind::DidNotAttend),
        ),
        (
            "england/bars-ig/refresp02-mutual-aid-rejection.xml",
            Profile::England,
            MessageKind::Response(ResponseKind::Rejection),
        ),
        (
            "england/bars-api/servicerequest-request-validation-999-to-cas.json",
            Profile::England,
            MessageKind::NewValidation,
        ),
        ("wales/bars-referral-create.json", Profile::WalesNwri, MessageKind::NewReferral),
        ("wales/bars-referral-cancel-revoked.json", Profile::WalesNwri, MessageKind::Cancel),
    ] {
        let document = open(&folder.join(file));
        let rules = Rules { profile, ..Rules::default() };
        let message = BarsMessage::read_with(&document, &rules).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert_eq!(message.kind, expected, "{file}");
        assert_eq!(profile::check(&document, &message, profile), Ok(()), "{file}");
        assert_eq!(
            BarsMessage::read_with(&echo(&document), &rules).map(|m| m.bundle_id),
            Ok(message.bundle_id),
            "{file}"
        );
        let view = ReferralView::read(&document).expect("a view");
        assert!(view.patient.is_some(), "{file}");
        println!("{file}: unviewed {:?}", view.unviewed());
    }
}

#[test]
fn what_the_guide_shows_is_found() {
    let Some(folder) = folder() else { return };
    let view = ReferralView::read(&open(&folder.join("england/bars-ig/refreq01-111-to-ed-new.xml")))
        .expect("a view");
    assert_eq!(view.dispositions[0].code.as_deref(), Some("DX02"));
    assert!(view.is_flagged("SG") && view.is_flagged("RA"));
    let patient = view.patient.as_ref().expect("a patient");
    assert_eq!(patient.contacts.len(), 2);
    assert_eq!(view.callback.as_ref().and_then(|c| c.usage.as_deref()), Some("mobile"));
    assert_eq!(view.medications.len(), 1);
    let wrong = Rules::default();
    let create = open(&folder.join("wales/bars-referral-create.json"));
    assert_eq!(
        BarsMessage::read_with(&create, &wrong).map_err(|p| p.status()),
        Err(400),
        "a Welsh category in England"
    );
}

#[test]
fn outcomes_of_the_specification_are_read() {
    let Some(folder) = folder() else { return };
    for (file, code, issue) in [
        ("england/bars-api/oo-400-rec-bad-request-invariant.json", "REC_BAD_REQUEST", IssueType::Invariant),
        ("england/bars-api/oo-404-proxy-not-found.json", "PROXY_NOT_FOUND", IssueType::NotFound),
        ("england/bars-api/oo-409-rec-conflict-duplicate.json", "REC_CONFLICT", IssueType::Duplicate),
        (
            "england/bars-api/oo-422-rec-unprocessable-not-supported.json",
            "REC_UNPROCESSABLE_ENTITY",
            IssueType::NotSupported,
        ),
        (
            "england/bars-api/oo-503-rec-service-unavailable-transient.json",
            "REC_SERVICE_UNAVAILABLE",
            IssueType::Transient,
        ),
        ("wales/bars-operationoutcome-bad-request.json", "SEND_BAD_REQUEST", IssueType::Required),
    ] {
        let found = issues(&open(&folder.join(file))).expect("an outcome");
        assert_eq!(found, [(ErrorCode::parse(code), Some(issue))], "{file}");
    }
}
