//! A topic that is not as it was: nothing is called durable that would never be read.

use bulkhead_log::{Error, Topic, TopicSpec};
use bulkhead_model::Code;
use bulkhead_wire::status::Problem;
use bulkhead_wire::v1::{Alert, GetStatusRequest, State, WithdrawRequest};

use crate::harness::{DUTY, NORTH, RIVERSIDE, World, submit};

/// The tenant's own topic.
const INWARD: &str = "in.england.nhs111-north";

async fn refused(world: &World, message: &str) -> Option<Code> {
    let refused = world.ingest(NORTH).submit(submit(message, "x")).await.unwrap_err();
    Problem::from(&refused).code
}

async fn alerts(world: &World, who: &str) -> Vec<Alert> {
    let mut alerts = world.referrals(who).get_status(GetStatusRequest {}).await.unwrap().into_inner().alerts;
    alerts.retain(|alert| alert.code == "LOG_SHORT");
    alerts
}

#[tokio::test]
async fn what_would_lie_below_what_was_there_is_refused_and_other_tenants_go_on() {
    let world = World::new().await;
    world.ingest(NORTH).submit(submit("m-1", "x")).await.unwrap();
    world.losing.lose(INWARD);
    assert_eq!(refused(&world, "m-2").await, Some(Code::LogUnavailable));
    let partition = Topic::new(INWARD).unwrap().partition(0);
    let gone = world.log.bounds(&partition).await;
    assert!(matches!(gone, Err(Error::UnknownTopic { .. })), "made anew without a word: {gone:?}");

    // Somebody else makes it anew.
    let spec = TopicSpec { topic: partition.topic.clone(), partitions: 1, compacted: false };
    world.log.ensure(&[spec]).await.unwrap();
    for message in ["m-3", "m-4", "m-5"] {
        assert_eq!(refused(&world, message).await, Some(Code::LogUnavailable), "{message}");
    }
    let withdraw = WithdrawRequest { message_id: "m-1".into(), up_to_attempt: 1 };
    let refused = world.ingest(NORTH).withdraw(withdraw).await.unwrap_err();
    assert_eq!(Problem::from(&refused).code, Some(Code::LogUnavailable));
    assert_eq!(world.log.bounds(&partition).await.unwrap().end, 1, "it is filled on");

    let [alert] = alerts(&world, DUTY).await.try_into().unwrap();
    assert_eq!((alert.subject.as_str(), alert.count), (NORTH, 1));
    assert!(alert.text.contains("in.england.nhs111-north/0"), "{}", alert.text);
    assert_eq!(alerts(&world, NORTH).await.len(), 1);
    assert!(alerts(&world, RIVERSIDE).await.is_empty());

    let other = world.ingest(RIVERSIDE).submit(submit("o-1", "x")).await.unwrap().into_inner();
    assert_eq!(other.state(), State::Accepted);

    // Put back as it was; the node looks for that by itself.
    world.losing.find(INWARD);
    world.ledger.in_goes_on(INWARD);
    let again = world.ingest(NORTH).submit(submit("m-3", "x")).await.unwrap().into_inner();
    assert_eq!((again.state(), again.duplicate), (State::Accepted, false));
    assert_eq!(world.inward(NORTH).await.len(), 2);
}

#[tokio::test]
async fn without_the_events_nothing_is_accepted() {
    let world = World::new().await;
    world.ingest(NORTH).submit(submit("m-1", "x")).await.unwrap();
    let (source, record) = world.inward(NORTH).await.remove(0);
    world.decide(&source, &record, 0, crate::harness::routed()).await;
    world.losing.lose("events.england");
    crate::harness::soon(async {
        while world.ledger.lost().is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(refused(&world, "m-2").await, Some(Code::NodeUnsure));
}
