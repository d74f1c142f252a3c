//! Brokers that are killed: what was acknowledged stays, in order, and too few of them acknowledge nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bulkhead_log::{Entry, Kafka, Log, Partition};
use bulkhead_testkit::brokers::Brokers;

use super::super::cluster::{self, append_until_taken, partitions, read, reader, record, values};

/// What one appender was told.
struct Told {
    partition: Partition,
    /// The number, and the offset that it was acknowledged at.
    acknowledged: Vec<(u32, u64)>,
    unknown: usize,
    longest: Duration,
}

/// Appends one number after the other, repeating what is unknown, until it is told to stop.
async fn append(log: Kafka, partition: Partition, stop: Arc<AtomicBool>) -> Told {
    let mut told = Told { partition, acknowledged: Vec::new(), unknown: 0, longest: Duration::ZERO };
    for number in 0.. {
        let begin = Instant::now();
        loop {
            match log.append(&told.partition, record(number)).await {
                Ok(appended) => {
                    told.acknowledged.push((number, appended.offset));
                    break;
                }
                Err(error) => {
                    assert!(begin.elapsed() < Duration::from_secs(60), "{number}: {error}");
                    told.unknown += 1;
                }
            }
        }
        told.longest = told.longest.max(begin.elapsed());
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    told
}

/// Everything that was acknowledged lies where it was said to, and numbers begin in their order.
fn check(told: &Told, entries: &[Entry]) {
    let name = &told.partition;
    for (number, offset) in &told.acknowledged {
        let entry = entries.iter().find(|entry| entry.offset == *offset);
        let value = entry.map(|entry| values(std::slice::from_ref(entry)).concat());
        assert_eq!(value, Some(number.to_string()), "{name}@{offset}");
    }
    let mut next = 0;
    for value in values(entries) {
        let number: u32 = value.parse().unwrap();
        assert!(number <= next, "{name}: {number} came before {next}");
        next = next.max(number + 1);
    }
    assert_eq!(next as usize, told.acknowledged.len(), "{name}: something was lost or never said");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_dies_in_mid_append() {
    let brokers = Brokers::start(3, &[]);
    let log = Kafka::connect(cluster::config(brokers.bootstrap(), 3)).await.unwrap();
    // Enough of them that each broker leads some.
    let all = partitions(&log, "t", 6).await;
    let stop = Arc::new(AtomicBool::new(false));
    let appenders =
        all.iter().map(|partition| tokio::spawn(append(log.clone(), partition.clone(), stop.clone())));
    let appenders: Vec<_> = appenders.collect();
    let mut reading = reader(&log, &all.iter().collect::<Vec<_>>()).await;
    let pause = || tokio::time::sleep(Duration::from_secs(2));
    for broker in [2, 1] {
        pause().await;
        brokers.kill(broker);
        pause().await;
        brokers.up();
    }
    pause().await;
    stop.store(true, Ordering::Relaxed);
    let mut told = Vec::new();
    for appender in appenders {
        told.push(appender.await.unwrap());
    }
    let mut entries: Vec<Entry> = Vec::new();
    for told in &told {
        let last = told.acknowledged.last().unwrap().1;
        let there = |entry: &Entry| entry.partition == told.partition && entry.offset >= last;
        while !entries.iter().any(there) {
            entries.extend(read(&mut reading, 1).await);
        }
    }
    for told in &told {
        let here: Vec<_> =
            entries.iter().filter(|entry| entry.partition == told.partition).cloned().collect();
        check(told, &here);
        println!(
            "{}: {} acknowledged, {} unknown, longest {:?}",
            told.partition,
            told.acknowledged.len(),
            told.unknown,
            told.longest
        );
    }
    assert!(told.iter().all(|told| told.acknowledged.len() > 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_brokers_acknowledge_nothing() {
    let brokers = Brokers::start(3, &[]);
    let log = Kafka::connect(cluster::config(brokers.bootstrap(), 3)).await.unwrap();
    let all = partitions(&log, "t", 3).await;
    for partition in &all {
        append_until_taken(&log, partition, "before").await;
    }
    brokers.kill(2);
    brokers.kill(3);
    let until = Instant::now() + Duration::from_secs(8);
    let mut refused = 0;
    while Instant::now() < until {
        for answer in futures::future::join_all(all.iter().map(|to| log.append(to, record("during")))).await {
            let error = answer.expect_err("one broker of three acknowledged");
            assert!(!error.nothing_written(), "{error}");
            refused += 1;
        }
    }
    assert!(refused > 0);
    brokers.up();
    for partition in &all {
        let offset = append_until_taken(&log, partition, "after").await;
        let mut reader = reader(&log, &[partition]).await;
        let mut entries = Vec::new();
        while entries.last().is_none_or(|entry: &Entry| entry.offset < offset) {
            entries.extend(read(&mut reader, 1).await);
        }
        let values = values(&entries);
        assert_eq!(values.first().map(String::as_str), Some("before"));
        assert_eq!(values.last().map(String::as_str), Some("after"));
    }
}
