//! One submit at a time: durable, recognised when it is repeated, refused with the right reason.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bulkhead_model::{Code, ReferralId};
use bulkhead_transport::Credential;
use bulkhead_wire::record::In;
use bulkhead_wire::status::Problem;
use bulkhead_wire::v1::ingest_client::IngestClient;
use bulkhead_wire::v1::{self, SubmitResponse};
use tonic::Status;
use tonic::transport::Channel;

use crate::harness::{ABROAD, DUTY, NORTH, World, capture, directory, routed, submit, tenant_id};

async fn accepted(client: &mut IngestClient<Channel>, request: v1::SubmitRequest) -> SubmitResponse {
    client.submit(request).await.unwrap().into_inner()
}

async fn problem(client: &mut IngestClient<Channel>, request: v1::SubmitRequest) -> (Option<Code>, Problem) {
    let problem = Problem::from(&client.submit(request).await.unwrap_err());
    (problem.code, problem)
}

#[tokio::test]
async fn accepted_means_that_it_lies_in_the_log() {
    let world = World::new().await;
    let mut client = world.ingest(NORTH);
    let mut request = submit("m-1", "the original bytes");
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    request.envelope.as_mut().unwrap().traceparent = traceparent.into();
    let response = accepted(&mut client, request).await;
    assert_eq!(response.state, v1::State::Accepted as i32);
    assert!(!response.duplicate);

    let records = world.inward(NORTH).await;
    let [(_, In::Accepted(record))] = &records[..] else { panic!("one record: {records:?}") };
    assert_eq!(record.id.to_string(), response.referral_id);
    assert_eq!(record.payload.bytes(), &b"the original bytes"[..]);
    assert_eq!(record.digest.to_string(), "f6bc8982aa9accdef4910150d1a78e2ebca532fa8408926840274f28b143c141");
    assert_eq!((record.node.as_str(), &record.epochs[..]), ("england-1", &[(crate::harness::HOME, 7)][..]));
    assert_eq!(record.envelope.traceparent.as_deref(), Some(traceparent));
    assert_eq!(record.accepted_at, None);
}

#[tokio::test]
async fn a_retry_gets_the_same_id_and_the_present_state() {
    let world = World::new().await;
    let mut client = world.ingest(NORTH);
    let first = accepted(&mut client, submit("m-1", "x")).await;
    let again = accepted(&mut client, submit("m-1", "x")).await;
    assert_eq!((&again.referral_id, again.duplicate), (&first.referral_id, true));
    assert_eq!((again.state, again.accepted_at), (first.state, first.accepted_at));

    let (place, record) = world.inward(NORTH).await.remove(0);
    world.decide(&place, &record, 0, routed()).await;
    let later = accepted(&mut client, submit("m-1", "x")).await;
    assert_eq!((later.state, later.duplicate), (v1::State::Routed as i32, true));
    assert_eq!(world.inward(NORTH).await.len(), 1);
}

#[tokio::test]
async fn the_same_message_id_with_other_bytes_is_a_conflict() {
    let world = World::new().await;
    let mut client = world.ingest(NORTH);
    accepted(&mut client, submit("m-1", "x")).await;
    let (code, problem_now) = problem(&mut client, submit("m-1", "y")).await;
    assert_eq!(code, Some(Code::ConflictingDuplicate));
    assert!(problem_now.is_refusal());

    let (place, record) = world.inward(NORTH).await.remove(0);
    world.decide(&place, &record, 0, routed()).await;
    assert_eq!(problem(&mut client, submit("m-1", "y")).await.0, Some(Code::ConflictingDuplicate));
    assert_eq!(world.inward(NORTH).await.len(), 1);
}

#[tokio::test]
async fn simultaneous_submits_of_one_id_append_once() {
    let world = World::new().await;
    let client = world.ingest(NORTH);
    let all = (0..16).map(|_| {
        let mut client = client.clone();
        async move { accepted(&mut client, submit("m-1", &"x".repeat(60_000))).await }
    });
    let answers = futures::future::join_all(all).await;
    assert_eq!(answers.iter().filter(|answer| !answer.duplicate).count(), 1);
    assert!(answers.iter().all(|answer| answer.state == v1::State::Accepted as i32));
    assert_eq!(world.inward(NORTH).await.len(), 1);
}

