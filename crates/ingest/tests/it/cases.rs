//! Order within a case at the door, when the log is slow or fails.

use std::time::Duration;

use bulkhead_ingest::Config;
use bulkhead_model::Code;
use bulkhead_testkit::meddled::Failure;
use bulkhead_wire::record::In;
use bulkhead_wire::status::Problem;
use bulkhead_wire::v1::ingest_client::IngestClient;
use bulkhead_wire::v1::{SubmitRequest, SubmitStreamRequest, WithdrawRequest};
use futures::stream;
use tonic::transport::Channel;

use crate::harness::{NORTH, World, impatient, routed, soon, submit};
use crate::streams::collect;

fn of_case(case: &str, message_id: &str) -> SubmitRequest {
    let mut request = submit(message_id, "x");
    request.envelope.as_mut().unwrap().case_id = case.into();
    request
}

fn on_a_stream(submits: Vec<SubmitRequest>) -> Vec<SubmitStreamRequest> {
    submits.into_iter().map(|submit| SubmitStreamRequest { submit: Some(submit) }).collect()
}

async fn code(client: &mut IngestClient<Channel>, request: SubmitRequest) -> Option<Code> {
    let problem = Problem::from(&client.submit(request).await.err()?);
    assert!(problem.retry_after.is_some() && !problem.is_refusal(), "{problem:?}");
    problem.code
}

impl World {
    /// The message ids in the order in which they lie in the log.
    async fn order(&self) -> Vec<String> {
        let records = self.inward(NORTH).await.into_iter();
        let accepted = records.filter_map(|(_, record)| match record {
            In::Accepted(accepted) => Some(accepted.envelope.message_id.to_string()),
            _ => None,
        });
        accepted.collect()
    }

    /// As its owner would.
    async fn decide_all(&self) {
        for (place, record) in self.inward(NORTH).await {
            self.decide(&place, &record, 0, routed()).await;
        }
    }
}

#[tokio::test]
async fn what_lands_late_is_not_passed_by_a_later_one_of_its_case() {
    let world = World::new().await;
    world.meddled.fail_once("in.", Failure::Late);
    let both = on_a_stream(vec![of_case("c", "m-1"), of_case("c", "m-2"), of_case("other", "m-3")]);
    let answers = world.ingest(NORTH).submit_stream(stream::iter(both)).await.unwrap();
    let answers = collect(answers.into_inner()).await;
    let code = |message: &str| answers[message].as_ref().err().and_then(|problem| problem.code);
    assert_eq!(code("m-1"), Some(Code::LogUnavailable));
    assert_eq!(code("m-2"), Some(Code::NodeUnsure));
    assert_eq!(code("m-3"), None);
    assert!(answers["m-2"].as_ref().unwrap_err().retry_after.is_some());

    world.meddled.land().await;
    let mut client = world.ingest(NORTH);
    client.submit(of_case("c", "m-1")).await.unwrap();
    client.submit(of_case("c", "m-2")).await.unwrap();
    let order: Vec<_> = world.order().await.into_iter().filter(|message| message != "m-3").collect();
    // The first one lies there twice, and its owner takes the second for what it is.
    assert_eq!(order, ["m-1", "m-1", "m-2"]);
}

#[tokio::test]
async fn one_of_a_case_is_on_its_way_at_a_time_and_who_leaves_leaves_a_doubt() {
    let world = World::new().await;
    world.meddled.stop("in.");
    let requests = vec![of_case("c", "m-1"), of_case("c", "m-2"), of_case("other", "m-3")];
    let answers = world.ingest(NORTH).submit_stream(stream::iter(on_a_stream(requests))).await.unwrap();
    soon(world.meddled.waiting(2)).await;
    drop(answers);
    let mut client = world.ingest(NORTH);
    let unsure = async {
        // Until the node has noticed that the stream is gone.
        let moment = Duration::from_millis(100);
        while tokio::time::timeout(moment, code(&mut client, of_case("c", "m-2"))).await
            != Ok(Some(Code::NodeUnsure))
        {}
    };
    soon(unsure).await;
    world.meddled.go_on();
    soon(async {
        while world.order().await.len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    // Those of different cases go on their own ways.
    let mut came = world.order().await;
    came.sort();
    assert_eq!(came, ["m-1", "m-3"]);
    assert_eq!(code(&mut client, of_case("c", "m-2")).await, Some(Code::NodeUnsure));
    world.decide_all().await;
    assert_eq!(code(&mut client, of_case("c", "m-2")).await, None);
    assert_eq!(world.order().await.last().map(String::as_str), Some("m-2"));
}

#[tokio::test]
async fn what_was_taken_back_holds_up_nobody() {
    let world = World::new().await;
    let mut client = world.ingest(NORTH);
    world.meddled.fail_once("in.", Failure::Lost);
    assert_eq!(code(&mut client, of_case("c", "m-1")).await, Some(Code::LogUnavailable));
    assert_eq!(code(&mut client, of_case("c", "m-2")).await, Some(Code::NodeUnsure));
    client.withdraw(WithdrawRequest { message_id: "m-1".into(), up_to_attempt: 1 }).await.unwrap();
    assert_eq!(code(&mut client, of_case("c", "m-2")).await, None);
    assert_eq!(world.order().await, ["m-2"]);
}

#[tokio::test]
async fn a_full_queue_wrote_nothing_and_leaves_no_doubt() {
    let world = World::new().await;
    let mut client = world.ingest(NORTH);
    world.meddled.fail_once("in.", Failure::Full);
    assert_eq!(code(&mut client, of_case("c", "m-1")).await, Some(Code::LogUnavailable));
    assert_eq!(code(&mut client, of_case("c", "m-2")).await, None);
    assert_eq!(code(&mut client, of_case("c", "m-1")).await, None);
    assert!(world.meddled.is_done());
}

#[tokio::test]
async fn too_much_in_doubt_stops_the_cases_of_that_tenant_until_it_is_sent_again() {
    let world = World::with(Config { in_doubt: 1, ..impatient() }).await;
    let mut client = world.ingest(NORTH);
    world.meddled.fail_once("in.", Failure::Lost);
    assert_eq!(code(&mut client, of_case("c", "m-1")).await, Some(Code::LogUnavailable));
    assert_eq!(code(&mut client, of_case("other", "m-2")).await, Some(Code::NodeUnsure));
    assert_eq!(code(&mut client, submit("m-3", "x")).await, None);
    assert_eq!(code(&mut client, of_case("c", "m-1")).await, None);
    assert_eq!(code(&mut client, of_case("other", "m-2")).await, None);
}

#[tokio::test]
async fn what_its_sender_has_given_up_is_forgotten() {
    let world = World::with(Config { doubted_for: Duration::ZERO, ..impatient() }).await;
    let mut client = world.ingest(NORTH);
    world.meddled.fail_once("in.", Failure::Lost);
    assert_eq!(code(&mut client, of_case("c", "m-1")).await, Some(Code::LogUnavailable));
    assert_eq!(code(&mut client, of_case("c", "m-2")).await, None);
}

#[tokio::test]
async fn many_of_one_case_on_one_stream_lie_in_the_order_of_arrival() {
    let world = World::new().await;
    let ids: Vec<_> = (0..50).map(|n| format!("m-{n:02}")).collect();
    let requests = on_a_stream(ids.iter().map(|id| of_case("c", id)).collect());
    let answers = world.ingest(NORTH).submit_stream(stream::iter(requests)).await.unwrap();
    let answers = collect(answers.into_inner()).await;
    assert!(answers.values().all(Result::is_ok), "{answers:?}");
    assert_eq!(world.order().await, ids);
}
