//! How fast is the log alone? The floor under everything else.

use std::path::Path;

use anyhow::Result;
use bulkhead_log::{Embedded, EmbeddedConfig, Log, Record, Topic, TopicSpec};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::spread::Spread;

/// Appends `count` documents with so many in flight.
pub(crate) async fn append(dir: &Path, document: &Bytes, count: usize, in_flight: usize) -> Result<Spread> {
    let place = tempfile::tempdir_in(dir)?;
    let log = Embedded::open(EmbeddedConfig::new(place.path().join("log")))?;
    let topic = Topic::new("measured")?;
    log.ensure(&[TopicSpec { topic: topic.clone(), partitions: 1, compacted: false }]).await?;
    let to = topic.partition(0);
    let one = || {
        let key = Bytes::from_static(&[7; 16]);
        let (begin, append) = (Instant::now(), log.append(&to, Record { key, value: document.clone() }));
        async move { append.await.map(|_| begin.elapsed()) }
    };
    for _ in 0..in_flight.max(8) {
        one().await?;
    }
    let (begin, mut took, mut under_way) = (Instant::now(), Vec::new(), FuturesUnordered::new());
    for _ in 0..count {
        if under_way.len() >= in_flight
            && let Some(done) = under_way.next().await
        {
            took.push(done?);
        }
        under_way.push(one());
    }
    while let Some(done) = under_way.next().await {
        took.push(done?);
    }
    let spread = Spread::new(took, begin.elapsed());
    log.close().await;
    Ok(spread)
}
