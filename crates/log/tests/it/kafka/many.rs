//! Many partitions: consumers are made as they come, shared by their readers, and ended when they go.

use std::time::{Duration, Instant};

use bulkhead_log::{Kafka, Log};

use super::cluster::{self, partitions, read, reader, record, values};

/// How many threads of readers this process has; the runner gives each test a process of its own.
fn lanes() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim() == "log-reader").count()
}

async fn until(holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(10), "there are {} threads of readers", lanes());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_share_consumers_of_256_partitions() {
    let log = Kafka::connect(cluster::one()).await.unwrap();
    let all = partitions(&log, "many", 600).await;
    let mut readers = Vec::new();
    for partition in &all {
        readers.push(reader(&log, &[partition]).await);
    }
    // Of 256, 256 and 88 partitions. A thread has its name a moment after it is there.
    until(|| lanes() == 3).await;
    for at in [0, 255, 256, 511, 512, 599] {
        log.append(&all[at], record(at)).await.unwrap();
        assert_eq!(values(&read(&mut readers[at], 1).await), [at.to_string()]);
    }
    // A second reader of a partition has a consumer of its own, or one that does not read it yet.
    let mut second = reader(&log, &[&all[0]]).await;
    assert_eq!(values(&read(&mut second, 1).await), ["0"]);
    readers.clear();
    drop(second);
    until(|| lanes() <= 1).await;
    // The one that stays still works.
    let mut again = reader(&log, &[&all[599]]).await;
    assert_eq!(values(&read(&mut again, 1).await), ["599"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_holds_up_nobody_and_keeps_little() {
    let log = Kafka::connect(cluster::one()).await.unwrap();
    let all = partitions(&log, "slow", 2).await;
    let mut slow = reader(&log, &[&all[0]]).await;
    let mut quick = reader(&log, &[&all[1]]).await;
    for _ in 0..40 {
        log.append(&all[0], cluster::large(512 * 1024)).await.unwrap();
    }
    // Its 20 MiB lie before the quick one's records, on the same consumer.
    for n in 0..20 {
        log.append(&all[1], record(n)).await.unwrap();
        assert_eq!(values(&read(&mut quick, 1).await), [n.to_string()]);
    }
    let entries = read(&mut slow, 40).await;
    assert!(entries.iter().all(|entry| entry.record.bytes() == 512 * 1024));
    assert!(entries.is_sorted_by(|a, b| a.offset < b.offset));
}
