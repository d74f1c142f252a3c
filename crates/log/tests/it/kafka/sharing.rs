//! Nodes that come and go share the shards, and no two have one at a time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bulkhead_log::{Kafka, Log, ShardChange, Topic};
use tokio::task::JoinHandle;

use super::cluster::{self, Operator, partitions};

const SHARDS: u32 = 32;

/// Who acts for each shard, as the nodes themselves believe.
type Owners = Arc<Mutex<HashMap<u32, &'static str>>>;

/// Starts a node that takes what it is given and lets go of what it is told to.
async fn node(log: &Kafka, topic: &Topic, name: &'static str, owners: Owners) -> JoinHandle<()> {
    let mut shards = log.own_shards(topic, name).await.unwrap();
    tokio::spawn(async move {
        let _leaving = Leaving { name, owners: owners.clone() };
        loop {
            act(shards.next().await.unwrap(), name, &owners);
        }
    })
}

fn act(change: ShardChange, name: &'static str, owners: &Owners) {
    let mut owners = owners.lock().unwrap();
    match change {
        ShardChange::Assigned(shards) => {
            for shard in shards {
                assert_eq!(owners.insert(shard, name), None, "{name} was given {shard}, which another has");
            }
        }
        ShardChange::Revoked(shards) => {
            for shard in shards {
                assert_eq!(owners.remove(&shard), Some(name), "{name} lost {shard}, which it did not have");
            }
        }
    }
}

/// A node that ends acts for nothing any more, before its place is given up.
struct Leaving {
    name: &'static str,
    owners: Owners,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.owners.lock().unwrap().retain(|_, owner| *owner != self.name);
    }
}

/// Waits until these have all shards, none of them less than its share.
async fn settled(owners: &Owners, names: &[&str]) {
    let begin = Instant::now();
    loop {
        let counts: Vec<_> = {
            let owners = owners.lock().unwrap();
            names.iter().map(|name| owners.values().filter(|owner| *owner == name).count()).collect()
        };
        let share = SHARDS as usize / names.len();
        if counts.iter().sum::<usize>() == SHARDS as usize && counts.iter().all(|count| *count >= share) {
            println!("{names:?} have {counts:?} after {:?}", begin.elapsed());
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{names:?} have {counts:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_two_have_a_shard_at_a_time() {
    let log = Kafka::connect(cluster::three()).await.unwrap();
    let topic = partitions(&log, "shards", SHARDS).await[0].topic.clone();
    let owners = Owners::default();
    let a = node(&log, &topic, "a", owners.clone()).await;
    settled(&owners, &["a"]).await;
    let b = node(&log, &topic, "b", owners.clone()).await;
    settled(&owners, &["a", "b"]).await;
    let c = node(&log, &topic, "c", owners.clone()).await;
    settled(&owners, &["a", "b", "c"]).await;
    a.abort();
    assert!(a.await.unwrap_err().is_cancelled(), "it failed before");
    settled(&owners, &["b", "c"]).await;
    for rest in [b, c] {
        rest.abort();
        assert!(rest.await.unwrap_err().is_cancelled(), "it failed before");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_joined_before_the_brokers_knew_the_topic_is_given_its_shards() {
    let config = cluster::one();
    let operator = Operator::of(&config);
    let (log, other) = (Kafka::connect(config.clone()).await.unwrap(), Kafka::connect(config).await.unwrap());
    let topic = partitions(&log, "late", 3).await[0].topic.clone();
    operator.delete("late").await;
    let mut shards = log.own_shards(&topic, "a").await.unwrap();
    // Long enough for the group to be made with nothing to share.
    tokio::time::sleep(Duration::from_secs(4)).await;
    partitions(&other, "late", 3).await;
    let change = tokio::time::timeout(Duration::from_secs(80), shards.next()).await;
    let change = change.expect("it is given them").unwrap();
    let ShardChange::Assigned(mut given) = change else { panic!("{change:?}") };
    given.sort_unstable();
    assert_eq!(given, [0, 1, 2]);
}
