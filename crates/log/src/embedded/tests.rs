//! What happens when the store fails: on a full disk the log goes on, after anything else it stops.

use super::*;

fn open(place: &tempfile::TempDir) -> (Embedded, Partition) {
    let config = EmbeddedConfig::new(place.path());
    let directory = Directory::take(place.path()).unwrap();
    let connection = connection::to_write(&directory.database(), &config).unwrap();
    // As if the disk held 4 MiB.
    connection.pragma_update(None, "max_page_count", 1024).unwrap();
    (Embedded::start(directory, connection, config).unwrap(), Topic::new("t").unwrap().partition(0))
}

async fn ensure(log: &Embedded, topic: &Topic) {
    log.ensure(&[TopicSpec { topic: topic.clone(), partitions: 1, compacted: false }]).await.unwrap();
}

fn record() -> Record {
    Record { key: Default::default(), value: vec![7; 100_000].into() }
}

#[tokio::test]
async fn a_full_disk_is_said_and_survived() {
    let place = tempfile::tempdir().unwrap();
    let (log, partition) = open(&place);
    ensure(&log, &partition.topic).await;
    let mut written = 0;
    let error = loop {
        match log.append(&partition, record()).await {
            Ok(appended) => assert_eq!(appended.offset, written),
            Err(error) => break error,
        }
        written += 1;
    };
    assert!(written > 10, "only {written} records went into 4 MiB");
    assert!(matches!(error, Error::Unknown { .. }) && !error.nothing_written(), "{error:?}");
    assert_eq!(log.bounds(&partition).await, Ok(0..written));

    // Even while others go on trying.
    let (full, to) = (log.clone(), partition.clone());
    let trying = tokio::spawn(async move { while full.append(&to, record()).await.is_err() {} });
    log.trim(&partition, written - 1).await.unwrap();
    trying.await.unwrap();
    written += 1;
    let appended = loop {
        // The room comes back in steps.
        if let Ok(appended) = log.append(&partition, record()).await {
            break appended;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    assert_eq!(appended.offset, written, "what failed has no offset");
    let kept = log.read_at(&[partition.at(written - 2), partition.at(written)]).await.unwrap();
    assert!(kept.iter().all(Option::is_some));
}

#[tokio::test]
async fn after_another_failure_it_stops_and_says_so() {
    let place = tempfile::tempdir().unwrap();
    let (log, partition) = open(&place);
    ensure(&log, &partition.topic).await;
    let start = Start { partition: partition.clone(), offset: 0 };
    let mut asleep = log.reader(vec![start], ReaderLimits::default()).await.unwrap();
    let asleep = tokio::spawn(async move { asleep.next().await });
    tokio::task::yield_now().await;
    let other = Connection::open(place.path().join("log.sqlite")).unwrap();
    other.execute_batch("drop table entry").unwrap();

    let error = log.append(&partition, record()).await.unwrap_err();
    assert!(matches!(error, Error::Unknown { .. }), "{error:?}");
    assert_eq!(asleep.await.unwrap(), Err(Error::Closed));
    assert_eq!(log.append(&partition, record()).await, Err(Error::Closed));
}
