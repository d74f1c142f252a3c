//! What nobody acts on yet: bytes that are not durable, events that were not read back, a ledger that is behind.

use std::sync::Arc;
use std::time::Duration;

use bulkhead_ledger::Ledger;
use bulkhead_log::{Embedded, EmbeddedConfig, Log, Record, Topic, TopicSpec};
use bulkhead_model::{Claim, Nation, OnDeadline, SHARDS, State};
use bulkhead_process::{BootTime, Drain, Lease};
use bulkhead_routing::{Config, Parts, Routing};
use bulkhead_transport::Dialer;
use bulkhead_wire::{Author, EventRecord, ReadEvent, topics};
use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::cell::{Draft, England, Keys, directory};
use crate::sidecar::Sidecar;

const TO: &str = "england/receiver";
/// Long enough for whoever would not wait.
const A_WHILE: Duration = Duration::from_millis(400);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_decided_before_its_bytes_are_durable() {
    let england = England::start(OnDeadline::Return).await;
    england.cell.meddled.stop("out.");
    let id = england.cell.submit(&Draft::new("m1", TO)).await;
    england.cell.meddled.waiting(1).await;
    tokio::time::sleep(A_WHILE).await;
    assert!(england.cell.ledger.get(&id).unwrap().is_none(), "it was decided without its bytes");
    england.cell.meddled.go_on();
    england.cell.until(id, State::Routed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_frame_waits_until_its_offer_is_read_back() {
    let england = England::start(OnDeadline::Return).await;
    let id = england.cell.submit(&Draft::new("m1", TO)).await;
    england.cell.until(id, State::Routed).await;
    england.cell.meddled.stop("events.");
    let mut sidecar = Sidecar::connect(&england.keys, &england.cell, TO, "i").await;
    sidecar.grant(4, 1).await;
    england.cell.meddled.waiting(1).await;
    sidecar.no_last_frame().await;
    england.cell.meddled.go_on();
    // The payload's frame has come already.
    sidecar.last_frame().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_claims_nothing_before_its_ledger_has_read_what_was_decided() {
    let (dir, nation) = (tempfile::tempdir().unwrap(), Nation::England);
    let log = Embedded::open(EmbeddedConfig::new(dir.path().join("log"))).unwrap();
    let log: Arc<dyn Log> = Arc::new(log);
    let events = Topic::new(&topics::events(nation)).unwrap();
    let spec = TopicSpec { topic: events.clone(), partitions: SHARDS, compacted: false };
    log.ensure(&[spec]).await.unwrap();
    let claim = Claim { shard: 7, number: 5, node: "england-9".into() };
    let author = Author { claim, at: Timestamp::now() };
    let value = ReadEvent { author, record: EventRecord::Claimed }.encode();
    log.append(&events.partition(7), Record { key: Bytes::new(), value }).await.unwrap();

    let config = bulkhead_ledger::Config { path: dir.path().join("ledger.sqlite"), nation };
    let (ledger, follower) = Ledger::open(config, log.clone()).await.unwrap();
    let lease = Lease::new(Duration::from_secs(600));
    lease.renew(BootTime::now());
    let parts = Parts {
        log: log.clone(),
        ledger: ledger.clone(),
        directory: watch::channel(directory(OnDeadline::Return)).1,
        cuts: watch::channel(Arc::default()).1,
        orders: watch::channel(Arc::default()).1,
        pulses: watch::channel(Arc::default()).1,
        lease,
        dialer: Dialer::new(&Keys::new().issue("bulkhead://england/cell/england-1", None)).unwrap(),
    };
    let drain = Drain::new();
    let routing = Routing::new(Config::new(nation, "england-1"), parts).unwrap();
    let running = tokio::spawn(routing.run(drain.clone()));
    tokio::time::sleep(A_WHILE).await;
    let end = log.bounds(&events.partition(7)).await.unwrap().end;
    assert_eq!(end, 1, "it claimed a shard of whose claims it knew nothing");

    let stop = drain.clone();
    let following = tokio::spawn(follower.run(async move { stop.started().await }));
    for _ in 0..1000 {
        if ledger.claim(7).unwrap().0 == 6 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(ledger.claim(7).unwrap(), (6, "england-1".into()));
    drain.start();
    running.await.unwrap().unwrap();
    following.await.unwrap().unwrap();
}
