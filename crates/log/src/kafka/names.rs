//! What our topics are called at the brokers: the cell's prefix, a dot, our name.

use std::sync::Arc;

use super::config::KafkaConfig;
use crate::Topic;

/// From our names to the brokers'.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: Arc<str>,
    urgent: Arc<[String]>,
}

impl Names {
    pub(super) fn new(config: &KafkaConfig) -> Self {
        Self { prefix: config.prefix.as_str().into(), urgent: config.urgent.clone().into() }
    }

    /// What the brokers call this topic.
    pub(super) fn of(&self, topic: &Topic) -> String {
        format!("{}.{topic}", self.prefix)
    }

    /// Whether this topic has clients of its own.
    pub(super) fn is_urgent(&self, topic: &Topic) -> bool {
        self.urgent.iter().any(|beginning| topic.as_str().starts_with(beginning.as_str()))
    }
}
