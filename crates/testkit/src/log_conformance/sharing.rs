//! Rules about sharing a topic's partitions among nodes.

use std::collections::BTreeSet;

use bulkhead_log::{ShardChange, Shards};

use super::case::{Case, QUIET};

pub(super) async fn one_node_gets_every_shard(case: &Case) {
    let topic = case.partitions("t", 8).await[0].topic.clone();
    let mut shards = join(case, &topic, "a").await;
    all(case, &mut shards, 8).await;
    let more = tokio::time::timeout(QUIET, shards.next()).await;
    assert!(more.is_err(), "{}: a node alone with every shard was told {more:?}", case.name);

    let unknown = case.log.own_shards(&case.name_of("unknown"), "a").await.map(|_| "was joined");
    assert!(unknown.is_err(), "{}: an unknown topic {unknown:?}", case.name);
}

pub(super) async fn a_node_that_leaves_is_succeeded(case: &Case) {
    let topic = case.partitions("t", 4).await[0].topic.clone();
    let mut first = join(case, &topic, "a").await;
    all(case, &mut first, 4).await;
    let mut second = join(case, &topic, "b").await;
    // The first has every shard and has let go of none, so the second can have none.
    let early = tokio::time::timeout(QUIET, second.next()).await;
    assert!(
        !matches!(early, Ok(Ok(ShardChange::Assigned(_)))),
        "{}: two nodes were told {early:?}",
        case.name
    );
    drop(first);
    all(case, &mut second, 4).await;
}

async fn join(case: &Case, topic: &bulkhead_log::Topic, node: &str) -> Box<dyn Shards> {
    case.log.own_shards(topic, node).await.unwrap_or_else(|e| panic!("{}: own_shards: {e}", case.name))
}

/// Waits until the node has that many shards.
async fn all(case: &Case, shards: &mut Box<dyn Shards>, count: u32) {
    let mut held = BTreeSet::new();
    while held.len() < count as usize {
        match shards.next().await.unwrap_or_else(|e| panic!("{}: shards: {e}", case.name)) {
            ShardChange::Assigned(more) => {
                for shard in more {
                    assert!(held.insert(shard), "{}: shard {shard} was assigned twice", case.name);
                }
            }
            ShardChange::Revoked(less) => held.retain(|shard| !less.contains(shard)),
        }
    }
    assert!(held.into_iter().eq(0..count), "{}: the shards are not 0..{count}", case.name);
}
