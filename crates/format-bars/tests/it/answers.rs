//! What is answered to a message, and what is sent later.

use bulkhead_format_bars::capability::{Capability, Definition, Offer, message_definitions};
use bulkhead_format_bars::classify::Status;
use bulkhead_format_bars::service_request::{read_body, searchset};
use bulkhead_format_bars::{
    BarsMessage, Bundle, Decision, Document, IdMap, Identifier, Limits, MessageKind, RejectedReason,
    Response, ResponseKind, SampleReferral, Syntax, echo, profile, rewrite_ids,
};

use crate::{CANCEL, REFERRAL, json, read};

fn again(document: &Document) -> Document {
    let bytes = document.write().expect("writable");
    Document::read(&bytes, document.syntax(), &Limits::default()).expect("readable")
}

#[test]
fn the_echo_is_the_request_with_ids() {
    for fixture in REFERRAL {
        let request = read(fixture);
        let answer = again(&echo(&request));
        assert_eq!(answer.syntax(), request.syntax());
        assert_eq!(BarsMessage::read(&answer), BarsMessage::read(&request));
        let (asked, answered) =
            (Bundle::of(&request).expect("a bundle"), Bundle::of(&answer).expect("a bundle"));
        assert_eq!(asked.entries().len(), answered.entries().len());
        for (a, b) in asked.entries().iter().zip(answered.entries()) {
            assert_eq!(a.full_url, b.full_url);
            assert_eq!(b.full_url, b.resource.text("id").map(|id| format!("urn:uuid:{id}")).as_deref());
        }
        assert!(again(&echo(&answer)) == answer, "an echo of an echo");
    }
}

#[test]
fn later_messages_carry_the_receivers_ids() {
    let request = read(REFERRAL[0]);
    let mut theirs = echo(&request);
    for entry in theirs.root_mut().all_mut("entry") {
        let resource = entry.get_mut("resource").expect("a resource");
        let id = format!("their-{}", resource.text("id").expect("an id"));
        resource.set_text("id", &id);
    }
    let map = IdMap::from_answer(&theirs).expect("a bundle");
    assert_eq!(map.len(), Bundle::of(&request).expect("a bundle").entries().len());
    for fixture in CANCEL {
        let mut cancel = echo(&read(fixture));
        let before = BarsMessage::read(&cancel).expect("a message");
        assert!(rewrite_ids(&mut cancel, &map) >= 4);
        let after = BarsMessage::read(&again(&cancel)).expect("a message");
        assert_eq!(after.request.id, format!("their-{}", before.request.id));
        assert_eq!(after.kind, MessageKind::Cancel);
        assert!(rewrite_ids(&mut cancel, &map.reversed()) >= 4);
        assert_eq!(BarsMessage::read(&cancel), Ok(before));
    }
}

#[test]
fn responses_go_back() {
    for (i, syntax) in [Syntax::Json, Syntax::Xml].into_iter().enumerate() {
        let document = read(REFERRAL[i]);
        let request = BarsMessage::read(&document).expect("a message");
        let rejected =
            Decision::Rejected { reason: RejectedReason::FailedContact, text: Some("No answer.".into()) };
        for (decision, kind) in
            [(Decision::Accepted, ResponseKind::Interim), (rejected, ResponseKind::Rejection)]
        {
            let response = Response {
                bundle_id: SampleReferral::new(3).bundle_id(),
                at: "2026-01-05T11:00:00Z".parse().expect("a time"),
                decision,
                reference: Some(Identifier {
                    system: "https://ooh.example.nhs.uk/Id/case".into(),
                    value: "S-1".into(),
                }),
                software: "Saltmouth Desk".into(),
                syntax,
            };
            let built = again(&response.build(&document, &request).expect("a response"));
            let message = BarsMessage::read(&built).expect("a message");
            assert_eq!(message.kind, MessageKind::Response(kind));
            assert_eq!(message.response_to, request.bundle_id);
            assert_eq!(message.source.service, request.destination.service);
            assert_eq!(message.destination.service, request.source.service);
            assert_eq!(message.destination.name, request.source.name);
            assert_eq!(message.journey, request.journey);
            assert_eq!(message.request.id, request.request.id);
            assert_eq!(profile::check(&built, &message, bulkhead_format_bars::Profile::England), Ok(()));
            assert_ne!(message.bundle_id, request.bundle_id);
            assert!(response.build(&built, &message).is_err(), "a response to a response");
        }
    }
}

#[test]
fn a_read_answers_the_request_by_our_ids() {
    let document = read(REFERRAL[1]);
    let message = BarsMessage::read(&document).expect("a message");
    let changed = "2026-01-05T12:00:00Z".parse().expect("a time");
    let body = read_body(&document, &message, Status::Revoked, changed, Syntax::Json).expect("a body");
    let value = json(&body.write().expect("JSON"));
    assert_eq!(value["resourceType"], "ServiceRequest");
    assert_eq!(value["id"], message.request.id);
    assert_eq!(value["status"], "revoked");
    assert_eq!(value["meta"]["lastUpdated"], "2026-01-05T12:00:00+00:00");
    assert_eq!(value["subject"]["reference"], "Patient/f77e5716-2e6a-5410-a645-0c35ed35b8e8");
    let found = searchset("s", &[body], Syntax::Json);
    let value = json(&found.write().expect("JSON"));
    assert_eq!(value["total"], 1);
    assert_eq!(value["entry"][0]["resource"]["id"], message.request.id);
}

#[test]
fn capabilities_are_what_is_configured() {
    let capability = Capability {
        url: "https://ooh.example.nhs.uk/FHIR/R4".into(),
        publisher: "Saltmouth".into(),
        software: "Saltmouth Desk".into(),
        software_version: "1.0.0".into(),
        api_version: "1.4.0".into(),
        date: "2026-01-05".into(),
        receives: vec![Definition::Referral, Definition::Cancelled],
    };
    let value = json(&capability.statement(Syntax::Json).write().expect("JSON"));
    assert_eq!(value["fhirVersion"], "4.0.1");
    assert_eq!(value["experimental"], false);
    assert_eq!(value["rest"][0]["mode"], "server");
    assert_eq!(value["messaging"][0]["supportedMessage"].as_array().map(Vec::len), Some(2));
    let offer = Offer {
        definition: Definition::Referral,
        service: Identifier::dos("2000099222"),
        use_cases: vec!["a1t10".into()],
        date: "2026-01-05".into(),
    };
    let value = json(
        &message_definitions("m", "https://x/MessageDefinition", &[offer], Syntax::Json)
            .write()
            .expect("JSON"),
    );
    let definition = &value["entry"][0]["resource"];
    assert_eq!(definition["useContext"][0]["valueCodeableConcept"]["coding"][0]["code"], "2000099222");
    assert_eq!(definition["useContext"][1]["code"]["code"], "workflow");
    assert_eq!(definition["focus"][5]["min"], 2);
    assert_eq!(definition["focus"][5]["max"], "*");
    again(&capability.statement(Syntax::Xml));
}
