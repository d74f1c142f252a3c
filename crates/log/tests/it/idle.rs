//! An idle log uses no processor.

use std::{fs::read_to_string, time::Duration};

use bulkhead_log::{Embedded, EmbeddedConfig, Log, ReaderLimits, Record, Start, Topic, TopicSpec};

use crate::child;

#[test]
#[cfg(target_os = "linux")]
fn an_idle_log_uses_no_processor() {
    let place = tempfile::tempdir().unwrap();
    let ended = child::start("idle::child_that_idles", place.path(), 0).wait().unwrap();
    assert!(ended.success());
    let ticks = read_to_string(place.path().join("ticks")).unwrap();
    assert!(ticks.parse::<u64>().unwrap() <= 1, "{ticks} clock ticks of 10 ms in a second of waiting");
}

/// Not a test: what the other one measures.
#[test]
fn child_that_idles() {
    let Some(told) = child::told() else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let log = Embedded::open(EmbeddedConfig::new(told.directory.join("log"))).unwrap();
        let topic = Topic::new("idle").unwrap();
        log.ensure(&[TopicSpec { topic: topic.clone(), partitions: 100, compacted: false }]).await.unwrap();
        let starts = (0..100).map(|number| Start { partition: topic.partition(number), offset: 0 });
        let mut reader = log.reader(starts.collect(), ReaderLimits::default()).await.unwrap();
        log.append(&topic.partition(7), Record::default()).await.unwrap();
        assert_eq!(reader.next().await.unwrap().len(), 1);
        let waiting = tokio::spawn(async move { reader.next().await.map(|entries| entries.len()) });
        tokio::time::sleep(Duration::from_millis(300)).await;
        let before = ticks();
        tokio::time::sleep(Duration::from_secs(1)).await;
        std::fs::write(told.directory.join("ticks"), (ticks() - before).to_string()).unwrap();
        log.append(&topic.partition(8), Record::default()).await.unwrap();
        assert_eq!(waiting.await.unwrap(), Ok(1), "it was only asleep");
    });
}

/// The processor time of this process, in ticks: the 14th and 15th field, counted behind the name.
fn ticks() -> u64 {
    let stat = read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(')').next().unwrap().split_whitespace().collect::<Vec<_>>();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
