//! Referrals for the local system.

use bulkhead_format_hl7::AckCode;
use bulkhead_model::{Envelope, Kind};
use bulkhead_wire::v1;
use bulkhead_wire::v1::outcome::Result as Outcome;

use crate::line::Does;
use crate::world::{World, offer, referral};

async fn handed(does: impl IntoIterator<Item = Does>, message: &str) -> (Outcome, Vec<Vec<u8>>) {
    let mut world = World::new().await;
    world.peer.does(does);
    let sidecar = world.start().await;
    let mut stream = world.broker.stream().await;
    let outcome = stream.deliver_and_hear(&offer(message, Kind::Request, "D1")).await;
    sidecar.stop().await;
    (outcome, world.peer.received())
}

fn answer(outcome: Outcome) -> String {
    match outcome {
        Outcome::Acknowledged(acknowledged) => acknowledged.answer,
        Outcome::Rejected(rejected) => rejected.reason.unwrap().code,
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn byte_for_byte() {
    // Z segments, an odd escape and bytes that are no UTF-8 are nobody's business here.
    let message = referral("M1").replacen("NTE|1|", "ZZZ|a\\Zxy\\b\rNTE|1|", 1);
    let (outcome, received) = handed([], &message).await;
    assert_eq!(answer(outcome), "AA");
    assert_eq!(received, [message.as_bytes()]);
}

/// It was for a service of another tenant.
fn diverted(message: &str) -> v1::Offer {
    let address =
        |system: &str, value: &str| v1::ServiceAddress { system: system.into(), value: value.into() };
    let diverted = v1::Diversion {
        from: "northern-ireland/dalriada-ooh".into(),
        to: "northern-ireland/gp-belfast-inbox".into(),
        to_addresses: vec![
            address("https://fhir.nhs.uk/Id/dos-service-id", "9000000502"),
            address("https://fhir.nhs.uk/Id/ods-organization-code", "Z00100"),
        ],
        reason: Some(v1::Reason { code: "DESTINATION_CUT".into(), text: "cut off".into() }),
    };
    v1::Offer { diverted: Some(diverted), ..offer(message, Kind::Request, "D1") }
}

#[tokio::test]
async fn a_diverted_referral_names_this_system_and_says_where_it_was_for() {
    let original = referral("M1");
    for (application, facility, expected) in
        [("GPSYS", "BELFAST^2.16.1^ISO", "GPSYS|BELFAST^2.16.1^ISO"), ("", "", "BULKHEAD|Z00100")]
    {
        let mut world = World::new().await;
        world.hl7.name.application = application.into();
        world.hl7.name.facility = facility.into();
        let sidecar = world.start().await;
        let mut stream = world.broker.stream().await;
        let Outcome::Acknowledged(stored) = stream.deliver_and_hear(&diverted(&original)).await else {
            panic!("it is taken")
        };
        assert!(
            stored.omissions.contains(&"MSH-6 of a diverted message".to_owned()),
            "{:?}",
            stored.omissions
        );
        sidecar.stop().await;
        let note = "NTE|2|P|Diverted by Bulkhead: sent to northern-ireland/dalriada-ooh, \
                    taken over by northern-ireland/gp-belfast-inbox (DESTINATION_CUT)|DIVERTED^address^BULKHEAD\r";
        let addressed = original.replacen("|BULKHEAD|DALRIADA|", &format!("|{expected}|"), 1);
        let received = world.peer.received().remove(0);
        assert_eq!(String::from_utf8_lossy(&received), addressed + note);
    }
}

#[tokio::test]
async fn a_diverted_referral_of_another_version_is_translated_and_addressed() {
    let original = referral("M1").replacen("|P|2.4", "|P|2.3", 1);
    let mut world = World::new().await;
    world.hl7.name.application = "GPSYS".into();
    let sidecar = world.start().await;
    let mut stream = world.broker.stream().await;
    let outcome = stream.deliver_and_hear(&diverted(&original)).await;
    assert_eq!(answer(outcome), "AA");
    sidecar.stop().await;
    let received = String::from_utf8(world.peer.received().remove(0)).unwrap();
    assert!(received.contains("|GPSYS|Z00100|") && received.contains("|P|2.4"), "{received}");
    assert!(
        received.trim_end().lines().next_back().is_some_and(|last| last.contains("|DIVERTED^")),
        "{received}"
    );
}

#[tokio::test]
async fn a_commit_and_an_rri_say_that_it_is_stored() {
    let (outcome, _) = handed([], &referral("M1").replacen("|P|2.4", "|P|2.4|||AL|NE", 1)).await;
    assert_eq!(answer(outcome), "CA");
    let (outcome, _) = handed([Does::Rri], &referral("M1")).await;
    assert_eq!(answer(outcome), "AA");
}

#[tokio::test]
async fn again_under_the_same_control_id() {
    let script = [Does::Answer(AckCode::ApplicationError), Does::Close];
    let (outcome, received) = handed(script, &referral("M1")).await;
    assert_eq!(answer(outcome), "AA");
    assert_eq!(received, vec![referral("M1").into_bytes(); 3]);
}

#[tokio::test]
async fn refused_by_the_local_system() {
    let (outcome, received) = handed([Does::Answer(AckCode::ApplicationReject)], &referral("M1")).await;
    assert_eq!((answer(outcome).as_str(), received.len()), ("RECEIVER_REFUSED", 1));
}

#[tokio::test]
async fn a_test_message_never_reaches_a_production_system() {
    let (outcome, received) = handed([], &referral("M1").replacen("|P|2.4", "|T|2.4", 1)).await;
    assert_eq!((answer(outcome).as_str(), received.len()), ("NOT_TRANSLATABLE", 0));
}

#[tokio::test]
async fn larger_than_the_local_system_takes() {
    let mut world = World::new().await;
    world.hl7.send.max_message_bytes = Some(300);
    let sidecar = world.start().await;
    let mut stream = world.broker.stream().await;
    let outcome = stream.deliver_and_hear(&offer(referral("M1"), Kind::Request, "D1")).await;
    assert_eq!(answer(outcome), "PAYLOAD_TOO_LARGE");
    sidecar.stop().await;
}

#[tokio::test]
async fn what_is_no_document_is_refused() {
    for payload in [&b"\x00\x01\x02"[..], b"{}", b"MSH|^~\\&", b"<x/>"] {
        let mut world = World::new().await;
        let sidecar = world.start().await;
        let mut stream = world.broker.stream().await;
        let envelope = crate::world::offer(payload, Kind::Request, "D1");
        let read = bulkhead_wire::envelope_from_wire(&envelope.envelope.clone().unwrap()).unwrap();
        let envelope = Envelope { content_type: "application/octet-stream".to_owned(), ..read };
        let offer = crate::world::offer_of(payload, envelope, "northern-ireland/ooh-dalriada");
        assert_eq!(answer(stream.deliver_and_hear(&offer).await), "NOT_TRANSLATABLE");
        sidecar.stop().await;
    }
}
