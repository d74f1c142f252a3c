//! What the local system sends, and what it is told.

use std::time::Duration;

use bulkhead_adapter::Answer;
use bulkhead_format_bars::{BarsMessage, Decision, RejectedReason, Response as Answered, Syntax};
use bulkhead_model::{Code, Kind, NumberKind, NumberWarning, State};
use bulkhead_wire::status;
use jiff::Timestamp;

use super::*;
use crate::memory::Answered as Original;

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn a_referral_is_submitted_as_it_came_and_echoed() {
    let world = World::start().await;
    for (seed, syntax) in [(1, Syntax::Json), (2, Syntax::Xml)] {
        let sample = sample(seed);
        let (mut headers, body) = message(&sample, syntax);
        headers.push(("traceparent", TRACEPARENT.to_owned()));
        let response = world.post(&headers, body.clone()).await;
        assert_eq!(response.status, 200, "{:?}", response.body);
        assert_eq!(response.header("x-request-id"), headers[0].1);
        assert_eq!(response.header("x-correlation-id"), headers[1].1);
        let submitted = world.stub.submitted().pop().unwrap();
        assert_eq!(&submitted.payload[..], body);
        let envelope = submitted.envelope;
        assert_eq!(envelope.message_id.as_str(), headers[0].1);
        assert_eq!(envelope.traceparent.as_deref(), Some(TRACEPARENT));
        assert_eq!(envelope.case_id.unwrap().as_str(), headers[1].1);
        assert_eq!((envelope.kind, envelope.to.value()), (Kind::Request, RECEIVER));
        assert_eq!(envelope.reply_to.unwrap().value(), SENDER);
        assert_eq!(envelope.deadline, Some(sample.facts().due));
        assert_eq!(envelope.content_type, syntax.media_type());
        let echo = response.document(syntax);
        assert_eq!(echo.root().text("id"), Some(sample.bundle_id().to_string().as_str()));
        let resources = echo.root().path_all("entry.resource");
        assert!(resources.iter().all(|resource| resource.text("id").is_some()));
        let encounters = resources.iter().filter(|r| r.resource_type() == Some("Encounter"));
        assert_eq!(encounters.filter(|e| e.text("status") == Some("planned")).count(), 0);
    }
    world.stop().await;
}

#[tokio::test]
async fn a_number_that_is_odd_is_flagged_and_taken() {
    let world = World::start().await;
    let sample = sample(3);
    let (headers, body) = message(&sample, Syntax::Json);
    let body = String::from_utf8(body).unwrap().replace(&sample.facts().nhs_number, "3478526985");
    assert_eq!(world.post(&headers, body).await.status, 200);
    let flags = world.stub.submitted().pop().unwrap().envelope.flags;
    assert!(flags.contains(&NumberWarning::CheckDigit.flag(NumberKind::Nhs)), "{flags:?}");
}

#[tokio::test]
async fn a_repeat_is_answered_with_where_the_first_one_is() {
    let world = World::start().await;
    let (headers, body) = message(&sample(4), Syntax::Json);
    let post = async || world.post(&headers, body.clone()).await;
    assert_eq!(post().await.status, 200);
    assert_eq!(post().await.words(), "409 REC_CONFLICT duplicate");
    world.stub.set_state(&headers[0].1, State::Acknowledged);
    assert_eq!(post().await.words(), "409 REC_CONFLICT duplicate");
    world.stub.set_state(&headers[0].1, State::Returned);
    assert_eq!(post().await.words(), "422 REC_UNPROCESSABLE_ENTITY processing");
    world.stub.set_state(&headers[0].1, State::Unknown);
    assert_eq!(post().await.words(), "425 REC_TOO_EARLY duplicate");
    // Other bytes under the same id are never called a duplicate.
    let other = world.post(&headers, message(&sample(5), Syntax::Json).1).await;
    assert_eq!(other.words(), "409 REC_CONFLICT conflict");
    assert_eq!(other.header("x-request-id"), headers[0].1);
}

#[tokio::test]
async fn a_repeat_meets_the_first_attempt_under_way_even_when_its_sender_hung_up() {
    let world = World::start().await;
    world.stub.gate.forget_permits(1_000_000);
    let (headers, body) = message(&sample(6), Syntax::Json);
    let first = tokio::time::timeout(Duration::from_millis(200), world.post(&headers, body.clone())).await;
    assert!(first.is_err(), "the broker has not answered");
    let early = world.post(&headers, body.clone()).await;
    assert_eq!(early.words(), "425 REC_TOO_EARLY duplicate");
    assert_eq!(early.header("retry-after"), "1");
    let other = world.post(&headers, message(&sample(5), Syntax::Json).1).await;
    assert_eq!(other.words(), "409 REC_CONFLICT conflict");
    world.stub.gate.add_permits(1_000_000);
    let mut last = world.post(&headers, body.clone()).await;
    while last.status == 425 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        last = world.post(&headers, body.clone()).await;
    }
    assert_eq!(last.words(), "409 REC_CONFLICT duplicate");
}

