//! Referrals that come from another protocol, another version or another nation, and answers that go back.

use bulkhead_format_bars::{
    BarsMessage, Decision, Document, Response, SampleReferral, SampleService, Syntax,
};
use bulkhead_format_hl7::ack::{Reply, Stamp as At, rri};
use bulkhead_format_hl7::{AckCode, Message, Rules, Ts, Value, structure};
use bulkhead_model::{CaseId, Envelope, Kind, MessageId, Priority, ReferralId, ServiceAddress, TenantId};
use bulkhead_testkit::sidecar::Submitted;
use bulkhead_translation::{Stamp, profiles, ref_to_bars};
use bulkhead_wire::v1;
use bulkhead_wire::v1::outcome::Result as Outcome;
use jiff::Timestamp;

use crate::line::Does;
use crate::world::{PLANTED, World, message_id, offer_of, referral};

const DOS: &str = "https://fhir.nhs.uk/Id/dos-service-id";
const ENGLAND: &str = "england/nhs111-north";
const REQUEST: &str = "7d2ae67c-1f2b-4c55-bc03-1d7bcd6cd9aa";
const CASE: &str = "1f2ae67c-1f2b-4c55-bc03-1d7bcd6cd9bb";

fn sample() -> Document {
    let source = SampleService::new("2000011147", "RYE", "NHS 111 North");
    let destination = SampleService::new("9000000502", "Z00100", "GP Belfast");
    SampleReferral::new(7).between(source, destination).build(Syntax::Json)
}

fn envelope(kind: Kind, message_id: &str, content_type: &str) -> Envelope {
    Envelope {
        message_id: MessageId::parse(message_id).unwrap(),
        attempt: 1,
        to: ServiceAddress::parse(DOS, "GP").unwrap(),
        reply_to: Some(ServiceAddress::parse(DOS, "2000011147").unwrap()),
        kind,
        case_id: CaseId::parse(CASE).ok(),
        priority: Priority::Urgent,
        deadline: None,
        content_type: content_type.to_owned(),
        in_response_to: None,
        traceparent: None,
        flags: Vec::new(),
        spooled_at: None,
    }
}

fn bars_request() -> v1::Offer {
    let mut offer = offer_of(
        sample().write().unwrap(),
        envelope(Kind::Request, REQUEST, "application/fhir+json"),
        ENGLAND,
    );
    offer.reply_addresses = vec![
        v1::ServiceAddress { system: DOS.to_owned(), value: "2000011147".to_owned() },
        v1::ServiceAddress {
            system: "https://fhir.nhs.uk/Id/ods-organization-code".to_owned(),
            value: "RYE".to_owned(),
        },
    ];
    offer
}

fn read(bytes: &[u8]) -> Message {
    Message::parse_with(bytes.to_vec(), &Rules::default()).unwrap()
}

#[tokio::test]
async fn a_bars_request_becomes_a_referral_alike_at_each_attempt() {
    let mut world = World::new().await;
    world.hl7.name.application = "GPSYS".to_owned();
    world.hl7.name.facility = "BELFAST".to_owned();
    world.peer.does([Does::Answer(AckCode::ApplicationError), Does::Close]);
    let sidecar = world.start().await;
    let mut stream = world.broker.stream().await;
    let outcome = stream.deliver_and_hear(&bars_request()).await;
    let Outcome::Acknowledged(stored) = outcome else { panic!("{outcome:?}") };
    assert_eq!(stored.answer, "AA");
    let received = world.peer.received();
    assert_eq!(received.len(), 3);
    assert!(received.iter().all(|bytes| *bytes == received[0]));
    let message = read(&received[0]);
    assert!(structure::is_acceptable(&structure::check(&message)));
    let header = |number: usize| message.header().field(number).text().into_owned();
    assert_eq!((header(5), header(6), header(12)), ("GPSYS".into(), "BELFAST".into(), "2.4".into()));
    assert!(header(10).len() == 20 && header(10).chars().all(|c| c.is_ascii_alphanumeric()));
    sidecar.stop().await;
}

