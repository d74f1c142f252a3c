//! Which broker leads what: the one that a node must reach to hear of it.

use std::time::Duration;

use anyhow::{Context, Result};
use bulkhead_model::{TenantId, shard_of};
use bulkhead_wire::topics;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::{Live, NATION};

const PATIENCE: Duration = Duration::from_secs(10);

/// The brokers' addresses that lead what matters to one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaders {
    pub(crate) control: String,
    pub(crate) inward: String,
    pub(crate) events: String,
}

impl Live {
    /// Asks the brokers.
    pub(crate) async fn leaders(&self, bootstrap: &str, tenant: &str) -> Result<Leaders> {
        let (bootstrap, prefix) = (bootstrap.to_owned(), self.prefix()?);
        let tenant = TenantId::parse(tenant)?;
        tokio::task::spawn_blocking(move || {
            let client: BaseConsumer = ClientConfig::new().set("bootstrap.servers", &bootstrap).create()?;
            let leader = |topic: String, partition| leader(&client, &format!("{prefix}.{topic}"), partition);
            Ok(Leaders {
                control: leader(topics::control(NATION), 0)?,
                inward: leader(topics::inward(&tenant), 0)?,
                events: leader(topics::events(NATION), shard_of(&tenant))?,
            })
        })
        .await?
    }
}

fn leader(client: &BaseConsumer, topic: &str, partition: u32) -> Result<String> {
    let known = client.fetch_metadata(Some(topic), PATIENCE)?;
    let partition = i32::try_from(partition)?;
    let of_topic = known.topics().first().context("no such topic")?;
    let found = of_topic.partitions().iter().find(|one| one.id() == partition);
    let leader = found.with_context(|| format!("{topic} has no partition {partition}"))?.leader();
    let broker = known.brokers().iter().find(|one| one.id() == leader);
    let broker = broker.with_context(|| format!("nobody leads {topic}"))?;
    Ok(format!("{}:{}", broker.host(), broker.port()))
}
