//! What is refused at the start, or when a topic is met, and what is said about it.

use std::sync::{Arc, Mutex};

use bulkhead_log::{Error, Kafka, KafkaConfig, Log, Topic, TopicSpec};

use super::cluster::{self, Operator};

#[tokio::test]
async fn brokers_that_are_not_there() {
    let config = KafkaConfig::new("127.0.0.1:1", "test.nowhere", "wales");
    let error = Kafka::connect(config).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}

#[tokio::test]
async fn a_prefix_that_is_another_cells() {
    let config = cluster::one();
    let log = Kafka::connect(config.clone()).await.unwrap();
    Kafka::connect(config.clone()).await.unwrap();
    let error = Kafka::connect(KafkaConfig { cell: "scotland".into(), ..config.clone() }).await.unwrap_err();
    let (owner, cell) = ("wales".into(), "scotland".into());
    assert_eq!(error, Error::OtherCell { prefix: config.prefix, owner, cell });
    drop(log);
}

/// What is said while a log connects that began a new cell, if it did.
async fn said(config: KafkaConfig) -> String {
    let said: Said = Said::default();
    let writer = said.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _scope = tracing::subscriber::set_default(subscriber);
    Kafka::connect(config).await.unwrap();
    String::from_utf8(said.0.lock().unwrap().clone()).unwrap()
}

#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_prefix_that_nobody_has_is_begun_with_a_loud_word_once() {
    let known = cluster::one();
    said(known.clone()).await;
    let typo = KafkaConfig { prefix: format!("{}x", known.prefix), ..known.clone() };
    let first = said(typo.clone()).await;
    assert!(first.contains("begins a new cell") && first.contains(&typo.prefix), "{first}");
    assert!(
        first.contains(&format!("{} ", known.prefix)) || first.contains(&format!("{}\"", known.prefix)),
        "{first}"
    );
    assert!(!said(typo).await.contains("begins a new cell"));
}

#[tokio::test]
async fn more_replicas_than_brokers() {
    let config = KafkaConfig { replicas: 3, ..cluster::one() };
    let error = Kafka::connect(config).await.unwrap_err();
    assert!(matches!(error, Error::Unfit { .. }), "{error:?}");
    assert!(error.to_string().contains("start more brokers"), "{error}");
}

#[tokio::test]
async fn topics_that_cannot_keep_the_promise() {
    let config = cluster::one();
    let operator = Operator::of(&config);
    let log = Kafka::connect(config).await.unwrap();
    let good = [
        ("retention.ms", "-1"),
        ("message.timestamp.type", "LogAppendTime"),
        ("max.message.bytes", "9000000"),
    ];
    for (name, bad) in [
        ("retention", ("retention.ms", "604800000")),
        ("time", ("message.timestamp.type", "CreateTime")),
        ("unclean", ("unclean.leader.election.enable", "true")),
        ("small", ("max.message.bytes", "1000000")),
    ] {
        let settings: Vec<_> = good.into_iter().filter(|(name, _)| *name != bad.0).chain([bad]).collect();
        operator.make(name, 1, 1, &settings).await;
        let error = ensure(&log, name, false).await.unwrap_err();
        assert!(matches!(&error, Error::Unfit { what, .. } if what.contains(bad.0)), "{error:?}");
    }
    operator.make("good", 1, 1, &good).await;
    assert_eq!(ensure(&log, "good", false).await, Ok(()));
    let error = ensure(&log, "good", true).await.unwrap_err();
    assert!(matches!(error, Error::TopicDiffers { .. }), "not compacted: {error:?}");
}

async fn ensure(log: &Kafka, name: &str, compacted: bool) -> Result<(), Error> {
    log.ensure(&[TopicSpec { topic: Topic::new(name).unwrap(), partitions: 1, compacted }]).await
}
