//! Whose prefix this is: the first record of the topic `cell` says so for good.
//!
//! Two cells that were given the same prefix by mistake would read each other's records. The second of them is
//! refused; of two that start at the same moment, the one whose record comes first stays. A prefix that nobody has is
//! taken with a loud word, because it may be a mistake: it names the prefixes that are there besides, as far as this node
//! may see them.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use tokio::time::sleep;
use tracing::warn;

use super::{Kafka, config::KafkaConfig};
use crate::{Error, Log, Partition, Record, Topic, TopicSpec};

pub(super) const TOPIC: &str = "cell";
/// How long brokers that are coming up may not agree on who leads, or on what topics there are.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long between two tries.
const PAUSE: Duration = Duration::from_millis(200);

/// Takes the prefix for this cell, or finds that it has it.
pub(super) async fn claim(log: &Kafka, config: &KafkaConfig) -> Result<(), Error> {
    let topic = Topic::new(TOPIC)?;
    let partition = topic.partition(0);
    log.ensure(&[TopicSpec { topic, partitions: 1, compacted: false }]).await?;
    let bounds = mark(log, config, &partition).await?;
    let first = log.read_at(&[partition.at(bounds.start)]).await?;
    let owner = first.into_iter().flatten().next().map(|entry| entry.record.value);
    let owner = owner.ok_or_else(|| Error::Corrupt {
        cause: format!("the topic that says whose prefix {:?} is has no first record", config.prefix),
    })?;
    if owner[..] == *config.cell.as_bytes() {
        return Ok(());
    }
    Err(Error::OtherCell {
        prefix: config.prefix.clone(),
        owner: String::from_utf8_lossy(&owner).into_owned(),
        cell: config.cell.clone(),
    })
}

/// Writes whose prefix this is where nothing is written yet. A second record of ours changes nothing, so that an append
/// whose outcome is unknown is simply repeated.
async fn mark(log: &Kafka, config: &KafkaConfig, partition: &Partition) -> Result<Range<u64>, Error> {
    let begin = Instant::now();
    loop {
        match mark_once(log, config, partition).await {
            Err(Error::Unknown { .. }) if begin.elapsed() < PATIENCE => {
                sleep(PAUSE).await;
            }
            marked => return marked,
        }
    }
}

async fn mark_once(log: &Kafka, config: &KafkaConfig, partition: &Partition) -> Result<Range<u64>, Error> {
    let bounds = log.bounds(partition).await?;
    if !bounds.is_empty() {
        return Ok(bounds);
    }
    let others = log.other_prefixes().await?;
    warn!(
        prefix = config.prefix,
        cell = config.cell,
        others = others.join(" "),
        "begins a new cell: nothing was ever written under this prefix; is it the right one?"
    );
    let (key, value) = (TOPIC.into(), config.cell.clone().into_bytes().into());
    log.append(partition, Record { key, value }).await?;
    log.bounds(partition).await
}
