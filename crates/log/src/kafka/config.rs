//! What a log on Kafka is made with.

use std::{fmt, path::PathBuf, time::Duration};

use crate::{DEFAULT_MAX_RECORD_BYTES, Error};

const MIB: usize = 1024 * 1024;
/// What is left of Kafka's 249 for the prefix and its dot, once a topic's own name has its 200.
const MAX_PREFIX: usize = 48;

/// What a log on Kafka is made with. Every limit has a default; see [`KafkaConfig::new`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaConfig {
    /// Some of the brokers, `host:port`, with commas between.
    pub bootstrap: String,
    /// What every topic and group of this cell begins with; a dot follows. Cells that share a cluster have one each.
    pub prefix: String,
    /// Whose prefix it is. It is written into the cluster the first time, and another cell is refused ever after.
    pub cell: String,
    /// How the connections are protected.
    pub security: KafkaSecurity,
    /// On how many brokers each record lies. What a new topic gets, and the least that one which exists must have.
    pub replicas: u16,
    /// How many of those must have a record before it is acknowledged.
    pub min_in_sync: u16,
    /// Topics that begin so have a producer and readers of their own, so that no bulk delays them.
    pub urgent: Vec<String>,
    /// How many producers share the other topics.
    pub producers: usize,
    /// How many bytes one partition may have on their way. Full: [`Error::QueueFull`], for this partition alone.
    pub partition_bytes: usize,
    /// How many bytes one producer may have on their way. Full: [`Error::QueueFull`].
    pub producer_bytes: usize,
    /// How many records one producer may have on their way. Full: [`Error::QueueFull`].
    pub producer_records: usize,
    /// The largest record, key and value together. Larger: [`Error::TooLarge`].
    pub max_record_bytes: usize,
    /// After this long an append without an answer is answered with [`Error::Unknown`].
    pub append_timeout: Duration,
    /// How many bytes all readers together may have fetched and not yet given out. More is left at the broker.
    pub read_ahead_bytes: usize,
    /// After this long without news a node that shares shards is taken for dead.
    pub session_timeout: Duration,
}

/// How connections to Kafka are protected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaSecurity {
    /// Encryption, and whom we believe.
    pub tls: Option<KafkaTls>,
    /// A name and a password.
    pub scram: Option<KafkaScram>,
}

/// TLS towards the brokers. Files are PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaTls {
    /// The authority that the brokers' certificates come from; without it, those that the system trusts.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key, where the brokers ask for one.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// SASL/SCRAM.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaScram {
    /// Which of the two.
    pub mechanism: ScramMechanism,
    /// The name.
    pub username: String,
    /// The password. `Debug` does not show it.
    pub password: String,
}

/// The digest that SCRAM uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScramMechanism {
    /// SCRAM-SHA-256.
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

impl KafkaConfig {
    /// The defaults, for these brokers, this prefix and this cell: three replicas of which two must have a record,
    /// four producers, each with up to 32 MiB and 8,192 records on their way and 8 MiB a partition, records up to
    /// 8 MiB, 5 s for an append, 64 MiB read ahead, 6 s before a silent node is taken for dead. Topics that begin
    /// with `control.` are urgent.
    pub fn new(bootstrap: impl Into<String>, prefix: impl Into<String>, cell: impl Into<String>) -> Self {
        Self {
            bootstrap: bootstrap.into(),
            prefix: prefix.into(),
            cell: cell.into(),
            security: KafkaSecurity::default(),
            replicas: 3,
            min_in_sync: 2,
            urgent: vec!["control.".into()],
            producers: 4,
            partition_bytes: 8 * MIB,
            producer_bytes: 32 * MIB,
            producer_records: 8192,
            max_record_bytes: DEFAULT_MAX_RECORD_BYTES,
            append_timeout: Duration::from_secs(5),
            read_ahead_bytes: 64 * MIB,
            session_timeout: Duration::from_secs(6),
        }
    }

    /// Whether these settings make sense together.
    pub(super) fn check(&self) -> Result<(), Error> {
        let bad = |reason| Err(Error::BadConfig { reason });
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if self.bootstrap.trim().is_empty() {
            return bad("there must be a broker to begin with");
        }
        if !(1..=MAX_PREFIX).contains(&self.prefix.len()) || !self.prefix.bytes().all(allowed) {
            return bad("the prefix must be 1 to 48 of A-Z a-z 0-9 . _ -");
        }
        if self.cell.is_empty() {
            return bad("the cell must have a name");
        }
        if self.replicas == 0 || !(1..=self.replicas).contains(&self.min_in_sync) {
            return bad("of the replicas, at least one must be in sync, and at most all");
        }
        if self.producers == 0 || self.producer_records == 0 {
            return bad("there must be a producer, and it must take at least one record");
        }
        if self.max_record_bytes == 0 || self.max_record_bytes > 512 * MIB {
            return bad("the largest record must be 1 byte to 512 MiB");
        }
        if self.partition_bytes < self.max_record_bytes || self.producer_bytes < self.partition_bytes {
            return bad("a producer must be able to hold a partition's share, and that the largest record");
        }
        if self.append_timeout < Duration::from_secs(1) || self.session_timeout < Duration::from_secs(1) {
            return bad("an append and a session must have at least a second");
        }
        Ok(())
    }
}

impl ScramMechanism {
    /// Its name in the protocol.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }
}

impl fmt::Debug for KafkaScram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaScram")
            .field("mechanism", &self.mechanism)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> KafkaConfig {
        KafkaConfig::new("localhost:9092", "bulkhead.wales", "wales")
    }

    #[track_caller]
    fn refused(config: KafkaConfig) {
        assert!(matches!(config.check(), Err(Error::BadConfig { .. })), "{config:?}");
    }

    #[test]
    fn the_defaults_make_sense() {
        assert_eq!(config().check(), Ok(()));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        refused(KafkaConfig { bootstrap: " ".into(), ..config() });
        refused(KafkaConfig { prefix: String::new(), ..config() });
        refused(KafkaConfig { prefix: "a/b".into(), ..config() });
        refused(KafkaConfig { prefix: "x".repeat(49), ..config() });
        refused(KafkaConfig { min_in_sync: 4, ..config() });
        refused(KafkaConfig { producers: 0, ..config() });
        refused(KafkaConfig { partition_bytes: 10, ..config() });
        refused(KafkaConfig { producer_bytes: 8 * MIB - 1, ..config() });
        refused(KafkaConfig { append_timeout: Duration::ZERO, ..config() });
    }

    #[test]
    fn the_password_is_not_shown() {
        let scram = KafkaScram {
            mechanism: ScramMechanism::Sha512,
            username: "node".into(),
            password: "secret".into(),
        };
        assert!(!format!("{scram:?}").contains("secret"));
    }
}
