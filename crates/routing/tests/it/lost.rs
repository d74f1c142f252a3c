//! A log that is not as it was: topics that are gone or were made anew, and records of a newer release.

use std::time::Duration;

use bulkhead_ledger::Stop;
use bulkhead_log::{Error, Partition, Record, Topic, TopicSpec};
use bulkhead_model::{Claim, Code, OnDeadline, State, shard_of};
use bulkhead_wire::status::Problem;
use bulkhead_wire::{Author, EventRecord, ReadEvent, topics};
use bytes::Bytes;
use jiff::Timestamp;

use crate::cell::{Draft, England, tenant};
use crate::sidecar::Sidecar;

const FROM: &str = "england/sender";
const TO: &str = "england/receiver";
const IN: &str = "in.england.sender";
/// In which whoever looks has looked.
const A_WHILE: Duration = Duration::from_millis(2_500);

async fn until(mut holds: impl FnMut() -> bool) {
    let holds = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), holds).await.expect("it does not come to that");
}

fn stop_of(england: &England, partition: &str) -> Option<Stop> {
    england.cell.ledger.stops().into_iter().find(|(name, _)| name == partition).map(|(_, why)| why)
}

fn partition(topic: &str) -> Partition {
    Topic::new(topic).unwrap().partition(0)
}

