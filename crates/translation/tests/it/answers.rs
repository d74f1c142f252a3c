//! Clinical answers, and what they belong to.

use bulkhead_format_bars::{
    BarsMessage, Decision, Document, MessageKind, RejectedReason, Response, ResponseKind, Syntax,
};
use bulkhead_translation::{
    ClinicalDecision, Item, Remembered, bars_to_ref, bundle_id, clinical_answer, clinical_answer_of_bars,
    control_id, profiles, ref_to_bars, ref_to_ref,
};

use crate::support::{DALRIADA, again, message, refs, sample, stamp};

fn response(decision: Decision) -> Document {
    let request = sample(10);
    let read = BarsMessage::read(&request).unwrap();
    let response = Response {
        bundle_id: "11111111-1111-4111-8111-111111111111".parse().unwrap(),
        at: "2026-08-01T12:00:00Z".parse().unwrap(),
        decision,
        reference: None,
        software: "Saltmouth".into(),
        syntax: Syntax::Json,
    };
    response.build(&request, &read).unwrap()
}

fn rejected() -> Decision {
    Decision::Rejected { reason: RejectedReason::FailedContact, text: Some("Rang three times".into()) }
}

/// What the Northern Irish sidecar remembers of the referral that its system sent.
fn of_ref() -> Remembered {
    Remembered::of_ref(&message(DALRIADA)).translated(&stamp())
}

#[test]
fn a_bars_response_becomes_an_rri() {
    let about = stamp().about(of_ref());
    for profile in refs() {
        let sent = bars_to_ref(&response(rejected()), &profile, &about).unwrap().document;
        assert_eq!(sent.header().field(9).component(1).text(), "RRI");
        assert_eq!(sent.field("MSA", 2).text(), "NI-000001");
        assert_eq!(
            (sent.header().field(5).text(), sent.header().field(6).text()),
            ("GPOOH".into(), "DALRIADA".into())
        );
        assert_eq!(sent.field("RF1", 6).raw(), b"OOH-4711^DALRIADA");
        let clinical = clinical_answer(&sent).unwrap();
        let expected =
            ClinicalDecision::Rejected { code: Some("FC".into()), text: Some("Rang three times".into()) };
        assert_eq!(clinical.decision, expected);
        let accepted = bars_to_ref(&response(Decision::Accepted), &profile, &about).unwrap().document;
        assert_eq!(clinical_answer(&accepted).unwrap().decision, ClinicalDecision::Accepted);
    }
}

#[test]
fn an_answer_without_its_original_is_refused() {
    let refused = bars_to_ref(&response(Decision::Accepted), &profiles::ni_v24(), &stamp());
    assert_eq!(refused.unwrap_err().item, Item::Correlation);
    let rri =
        message(&DALRIADA.replace("REF^I12^REF_I12", "RRI^I12^RRI_I12").replace("P^Pending", "A^Accepted"));
    assert_eq!(ref_to_bars(&rri, &profiles::england_bars(), &stamp()).unwrap_err().item, Item::Correlation);
}

/// What the English sidecar remembers of the referral that its system sent.
fn of_bars() -> Remembered {
    Remembered::of_bars(&BarsMessage::read(&sample(10)).unwrap(), "3d2c1b0a-0000-4000-8000-000000000001", "c")
}

fn rri(status: &str) -> bulkhead_format_hl7::Message {
    let rri = DALRIADA.replace("REF^I12^REF_I12", "RRI^I12^RRI_I12").replace("P^Pending^HL70283", status);
    message(&rri.replace("\rRF1", "\rMSA|AA|M1\rRF1"))
}

#[test]
fn an_rri_becomes_a_bars_response() {
    let about = stamp().about(of_bars());
    let check = |status: &str, kind, decision: ClinicalDecision| {
        let sent = again(&ref_to_bars(&rri(status), &profiles::england_bars(), &about).unwrap().document);
        let read = BarsMessage::read(&sent).unwrap();
        assert_eq!(read.kind, MessageKind::Response(kind), "{status}");
        let original = BarsMessage::read(&sample(10)).unwrap();
        assert_eq!(read.response_to, original.bundle_id);
        assert_eq!(read.destination.endpoint, original.source.endpoint);
        assert_eq!(read.source.endpoint, original.destination.endpoint);
        assert_eq!(read.request.id, original.request.id);
        assert_eq!(clinical_answer_of_bars(&read).unwrap().decision, decision);
    };
    check("A^Accepted^HL70283", ResponseKind::Interim, ClinicalDecision::Accepted);
    check("A^Accepted^HL70283^finished^^FHIR-ENCOUNTER", ResponseKind::Final, ClinicalDecision::Finished);
    let code = |code: Option<&str>| ClinicalDecision::Rejected { code: code.map(str::to_owned), text: None };
    check("R^Rejected^HL70283^RRNA^No cars^NHS-REJECTED", ResponseKind::Rejection, code(Some("RRNA")));
    check("R^Rejected^HL70283", ResponseKind::Rejection, code(None));
    check("DNA^Did not attend^BULKHEAD", ResponseKind::DidNotAttend, ClinicalDecision::DidNotAttend);
}

#[test]
fn technical_answers_are_never_made_clinical() {
    let about = stamp().about(of_bars());
    for status in ["P^Pending^HL70283", "AB^Appointment Booked^TRAKCARE", "E^Expired^HL70283", ""] {
        let refused = ref_to_bars(&rri(status), &profiles::england_bars(), &about);
        assert_eq!(refused.unwrap_err().item, Item::Answer, "{status}");
    }
    let failed = String::from_utf8_lossy(rri("R").as_bytes()).replace("MSA|AA", "MSA|AE");
    assert_eq!(
        ref_to_bars(&message(&failed), &profiles::england_bars(), &about).unwrap_err().item,
        Item::Answer
    );
}

#[test]
fn an_rri_between_nations_names_the_original() {
    let about = stamp().about(of_ref());
    let sent = ref_to_ref(&rri("A^Accepted^HL70283"), &profiles::ni_v24(), &about).unwrap().document;
    assert_eq!(sent.field("MSA", 2).text(), "NI-000001");
    assert_eq!(sent.header().field(5).text(), "GPOOH");
}

#[test]
fn what_was_translated_is_remembered_by_its_new_ids() {
    let remembered = of_ref();
    assert_eq!(remembered.control_id.as_deref(), Some("NI-000001"));
    assert_eq!(remembered.bundle_id, Some(bundle_id(&stamp().referral).to_string()));
    let of_bars = of_bars().translated(&stamp());
    assert_eq!(of_bars.control_id, Some(control_id(&stamp().referral)));
}
