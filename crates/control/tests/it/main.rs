//! A directory on its way from a file over a real log to every node that follows.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests may")]

mod pulse;

use std::sync::Arc;
use std::time::Duration;

use bulkhead_control::{Error, Follower, Following, Published, publish_directory};
use bulkhead_log::{Embedded, EmbeddedConfig, Log, Record, Topic};
use bulkhead_model::{Nation, TenantId};
use bulkhead_process::Drain;
use bulkhead_wire::topics;
use tempfile::TempDir;
use tokio::task::JoinHandle;

const NATION: Nation = Nation::Wales;
const EXAMPLE: &str = include_str!("../../../../deploy/directory.example.toml");

struct World {
    log: Arc<dyn Log>,
    _directory: TempDir,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = Embedded::open(EmbeddedConfig::new(directory.path())).unwrap();
        Self { log: Arc::new(log), _directory: directory }
    }

    async fn publish(&self, text: &str) -> Result<Published, Error> {
        publish_directory(&self.log, NATION, "directory.toml", text).await
    }

    fn follow(&self) -> (Following, Drain, JoinHandle<Result<(), Error>>) {
        let (follower, following) = Follower::new(self.log.clone(), NATION);
        let drain = Drain::new();
        (following, drain.clone(), tokio::spawn(follower.run(drain)))
    }
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(5), work).await.expect("in time")
}

fn with_tenant(name: &str) -> String {
    format!("{EXAMPLE}\n[[tenants]]\nid = \"wales/{name}\"\nsupplier = \"castell\"\n")
}

async fn until_tenant(following: &mut Following, id: &str) {
    let id = TenantId::parse(id).unwrap();
    soon(following.directory.wait_for(|directory| directory.tenant(&id).is_some())).await.unwrap();
}

#[tokio::test]
async fn what_is_published_is_followed() {
    let world = World::new();
    let (mut following, drain, running) = world.follow();
    soon(following.caught_up()).await;
    assert_eq!(following.directory.borrow().tenants().count(), 0);

    let Published::At(position) = world.publish(EXAMPLE).await.unwrap() else { panic!("it is new") };
    until_tenant(&mut following, "wales/wast-111").await;
    soon(following.cuts.wait_for(|cuts| cuts.position == position)).await.unwrap();

    world.publish(&with_tenant("new")).await.unwrap();
    until_tenant(&mut following, "wales/new").await;
    drain.start();
    soon(running).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_same_directory_is_appended_once() {
    let world = World::new();
    assert!(matches!(world.publish(EXAMPLE).await.unwrap(), Published::At(_)));
    assert_eq!(world.publish(EXAMPLE).await.unwrap(), Published::Unchanged);
    assert!(matches!(world.publish(&with_tenant("new")).await.unwrap(), Published::At(_)));
    // An older one is a change again.
    assert!(matches!(world.publish(EXAMPLE).await.unwrap(), Published::At(_)));
}

#[tokio::test]
async fn who_comes_later_knows_the_newest_when_it_has_caught_up() {
    let world = World::new();
    world.publish(EXAMPLE).await.unwrap();
    world.publish(&with_tenant("new")).await.unwrap();
    let (mut following, ..) = world.follow();
    soon(following.caught_up()).await;
    let id = TenantId::parse("wales/new").unwrap();
    assert!(following.directory.borrow().tenant(&id).is_some());
}

#[tokio::test]
async fn a_record_that_cannot_be_read_changes_nothing() {
    let world = World::new();
    world.publish(EXAMPLE).await.unwrap();
    let partition = Topic::new(&topics::control(NATION)).unwrap().partition(0);
    for (key, value) in [("a", &b"\xff\xff"[..]), ("b", b""), ("c", b"\x12\x06\x0a\x01x\x12\x01y")] {
        let record = Record { key: key.as_bytes().to_vec().into(), value: value.to_vec().into() };
        world.log.append(&partition, record).await.unwrap();
    }
    let (mut following, ..) = world.follow();
    soon(following.caught_up()).await;
    assert_eq!(following.directory.borrow().tenants().count(), 6);
    // What says nothing to this node lies behind it all the same.
    assert_eq!(following.cuts.borrow().position, 3);

    assert!(matches!(world.publish(EXAMPLE).await.unwrap(), Published::Unchanged));
    let Published::At(position) = world.publish(&with_tenant("new")).await.unwrap() else { panic!() };
    soon(following.cuts.wait_for(|cuts| cuts.position == position)).await.unwrap();
}

#[tokio::test]
async fn what_is_not_whole_is_not_published() {
    let world = World::new();
    let error = world.publish("[[tenants]]\nid = \"wales/a\"\nsupplier = \"x\"\n").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "directory.toml:3:12: wales/a names x, which is not in the directory; add it, or correct the spelling"
    );
    assert_eq!(error.fault(), bulkhead_model::Fault::Caller);
}
