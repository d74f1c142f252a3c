//! Killed at any moment, the log keeps every append that it has answered.
//!
//! A child appends under load, trims one partition meanwhile, and notes each answer in a file. It is killed without
//! warning, again and again; each time all that it was ever told must still be there.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions, read_to_string},
    io::Write,
    path::Path,
    sync::{Arc, Mutex},
    thread::sleep,
    time::{Duration, Instant, SystemTime},
};

use bulkhead_log::{
    Embedded, EmbeddedConfig, Entry, Log, Partition, ReaderLimits, Record, Start, Topic, TopicSpec,
};

use crate::{
    child,
    numbers::{Numbers, checksum},
};

const ROUNDS: u64 = 8;
const WRITERS: u64 = 32;
const PARTITIONS: u32 = 4;
/// The partition that the child trims; the others it leaves alone.
const TRIMMED: u32 = 3;

#[test]
fn a_killed_log_has_lost_nothing() {
    let seed = std::env::var("BULKHEAD_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64);
    let place = tempfile::tempdir().unwrap();
    let mut numbers = Numbers(seed);
    for round in 0..ROUNDS {
        let again = format!("round {round}; to repeat: BULKHEAD_SEED={seed}");
        let mut child = child::start("kill::child_that_appends", place.path(), numbers.next());
        let answers = place.path().join("answers");
        let (begin, before) = (Instant::now(), size(&answers));
        while size(&answers) == before {
            assert!(begin.elapsed() < Duration::from_secs(30), "no append was answered; {again}");
            assert!(child.try_wait().unwrap().is_none(), "the child ended by itself; {again}");
            sleep(Duration::from_millis(1));
        }
        sleep(Duration::from_millis(numbers.below(250)));
        child.kill().unwrap();
        child.wait().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(check(place.path(), &answers, &again));
    }
}

/// Not a test: what the other one runs and kills.
#[test]
fn child_that_appends() {
    if let Some(told) = child::told() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(append_for_ever(&told.directory, told.seed));
    }
}

async fn append_for_ever(directory: &Path, seed: u64) {
    let log = open(directory);
    let topic = TopicSpec { topic: topic(), partitions: PARTITIONS, compacted: false };
    log.ensure(std::slice::from_ref(&topic)).await.unwrap();
    let answers = OpenOptions::new().create(true).append(true).open(directory.join("answers")).unwrap();
    let answers = Arc::new(Mutex::new(answers));
    for writer in 0..WRITERS {
        let numbers = Numbers(seed ^ writer.wrapping_mul(0x1234_5678_9abc_def1));
        tokio::spawn(write_for_ever(
            log.clone(),
            topic.topic.clone(),
            seed ^ writer,
            numbers,
            answers.clone(),
        ));
    }
    let trimmed = topic.topic.partition(TRIMMED);
    loop {
        let end = log.bounds(&trimmed).await.unwrap().end;
        log.trim(&trimmed, end.saturating_sub(100)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The value is: a checksum, who wrote it, its number in that partition, noise.
async fn write_for_ever(
    log: Embedded,
    topic: Topic,
    writer: u64,
    mut numbers: Numbers,
    answers: Arc<Mutex<File>>,
) {
    for n in 0_u64.. {
        let to = topic.partition(numbers.below(u64::from(PARTITIONS)) as u32);
        let length = numbers.below(6000) as usize;
        let body = [&writer.to_le_bytes()[..], &n.to_le_bytes(), &numbers.bytes(length)].concat();
        let sum = checksum(&body);
        let value = [&sum.to_le_bytes()[..], &body].concat();
        let appended =
            log.append(&to, Record { key: Default::default(), value: value.into() }).await.unwrap();
        // One write, so that a kill leaves whole lines, and at most one half of one.
        let line = format!("{} {} {sum}\n", to.number, appended.offset);
        answers.lock().unwrap().write_all(line.as_bytes()).unwrap();
    }
}

async fn check(directory: &Path, answers: &Path, again: &str) {
    let begin = Instant::now();
    let log = open(directory);
    assert!(begin.elapsed() < Duration::from_secs(2), "opening took {:?}; {again}", begin.elapsed());
    let mut kept: HashMap<(u32, u64), u64> = HashMap::new();
    let mut firsts = Vec::new();
    for number in 0..PARTITIONS {
        let partition = topic().partition(number);
        let bounds = log.bounds(&partition).await.unwrap();
        assert!(number == TRIMMED || bounds.start == 0, "{partition} begins at {}; {again}", bounds.start);
        let entries = read(&log, &partition, bounds.start..bounds.end).await;
        check_order(&entries, &partition, again);
        assert_eq!(entries.len() as u64, bounds.end - bounds.start, "gaps in {partition}; {again}");
        for entry in entries {
            let (sum, body) = entry.record.value.split_at(8);
            assert_eq!(sum, checksum(body).to_le_bytes(), "{} is damaged; {again}", entry.pointer());
            kept.insert((number, entry.offset), checksum(body));
        }
        firsts.push(bounds.start);
    }
    let mut answered = 0;
    for line in read_to_string(answers).unwrap().split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let [number, offset, sum] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("the child noted {line:?}; {again}");
        };
        let (number, offset): (u32, u64) = (number.parse().unwrap(), offset.parse().unwrap());
        answered += 1;
        if offset >= firsts[number as usize] {
            let found = kept.get(&(number, offset));
            assert_eq!(found, sum.parse().ok().as_ref(), "answered, then lost: {number}@{offset}; {again}");
        }
    }
    assert!(answered > 0, "nothing was answered; {again}");
}

/// Offsets without gaps, times that do not fall, each writer's numbers rising.
fn check_order(entries: &[Entry], partition: &Partition, again: &str) {
    let mut last: HashMap<[u8; 8], u64> = HashMap::new();
    for pair in entries.windows(2) {
        assert_eq!(pair[0].offset + 1, pair[1].offset, "offsets of {partition}; {again}");
        assert!(pair[0].at <= pair[1].at, "times of {partition}; {again}");
    }
    for entry in entries {
        let writer = entry.record.value[8..16].try_into().unwrap();
        let n = u64::from_le_bytes(entry.record.value[16..24].try_into().unwrap());
        let before = last.insert(writer, n);
        assert!(before < Some(n), "{n} came after {before:?} at {}; {again}", entry.pointer());
    }
}

async fn read(log: &Embedded, partition: &Partition, bounds: std::ops::Range<u64>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    if bounds.is_empty() {
        return entries;
    }
    let start = Start { partition: partition.clone(), offset: 0 };
    let mut reader = log.reader(vec![start], ReaderLimits::default()).await.unwrap();
    while entries.last().is_none_or(|entry| entry.offset + 1 < bounds.end) {
        entries.extend(reader.next().await.unwrap());
    }
    entries
}

fn open(directory: &Path) -> Embedded {
    // Small, so that a kill meets commits, checkpoints and trims in every state.
    let config =
        EmbeddedConfig { checkpoint_bytes: 512 * 1024, ..EmbeddedConfig::new(directory.join("log")) };
    Embedded::open(config).unwrap()
}

fn topic() -> Topic {
    Topic::new("killed").unwrap()
}

fn size(file: &Path) -> u64 {
    file.metadata().map_or(0, |file| file.len())
}