#[tokio::test]
async fn what_was_not_taken_may_come_again_with_other_bytes() {
    let world = World::start().await;
    let (headers, body) = message(&sample(7), Syntax::Json);
    let problem = |code| status::Problem {
        code: Some(code),
        grpc: 7,
        message: String::new(),
        field: None,
        retry_after: None,
        owner: None,
    };
    world.stub.answers([
        Answer::TryAgain { after: Duration::from_millis(1500), cause: String::new() },
        Answer::Refused { problem: problem(Code::DestinationCut) },
        Answer::Refused { problem: problem(Code::TenantCut) },
        Answer::OnSpool,
    ]);
    let put_off = world.post(&headers, body.clone()).await;
    assert_eq!(put_off.words(), "503 REC_SERVICE_UNAVAILABLE transient");
    assert_eq!(put_off.header("retry-after"), "2");
    assert_eq!(world.post(&headers, body.clone()).await.words(), "422 PROXY_UNPROCESSABLE_ENTITY processing");
    assert_eq!(world.post(&headers, body.clone()).await.words(), "401 SEND_UNAUTHORIZED security");
    let mut other = body.clone();
    other.push(b'\n');
    assert_eq!(world.post(&headers, other).await.status, 200, "on the spool");
}

#[tokio::test]
async fn the_return_address_is_passed_on_only_when_it_is_our_own() {
    let world = World::start().await;
    let mut sample = sample(8);
    sample.source.dos = "2000099333".to_owned();
    let (headers, body) = message(&sample, Syntax::Json);
    assert_eq!(world.post(&headers, body.clone()).await.status, 200);
    assert_eq!(world.stub.submitted().pop().unwrap().envelope.reply_to, None);
    world.stub.host(&Identifier::dos("2000099333"), TENANT, "bars", "1.4.0");
    assert_eq!(world.post(&again(sample.headers(Syntax::Json), 8), body).await.status, 200);
    assert_eq!(world.stub.submitted().pop().unwrap().envelope.reply_to.unwrap().value(), "2000099333");
}

#[tokio::test]
async fn a_response_names_a_message_that_was_received() {
    let world = World::start().await;
    let request = inward(9);
    let document = request.build(Syntax::Json);
    let read = BarsMessage::read(&document).unwrap();
    let response = Answered {
        bundle_id: uuid::Uuid::from_u128(90),
        at: Timestamp::from_second(1_767_607_300).unwrap(),
        decision: Decision::Rejected { reason: RejectedReason::FailedContact, text: None },
        reference: None,
        software: "test".to_owned(),
        syntax: Syntax::Json,
    };
    let body = response.build(&document, &read).unwrap().write().unwrap();
    let mut headers = request.headers(Syntax::Json);
    headers.target = Identifier::dos(RECEIVER);
    let post = async |id: u128| world.post(&again(headers.clone(), id), body.clone()).await;
    assert_eq!(post(91).await.words(), "404 REC_NOT_FOUND not-found");

    let correlation = headers.ids.correlation.text();
    let bundle = request.bundle_id().to_string().to_uppercase();
    let traceparent = TRACEPARENT.to_owned();
    let original = Original { message_id: "the-original".to_owned(), traceparent };
    world.stub.memory.keep_answered(&bundle, correlation, &original).await.unwrap();
    assert_eq!(post(92).await.status, 200);
    let envelope = world.stub.submitted().pop().unwrap().envelope;
    assert_eq!(envelope.kind, Kind::Response);
    assert_eq!(envelope.in_response_to.unwrap().as_str(), "the-original");
    assert_eq!(envelope.traceparent, Some(original.traceparent.clone()), "the answer goes on with the trace");
    // A later response may name this one.
    let known =
        world.stub.memory.answered(&uuid::Uuid::from_u128(90).to_string(), correlation).await.unwrap();
    assert_eq!(known, Some(original));
}

#[tokio::test]
async fn what_the_receiver_cannot_show_is_refused_while_the_sender_is_on_the_line() {
    let world = World::start().await;
    world.stub.host(&Identifier::dos(RECEIVER), "wales/wast-111", "bars-wales", "1.2.0-wpas");
    let (headers, body) = message(&sample(10), Syntax::Json);
    let response = world.post(&headers, body).await;
    assert_eq!(response.words(), "422 REC_UNPROCESSABLE_ENTITY not-supported");
    assert!(world.stub.submitted().is_empty());
}

#[tokio::test]
async fn wales_has_its_own_rules() {
    let world = World::with(wales(&settings(nowhere()))).await;
    let sample = SampleReferral { profile: bulkhead_format_bars::Profile::WalesNwri, ..sample(11) };
    let (mut headers, body) = message(&sample, Syntax::Json);
    assert_eq!(world.post(&headers, body.clone()).await.words(), "400 SEND_BAD_REQUEST required");
    headers.push(("NHSD-End-User-Organisation", "e30=".to_owned()));
    headers.push(("NHSD-Requesting-Software", "e30=".to_owned()));
    headers.push(("use-context", "a1t10|referral|servicerequest-request|new".to_owned()));
    let response = world.post(&headers, body).await;
    assert_eq!(response.status, 200, "{:?}", response.body);
    assert_eq!(response.header("x-operation-id").len(), 36);
    assert_eq!(world.get("/ServiceRequest/1").await.words(), "501 PROXY_NOT_IMPLEMENTED not-supported");
}

#[tokio::test]
async fn more_requests_than_allowed_are_told_to_wait() {
    let mut settings = settings(nowhere());
    settings.in_flight = 1;
    let world = World::with(england(&settings)).await;
    world.stub.gate.forget_permits(1_000_000);
    let (first, second) = (message(&sample(12), Syntax::Json), message(&sample(13), Syntax::Json));
    let waiting = world.post(&first.0, first.1);
    let late = async {
        while world.stub.submitted().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let late = world.post(&second.0, second.1).await;
        world.stub.gate.add_permits(1);
        late
    };
    let (waiting, late) = tokio::join!(waiting, late);
    assert_eq!((waiting.status, late.words().as_str()), (200, "429 REC_TOO_MANY_REQUESTS throttled"));
}
