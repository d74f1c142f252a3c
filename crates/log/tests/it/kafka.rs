//! The suite that every log passes, on real brokers.
//!
//! `./test` starts one broker and three, and names them in the environment. Without that these tests fail, unless they
//! are told to do without.

use std::sync::Arc;

use bulkhead_log::{Kafka, KafkaConfig, Log};
use bulkhead_testkit::log_conformance::conformance;

/// The brokers that a variable names.
fn brokers(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} names no brokers: see docs/guides/testing.md"))
}

async fn check(bootstrap: String, replicas: u16) {
    let prefix = format!("conformance.{}", jiff::Timestamp::now().as_nanosecond());
    let config = KafkaConfig {
        replicas,
        min_in_sync: replicas.div_ceil(2),
        ..KafkaConfig::new(bootstrap, prefix, "wales")
    };
    let open = || async {
        let log: Arc<dyn Log> = Arc::new(Kafka::connect(config.clone()).await.unwrap());
        log
    };
    conformance(open).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_one_broker() {
    check(brokers("BULKHEAD_KAFKA_1"), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_three_brokers() {
    check(brokers("BULKHEAD_KAFKA_3"), 3).await;
}
