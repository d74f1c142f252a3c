//! Many submits on one stream.

use std::collections::HashMap;
use std::time::Duration;

use bulkhead_model::Code;
use bulkhead_wire::record::In;
use bulkhead_wire::status::Problem;
use bulkhead_wire::v1::submit_stream_response::Answer;
use bulkhead_wire::v1::{SubmitResponse, SubmitStreamRequest, SubmitStreamResponse};
use futures::stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::harness::{NORTH, World, soon, submit};

/// The answers by message id, until the stream ends.
pub(crate) async fn collect(
    mut answers: Streaming<SubmitStreamResponse>,
) -> HashMap<String, Result<SubmitResponse, Problem>> {
    let mut collected = HashMap::new();
    while let Some(told) = soon(answers.message()).await.unwrap() {
        let answer = match told.answer.unwrap() {
            Answer::Accepted(response) => Ok(response),
            Answer::Refused(refusal) => Err(Problem::from(&refusal)),
        };
        assert!(collected.insert(told.message_id, answer).is_none(), "one answer each");
    }
    collected
}

fn request(n: usize) -> SubmitStreamRequest {
    SubmitStreamRequest { submit: Some(submit(&format!("m-{n:03}"), &format!("payload {n}"))) }
}

#[tokio::test]
async fn one_bad_among_many_does_not_end_the_stream() {
    let world = World::new().await;
    let mut requests: Vec<_> = (0..200).map(request).collect();
    requests[7].submit.as_mut().unwrap().envelope.as_mut().unwrap().to = None;
    requests[9].submit = None;
    let answers = world.ingest(NORTH).submit_stream(stream::iter(requests)).await.unwrap();
    let answers = collect(answers.into_inner()).await;
    assert_eq!(answers.len(), 200);
    let bad = answers["m-007"].as_ref().unwrap_err();
    assert_eq!((bad.code, bad.field.as_deref()), (Some(Code::InvalidEnvelope), Some("to")));
    assert_eq!(answers[""].as_ref().unwrap_err().field.as_deref(), Some("submit"));
    assert_eq!(answers.values().filter(|answer| answer.is_ok()).count(), 198);

    let message_id = |(_, record)| match record {
        In::Accepted(accepted) => accepted.envelope.message_id.to_string(),
        other => panic!("only referrals: {other:?}"),
    };
    let order: Vec<String> = world.inward(NORTH).await.into_iter().map(message_id).collect();
    let mut sorted = order.clone();
    sorted.sort();
    assert_eq!(order.len(), 198);
    assert_eq!(order, sorted, "appended in the order of arrival");
}

#[tokio::test]
async fn a_repeat_on_the_same_stream_is_recognised() {
    let world = World::new().await;
    let requests: Vec<_> = (0..20).map(|_| request(1)).chain([request(2)]).collect();
    let mut answers = world.ingest(NORTH).submit_stream(stream::iter(requests)).await.unwrap().into_inner();
    let mut first = 0;
    for _ in 0..21 {
        match soon(answers.message()).await.unwrap().unwrap().answer.unwrap() {
            Answer::Accepted(response) => first += usize::from(!response.duplicate),
            Answer::Refused(refusal) => panic!("{refusal:?}"),
        }
    }
    assert_eq!(first, 2);
    assert_eq!(world.inward(NORTH).await.len(), 2);
}

#[tokio::test]
async fn a_drain_answers_what_was_begun_and_ends_the_stream() {
    let world = World::new().await;
    let (sender, requests) = mpsc::channel(8);
    let requests = ReceiverStream::new(requests);
    let mut answers = world.ingest(NORTH).submit_stream(requests).await.unwrap().into_inner();
    sender.send(request(1)).await.unwrap();
    assert_eq!(soon(answers.message()).await.unwrap().unwrap().message_id, "m-001");
    world.drain.start();
    assert_eq!(soon(answers.message()).await.unwrap(), None);
}

#[tokio::test]
async fn a_certificate_that_is_refused_ends_the_stream() {
    let world = World::new().await;
    let (sender, requests) = mpsc::channel(8);
    let requests = ReceiverStream::new(requests);
    let credentials = world.authority.issue(NORTH, 1);
    let fingerprint = bulkhead_transport::Credential::from_pem(&credentials.certificate_pem)
        .unwrap()
        .fingerprint
        .to_string();
    let mut client = bulkhead_wire::v1::ingest_client::IngestClient::new(world.channel(&credentials));
    let mut answers = client.submit_stream(requests).await.unwrap().into_inner();
    sender.send(request(1)).await.unwrap();
    soon(answers.message()).await.unwrap().unwrap();

    world.directory.send_replace(std::sync::Arc::new(crate::harness::directory(&[fingerprint])));
    sender.send(request(2)).await.unwrap();
    let status = soon(answers.message()).await.unwrap_err();
    assert_eq!(Problem::from(&status).code, Some(Code::CredentialRevoked));
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(world.inward(NORTH).await.len(), 1);
}
