//! A node among others: it acts while it may, and ends at once what another node decides for now.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_log::{Record, Topic};
use bulkhead_model::{
    Claim, Code, Event, Numbered, OnDeadline, Pulse, Pulses, ReferralId, SHARDS, State, shard_of,
};
use bulkhead_process::BootTime;
use bulkhead_wire::status::Problem;
use bulkhead_wire::v1::receive_response::Frame;
use bulkhead_wire::{Author, EventRecord, ReadEvent, topics};
use bytes::Bytes;
use jiff::Timestamp;

use crate::cell::{Draft, England, tenant};
use crate::sidecar::Sidecar;

const TO: &str = "england/receiver";

/// Another node claims a shard, as one does to which the log has assigned it.
pub(crate) async fn claim_elsewhere(england: &England, shard: u32) {
    let number = england.cell.ledger.claim(shard).unwrap().0 + 1;
    let claim = Claim { shard, number, node: "england-2".into() };
    let author = Author { claim, at: Timestamp::now() };
    let value = ReadEvent { author, record: EventRecord::Claimed }.encode();
    let events = Topic::new(&topics::events(england.cell.nation)).unwrap().partition(shard);
    england.cell.log.append(&events, Record { key: Bytes::new(), value }).await.unwrap();
}

fn pulse_of_another(england: &England) {
    let pulse = Pulse {
        node: "england-2".into(),
        address: "10.0.0.2:7443".into(),
        run: 1,
        number: 1,
        position: 0,
        cuts: [0; 16],
        claims: (0..SHARDS).map(|shard| (shard, 99)).collect::<BTreeMap<_, _>>(),
        at: Timestamp::now(),
        audit: None,
    };
    let mut pulses = Pulses::default();
    pulses.hear(pulse, Timestamp::now());
    england.cell.pulses.send_replace(Arc::new(pulses));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_overtaken_gives_up_says_who_decides_and_comes_back_only_when_the_shard_is_its_own() {
    let england = England::start(OnDeadline::Return).await;
    let first = england.cell.submit(&Draft::new("m1", TO)).await;
    let mut sidecar = Sidecar::connect(&england.keys, &england.cell, TO, "i").await;
    sidecar.grant(4, 1).await;
    let offer = sidecar.handed_over().await;
    sidecar.acknowledged(&offer).await;
    england.cell.until(first, State::Acknowledged).await;

    pulse_of_another(&england);
    claim_elsewhere(&england, shard_of(&tenant(TO))).await;
    let problem = Problem::from(&sidecar.ended().await);
    assert_eq!((problem.code, problem.owner.as_deref()), (Some(Code::NotOwner), Some("10.0.0.2:7443")));

    // The log still assigns it here, so a while later this node claims it again; what came meanwhile goes on.
    let second = england.cell.submit(&Draft::new("m2", TO)).await;
    let mut sidecar = Sidecar::connect(&england.keys, &england.cell, TO, "i").await;
    sidecar.grant(4, 1).await;
    let offer = sidecar.handed_over().await;
    assert_eq!(offer.referral_id, second.to_string());
    sidecar.acknowledged(&offer).await;
    england.cell.until(second, State::Acknowledged).await;
    assert_eq!(england.cell.ledger.claim(shard_of(&tenant(TO))).unwrap().1, "england-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_is_known_to_decide_a_sidecar_waits_until_somebody_does() {
    let england = England::start(OnDeadline::Return).await;
    let sidecar = Sidecar::connect(&england.keys, &england.cell, TO, "i").await;
    // Who has claimed it has no pulse: it may be dead. The log gives the shard back to this node a while later.
    claim_elsewhere(&england, shard_of(&tenant(TO))).await;
    let problem = Problem::from(&sidecar.ended().await);
    assert_eq!((problem.code, problem.owner), (Some(Code::NotOwner), None));

    let id = england.cell.submit(&Draft::new("m1", TO)).await;
    let mut sidecar =
        Sidecar::try_connect(&england.keys, &england.cell, TO, "i").await.expect("it is not refused");
    assert_eq!(england.cell.ledger.claim(shard_of(&tenant(TO))).unwrap().1, "england-1");
    sidecar.grant(4, 1).await;
    let offer = sidecar.handed_over().await;
    sidecar.acknowledged(&offer).await;
    england.cell.until(id, State::Acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_behind_another_nodes_claim_is_not_called_settled() {
    let england = England::start(OnDeadline::Return).await;
    let id = england.cell.submit(&Draft::new("m1", TO)).await;
    let mut sidecar = Sidecar::connect(&england.keys, &england.cell, TO, "i").await;
    sidecar.grant(4, 1).await;
    let offer = sidecar.handed_over().await;
    // This node looks for newer claims twice a second, and answers meanwhile.
    claim_elsewhere(&england, shard_of(&tenant(TO))).await;
    sidecar.acknowledged(&offer).await;
    let (frames, status) = sidecar.until_end().await;
    assert_eq!(Problem::from(&status).code, Some(Code::NotOwner));
    assert!(!frames.iter().any(|frame| matches!(frame, Frame::Settled(_))), "{frames:?}");

    // So it is said again to whoever decides then.
    let sidecar = Sidecar::connect(&england.keys, &england.cell, TO, "i").await;
    sidecar.acknowledged(&offer).await;
    england.cell.until(id, State::Acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_leaves_decides_until_another_has_claimed_what_it_leaves() {
    let england = England::start(OnDeadline::Return).await;
    let mut sidecar = Sidecar::connect(&england.keys, &england.cell, TO, "i").await;
    sidecar.grant(4, 1).await;
    pulse_of_another(&england);
    england.cell.drain.start();
    tokio::time::sleep(Duration::from_millis(300)).await;

    let id = england.cell.submit(&Draft::new("m1", TO)).await;
    let offer = sidecar.handed_over().await;
    sidecar.acknowledged(&offer).await;
    england.cell.until(id, State::Acknowledged).await;

    for shard in 0..SHARDS {
        claim_elsewhere(&england, shard).await;
    }
    let problem = Problem::from(&sidecar.ended().await);
    assert_eq!((problem.code, problem.owner.as_deref()), (Some(Code::NotOwner), Some("10.0.0.2:7443")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_lease_has_lapsed_ends_its_streams_and_decides_nothing_until_it_is_back() {
    let england = England::start(OnDeadline::Return).await;
    let sidecar = Sidecar::connect(&england.keys, &england.cell, TO, "i").await;
    sidecar.grant(4, 1).await;

    england.cell.lease.lapse();
    assert_eq!(Problem::from(&sidecar.ended().await).code, Some(Code::NodeUnsure));
    let id = england.cell.submit(&Draft::new("m1", TO)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(england.cell.ledger.get(&id).unwrap().is_none(), "it was routed without the right to");

    england.cell.lease.renew(BootTime::now());
    let mut sidecar = Sidecar::connect(&england.keys, &england.cell, TO, "i").await;
    sidecar.grant(4, 1).await;
    let offer = sidecar.handed_over().await;
    sidecar.acknowledged(&offer).await;
    england.cell.until(id, State::Acknowledged).await;
}

/// An offer whose event the log took for a stream that has ended since: it is read only now.
async fn offer_of_a_former_stream(england: &England, id: ReferralId) {
    let row = england.cell.ledger.get(&id).unwrap().unwrap();
    let shard = shard_of(&tenant(TO));
    let (number, node) = england.cell.ledger.claim(shard).unwrap();
    let numbered = Numbered { custody: row.referral.custody, event: Event::Offered { attempt: 1 } };
    let record = EventRecord::Decision { id, numbered, facts: None, source: None };
    let author = Author { claim: Claim { shard, number, node }, at: Timestamp::now() };
    let value = ReadEvent { author, record }.encode();
    let events = Topic::new(&topics::events(england.cell.nation)).unwrap().partition(shard);
    england.cell.log.append(&events, Record { key: Bytes::new(), value }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_former_stream_offered_too_late_is_offered_again() {
    let england = England::start(OnDeadline::Return).await;
    let mut sidecar = Sidecar::connect(&england.keys, &england.cell, TO, "i").await;
    let id = england.cell.submit(&Draft::new("m1", TO)).await;
    england.cell.until(id, State::Routed).await;
    offer_of_a_former_stream(&england, id).await;
    england.cell.until(id, State::Offered).await;

    sidecar.grant(4, 1).await;
    let offer = sidecar.handed_over().await;
    assert_eq!((offer.referral_id.as_str(), offer.attempt), (id.to_string().as_str(), 2));
    assert!(offer.possible_duplicate);
    sidecar.acknowledged(&offer).await;
    england.cell.until(id, State::Acknowledged).await;
}
