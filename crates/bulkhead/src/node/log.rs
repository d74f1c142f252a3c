//! The log that a node stands on, of either kind, and how it is closed.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use bulkhead_log::{Embedded, EmbeddedConfig, Kafka, KafkaConfig, Log};

/// Which log.
#[derive(Debug, Clone)]
pub(crate) enum LogConfig {
    /// In this directory, for one process.
    Embedded(PathBuf),
    /// On a cluster.
    Kafka(Box<KafkaConfig>),
}

/// An open log. Several nodes of one process share it.
#[derive(Clone)]
pub(crate) enum NodeLog {
    Embedded(Embedded),
    Kafka(Kafka),
}

impl NodeLog {
    /// Opens it, or says what is in the way.
    pub(crate) async fn open(config: LogConfig) -> Result<Self> {
        Ok(match config {
            LogConfig::Embedded(directory) => {
                let opened = Embedded::open(EmbeddedConfig::new(directory.clone()));
                Self::Embedded(
                    opened.with_context(|| format!("the log in {} cannot be opened", directory.display()))?,
                )
            }
            LogConfig::Kafka(config) => {
                let (bootstrap, prefix) = (config.bootstrap.clone(), config.prefix.clone());
                let connected = Kafka::connect(*config).await;
                Self::Kafka(connected.with_context(|| {
                    format!("the log on the Kafka at {bootstrap} with the prefix {prefix} cannot be used")
                })?)
            }
        })
    }

    pub(crate) fn log(&self) -> Arc<dyn Log> {
        match self {
            Self::Embedded(log) => Arc::new(log.clone()),
            Self::Kafka(log) => Arc::new(log.clone()),
        }
    }

    /// Waits until what was appended has its outcome; nothing can be asked of it after that.
    pub(crate) async fn close(self) {
        match self {
            Self::Embedded(log) => log.close().await,
            Self::Kafka(log) => log.close().await,
        }
    }
}