#[tokio::test]
async fn the_answer_to_it_goes_back_under_the_senders_own_ids() {
    let mut world = World::new().await;
    let sidecar = world.start().await;
    let mut stream = world.broker.stream().await;
    stream.deliver_and_hear(&bars_request()).await;
    let given = read(&world.peer.received()[0]);
    let at = At { at: Ts::parse("20260802").unwrap(), control_id: "R1".to_owned() };
    let status = Value::components(["A", "Accepted", "HL70283"]);
    let answer = rri(&given, &Reply::new(AckCode::ApplicationAccept), Some(status), &at).unwrap();
    assert_eq!(sidecar.line().await.ask(answer.as_bytes()).await.code().0, "AA");
    let Submitted { envelope: sent, payload } = world.broker.memory.taken().remove(0);
    assert_eq!(payload, answer.as_bytes());
    assert_eq!((sent.in_response_to.as_str(), sent.case_id.as_str()), (REQUEST, CASE));
    assert_eq!(sent.to.unwrap().value, "2000011147");
    sidecar.stop().await;
}

/// The response of an English service to what this system sent comes back as RRI to the original message.
#[tokio::test]
async fn a_bars_response_becomes_an_rri_to_the_original() {
    let mut world = World::new().await;
    let sidecar = world.start().await;
    let mut stream = world.broker.stream().await;
    let request = referral("M1").replacen("|RYE2^", "|RYE^", 1);
    let said = sidecar.line().await.ask(&request).await;
    assert_eq!(said.code().0, "AA", "{}", said.whole);

    let tenant = TenantId::parse(crate::world::TENANT).unwrap();
    let sender_id = MessageId::parse(&message_id("M1")).unwrap();
    let sent = world.broker.memory.taken().remove(0).envelope;
    let stamp = Stamp::new(ReferralId::derive(&tenant, &sender_id), sender_id, Timestamp::now())
        .in_case(CaseId::parse(&sent.case_id).ok());
    let bars = ref_to_bars(&read(request.as_bytes()), &profiles::england_bars(), &stamp).unwrap().document;
    let response = Response {
        bundle_id: "0f2ae67c-1f2b-4c55-bc03-1d7bcd6cd9cc".parse().unwrap(),
        at: Timestamp::now(),
        decision: Decision::Accepted,
        reference: None,
        software: "test".to_owned(),
        syntax: Syntax::Json,
    };
    let response = response.build(&bars, &BarsMessage::read(&bars).unwrap()).unwrap().write().unwrap();
    let answered = Envelope {
        in_response_to: MessageId::parse(&message_id("M1")).ok(),
        case_id: CaseId::parse(&sent.case_id).ok(),
        ..envelope(Kind::Response, "0f2ae67c-1f2b-4c55-bc03-1d7bcd6cd9dd", "application/fhir+json")
    };
    let outcome = stream.deliver_and_hear(&offer_of(response, answered, ENGLAND)).await;
    assert!(matches!(outcome, Outcome::Acknowledged(_)), "{outcome:?}");
    let rri = read(&world.peer.received()[0]);
    let text = |segment: &str, number: usize| rri.field(segment, number).text().into_owned();
    assert_eq!(rri.header().field(9).component(1).text(), "RRI");
    assert_eq!(text("MSA", 2), "M1");
    assert_eq!(text("RF1", 6), "OOH-4711^DALRIADA");
    assert_eq!(rri.field("RF1", 1).component(1).text(), "A");
    sidecar.stop().await;
}

#[tokio::test]
async fn another_nations_version_is_changed_as_little_as_may_be() {
    let mut world = World::new().await;
    let sidecar = world.start().await;
    let mut stream = world.broker.stream().await;
    let welsh = referral("W1").replacen("|P|2.4", "|P|2.5.1", 1);
    let foreign = envelope(Kind::Request, "GPSYS|BELFAST|W1|20260801231500", "x-application/hl7-v2+er7");
    let outcome = stream.deliver_and_hear(&offer_of(welsh, foreign, "wales/ooh-cardiff")).await;
    assert!(matches!(outcome, Outcome::Acknowledged(_)), "{outcome:?}");
    let message = read(&world.peer.received()[0]);
    assert_eq!(message.header().field(12).text(), "2.4");
    assert_eq!(message.field("PID", 5).component(1).text(), PLANTED[1]);
    assert_eq!(message.field("RF1", 6).component(1).text(), "OOH-4711");
    sidecar.stop().await;
}

#[tokio::test]
async fn what_the_receiver_cannot_take_is_refused_while_the_caller_waits() {
    let world = World::new().await;
    let sidecar = world.start().await;
    let update =
        referral("M1").replacen("REF^I12^REF_I12", "REF^I13^REF_I12", 1).replacen("|RYE2^", "|NWRI^", 1);
    let said = sidecar.line().await.ask(update).await;
    assert_eq!(said.code().0, "AR");
    assert!(said.text().starts_with("NOT_TRANSLATABLE: kind of message"), "{}", said.whole);
    assert!(world.broker.memory.taken().is_empty());
    sidecar.stop().await;
}
