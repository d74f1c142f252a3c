//! What simulators send, seen by a plain listener.

use bulkhead_format_bars::{
    BarsMessage, Document, Limits, MessageKind, Profile, ReferralView, ResponseKind, Rules, Syntax, When,
    profile,
};
use bulkhead_format_hl7::{Message, Referral, referral::Status, structure};
use bulkhead_simulator::{
    Acknowledgement, Address, Behaviour, Handle, Mllp, Outcome, Priority, Protocol, SendKind, Sending,
};
use serde_json::{Value, json};

use crate::support::*;

const ACCEPTED: &str = "200 OK\n{\"resourceType\":\"Bundle\"}";

fn to() -> Address {
    Address { system: DOS.to_owned(), value: "2000099222".to_owned() }
}

async fn ask(simulator: &Handle, path: &str, body: Value) -> Answer {
    http(simulator.http(), "POST", path, &Vec::new(), body.to_string()).await
}

#[tokio::test]
async fn a_bars_referral_is_sent_and_answered() {
    let simulator = start("england/nhs111-north", bars()).await;
    let (sidecar, taken) = http_once(ACCEPTED).await;
    simulator.set_sidecar(sidecar);
    let body = json!({"to": {"system": DOS, "value": "2000099222"}, "bytes": 30_000, "seed": 4, "priority": "routine"});
    let answer = ask(&simulator, "/send", body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = answer.json();
    let (head, body) = taken.await.unwrap();
    assert!(head.starts_with("post /fhir/r4/$process-message"));
    assert_eq!((sent["outcome"].as_str(), sent["answer"].as_str()), (Some("accepted"), Some("200")));
    assert_eq!(sent["message_id"], header(&head, "x-request-id"));
    assert_eq!(sent["case"], header(&head, "x-correlation-id"));
    assert_eq!(sent["length"], body.len());
    assert!(body.len().abs_diff(30_000) < 300);
    let document = Document::read(&body, Syntax::Json, &Limits::default()).unwrap();
    let message = BarsMessage::read(&document).unwrap();
    assert_eq!(message.kind, MessageKind::NewReferral);
    assert_eq!(profile::check(&document, &message, Profile::England), Ok(()));
    assert_eq!(message.destination.endpoint, format!("{DOS}|2000099222"));
    assert_eq!(message.source.endpoint, format!("{DOS}|2000099222"));
}

#[tokio::test]
async fn a_cancellation_uses_the_ids_that_the_sidecar_gave() {
    let simulator = start("england/nhs111-north", bars()).await;
    // The sidecar is a second simulator here, which gives ids of its own.
    let receiver = start("england/ooh-riverside", bars()).await;
    receiver.behave(Behaviour { strict: true, ..Behaviour::default() }).await.unwrap();
    simulator.set_sidecar(receiver.listen());
    let mut sending = Sending { case: Some(uuid::Uuid::new_v4().to_string()), ..Sending::new(to()) };
    for (n, kind, expected) in [
        (0, SendKind::Request, MessageKind::NewReferral),
        (1, SendKind::Update, MessageKind::Update),
        (2, SendKind::Cancel, MessageKind::Cancel),
    ] {
        sending.kind = kind;
        let sent = simulator.send(&sending).await.unwrap();
        assert_eq!(sent.outcome, Outcome::Accepted, "{} {}", sent.answer, sent.detail);
        let bytes = get(receiver.http(), &format!("/received/{n}")).await.body;
        let document = Document::read(&bytes, Syntax::Json, &Limits::default()).unwrap();
        let message = BarsMessage::read(&document).unwrap();
        assert_eq!(message.kind, expected);
        assert_eq!(message.request.id.starts_with("sim"), n > 0, "{}", message.request.id);
    }
    sending.case = Some("4711".to_owned());
    assert_eq!(simulator.send(&sending).await.unwrap_err().to_string(), "the case is not a UUID");
}

#[tokio::test]
async fn a_request_in_bars_says_within_how_many_seconds() {
    let sender = start("england/nhs111-north", bars()).await;
    let receiver = start("england/ooh-riverside", bars()).await;
    sender.set_sidecar(receiver.listen());
    let sent = sender.send(&Sending { due_in_s: Some(7), ..Sending::new(to()) }).await.unwrap();
    assert_eq!(sent.outcome, Outcome::Accepted, "{} {}", sent.answer, sent.detail);
    let bytes = get(receiver.http(), "/received/0").await.body;
    let view =
        ReferralView::read(&Document::read(&bytes, Syntax::Json, &Limits::default()).unwrap()).unwrap();
    let at = |when: Option<When>| when.and_then(|when| when.at()).unwrap();
    assert_eq!(at(view.end).duration_since(at(view.start)).as_secs(), 7);
}

#[tokio::test]
async fn every_bars_sender_keeps_its_nations_rules() {
    for (tenant, protocol) in [
        ("england/ooh-riverside", bars()),
        ("england/ooh-riverside", Protocol::Bars { syntax: Syntax::Xml }),
        ("wales/wast-111", Protocol::BarsWales),
    ] {
        let sender = start(tenant, protocol.clone()).await;
        let receiver = start(tenant, protocol).await;
        sender.set_sidecar(receiver.listen());
        for priority in [Priority::Emergency, Priority::Urgent, Priority::Routine] {
            for kind in [SendKind::Request, SendKind::Cancel] {
                let sent = sender.send(&Sending { kind, priority, ..Sending::new(to()) }).await.unwrap();
                assert_eq!(sent.outcome, Outcome::Accepted, "{tenant} {} {}", sent.answer, sent.detail);
            }
        }
        let refused = Sending { to: Address { value: "1".into(), ..to() }, ..Sending::new(to()) };
        let sent = sender.send(&refused).await.unwrap();
        assert_eq!((sent.outcome, sent.answer.as_str()), (Outcome::Refused, "404 REC_NOT_FOUND not-found"));
        let id = Some(uuid::Uuid::new_v4().to_string());
        let twice = Sending { message_id: id, seed: Some(1), ..Sending::new(to()) };
        let outcomes =
            [sender.send(&twice).await.unwrap().outcome, sender.send(&twice).await.unwrap().outcome];
        assert_eq!(outcomes, [Outcome::Accepted, Outcome::Duplicate]);
    }
}

#[tokio::test]
async fn a_ref_is_sent_and_answered() {
    let enhanced =
        Mllp { acknowledgement: Acknowledgement::Enhanced, ..Mllp::new("2.4", "TRAKCARE", "LOTHIAN") };
    let simulator = start("scotland/ooh-lothian", Protocol::Mllp(enhanced)).await;
    let (sidecar, taken) = mllp_once("CA").await;
    simulator.set_sidecar(sidecar);
    let body = json!({"to": {"system": DOS, "value": "42"}, "kind": "update", "priority": "emergency", "bytes": 57_000, "case": "C-1"});
    let answer = ask(&simulator, "/send", body).await;
    let sent = answer.json();
    assert_eq!((sent["outcome"].as_str(), sent["answer"].as_str()), (Some("accepted"), Some("CA")), "{sent}");
    let message = Message::parse(format!("{}\r", taken.await.unwrap())).unwrap();
    assert_eq!(message.as_bytes().len(), 57_000);
    assert_eq!(structure::check(&message), []);
    assert_eq!(message.header().field(10).text(), sent["message_id"].as_str().unwrap());
    assert_eq!(
        (message.field("MSH", 9).text(), message.field("MSH", 15).text()),
        ("REF^I13^REF_I12".into(), "AL".into())
    );
    assert_eq!(message.field("RF1", 2).component(1).text(), "S");
}

#[tokio::test]
async fn answers_are_told_apart() {
    let simulator = start("northern-ireland/ooh-dalriada", hl7()).await;
    for (code, outcome) in [
        ("AA", Outcome::Accepted),
        ("AE", Outcome::Retry),
        ("AR", Outcome::Refused),
        ("", Outcome::Unanswered),
    ] {
        let (sidecar, taken) = mllp_once(code).await;
        simulator.set_sidecar(sidecar);
        let sent = simulator.send(&Sending { bytes: 2_000, ..Sending::new(to()) }).await.unwrap();
        assert_eq!((sent.outcome, sent.answer.as_str()), (outcome, code), "{}", sent.detail);
        taken.await.unwrap();
    }
    // Nobody listens there any more.
    let answer = ask(&simulator, "/send", json!({"to": {"system": DOS, "value": "1"}})).await;
    assert_eq!((answer.status, answer.json()["outcome"].as_str()), (502, Some("unanswered")));
    let simulator = start("northern-ireland/ooh-dalriada", hl7()).await;
    assert_eq!(ask(&simulator, "/send", json!({"to": {"system": DOS, "value": "1"}})).await.status, 503);
    assert_eq!(ask(&simulator, "/send", json!({"to": "1"})).await.status, 400);
    assert_eq!(ask(&simulator, "/respond", json!({"to_message": 0})).await.status, 404);
}

#[tokio::test]
async fn a_bars_referral_is_responded_to() {
    let simulator = start("england/ooh-riverside", bars()).await;
    let (headers, body) = referral(1, Syntax::Json);
    assert_eq!(post(&simulator, &headers, &body).await.status, 200);
    for (reject, kind) in [(false, ResponseKind::Interim), (true, ResponseKind::Rejection)] {
        let (sidecar, taken) = http_once(ACCEPTED).await;
        simulator.set_sidecar(sidecar);
        let answer = ask(&simulator, "/respond", json!({"to_message": 0, "reject": reject})).await;
        assert_eq!((answer.status, answer.json()["case"].as_str()), (200, Some(headers[1].1.as_str())));
        let (head, body) = taken.await.unwrap();
        assert_eq!(header(&head, "x-correlation-id"), headers[1].1);
        assert_ne!(header(&head, "x-request-id"), headers[0].1);
        let document = Document::read(&body, Syntax::Json, &Limits::default()).unwrap();
        let message = BarsMessage::read_with(&document, &Rules::default()).unwrap();
        assert_eq!(message.kind, MessageKind::Response(kind));
        assert_eq!(message.destination.endpoint, format!("{DOS}|7"));
        assert_eq!(message.response_to, Some(sample(1).bundle_id().to_string()));
    }
}

#[tokio::test]
async fn a_ref_is_responded_to() {
    let simulator = start("northern-ireland/ooh-dalriada", hl7()).await;
    Line::to(&simulator).await.ask(&message("I12", "M1", "OOH-1", "")).await;
    let (sidecar, taken) = mllp_once("AA").await;
    simulator.set_sidecar(sidecar);
    let answer = ask(&simulator, "/respond", json!({"to_message": 0, "reject": true})).await;
    assert_eq!(answer.json()["outcome"], "accepted", "{}", answer.text());
    let message = Message::parse(format!("{}\r", taken.await.unwrap())).unwrap();
    assert_eq!(structure::check(&message), []);
    let response = Referral::read(&message).unwrap();
    assert_eq!(message.field("MSH", 9).text(), "RRI^I12^RRI_I12");
    assert_eq!((message.field("MSA", 2).text(), response.status()), ("M1".into(), Status::Rejected));
    assert_eq!(response.id().unwrap().value, "OOH-1");
}

#[tokio::test]
async fn the_same_message_is_the_same_bytes_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for (name, tenant, protocol, id) in [
        ("a", "england/ooh-riverside", bars(), "3d2c1b0a-0000-4000-8000-000000000001"),
        ("b", "northern-ireland/ooh-dalriada", hl7(), "M1"),
    ] {
        let receiver = start(tenant, protocol.clone()).await;
        let sending = Sending { message_id: Some(id.to_owned()), ..Sending::new(to()) };
        for _ in 0..2 {
            let sender = start_kept(tenant, protocol.clone(), &folder.path().join(name)).await;
            sender.set_sidecar(receiver.listen());
            sender.send(&sending).await.unwrap();
            sender.shutdown().await;
            // Otherwise the same second would do.
            tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        }
        let list = received(&receiver).await;
        assert_eq!(
            (list.len(), list[1]["repeat"].as_bool(), list[1]["changed"].as_bool()),
            (2, Some(true), Some(false))
        );
    }
}
