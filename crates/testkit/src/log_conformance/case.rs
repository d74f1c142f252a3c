//! One rule's own corner of the log, and the helpers that the rules are told with.

use std::{sync::Arc, time::Duration};

use bulkhead_log::{Appended, Entry, Log, Partition, Reader, ReaderLimits, Record, Start, Topic, TopicSpec};
use futures::future::join_all;

/// How long nothing must come before we believe that nothing comes.
pub(super) const QUIET: Duration = Duration::from_millis(300);

/// The log and a prefix for topics that no other rule uses.
pub(super) struct Case {
    pub(super) log: Arc<dyn Log>,
    pub(super) name: &'static str,
    prefix: String,
}

impl Case {
    pub(super) fn new(log: Arc<dyn Log>, run: &str, name: &'static str) -> Self {
        Self { log, name, prefix: format!("{run}.{name}") }
    }

    /// The name of one of the case's topics. It may not exist.
    pub(super) fn name_of(&self, topic: &str) -> Topic {
        Topic::new(&format!("{}.{topic}", self.prefix)).expect("topic names of the suite parse")
    }

    /// The specification of one of the case's topics.
    pub(super) fn spec(&self, topic: &str, partitions: u32) -> TopicSpec {
        TopicSpec { topic: self.name_of(topic), partitions, compacted: false }
    }

    /// Makes a topic and gives its partitions.
    pub(super) async fn partitions(&self, topic: &str, partitions: u32) -> Vec<Partition> {
        let spec = self.spec(topic, partitions);
        self.log
            .ensure(std::slice::from_ref(&spec))
            .await
            .unwrap_or_else(|e| panic!("{}: ensure: {e}", self.name));
        (0..partitions).map(|number| spec.topic.partition(number)).collect()
    }

    /// Appends one value and waits for the answer.
    pub(super) async fn append(&self, to: &Partition, value: impl Into<Vec<u8>>) -> Appended {
        let appended = self.log.append(to, record("", value)).await;
        appended.unwrap_or_else(|e| panic!("{}: append to {to}: {e}", self.name))
    }

    /// Appends `first`, `first + 1`, ... without waiting in between, and waits for all answers.
    pub(super) async fn append_numbers(
        &self,
        to: &Partition,
        numbers: std::ops::Range<u32>,
    ) -> Vec<Appended> {
        let answers = numbers.map(|n| self.log.append(to, record("", n.to_string()))).collect::<Vec<_>>();
        let answers = join_all(answers).await.into_iter();
        answers
            .map(|answer| answer.unwrap_or_else(|e| panic!("{}: append to {to}: {e}", self.name)))
            .collect()
    }

    /// A reader of these partitions from those offsets.
    pub(super) async fn reader(&self, starts: &[(&Partition, u64)]) -> Box<dyn Reader> {
        self.reader_within(starts, ReaderLimits::default()).await
    }

    /// The same, within limits.
    pub(super) async fn reader_within(
        &self,
        starts: &[(&Partition, u64)],
        limits: ReaderLimits,
    ) -> Box<dyn Reader> {
        let reader = self.log.reader(self::starts(starts), limits).await;
        reader.unwrap_or_else(|e| panic!("{}: reader: {e}", self.name))
    }

    /// The next entries, at least one.
    pub(super) async fn next(&self, reader: &mut Box<dyn Reader>) -> Vec<Entry> {
        let entries = reader.next().await.unwrap_or_else(|e| panic!("{}: next: {e}", self.name));
        assert!(!entries.is_empty(), "{}: a reader answered with nothing", self.name);
        entries
    }

    /// Reads until there are that many entries, and no more than those.
    pub(super) async fn read(&self, reader: &mut Box<dyn Reader>, count: usize) -> Vec<Entry> {
        let mut entries = Vec::new();
        while entries.len() < count {
            entries.extend(self.next(reader).await);
        }
        assert_eq!(entries.len(), count, "{}: more entries came than were appended", self.name);
        entries
    }

    /// Reads all of a partition from the start, until an entry of at least that offset has come.
    pub(super) async fn read_to(&self, partition: &Partition, last: u64) -> Vec<Entry> {
        let mut reader = self.reader(&[(partition, 0)]).await;
        let mut entries: Vec<Entry> = Vec::new();
        while entries.last().is_none_or(|entry| entry.offset < last) {
            entries.extend(self.next(&mut reader).await);
        }
        entries
    }

    /// Nothing comes, for as long as we care to wait.
    pub(super) async fn silent(&self, reader: &mut Box<dyn Reader>, why: &str) {
        if let Ok(answer) = tokio::time::timeout(QUIET, reader.next()).await {
            panic!("{}: {why}, but this came: {:?}", self.name, answer.map(|entries| pointers(&entries)));
        }
    }
}

/// A record of that key and value.
pub(super) fn record(key: &str, value: impl Into<Vec<u8>>) -> Record {
    Record { key: key.as_bytes().to_vec().into(), value: value.into().into() }
}

/// Pairs as starts.
pub(super) fn starts(starts: &[(&Partition, u64)]) -> Vec<Start> {
    starts
        .iter()
        .map(|(partition, offset)| Start { partition: (*partition).clone(), offset: *offset })
        .collect()
}

/// The values as text.
pub(super) fn values(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| String::from_utf8_lossy(&entry.record.value).into_owned()).collect()
}

/// Where the entries lie, as text.
pub(super) fn pointers(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.pointer().to_string()).collect()
}

/// The numbers as text.
pub(super) fn numbers(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|n| n.to_string()).collect()
}

/// The entries of one partition.
pub(super) fn only<'a>(entries: &'a [Entry], partition: &'a Partition) -> impl Iterator<Item = &'a Entry> {
    entries.iter().filter(move |entry| entry.partition == *partition)
}

/// Offsets rise.
pub(super) fn assert_rising<'a>(case: &Case, entries: impl IntoIterator<Item = &'a Entry>) {
    let offsets: Vec<u64> = entries.into_iter().map(|entry| entry.offset).collect();
    assert!(
        offsets.is_sorted_by(|a, b| a < b),
        "{}: offsets of one partition do not rise: {offsets:?}",
        case.name
    );
}
