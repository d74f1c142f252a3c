//! The brokers that the environment names, and the helpers that these tests are told with.

use std::time::{Duration, Instant};

use bulkhead_log::{
    Entry, Error, Kafka, KafkaConfig, Log, Partition, Reader, ReaderLimits, Record, Start, Topic, TopicSpec,
};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};

/// One broker, and a prefix that no other test uses.
pub(super) fn one() -> KafkaConfig {
    config(&named("BULKHEAD_KAFKA_1"), 1)
}

/// Three brokers, and a prefix that no other test uses.
pub(super) fn three() -> KafkaConfig {
    config(&named("BULKHEAD_KAFKA_3"), 3)
}

fn named(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} names no brokers: docs/guides/testing.md says how"))
}

/// For these brokers, with so many replicas.
pub(super) fn config(bootstrap: &str, replicas: u16) -> KafkaConfig {
    let prefix = format!("test.{}", jiff::Timestamp::now().as_nanosecond());
    let min_in_sync = replicas.div_ceil(2);
    KafkaConfig { replicas, min_in_sync, ..KafkaConfig::new(bootstrap, prefix, "wales") }
}

/// The partitions of a topic that is made.
pub(super) async fn partitions(log: &Kafka, name: &str, count: u32) -> Vec<Partition> {
    let topic = Topic::new(name).unwrap();
    log.ensure(&[TopicSpec { topic: topic.clone(), partitions: count, compacted: false }]).await.unwrap();
    (0..count).map(|number| topic.partition(number)).collect()
}

/// A record with that text.
pub(super) fn record(text: impl ToString) -> Record {
    Record { key: Default::default(), value: text.to_string().into_bytes().into() }
}

/// A record of so many bytes.
pub(super) fn large(bytes: usize) -> Record {
    Record { key: Default::default(), value: vec![7; bytes].into() }
}

/// Reads these from the start on.
pub(super) async fn reader(log: &Kafka, partitions: &[&Partition]) -> Box<dyn Reader> {
    let starts = partitions.iter().map(|partition| Start { partition: (*partition).clone(), offset: 0 });
    log.reader(starts.collect(), ReaderLimits::default()).await.unwrap()
}

/// Reads until that many entries have come; a minute at most.
pub(super) async fn read(reader: &mut Box<dyn Reader>, count: usize) -> Vec<Entry> {
    let mut entries = Vec::new();
    while entries.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(60), reader.next()).await;
        entries.extend(next.expect("nothing comes").unwrap());
    }
    entries
}

/// What a reader says that is no entry; a minute at most.
pub(super) async fn fault(reader: &mut Box<dyn Reader>) -> Error {
    let until_error = async {
        loop {
            if let Err(error) = reader.next().await {
                return error;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), until_error).await.expect("nothing is wrong")
}

/// The values as text.
pub(super) fn values(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| String::from_utf8_lossy(&entry.record.value).into_owned()).collect()
}

/// Appends until the log takes it, as a caller does that repeats what is unknown.
pub(super) async fn append_until_taken(log: &Kafka, to: &Partition, text: &str) -> u64 {
    let begin = Instant::now();
    loop {
        match log.append(to, record(text)).await {
            Ok(appended) => return appended.offset,
            Err(error) => assert!(begin.elapsed() < Duration::from_secs(60), "{text}: {error}"),
        }
    }
}

/// What an operator does behind our back.
pub(super) struct Operator {
    admin: AdminClient<DefaultClientContext>,
    prefix: String,
}

impl Operator {
    pub(super) fn of(config: &KafkaConfig) -> Self {
        let admin = ClientConfig::new().set("bootstrap.servers", &config.bootstrap).create().unwrap();
        Self { admin, prefix: config.prefix.clone() }
    }

    /// Makes a topic with settings of their own.
    pub(super) async fn make(&self, name: &str, partitions: i32, replicas: i32, settings: &[(&str, &str)]) {
        let name = format!("{}.{name}", self.prefix);
        let topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(replicas));
        let topic = settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value));
        let made = self.admin.create_topics(&[topic], &AdminOptions::new()).await.unwrap();
        made.into_iter().for_each(|made| drop(made.unwrap()));
    }

    /// Deletes a topic.
    pub(super) async fn delete(&self, name: &str) {
        let name = format!("{}.{name}", self.prefix);
        let deleted = self.admin.delete_topics(&[&name], &AdminOptions::new()).await.unwrap();
        deleted.into_iter().for_each(|deleted| drop(deleted.unwrap()));
    }
}
