//! Both ways through a sidecar.

use std::time::{Duration, Instant};

use bulkhead_model::Code;
use bulkhead_simulator::{Outcome, Respond};
use bulkhead_testkit::sidecar::OnSubmit;
use bulkhead_wire::v1::outcome::Result as Answered;

use crate::world::{World, offer, sending};

const FIRST: &str = "3d2c1b0a-0000-4000-8000-00000000000a";
const SECOND: &str = "3d2c1b0a-0000-4000-8000-00000000000b";

#[tokio::test]
async fn a_referral_is_sent_once_and_a_repeat_is_known_after_two_restarts() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    let sent = world.system.send(&sending(FIRST)).await.unwrap();
    assert_eq!((sent.outcome, sent.answer.as_str()), (Outcome::Accepted, "200"));
    let submitted = world.broker.memory.submitted();
    assert_eq!((submitted.len(), submitted[0].envelope.message_id.as_str()), (1, FIRST));
    assert_eq!(submitted[0].payload.len(), sent.length);
    sidecar.stop().await;
    for _ in 0..2 {
        let sidecar = world.sidecar().await;
        let repeat = world.system.send(&sending(FIRST)).await.unwrap();
        assert_eq!(
            (repeat.outcome, repeat.answer.as_str()),
            (Outcome::Duplicate, "409 REC_CONFLICT duplicate")
        );
        let mut other = sending(FIRST);
        other.bytes += 1000;
        let other = world.system.send(&other).await.unwrap();
        assert_eq!(other.answer, "409 REC_CONFLICT conflict");
        assert_eq!(other.outcome, Outcome::Refused);
        sidecar.stop().await;
    }
    let payloads: Vec<_> = world.broker.memory.submitted().into_iter().map(|one| one.payload).collect();
    assert!(payloads.iter().all(|payload| *payload == payloads[0]));
}

#[tokio::test]
async fn the_brokers_no_is_one_that_software_does_not_retry() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    for (id, code, answer) in [
        (FIRST, Code::TenantCut, "401 SEND_UNAUTHORIZED security"),
        (SECOND, Code::DestinationCut, "422 PROXY_UNPROCESSABLE_ENTITY processing"),
    ] {
        world.broker.memory.on_submit(OnSubmit::Refuse(code));
        let sent = world.system.send(&sending(id)).await.unwrap();
        assert_eq!((sent.outcome, sent.answer.as_str()), (Outcome::Refused, answer));
    }
    let mut unknown = sending("3d2c1b0a-0000-4000-8000-00000000000c");
    unknown.to.value = "2000099999".to_owned();
    assert_eq!(world.system.send(&unknown).await.unwrap().answer, "404 PROXY_NOT_FOUND not-found");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_broker_that_is_silent_is_a_try_again_within_five_seconds() {
    let mut world = World::new().await;
    world.patience = Duration::from_millis(800);
    let sidecar = world.sidecar().await;
    world.broker.memory.on_submit(OnSubmit::Silent);
    let began = Instant::now();
    let sent = world.system.send(&sending(FIRST)).await.unwrap();
    assert_eq!(
        (sent.outcome, sent.answer.as_str()),
        (Outcome::Retry, "503 REC_SERVICE_UNAVAILABLE transient")
    );
    assert!(began.elapsed() < Duration::from_secs(5));
    world.broker.memory.on_submit(OnSubmit::Accept);
    assert_eq!(world.system.send(&sending(FIRST)).await.unwrap().outcome, Outcome::Accepted);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_referral_is_handed_over_and_its_clinical_answer_finds_the_way_back() {
    let mut world = World::new().await;
    let sidecar = world.sidecar().await;
    let mut stream = world.broker.stream().await;
    let offered = offer(70);
    stream.deliver(&offered).await;
    assert!(matches!(stream.outcome().await.result, Some(Answered::Delivered(_))));
    let acknowledged = stream.outcome().await;
    let Some(Answered::Acknowledged(answer)) = &acknowledged.result else { panic!("{acknowledged:?}") };
    assert_eq!((answer.answer.as_str(), &acknowledged.referral_id), ("200", &offered.referral_id));
    assert_eq!(world.system.received(), 1);
    let answer = world
        .system
        .respond(&Respond { to_message: 0, reject: true, message_id: Some(SECOND.to_owned()) })
        .await
        .unwrap();
    assert_eq!((answer.outcome, answer.answer.as_str()), (Outcome::Accepted, "200"));
    let submitted = world.broker.memory.submitted();
    assert_eq!(submitted.last().unwrap().envelope.message_id, SECOND);
    sidecar.stop().await;
}
