//! Whose prefix this is: the first record of the topic `cell` says so for good.
//!
//! Two cells that were given the same prefix by mistake would read each other's records. The second of them is
//! refused; of two that start at the same moment, the one whose record comes first stays.

use super::{Kafka, config::KafkaConfig};
use crate::{Error, Log, Record, Topic, TopicSpec};

const TOPIC: &str = "cell";

/// Takes the prefix for this cell, or finds that it has it.
pub(super) async fn claim(log: &Kafka, config: &KafkaConfig) -> Result<(), Error> {
    let topic = Topic::new(TOPIC)?;
    let partition = topic.partition(0);
    log.ensure(&[TopicSpec { topic, partitions: 1, compacted: false }]).await?;
    let mut bounds = log.bounds(&partition).await?;
    if bounds.is_empty() {
        let (key, value) = (TOPIC.into(), config.cell.clone().into_bytes().into());
        log.append(&partition, Record { key, value }).await?;
        bounds = log.bounds(&partition).await?;
    }
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
