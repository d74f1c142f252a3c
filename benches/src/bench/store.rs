//! Which log is asked about: the embedded one, or a Kafka that is there already.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use bulkhead_log::{Embedded, EmbeddedConfig, Kafka, KafkaConfig, Log};
use clap::Args;

/// A choice of log.
#[derive(Debug, Clone, Args)]
pub(crate) struct Store {
    /// Brokers to use instead of the embedded log, `host:port` with commas between. Topics are left there.
    #[arg(long, global = true, value_name = "HOST:PORT")]
    pub(crate) kafka: Option<String>,
    /// On how many brokers each record lies; all but one must have it before it is acknowledged.
    #[arg(long, global = true, default_value_t = 1, value_name = "N")]
    pub(crate) replicas: u16,
}

/// An open log of either kind.
pub(crate) enum Opened {
    Embedded(Embedded),
    Kafka(Kafka),
}

impl Store {
    /// A log in that directory, or with the prefix `name` on the brokers.
    pub(crate) async fn open(&self, dir: &Path, name: &str) -> Result<Opened> {
        Ok(match &self.kafka {
            None => Opened::Embedded(Embedded::open(EmbeddedConfig::new(dir.join("log")))?),
            Some(bootstrap) => {
                let mut config = KafkaConfig::new(bootstrap, name, name);
                (config.replicas, config.min_in_sync) = (self.replicas, self.in_sync());
                Opened::Kafka(Kafka::connect(config).await?)
            }
        })
    }

    /// How many brokers must have a record.
    pub(crate) fn in_sync(&self) -> u16 {
        self.replicas.saturating_sub(1).max(1)
    }

    /// As arguments for another process.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let kafka = self.kafka.iter().flat_map(|kafka| ["--kafka".to_owned(), kafka.clone()]);
        kafka.chain(["--replicas".to_owned(), self.replicas.to_string()]).collect()
    }
}

impl Opened {
    pub(crate) fn log(&self) -> Arc<dyn Log> {
        match self {
            Opened::Embedded(log) => Arc::new(log.clone()),
            Opened::Kafka(log) => Arc::new(log.clone()),
        }
    }

    pub(crate) async fn close(self) {
        match self {
            Opened::Embedded(log) => log.close().await,
            Opened::Kafka(log) => log.close().await,
        }
    }
}