/// Another compartment does what it always does.
async fn another_goes_on(england: &England, message: &str) {
    let draft = Draft { tenant: tenant(TO), ..Draft::new(message, FROM) };
    let id = england.cell.submit(&draft).await;
    england.cell.until(id, State::Routed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_in_that_is_gone_stops_its_compartment_and_is_not_made_anew() {
    let england = England::start(OnDeadline::Return).await;
    let first = england.cell.submit(&Draft::new("m1", TO)).await;
    england.cell.until(first, State::Routed).await;

    england.cell.losing.lose(IN);
    let gone = Some(Stop::Short { known: 1, found: None });
    until(|| stop_of(&england, "in.england.sender/0") == gone).await;
    another_goes_on(&england, "o1").await;
    tokio::time::sleep(A_WHILE).await;
    let bounds = england.cell.log.bounds(&partition(IN)).await;
    assert!(matches!(bounds, Err(Error::UnknownTopic { .. })), "{bounds:?}");

    // Somebody makes it anew: it is still not what it was.
    let spec = TopicSpec { topic: Topic::new(IN).unwrap(), partitions: 1, compacted: false };
    england.cell.log.ensure(&[spec]).await.unwrap();
    let short = Some(Stop::Short { known: 1, found: Some(0) });
    until(|| stop_of(&england, "in.england.sender/0") == short).await;
    another_goes_on(&england, "o2").await;

    // Somebody puts it back.
    england.cell.losing.find(IN);
    until(|| stop_of(&england, "in.england.sender/0").is_none()).await;
    let second = england.cell.submit(&Draft::new("m2", TO)).await;
    england.cell.until(second, State::Routed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_bytes_wait_a_topic_is_made_anew_and_others_bytes_are_not_handed_over_for_those() {
    let england = England::start(OnDeadline::Return).await;
    let first = england.cell.submit(&Draft::new("m1", TO)).await;
    let row = england.cell.until(first, State::Routed).await;

    england.cell.losing.lose("out.england.receiver");
    let second = england.cell.submit(&Draft::new("m2", TO)).await;
    let again = england.cell.until(second, State::Routed).await;
    assert_eq!(row.referral.lifecycle.bytes(), again.referral.lifecycle.bytes(), "both in the same place");

    let mut sidecar = Sidecar::connect(&england.keys, &england.cell, TO, "i").await;
    sidecar.grant(4, 1).await;
    let offer = sidecar.handed_over().await;
    assert_eq!(offer.referral_id, second.to_string());
    sidecar.acknowledged(&offer).await;
    england.cell.until(second, State::Acknowledged).await;
    england.cell.until(first, State::Parked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_a_newer_release_waits_for_one_and_so_does_what_comes_behind_it() {
    let england = England::start(OnDeadline::Return).await;
    let first = england.cell.submit(&Draft::new("m1", TO)).await;
    // Field 9, a message of two bytes: a kind that is not known here.
    england.cell.append(&tenant(FROM), Bytes::from_static(&[9 << 3 | 2, 2, 8, 1])).await;
    let second = england.cell.submit(&Draft::new("m2", TO)).await;

    until(|| stop_of(&england, "in.england.sender/0") == Some(Stop::Newer { offset: 1 })).await;
    england.cell.until(first, State::Routed).await;
    another_goes_on(&england, "o1").await;
    tokio::time::sleep(A_WHILE).await;
    assert!(
        england.cell.ledger.get(&second).unwrap().is_none(),
        "it was routed past a newer release's record"
    );
    assert_eq!(england.cell.ledger.in_read_on(IN).unwrap(), 1);
    assert_eq!(stop_of(&england, "in.england.sender/0"), Some(Stop::Newer { offset: 1 }));
}

/// An event of a kind that is not known here, under the claim in force.
async fn newer_event(england: &England, shard: u32) -> u64 {
    let (number, node) = england.cell.ledger.claim(shard).unwrap();
    let author = Author { claim: Claim { shard, number, node }, at: Timestamp::now() };
    let mut value = ReadEvent { author, record: EventRecord::Claimed }.encode().to_vec();
    // Instead of the claim, which is empty.
    assert_eq!(value.split_off(value.len() - 2), [3 << 3 | 2, 0]);
    value.extend([9 << 3 | 2, 2, 8, 1]);
    let events = Topic::new(&topics::events(england.cell.nation)).unwrap().partition(shard);
    let record = Record { key: Bytes::new(), value: value.into() };
    england.cell.log.append(&events, record).await.unwrap().offset
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_for_which_a_newer_release_decided_is_given_up_and_not_claimed_again() {
    let england = England::start(OnDeadline::Return).await;
    let (shard, elsewhere) = (shard_of(&tenant(TO)), tenant("wales/receiver"));
    assert_ne!(shard, shard_of(&elsewhere));
    let first = england.cell.submit(&Draft::new("m1", TO)).await;
    england.cell.until(first, State::Routed).await;
    let sidecar = Sidecar::connect(&england.keys, &england.cell, TO, "i").await;

    let claim = england.cell.ledger.claim(shard).unwrap();
    let offset = newer_event(&england, shard).await;
    assert_eq!(Problem::from(&sidecar.ended().await).code, Some(Code::NotOwner));
    assert_eq!(england.cell.ledger.newer_of(shard), Some(offset));
    // Another shard is read on, and what it decides waits for this one.
    let second = england.cell.submit(&Draft { tenant: elsewhere, ..Draft::new("m2", TO) }).await;
    england.cell.until(second, State::Routed).await;
    let of_its_own = england.cell.submit(&Draft::new("m3", TO)).await;

    tokio::time::sleep(A_WHILE + Duration::from_secs(2)).await;
    let events = Topic::new(&topics::events(england.cell.nation)).unwrap().partition(shard);
    let end = england.cell.log.bounds(&events).await.unwrap().end;
    assert_eq!((england.cell.ledger.claim(shard).unwrap(), end), (claim, offset + 1), "it was claimed again");
    assert!(england.cell.ledger.get(&of_its_own).unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_events_that_it_has_read_a_node_decides_nothing() {
    let england = England::start(OnDeadline::Return).await;
    let first = england.cell.submit(&Draft::new("m1", TO)).await;
    england.cell.until(first, State::Routed).await;
    let before = england.cell.ledger.caught_up().await;
    assert!(before.is_ok(), "{before:?}");

    england.cell.losing.lose("events.england");
    until(|| england.cell.ledger.lost().is_some()).await;
    let second = england.cell.submit(&Draft::new("m2", TO)).await;
    tokio::time::sleep(A_WHILE).await;
    assert!(england.cell.ledger.get(&second).unwrap().is_none());
    assert!(england.cell.ledger.get(&first).unwrap().is_some(), "what it knows can be asked");
    let made = england.cell.log.bounds(&partition("events.england")).await;
    assert!(matches!(made, Err(Error::UnknownTopic { .. })), "made anew without a word: {made:?}");

    england.cell.losing.find("events.england");
    england.cell.until(second, State::Routed).await;
    assert_eq!(england.cell.ledger.lost(), None);
}
