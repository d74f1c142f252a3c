//! The pulse on a real log: what comes back renews the lease, what does not come back does not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_control::{Error, Following, Published, Pulse, PulseConfig};
use bulkhead_model::AuditHead;
use bulkhead_process::{Drain, Health, Lease};
use tokio::task::JoinHandle;

use crate::{NATION, World, soon, with_tenant};

/// A node that pulses.
struct Node {
    lease: Lease,
    health: Health,
    running: JoinHandle<Result<(), Error>>,
}

impl Node {
    fn start(world: &World, name: &str, following: &Following, claims: &[(u32, u64)]) -> Self {
        Self::with_interval(Duration::from_millis(20), world, name, following, claims)
    }

    fn with_interval(
        interval: Duration,
        world: &World,
        name: &str,
        following: &Following,
        claims: &[(u32, u64)],
    ) -> Self {
        let (lease, health) = (Lease::new(Duration::from_millis(800)), Health::new());
        let claims: BTreeMap<u32, u64> = claims.iter().copied().collect();
        let config = PulseConfig {
            nation: NATION,
            node: name.to_owned(),
            address: format!("{name}.example:7443"),
            interval,
            claims: Arc::new(move || claims.clone()),
            audit: Arc::new(AuditHead::default),
        };
        let condition = health.condition("authority", "starting");
        let pulse = Pulse::new(config, world.log.clone(), following.clone(), lease.clone(), condition);
        Self { lease, health, running: tokio::spawn(pulse.run(Drain::new())) }
    }
}

#[tokio::test]
async fn a_pulse_that_comes_back_renews_the_lease_and_tells_the_others() {
    let world = World::new();
    let (mut following, ..) = world.follow();
    let one = Node::start(&world, "wales-1", &following, &[(3, 7)]);
    let two = Node::start(&world, "wales-2", &following, &[(4, 1)]);
    soon(one.lease.held()).await;
    soon(two.lease.held()).await;
    soon(one.health.ready()).await;
    let pulses = soon(following.pulses.wait_for(|pulses| pulses.alive().count() == 2)).await.unwrap().clone();
    let said =
        |node| pulses.answers(node).map(|heard| (heard.pulse.address.as_str(), heard.pulse.claims.clone()));
    assert_eq!(said("wales-1"), Some(("wales-1.example:7443", [(3, 7)].into())));
    assert_eq!(said("wales-2"), Some(("wales-2.example:7443", [(4, 1)].into())));
    assert!(!pulses.clock_is_off("wales-1"));
}

#[tokio::test]
async fn a_node_that_does_not_read_its_pulse_back_may_not_act() {
    let world = World::new();
    let (following, reading, _) = world.follow();
    let node = Node::start(&world, "wales-1", &following, &[]);
    soon(node.lease.held()).await;
    // Its appends still succeed; what it would hear of a cut it hears no more.
    reading.start();
    let stale = soon(node.lease.lost()).await;
    assert!(stale.age.is_some_and(|age| age > stale.limit));
    soon(async {
        while node.health.is_ready() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let unmet = node.health.unmet();
    assert!(
        unmet[0].name == "authority" && unmet[0].reason.contains("over the limit of 800 ms"),
        "{unmet:?}"
    );
}

#[tokio::test]
async fn two_processes_of_one_name_do_not_both_go_on() {
    let world = World::new();
    let (following, ..) = world.follow();
    let first = Node::start(&world, "wales-1", &following, &[]);
    let second = Node::start(&world, "wales-1", &following, &[]);
    let ended = soon(async {
        tokio::select! { ended = first.running => ended, ended = second.running => ended }
    })
    .await;
    assert!(matches!(ended.unwrap(), Err(Error::NameTaken { node }) if node == "wales-1"));
}

#[tokio::test]
async fn a_restart_finds_the_pulses_of_its_former_life_and_goes_on() {
    let world = World::new();
    let (following, ..) = world.follow();
    let former = Node::start(&world, "wales-1", &following, &[]);
    soon(former.lease.held()).await;
    former.running.abort();
    let now = Node::start(&world, "wales-1", &following, &[]);
    soon(now.lease.held()).await;
    assert!(!now.running.is_finished());
}

#[tokio::test]
async fn pulses_are_no_facts_of_authority() {
    let world = World::new();
    let (mut following, ..) = world.follow();
    let node = Node::start(&world, "wales-1", &following, &[]);
    soon(following.pulses.wait_for(|pulses| pulses.all().any(|heard| heard.pulse.number > 5))).await.unwrap();
    assert_eq!(following.cuts.borrow().position, 0);
    assert!(following.position() > 4);
    assert!(!node.running.is_finished());
}

#[tokio::test]
async fn r7_a_node_may_act_only_when_it_knows_all_that_lay_before_its_pulse() {
    let world = World::new();
    // Others wrote much before this node came: it must not act on an older gate.
    let mut last = 0;
    for name in ["a", "b", "c", "d"] {
        let published = world.publish(&crate::with_tenant(name)).await.unwrap();
        let bulkhead_control::Published::At(position) = published else { panic!("it is new") };
        last = position;
    }
    let (following, drain, _running) = world.follow();
    let node = Node::start(&world, "wales-9", &following, &[]);
    soon(node.lease.held()).await;
    assert!(following.position() > last, "the lease is held and {} is known of {last}", following.position());
    assert_eq!(following.cuts.borrow().position, last);
    drain.start();
}

#[tokio::test]
async fn what_is_new_of_the_cuts_is_told_before_its_turn() {
    let world = World::new();
    let (mut following, ..) = world.follow();
    let hour = Duration::from_secs(3600);
    let node = Node::with_interval(hour, &world, "wales-1", &following, &[]);
    soon(node.lease.held()).await;
    // A directory says anew whom each scope names.
    let Published::At(position) = world.publish(&with_tenant("new")).await.unwrap() else {
        panic!("it is new")
    };
    let told = following.pulses.wait_for(|pulses| pulses.all().any(|heard| heard.pulse.position >= position));
    let told = soon(told).await.unwrap().clone();
    assert_eq!(told.all().map(|heard| heard.pulse.number).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn so_many_pulses_go_before_their_turn_and_no_more() {
    let world = World::new();
    let (mut following, ..) = world.follow();
    let node = Node::with_interval(Duration::from_secs(3600), &world, "wales-1", &following, &[]);
    soon(node.lease.held()).await;
    let mut last = 0;
    for number in 0..30 {
        let published = world.publish(&with_tenant(&format!("new-{number}"))).await.unwrap();
        let Published::At(position) = published else { panic!("it is new") };
        soon(following.cuts.wait_for(|cuts| cuts.position == position)).await.unwrap();
        last = position;
    }
    let newest = || following.pulses.borrow().all().map(|heard| heard.pulse.number).max();
    soon(async {
        while following.position() < last {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(newest().is_some_and(|number| (2..=11).contains(&number)), "{:?}", newest());
}
