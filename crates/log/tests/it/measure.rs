//! How fast it is here. Not a test of anything:
//! `cargo test --release -p bulkhead-log -- --ignored --nocapture measure`.

use std::time::{Duration, Instant};

use bulkhead_log::{Embedded, EmbeddedConfig, Log, Partition, ReaderLimits, Record, Start, Topic, TopicSpec};

use crate::numbers::Numbers;

const VALUE: usize = 4096;

#[test]
#[ignore = "measures, tests nothing"]
fn measure() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (partitions, writers) in [(1, 1), (1, 64), (1, 256), (1000, 256)] {
        runtime.block_on(appends(partitions, writers));
    }
    runtime.block_on(tail());
    runtime.block_on(catching_up());
}

async fn open(partitions: u32) -> (tempfile::TempDir, Embedded, Vec<Partition>) {
    let place = tempfile::tempdir().unwrap();
    let log = Embedded::open(EmbeddedConfig::new(place.path().join("log"))).unwrap();
    let topic = Topic::new("measured").unwrap();
    log.ensure(&[TopicSpec { topic: topic.clone(), partitions, compacted: false }]).await.unwrap();
    let partitions = (0..partitions).map(|number| topic.partition(number)).collect();
    (place, log, partitions)
}

async fn appends(partitions: u32, writers: u64) {
    let (_place, log, partitions) = open(partitions).await;
    let begin = Instant::now();
    let tasks = (0..writers).map(|writer| {
        let (log, partitions, mut numbers) = (log.clone(), partitions.clone(), Numbers(writer));
        tokio::spawn(async move {
            let mut took = Vec::new();
            while begin.elapsed() < Duration::from_secs(5) {
                let value = numbers.bytes(VALUE);
                let to = &partitions[numbers.below(partitions.len() as u64) as usize];
                let start = Instant::now();
                log.append(to, Record { key: Default::default(), value: value.into() }).await.unwrap();
                took.push(start.elapsed());
            }
            took
        })
    });
    let mut took = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        took.extend(task.await.unwrap());
    }
    let rate = took.len() as f64 / begin.elapsed().as_secs_f64();
    println!("{} partitions, {writers} writers: {rate:.0} appends/s, {}", partitions.len(), spread(took));
}

/// From the answer to an append until a reader at the tail has it, and from the call until then.
async fn tail() {
    let (_place, log, partitions) = open(100).await;
    let starts =
        partitions.iter().map(|partition| Start { partition: partition.clone(), offset: 0 }).collect();
    let mut reader = log.reader(starts, ReaderLimits::default()).await.unwrap();
    let (seen, mut seen_at) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        while let Ok(entries) = reader.next().await {
            let now = Instant::now();
            for _ in entries {
                seen.send(now).await.unwrap();
            }
        }
    });
    let (mut after_answer, mut after_call) = (Vec::new(), Vec::new());
    let mut numbers = Numbers(1);
    for _ in 0..2000 {
        let value = numbers.bytes(VALUE);
        let to = &partitions[numbers.below(100) as usize];
        let call = Instant::now();
        log.append(to, Record { key: Default::default(), value: value.into() }).await.unwrap();
        let answer = Instant::now();
        let seen = seen_at.recv().await.unwrap();
        after_answer.push(seen.saturating_duration_since(answer));
        after_call.push(seen - call);
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    println!("seen after the answer: {}; after the call: {}", spread(after_answer), spread(after_call));
}

async fn catching_up() {
    let (place, log, partitions) = open(100).await;
    let mut numbers = Numbers(1);
    let begin = Instant::now();
    for _ in 0..200 {
        let answers = (0..250).map(|n| {
            let value = numbers.bytes(VALUE);
            log.append(&partitions[n % 100], Record { key: Default::default(), value: value.into() })
        });
        futures::future::try_join_all(answers.collect::<Vec<_>>()).await.unwrap();
    }
    println!("50,000 appends, 250 at a time: {:?}", begin.elapsed());
    log.close().await;
    let begin = Instant::now();
    let log = Embedded::open(EmbeddedConfig::new(place.path().join("log"))).unwrap();
    println!("reopened after a close: {:?}", begin.elapsed());
    let starts =
        partitions.iter().map(|partition| Start { partition: partition.clone(), offset: 0 }).collect();
    let mut reader = log.reader(starts, ReaderLimits::default()).await.unwrap();
    let (begin, mut count) = (Instant::now(), 0);
    while count < 50_000 {
        count += reader.next().await.unwrap().len();
    }
    let rate = (count * VALUE) as f64 / 1e6 / begin.elapsed().as_secs_f64();
    println!("read from the file, 100 partitions: {rate:.0} MB/s");
}

fn spread(mut took: Vec<Duration>) -> String {
    took.sort();
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
    format!("p50 {:?}, p99 {:?}, max {:?}", at(0.5), at(0.99), at(1.0))
}
