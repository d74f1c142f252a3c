//! What one tenant may use, and that another does not notice.

use std::time::Duration;

use bulkhead_ingest::Config;
use bulkhead_model::{Code, Event};
use bulkhead_wire::status::Problem;
use bulkhead_wire::v1::{self, SubmitStreamRequest, WithdrawRequest};
use futures::stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code as GrpcCode;

use crate::harness::{BOUNDED, NORTH, RIVERSIDE, SMALL, World, routed, soon, submit};

#[tokio::test]
async fn too_many_calls_are_told_when_to_come_back_and_others_go_on() {
    let world = World::new().await;
    let (mut small, mut north) = (world.ingest(SMALL), world.ingest(NORTH));
    let mut refused = 0;
    for n in 0..6 {
        if let Err(status) = small.submit(submit(&format!("m-{n}"), "x")).await {
            let problem = Problem::from(&status);
            assert_eq!(problem.code, Some(Code::QuotaExceeded));
            assert!(problem.retry_after.is_some() && !problem.is_refusal());
            refused += 1;
        }
        north.submit(submit(&format!("m-{n}"), "x")).await.unwrap();
    }
    assert!(refused >= 3, "{refused}");
}

#[tokio::test]
async fn a_tenants_own_payload_limit_holds() {
    let world = World::new().await;
    let mut small = world.ingest(SMALL);
    small.submit(submit("m-1", &"x".repeat(1024))).await.unwrap();
    let status = small.submit(submit("m-2", &"x".repeat(1025))).await.unwrap_err();
    assert_eq!(Problem::from(&status).code, Some(Code::PayloadTooLarge));
}

#[tokio::test]
async fn what_is_not_settled_is_bounded_and_what_is_known_or_settles_passes() {
    let world = World::new().await;
    let mut client = world.ingest(BOUNDED);
    // Each weighs 1 KiB more than its payload.
    client.submit(submit("m-1", &"x".repeat(2048))).await.unwrap();
    client.submit(submit("m-2", &"x".repeat(1024))).await.unwrap();
    let problem = Problem::from(&client.submit(submit("m-3", "x")).await.unwrap_err());
    assert_eq!(problem.code, Some(Code::QuotaExceeded));
    assert!(problem.retry_after.is_some() && !problem.is_refusal());
    assert!(problem.message.contains("5120 bytes of england/bounded"), "{}", problem.message);

    world.ingest(NORTH).submit(submit("m-3", "x")).await.unwrap();
    let again = client.submit(submit("m-1", &"x".repeat(2048))).await.unwrap().into_inner();
    assert!(again.duplicate);
    for (message, kind) in [("m-4", v1::Kind::Cancel), ("m-5", v1::Kind::Response)] {
        let mut request = submit(message, "x");
        request.envelope.as_mut().unwrap().kind = kind as i32;
        client.submit(request).await.unwrap();
    }
    client.withdraw(WithdrawRequest { message_id: "m-3".into(), up_to_attempt: 1 }).await.unwrap();

    for (place, record) in world.inward(BOUNDED).await {
        if let bulkhead_wire::record::In::Accepted(accepted) = &record {
            world.decide(&place, &record, 0, routed()).await;
            let acknowledged = Event::Acknowledged { answer: "AA".into(), omissions: vec![] };
            let delivered = Event::Delivered { attempt: 1, inbox: "i".into() };
            for event in [Event::Offered { attempt: 1 }, delivered, acknowledged] {
                world.event(RIVERSIDE, accepted.id, 1, event).await;
            }
        }
    }
    soon(async {
        while client.submit(submit("m-6", "x")).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn too_many_connections_are_told_when_to_come_back_and_others_go_on() {
    let world = World::new().await;
    let mut small = [(); 3].map(|()| world.ingest(SMALL));
    for (n, client) in small.iter_mut().enumerate() {
        let answer = client.submit(submit(&format!("m-{n}"), "x")).await;
        let Err(status) = answer else {
            assert!(n < 2, "the third connection is one too many");
            continue;
        };
        assert!(n == 2 && status.message().contains("connections"), "{n}: {status:?}");
        let problem = Problem::from(&status);
        assert_eq!(problem.code, Some(Code::QuotaExceeded));
        assert!(problem.retry_after.is_some() && !problem.is_refusal());
    }
    for n in 0..3 {
        world.ingest(NORTH).submit(submit(&format!("m-{n}"), "x")).await.unwrap();
    }
}

#[tokio::test]
async fn a_silent_stream_is_ended() {
    let config = Config { stream_idle: Duration::from_millis(100), ..Config::default() };
    let world = World::with(config).await;
    let silent = stream::pending::<SubmitStreamRequest>();
    let mut answers = world.ingest(NORTH).submit_stream(silent).await.unwrap().into_inner();
    let status = soon(answers.message()).await.unwrap_err();
    assert_eq!(status.code(), GrpcCode::DeadlineExceeded);
    assert!(!Problem::from(&status).is_refusal());
}

#[tokio::test]
async fn streams_are_counted_by_tenant() {
    let world = World::with(Config { streams_per_tenant: 2, ..Config::default() }).await;
    let mut north = world.ingest(NORTH);
    let silent = || {
        let (sender, requests) = mpsc::channel::<SubmitStreamRequest>(1);
        (sender, ReceiverStream::new(requests))
    };
    let mut open = Vec::new();
    for _ in 0..2 {
        let (sender, requests) = silent();
        open.push((sender, north.submit_stream(requests).await.unwrap()));
    }
    let third = north.submit_stream(silent().1).await;
    assert_eq!(Problem::from(&third.unwrap_err()).code, Some(Code::QuotaExceeded));
    let (_sender, requests) = silent();
    world.ingest(RIVERSIDE).submit_stream(requests).await.unwrap();

    drop(open);
    let again = async {
        while north.submit_stream(stream::pending::<SubmitStreamRequest>()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(again).await;
}

#[tokio::test]
async fn a_stream_is_slowed_down_and_not_refused() {
    let world = World::new().await;
    let requests: Vec<_> =
        (0..4).map(|n| SubmitStreamRequest { submit: Some(submit(&format!("m-{n}"), "x")) }).collect();
    let began = std::time::Instant::now();
    let answers = world.ingest(SMALL).submit_stream(stream::iter(requests)).await.unwrap();
    let answers = crate::streams::collect(answers.into_inner()).await;
    assert!(answers.values().all(Result::is_ok), "{answers:?}");
    assert_eq!(answers.len(), 4);
    assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
}
