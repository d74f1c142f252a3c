//! The suite that every log passes, on this one.

use std::{future::ready, sync::Arc};

use bulkhead_log::{Embedded, EmbeddedConfig, Log};
use bulkhead_testkit::log_conformance::conformance;

async fn check(config: impl Fn(EmbeddedConfig) -> EmbeddedConfig) {
    let place = tempfile::tempdir().unwrap();
    let open =
        || -> Arc<dyn Log> { Arc::new(Embedded::open(config(EmbeddedConfig::new(place.path()))).unwrap()) };
    conformance(|| ready(open())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_defaults() {
    check(|config| config).await;
}

#[tokio::test]
async fn on_one_thread() {
    check(|config| config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_every_entry_read_from_the_file() {
    check(|config| EmbeddedConfig { tail_bytes: 0, ..config }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_small_tail_and_small_commits() {
    check(|config| EmbeddedConfig {
        tail_bytes: 20_000,
        commit_bytes: 1000,
        checkpoint_bytes: 64 * 1024,
        ..config
    })
    .await;
}
