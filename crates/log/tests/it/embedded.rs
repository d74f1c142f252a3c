//! What only the embedded log promises: its bounds, its directory, its end.

use std::{path::Path, time::Duration};

use bulkhead_log::{
    Embedded, EmbeddedConfig, Error, Log, Partition, Reader, ReaderLimits, Record, Start, Topic, TopicSpec,
};
use futures::future::join_all;

async fn partition(log: &Embedded, compacted: bool) -> Partition {
    let topic = Topic::new("t").unwrap();
    log.ensure(&[TopicSpec { topic: topic.clone(), partitions: 1, compacted }]).await.unwrap();
    topic.partition(0)
}

fn record(key: &str, value: Vec<u8>) -> Record {
    Record { key: key.as_bytes().to_vec().into(), value: value.into() }
}

async fn reader(log: &Embedded, partition: &Partition) -> Box<dyn Reader> {
    let start = Start { partition: partition.clone(), offset: 0 };
    log.reader(vec![start], ReaderLimits::default()).await.unwrap()
}

fn size(directory: &Path) -> u64 {
    let files = directory.read_dir().unwrap().map(|file| file.unwrap().metadata().unwrap().len());
    files.sum()
}

#[tokio::test]
async fn a_directory_is_opened_once() {
    let place = tempfile::tempdir().unwrap();
    let log = Embedded::open(EmbeddedConfig::new(place.path())).unwrap();
    let locked = Embedded::open(EmbeddedConfig::new(place.path())).unwrap_err();
    assert_eq!(locked, Error::Locked { directory: place.path().to_owned() });
    let clone = log.clone();
    drop(log);
    assert!(Embedded::open(EmbeddedConfig::new(place.path())).is_err(), "a clone still has it");
    clone.close().await;
    Embedded::open(EmbeddedConfig::new(place.path())).unwrap();
}

