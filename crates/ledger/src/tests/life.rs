//! Life in order: verdicts, rows, changes, what waits.

use std::collections::HashSet;

use bulkhead_model::{Lane, State};

use super::*;

#[tokio::test]
async fn a_life_in_order() {
    let cell = Cell::start().await;
    let bell = cell.ledger.newly_waiting(&receiver());
    let mut changes = cell.ledger.changes();
    let routed = cell.route(facts("m-1"), 7).await;
    soon(bell.notified()).await;

    let lane = Lane::of(Priority::Routine);
    let waiting = cell.ledger.waiting_out(&receiver(), lane, &HashSet::new(), 10).unwrap();
    assert_eq!((waiting.len(), waiting[0].id, waiting[0].custody), (1, routed, 1));
    assert_eq!(waiting[0].bytes, out(&receiver(), 2, 7));
    assert_eq!(cell.ledger.waiting_counts(&receiver()).unwrap(), [0, 0, 1]);
    let skip = HashSet::from([routed]);
    assert_eq!(cell.ledger.waiting_out(&receiver(), lane, &skip, 10).unwrap(), vec![]);

    assert_eq!(cell.decide(&receiver(), "m-1", 1, offered(1), None).await, Verdict::Counts);
    assert_eq!(cell.ledger.offered_to(&receiver()).unwrap().len(), 1);
    assert_eq!(cell.ledger.waiting_counts(&receiver()).unwrap(), [0, 0, 0]);
    let again = cell.decide(&receiver(), "m-1", 1, offered(1), None).await;
    assert!(matches!(again, Verdict::Void(_)), "{again:?}");
    assert_eq!(cell.decide(&receiver(), "m-1", 1, delivered(1), None).await, Verdict::Counts);
    assert_eq!(cell.ledger.unanswered(&receiver(), "inbox-2").unwrap().len(), 1);
    assert_eq!(cell.ledger.unanswered(&receiver(), "inbox-1").unwrap().len(), 0);
    assert_eq!(cell.decide(&receiver(), "m-1", 1, acknowledged(), None).await, Verdict::Counts);

    let row = cell.ledger.get(&routed).unwrap().unwrap();
    assert_eq!((row.referral.lifecycle.state(), row.referral.attempt), (State::Acknowledged, 1));
    assert_eq!(((*row.facts).clone(), row.updated_at), (facts("m-1"), at(11)));
    let told: Vec<State> =
        std::iter::from_fn(|| changes.try_recv().ok()).map(|change| change.state).collect();
    assert_eq!(told, [State::Routed, State::Offered, State::Delivered, State::Acknowledged]);
}

#[tokio::test]
async fn an_event_before_its_facts_waits_and_counts_then() {
    let cell = Cell::start().await;
    let mut changes = cell.ledger.changes();
    assert_eq!(cell.decide(&receiver(), "m-1", 1, offered(1), None).await, Verdict::Early);
    assert_eq!(cell.ledger.get(&id("m-1")).unwrap(), None);
    assert_eq!(cell.ledger.trace(&id("m-1")).unwrap().len(), 1);
    cell.route(facts("m-1"), 7).await;
    let row = cell.ledger.get(&id("m-1")).unwrap().unwrap();
    assert_eq!(row.referral.lifecycle.state(), State::Offered);
    let trace = cell.ledger.trace(&id("m-1")).unwrap();
    assert!(trace.iter().all(|step| step.counts), "{trace:?}");
    let told: Vec<String> =
        std::iter::from_fn(|| changes.try_recv().ok()).map(|change| change.step.event).collect();
    assert_eq!(told, ["routed", "offered"]);
}

#[tokio::test]
async fn what_is_noted_beside_the_course_is_traced_where_its_time_is() {
    let cell = Cell::start().await;
    cell.route(facts("m-1"), 7).await;
    cell.finish("m-1").await;
    // The owner of the sender's shard writes it, in another partition and without custody.
    let mut told = decision(&origin(), "m-1", 0, Event::Told { version: 4 }, None);
    told.author.at = at(12);
    let told = cell.append(shard_of(&origin()), &told).await;
    assert_eq!(soon(cell.ledger.verdict(&told)).await.unwrap(), Verdict::Counts);
    let trace = cell.ledger.trace(&id("m-1")).unwrap();
    let events: Vec<_> = trace.iter().map(|step| step.event.as_str()).collect();
    assert_eq!(events, ["routed", "offered", "delivered", "acknowledged", "told"]);
}

#[tokio::test]
async fn a_restart_reads_on_where_it_stopped() {
    let cell = Cell::start().await;
    cell.route(facts("m-1"), 7).await;
    let before = dump(&cell.path());
    let cell = cell.restart().await;
    soon(cell.ledger.caught_up()).await.unwrap();
    assert_eq!(dump(&cell.path()), before);
    assert_eq!(cell.ledger.claim(shard_of(&origin())).unwrap(), (1, "wales-1".into()));
    cell.finish("m-1").await;
    assert_eq!(cell.ledger.trace(&id("m-1")).unwrap().len(), 4);
}

#[tokio::test]
async fn who_waits_is_told_when_the_follower_ends() {
    let cell = Cell::start().await;
    soon(cell.ledger.caught_up()).await.unwrap();
    let ledger = cell.ledger.clone();
    let waiting = tokio::spawn(async move { ledger.in_decided("in.wales.wast-111", 5).await });
    tokio::task::yield_now().await;
    drop(cell._drain);
    soon(cell.follower).await.unwrap().unwrap();
    assert!(matches!(soon(waiting).await.unwrap(), Err(Error::Stopped)));
    assert!(matches!(cell.ledger.verdict(&events(0).at(99)).await, Err(Error::Stopped)));
}

#[tokio::test]
async fn an_unreadable_record_stops_nothing() {
    let cell = Cell::start().await;
    let partition = events(shard_of(&origin()));
    let record = Record { key: bytes::Bytes::new(), value: bytes::Bytes::from_static(b"\xff\xff") };
    let appended = cell.log.append(&partition, record).await.unwrap();
    let verdict = soon(cell.ledger.verdict(&partition.at(appended.offset))).await.unwrap();
    assert!(matches!(verdict, Verdict::Void(_)));
    cell.route(facts("m-1"), 7).await;
}
