//! Our own messages mean the same in both syntaxes, and survive every way of writing them.

use bulkhead_format_bars::profile;
use bulkhead_format_bars::{
    BarsMessage, Document, Identifier, Limits, MessageKind, Profile, ReferralView, ResponseKind, Syntax,
};

use crate::{CANCEL, REFERRAL, RESPONSE, json, read};

#[test]
fn kinds() {
    for i in 0..2 {
        let kind = |fixture: [(Syntax, &'static str); 2]| {
            BarsMessage::read(&read(fixture[i])).expect("a message").kind
        };
        assert_eq!(kind(REFERRAL), MessageKind::NewReferral);
        assert_eq!(kind(CANCEL), MessageKind::Cancel);
        assert_eq!(kind(RESPONSE), MessageKind::Response(ResponseKind::Rejection));
    }
}

#[test]
fn both_syntaxes_say_the_same() {
    for fixture in [REFERRAL, CANCEL, RESPONSE] {
        let [from_json, from_xml] = fixture.map(read);
        assert_eq!(BarsMessage::read(&from_json), BarsMessage::read(&from_xml));
        assert!(ReferralView::read(&from_json) == ReferralView::read(&from_xml), "views differ");
        let written = from_xml.write_as(Syntax::Json).expect("JSON");
        assert!(json(&written) == json(fixture[0].1.as_bytes()), "XML to JSON");
        let xml = from_json.write_as(Syntax::Xml).expect("XML");
        let again = Document::read(&xml, Syntax::Xml, &Limits::default()).expect("our own XML");
        assert!(again.root() == from_xml.root(), "JSON to XML");
        assert!(json(&from_json.write().expect("JSON")) == json(fixture[0].1.as_bytes()), "JSON to JSON");
        let xml = from_xml.write().expect("XML");
        let again = Document::read(&xml, Syntax::Xml, &Limits::default()).expect("our own XML");
        assert!(again == from_xml, "XML to XML");
    }
}

#[test]
fn what_json_says_to_the_letter_is_kept() {
    let written = String::from_utf8(read(REFERRAL[0]).write().expect("JSON")).expect("UTF-8");
    for exact in [
        r#""longitude":-2.50,"latitude":54.100"#,
        r#""_birthDate":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthTime""#,
        "2026-01-05T10:00:00.1234567+00:00",
        r#"<p>Lorcan <b>Rookhope</b> &amp; carer</p>"#,
        r"/n        The temperature was over 38.5 °C",
    ] {
        assert!(written.contains(exact), "{exact}");
    }
}

#[test]
fn the_facts_of_a_referral() {
    let document = read(REFERRAL[1]);
    let message = BarsMessage::read(&document).expect("a message");
    assert_eq!(message.bundle_id.as_deref(), Some("f019d2e7-400c-5ece-86b3-e4c455dd2cf3"));
    assert_eq!(message.version, "1.1.0");
    assert_eq!(message.source.service, Some(Identifier::dos("2000099111")));
    assert_eq!(message.source.organization.as_ref().map(|o| o.value.as_str()), Some("NZ111"));
    assert_eq!(message.destination.name.as_deref(), Some("Saltmouth Out of Hours GP Service"));
    assert_eq!(message.request.id, "e82f1308-00e1-5411-ac63-a1419ad6a49c");
    assert_eq!(message.request.use_case.as_deref(), Some("a1t10"));
    let end = message.request.end.as_ref().and_then(bulkhead_format_bars::When::at);
    assert_eq!(end.map(|at| at.to_string()).as_deref(), Some("2026-01-05T16:00:00Z"));
    assert_eq!(message.journey.as_deref(), Some("EpisodeOfCare/7afd7a10-2747-52bd-b25f-e0d5acb0286b"));
    assert_eq!(profile::check(&document, &message, Profile::England), Ok(()));
    let target =
        |value| message.check_target(&Identifier::parse(value).expect("an identifier"), Profile::England);
    assert_eq!(target("http://fhir.nhs.uk/id/dos-service-id|2000099222"), Ok(()));
    assert_eq!(target("https://fhir.nhs.uk/Id/dos-service-id|2000099111").map_err(|p| p.status()), Err(400));
}

#[test]
fn the_facts_of_a_rejection() {
    let response = BarsMessage::read(&read(RESPONSE[0])).expect("a message");
    let referral = BarsMessage::read(&read(REFERRAL[0])).expect("a message");
    assert_eq!(response.response_to, referral.bundle_id);
    assert_eq!(response.rejection.as_deref(), Some("FC"));
    assert_eq!(response.destination.service, referral.source.service);
    assert_eq!(response.journey, referral.journey);
}

#[test]
fn the_view_of_a_referral() {
    let view = ReferralView::read(&read(REFERRAL[1])).expect("a view");
    let patient = view.patient.as_ref().expect("a patient");
    let number = patient.nhs_number().expect("an NHS number");
    assert_eq!(number.id.value, "9997635140");
    assert_eq!(number.verification.as_deref(), Some("number-present-and-verified"));
    assert_eq!(patient.names[0].given, ["Lorcan", "Seán"]);
    assert_eq!(patient.birth_date.as_deref(), Some("1991-09-15"));
    assert_eq!(patient.addresses[0].postal_code.as_deref(), Some("ZZ99 4CC"));
    assert_eq!(patient.general_practitioner.as_ref().and_then(|o| o.ods()), Some("Z99001"));
    assert!(patient.contacts[0].is_patient() && !patient.contacts[1].is_patient());
    assert_eq!(view.callback.as_ref().and_then(|c| c.value.as_deref()), Some("07700 900130"));
    assert_eq!(view.dispositions.iter().filter_map(|d| d.code.as_deref()).collect::<Vec<_>>(), ["Dx13"]);
    assert_eq!(view.outcomes.iter().filter_map(|d| d.code.as_deref()).collect::<Vec<_>>(), ["SG1029"]);
    assert!(view.is_flagged("SG") && view.is_flagged("ss") && !view.is_flagged("RA"));
    assert_eq!(view.conditions[0].code.label(), Some("Backache (finding)"));
    assert_eq!(view.allergies.len(), 1);
    assert!(view.observations[0].value.as_deref().is_some_and(|v| v.ends_with("°C")));
    assert_eq!(view.answers[1].question.last().map(String::as_str), Some("SPNDetail"));
    assert_eq!(view.answers[1].answer, "Dog on the premises");
    assert_eq!(view.answers[2].answer, "true");
    assert_eq!(view.sender.as_ref().and_then(|o| o.ods()), Some("NZ111"));
    assert_eq!(view.services[0].provider.as_ref().and_then(|o| o.ods()), Some("NZ222"));
    assert_eq!(view.requester.as_ref().and_then(|p| p.organization.as_deref()), Some("Marling Vale NHS 111"));
    assert_eq!(view.locations[0].position, Some(("-2.50".to_owned(), "54.100".to_owned())));
    assert!(view.texts.iter().any(|t| t.text.starts_with("CONSULTATION SUMMARY\nPATHWAYS")));
    let unviewed = view.unviewed();
    assert!(unviewed.contains(&"Consent".to_owned()), "{unviewed:?}");
    assert!(unviewed.contains(&"Patient.birthDate.extension(patient-birthTime)".to_owned()), "{unviewed:?}");
    assert!(unviewed.contains(&"Patient.communication.preferred".to_owned()), "{unviewed:?}");
    assert!(!format!("{view:?}{patient:?}{:?}", view.texts).contains("Rookhope"), "debug shows content");
    assert!(!unviewed.iter().any(|path| path.contains("Rookhope") || path.contains("99976")));
}