#[tokio::test]
async fn a_file_that_is_not_a_log_is_refused() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("log.sqlite"), [b'x'; 8192]).unwrap();
    let refused = Embedded::open(EmbeddedConfig::new(place.path())).unwrap_err();
    assert!(matches!(refused, Error::Corrupt { .. }), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_and_drops_nothing() {
    let place = tempfile::tempdir().unwrap();
    let config = EmbeddedConfig { queue_records: 4, ..EmbeddedConfig::new(place.path()) };
    let log = Embedded::open(config).unwrap();
    let partition = partition(&log, false).await;
    let answers = (0..2000_u32).map(|n| log.append(&partition, record("", n.to_le_bytes().to_vec())));
    let answers = join_all(answers.collect::<Vec<_>>()).await;
    let refused = answers.iter().filter_map(|answer| answer.as_ref().err()).collect::<Vec<_>>();
    assert!(!refused.is_empty(), "2000 appends went through a queue of 4");
    let full = Error::QueueFull { partition: partition.clone() };
    assert!(refused.iter().all(|error| **error == full && error.nothing_written()));
    let bounds = log.bounds(&partition).await.unwrap();
    assert_eq!(bounds, 0..(2000 - refused.len()) as u64, "what was not refused was written, nothing else");
    let offsets = answers.iter().flatten().map(|appended| appended.offset);
    assert!(offsets.eq(bounds), "in call order");
    assert!(log.append(&partition, Record::default()).await.is_ok(), "there is room again");
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_keeps_what_was_taken_and_tells_everyone() {
    let place = tempfile::tempdir().unwrap();
    let log = Embedded::open(EmbeddedConfig::new(place.path())).unwrap();
    let partition = partition(&log, false).await;
    let mut waiting = reader(&log, &partition).await;
    let mut shards = log.own_shards(&partition.topic, "a").await.unwrap();
    shards.next().await.unwrap();
    let taken = (0..100).map(|_| log.append(&partition, record("", vec![7; 1000]))).collect::<Vec<_>>();
    log.clone().close().await;
    for answer in join_all(taken).await {
        answer.unwrap();
    }
    let late = log.append(&partition, Record::default()).await.unwrap_err();
    assert!(late == Error::Closed && late.nothing_written());
    assert_eq!(waiting.next().await.unwrap_err(), Error::Closed);
    assert_eq!(shards.next().await.unwrap_err(), Error::Closed);
    assert_eq!(log.bounds(&partition).await.unwrap_err(), Error::Closed);
    assert_eq!(log.trim(&partition, 1).await.unwrap_err(), Error::Closed);

    let again = Embedded::open(EmbeddedConfig::new(place.path())).unwrap();
    assert_eq!(again.bounds(&partition).await, Ok(0..100));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_sleeps_is_woken_by_the_end() {
    let place = tempfile::tempdir().unwrap();
    let log = Embedded::open(EmbeddedConfig::new(place.path())).unwrap();
    let partition = partition(&log, false).await;
    let mut asleep = reader(&log, &partition).await;
    let asleep = tokio::spawn(async move { asleep.next().await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(log);
    let woken = tokio::time::timeout(Duration::from_secs(10), asleep).await;
    assert_eq!(woken.expect("it sleeps on").unwrap(), Err(Error::Closed));
}

#[tokio::test(flavor = "multi_thread")]
async fn trimming_gives_the_room_back() {
    let place = tempfile::tempdir().unwrap();
    let config = EmbeddedConfig { checkpoint_bytes: 256 * 1024, ..EmbeddedConfig::new(place.path()) };
    let log = Embedded::open(config.clone()).unwrap();
    let partition = partition(&log, false).await;
    for _ in 0..10 {
        let answers = (0..100).map(|_| log.append(&partition, record("", vec![7; 40_000])));
        join_all(answers.collect::<Vec<_>>()).await;
    }
    let full = size(place.path());
    assert!(full > 40_000_000, "40 MB lie in {full} bytes");
    log.trim(&partition, 990).await.unwrap();
    // Closed at once, the rest is done by the next start.
    log.close().await;
    let log = Embedded::open(config).unwrap();
    let begin = std::time::Instant::now();
    while size(place.path()) > 15_000_000 {
        let left = size(place.path());
        assert!(begin.elapsed() < Duration::from_secs(20), "{left} bytes of {full} are still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
        // The file shrinks with the next checkpoint, and that comes with the next commits.
        log.append(&partition, Record::default()).await.unwrap();
    }
    let bounds = log.bounds(&partition).await.unwrap();
    assert_eq!(bounds.start, 990);
    let kept = reader(&log, &partition).await.next().await.unwrap();
    assert_eq!((kept[0].offset, kept[0].record.bytes()), (990, 40_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_drops_what_was_superseded() {
    let place = tempfile::tempdir().unwrap();
    let config =
        EmbeddedConfig { compaction_lag: Duration::ZERO, tail_bytes: 0, ..EmbeddedConfig::new(place.path()) };
    let log = Embedded::open(config).unwrap();
    let partition = partition(&log, true).await;
    for n in 0..200_u32 {
        log.append(&partition, record(&format!("{}", n % 2), n.to_string().into_bytes())).await.unwrap();
        // So that what comes next comes later, by the log's clock.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut reader = reader(&log, &partition).await;
    let mut kept = Vec::new();
    while kept.last() != Some(&199) {
        kept.extend(reader.next().await.unwrap().iter().map(|entry| entry.offset));
    }
    assert!(kept.len() < 10, "still there: {kept:?}");
    assert!(kept.contains(&198), "the last of a key is gone");
    assert_eq!(log.read_at(&[partition.at(3)]).await, Ok(vec![None]));
}

#[tokio::test(flavor = "multi_thread")]
async fn append_times_do_not_fall() {
    let place = tempfile::tempdir().unwrap();
    let log = Embedded::open(EmbeddedConfig::new(place.path())).unwrap();
    let partition = partition(&log, false).await;
    let mut last = jiff::Timestamp::MIN;
    for _ in 0..50 {
        let at = log.append(&partition, Record::default()).await.unwrap().at;
        assert!(at >= last);
        last = at;
    }
}
