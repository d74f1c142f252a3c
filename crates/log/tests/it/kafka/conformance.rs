//! The suite that every log passes, unchanged.

use std::sync::Arc;

use bulkhead_log::{Kafka, KafkaConfig, Log};
use bulkhead_testkit::log_conformance::conformance;

use super::cluster;

async fn check(config: KafkaConfig) {
    let open = || async {
        let log: Arc<dyn Log> = Arc::new(Kafka::connect(config.clone()).await.unwrap());
        log
    };
    conformance(open).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_one_broker() {
    check(cluster::one()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_three_brokers() {
    check(cluster::three()).await;
}