#[tokio::test]
async fn refusals_say_why_and_which_field() {
    let world = World::new().await;
    let mut client = world.ingest(NORTH);
    let mut check = async |change: fn(&mut v1::SubmitRequest), code: Code, field: Option<&str>| {
        let mut request = submit("m-1", "x");
        change(&mut request);
        let (got, problem) = problem(&mut client, request).await;
        assert_eq!((got, problem.field.as_deref()), (Some(code), field), "{problem:?}");
    };
    check(|r| r.envelope = None, Code::InvalidEnvelope, Some("envelope")).await;
    check(|r| r.payload.clear(), Code::InvalidEnvelope, Some("payload")).await;
    check(|r| r.envelope.as_mut().unwrap().kind = 0, Code::InvalidEnvelope, Some("kind")).await;
    let elsewhere = |r: &mut v1::SubmitRequest| {
        r.envelope.as_mut().unwrap().to.as_mut().unwrap().value = "england/nowhere".into();
    };
    check(elsewhere, Code::ServiceUnknown, Some("to")).await;
    check(|r| r.payload = vec![0; 5_300_000].into(), Code::PayloadTooLarge, Some("payload")).await;
    assert!(world.inward(NORTH).await.is_empty());
}

#[tokio::test]
async fn who_may_not_submit_is_told_why() {
    let world = World::new().await;
    let code = async |credentials| {
        let mut client = IngestClient::new(world.channel(&credentials));
        let status: Status = client.submit(submit("m-1", "x")).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::PermissionDenied, "{status:?}");
        Problem::from(&status).code.unwrap()
    };
    let issue = |identity: &str, days| world.authority.issue(identity, days);
    assert_eq!(code(issue(NORTH, -1)).await, Code::CredentialExpired);
    assert_eq!(code(issue("england/stranger", 1)).await, Code::TenantUnknown);
    assert_eq!(code(issue(ABROAD, 1)).await, Code::TenantUnknown);
    assert_eq!(code(issue(DUTY, 1)).await, Code::TenantUnknown);
    assert_eq!(code(issue("england/cell/england-2", 1)).await, Code::TenantUnknown);

    let lost = issue(NORTH, 1);
    let fingerprint = Credential::from_pem(&lost.certificate_pem).unwrap().fingerprint;
    world.directory.send_replace(Arc::new(directory(&[fingerprint.to_string()])));
    assert_eq!(code(lost).await, Code::CredentialRevoked);
    accepted(&mut world.ingest(NORTH), submit("m-1", "x")).await;
}

#[tokio::test]
async fn a_node_that_may_not_act_says_so() {
    let world = World::new().await;
    let mut client = world.ingest(NORTH);
    world.ready.store(false, Ordering::Relaxed);
    let (code, problem_now) = problem(&mut client, submit("m-1", "x")).await;
    assert_eq!(code, Some(Code::NodeUnsure));
    assert!(!problem_now.is_refusal() && problem_now.retry_after.is_some());
    world.ready.store(true, Ordering::Relaxed);
    accepted(&mut client, submit("m-1", "x")).await;
}

#[tokio::test]
async fn no_content_and_no_case_is_logged_or_traced() {
    let capture = capture();
    let world = World::new().await;
    let mut client = world.ingest(NORTH);
    let mut request = submit("m-planted", "Mrs Planted, 9434765919");
    request.envelope.as_mut().unwrap().case_id = "case-planted".into();
    accepted(&mut client, request).await;
    let mut refused = submit("m-planted", "Mr Planted");
    refused.envelope.as_mut().unwrap().content_type = "planted\u{7}".into();
    client.submit(refused).await.unwrap_err();

    let span = "span submit tenant=england/nhs111-north bytes=23";
    assert!(capture.find(span).is_some(), "{:?}", capture.lines());
    assert!(capture.find("refused code=INVALID_ENVELOPE").is_some());
    capture.assert_absent(&["planted", "Planted", "9434765919"]);
}

#[tokio::test]
async fn the_id_is_derived_from_tenant_and_message_id() {
    let world = World::new().await;
    let response = accepted(&mut world.ingest(NORTH), submit("m-1", "x")).await;
    let message_id = bulkhead_model::MessageId::parse("m-1").unwrap();
    let expected = ReferralId::derive(&tenant_id(NORTH), &message_id);
    assert_eq!(response.referral_id, expected.to_string());
}
