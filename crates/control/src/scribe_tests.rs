//! What is appended is there for whoever reads the log from its start, however often it was compacted.

use bulkhead_log::{Embedded, EmbeddedConfig, Record};
use bulkhead_process::Drain;

use super::*;
use crate::samples::{NATION, cut, directory, operator, tenant};
use crate::{Follower, publish_directory};

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_compacted_copy_loses_no_cut() {
    let dir = tempfile::tempdir().unwrap();
    let config =
        EmbeddedConfig { compaction_lag: Duration::ZERO, tail_bytes: 0, ..EmbeddedConfig::new(dir.path()) };
    let log: Arc<dyn Log> = Arc::new(Embedded::open(config).unwrap());
    publish_directory(&log, NATION, "directory.toml", &directory()).await.unwrap();
    let scribe = Scribe::open(log.clone(), NATION, Book::new(NATION), "wales-1").await.unwrap();
    let cuts = [cut(&operator(), 1), cut(&operator(), 2)];
    for fact in cuts.iter().chain(&cuts) {
        scribe.append(fact, None, None).await.unwrap();
    }
    // Who was an operator when a cut was made is known even when the directory has changed since.
    let later = directory() + "[[tenants]]\nid = \"wales/new\"\nsupplier = \"meridian\"\n";
    publish_directory(&log, NATION, "directory.toml", &later).await.unwrap();
    let first = scribe.log.append(&scribe.partition, superseded(0)).await.unwrap();
    for n in 1..32 {
        // So that it comes later, by the log's clock.
        tokio::time::sleep(Duration::from_millis(1)).await;
        scribe.log.append(&scribe.partition, superseded(n)).await.unwrap();
    }
    let first = scribe.partition.at(first.offset);
    assert_eq!(log.read_at(&[first]).await, Ok(vec![None]), "nothing was compacted");
    let (follower, mut following) = Follower::new(log, NATION);
    tokio::spawn(follower.run(Drain::new()));
    tokio::time::timeout(SOON, following.caught_up()).await.unwrap();
    let known = following.cuts.borrow().clone();
    assert!(known.covers_from(&tenant()).is_some());
    assert_eq!(known.active().count(), cuts.len());
}

fn superseded(number: u8) -> Record {
    Record { key: "pulse".into(), value: vec![number].into() }
}
