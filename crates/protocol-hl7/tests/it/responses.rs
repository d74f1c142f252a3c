//! The answer of a person, in both directions.

use bulkhead_format_hl7::ack::{Reply, Stamp, rri};
use bulkhead_format_hl7::{AckCode, Message, Ts, Value};
use bulkhead_model::Kind;
use bulkhead_testkit::sidecar::Submitted;
use bulkhead_wire::v1::outcome::Result as Outcome;

use crate::world::{World, eventually, message_id, offer, referral};

/// The RRI of a person to `message`.
fn response(message: &[u8], control_id: &str, status: &str) -> Vec<u8> {
    let stamp = Stamp { at: Ts::parse("20260802").unwrap(), control_id: control_id.to_owned() };
    let status = Value::components([status, "", "HL70283"]);
    let reply = Reply::new(AckCode::ApplicationAccept);
    rri(&Message::parse(message.to_vec()).unwrap(), &reply, Some(status), &stamp).unwrap().to_bytes().to_vec()
}

/// A referral of the other tenant, whose own return address is not in it.
fn from_elsewhere(control_id: &str) -> String {
    referral(control_id).replacen("|GP^DOS", "|", 1).replacen("|GPSYS|BELFAST|", "|OOH|DALRIADA|", 1)
}

#[tokio::test]
async fn the_local_systems_answer_goes_back_to_the_sender() {
    let mut world = World::new().await;
    let sidecar = world.start().await;
    let mut stream = world.broker.stream().await;
    stream.deliver_and_hear(&offer(from_elsewhere("M1"), Kind::Request, "OOH|DALRIADA|M1|x")).await;
    let answer = response(&world.peer.received()[0], "R1", "A");
    let said = sidecar.line().await.ask(&answer).await;
    assert_eq!(said.code(), ("AA".into(), "R1".into()), "{}", said.whole);
    let Submitted { envelope, payload } = world.broker.memory.taken().remove(0);
    assert_eq!(payload, answer);
    assert_eq!(envelope.kind, bulkhead_wire::v1::Kind::Response as i32);
    assert_eq!(envelope.to.unwrap().value, "RYE2");
    assert_eq!(envelope.in_response_to, "OOH|DALRIADA|M1|x");
    assert_eq!(envelope.case_id, "OOH-4711|DALRIADA");
    sidecar.stop().await;
}

#[tokio::test]
async fn an_answer_to_nothing_is_refused() {
    let mut world = World::new().await;
    let sidecar = world.start().await;
    let answer = response(from_elsewhere("M9").as_bytes(), "R1", "A");
    let said = sidecar.line().await.ask(&answer).await;
    assert_eq!(said.error(), ("AR".into(), 204), "{}", said.whole);
    // Nor does one count that names one referral in MSA-2 and another in RF1-6.
    let mut stream = world.broker.stream().await;
    stream.deliver_and_hear(&offer(from_elsewhere("M1"), Kind::Request, "D1")).await;
    let mixed = response(from_elsewhere("M1").replacen("OOH-4711", "OOH-9", 1).as_bytes(), "R2", "A");
    assert_eq!(sidecar.line().await.ask(&mixed).await.error(), ("AR".into(), 204));
    assert!(world.broker.memory.taken().is_empty());
    sidecar.stop().await;
}

#[tokio::test]
async fn rf1_6_alone_does_when_only_one_sender_uses_it() {
    let mut world = World::new().await;
    let sidecar = world.start().await;
    let mut stream = world.broker.stream().await;
    stream.deliver_and_hear(&offer(from_elsewhere("M1"), Kind::Request, "D1")).await;
    let without_msa = |control_id: &str| {
        let whole = String::from_utf8(response(from_elsewhere("M1").as_bytes(), control_id, "R")).unwrap();
        whole.split('\r').filter(|line| !line.starts_with("MSA")).collect::<Vec<_>>().join("\r")
    };
    let mut line = sidecar.line().await;
    assert_eq!(line.ask(without_msa("R1")).await.code().0, "AA");
    assert_eq!(world.broker.memory.taken()[0].envelope.in_response_to, "D1");
    let mut other = offer(from_elsewhere("M2"), Kind::Request, "D2");
    other.tenant = "northern-ireland/other".to_owned();
    other.referral_id = "7b1e0d52-6a57-4c39-9a3e-4cbb51c40e12".to_owned();
    stream.deliver_and_hear(&other).await;
    assert_eq!(line.ask(without_msa("R2")).await.error(), ("AR".into(), 204));
    sidecar.stop().await;
}

#[tokio::test]
async fn a_technical_rri_is_noted_and_goes_no_further() {
    let world = World::new().await;
    let sidecar = world.start().await;
    let said = sidecar.line().await.ask(response(referral("M1").as_bytes(), "R1", "P")).await;
    assert_eq!(said.code().0, "AA");
    assert!(said.text().contains("technical"), "{}", said.whole);
    assert!(world.broker.memory.taken().is_empty());
    sidecar.stop().await;
}

#[tokio::test]
async fn the_answer_of_another_system_reaches_the_local_one_as_it_is() {
    let mut world = World::new().await;
    let sidecar = world.start().await;
    let mut stream = world.broker.stream().await;
    assert_eq!(sidecar.line().await.ask(referral("M1")).await.code().0, "AA");
    let answer = response(referral("M1").as_bytes(), "R1", "A");
    let mut offered = offer(answer.clone(), Kind::Response, "BULKHEAD|DALRIADA|R1|20260802");
    if let Some(envelope) = &mut offered.envelope {
        envelope.in_response_to = message_id("M1");
    }
    let Outcome::Acknowledged(stored) = stream.deliver_and_hear(&offered).await else { panic!("not stored") };
    assert_eq!(stored.answer, "AA");
    assert_eq!(world.peer.received(), [answer]);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_cancellation_without_an_address_follows_its_request() {
    let world = World::new().await;
    let sidecar = world.start().await;
    let mut line = sidecar.line().await;
    assert_eq!(line.ask(referral("M1")).await.code().0, "AA");
    let cancel = referral("M2").replacen("REF^I12^REF_I12", "REF^I14^REF_I12", 1).replacen(
        "|RYE2^https://fhir.nhs.uk/Id/dos-service-id",
        "|",
        1,
    );
    assert_eq!(line.ask(cancel).await.code().0, "AA");
    let sent = eventually("both", async || {
        Some(world.broker.memory.taken()).filter(|submitted| submitted.len() == 2)
    })
    .await;
    assert_eq!(sent[1].envelope.kind, bulkhead_wire::v1::Kind::Cancel as i32);
    assert_eq!(sent[1].envelope.to, sent[0].envelope.to);
    sidecar.stop().await;
}
