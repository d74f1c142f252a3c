//! Rules about what is kept: bounds, pointers, trimming, compaction, reopening.

use std::{collections::HashMap, time::Duration};

use bulkhead_log::{Entry, Partition, TopicSpec};

use super::case::{Case, numbers, record, values};

pub(super) async fn bounds_follow_appends(case: &Case) {
    let partitions = case.partitions("t", 2).await;
    let empty = bounds(case, &partitions[0]).await;
    assert!(empty.is_empty(), "{}: a new partition has {empty:?}", case.name);
    let appended = case.append_numbers(&partitions[0], 0..10).await;
    while bounds(case, &partitions[0]).await.end <= appended[9].offset {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let bounds_now = bounds(case, &partitions[0]).await;
    assert!(bounds_now.start <= appended[0].offset, "{}: {bounds_now:?}", case.name);
    let other = bounds(case, &partitions[1]).await;
    assert!(other.is_empty(), "{}: another partition has {other:?}", case.name);
}

pub(super) async fn entries_are_found_at_their_pointers(case: &Case) {
    let partitions = case.partitions("t", 2).await;
    let (a, b) = (&partitions[0], &partitions[1]);
    let in_a = case.append_numbers(a, 0..10).await;
    let in_b = case.append_numbers(b, 100..110).await;
    case.read_to(a, in_a[9].offset).await;
    case.read_to(b, in_b[9].offset).await;
    let pointers = [
        b.at(in_b[9].offset),
        a.at(in_a[0].offset),
        a.at(in_a[9].offset + 1000),
        b.at(in_b[3].offset),
        a.at(in_a[0].offset),
    ];
    let found = read_at(case, &pointers).await;
    let found =
        found.iter().map(|entry| entry.as_ref().map(|entry| values(std::slice::from_ref(entry)).concat()));
    let expected =
        [Some("109"), Some("0"), None, Some("103"), Some("0")].map(|value| value.map(str::to_owned));
    assert_eq!(found.collect::<Vec<_>>(), expected, "{}", case.name);
    assert_eq!(read_at(case, &[]).await, [], "{}", case.name);
}

pub(super) async fn what_is_trimmed_is_gone(case: &Case) {
    let partitions = case.partitions("t", 2).await;
    let appended = case.append_numbers(&partitions[0], 0..700).await;
    let other = case.append_numbers(&partitions[1], 0..3).await;
    case.read_to(&partitions[0], appended[699].offset).await;
    let before = appended[650].offset;
    trim(case, &partitions[0], before).await;

    assert_eq!(bounds(case, &partitions[0]).await.start, before, "{}: the lowest kept", case.name);
    let found = read_at(case, &[partitions[0].at(appended[649].offset), partitions[0].at(before)]).await;
    assert!(found[0].is_none(), "{}: a trimmed entry was found", case.name);
    assert!(found[1].is_some(), "{}: the lowest kept was not found", case.name);
    let kept = case.read_to(&partitions[0], appended[699].offset).await;
    assert_eq!(values(&kept), numbers(650..700), "{}: read from the beginning", case.name);
    let kept = case.read_to(&partitions[1], other[2].offset).await;
    assert_eq!(values(&kept), numbers(0..3), "{}: another partition", case.name);

    trim(case, &partitions[0], appended[10].offset).await;
    assert_eq!(
        bounds(case, &partitions[0]).await.start,
        before,
        "{}: trimming less changes nothing",
        case.name
    );
}

pub(super) async fn trimming_all_does_not_reuse_offsets(case: &Case) {
    let partition = &case.partitions("t", 1).await[0];
    let appended = case.append_numbers(partition, 0..10).await;
    case.read_to(partition, appended[9].offset).await;
    trim(case, partition, u64::MAX).await;
    let empty = bounds(case, partition).await;
    assert!(empty.is_empty(), "{}: {empty:?} after trimming all", case.name);
    let next = case.append(partition, "next").await;
    assert!(next.offset > appended[9].offset, "{}: offset {} was used again", case.name, next.offset);
    assert_eq!(values(&case.read_to(partition, next.offset).await), ["next"], "{}", case.name);
}

pub(super) async fn compaction_keeps_the_last_of_each_key(case: &Case) {
    let spec = TopicSpec { compacted: true, ..case.spec("t", 1) };
    for _ in 0..2 {
        let ensured = case.log.ensure(std::slice::from_ref(&spec)).await;
        assert_eq!(ensured, Ok(()), "{}", case.name);
    }
    let partition = spec.topic.partition(0);
    let mut last = 0;
    for n in 0..100 {
        let appended = case.log.append(&partition, record(&format!("key {}", n % 3), n.to_string())).await;
        last = appended.unwrap_or_else(|e| panic!("{}: {e}", case.name)).offset;
    }
    let mut latest = HashMap::new();
    for entry in case.read_to(&partition, last).await {
        latest.insert(entry.record.key.to_vec(), entry.record.value.to_vec());
    }
    let expected = [("key 0", "99"), ("key 1", "97"), ("key 2", "98")];
    let expected = expected.map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec()));
    assert_eq!(latest, HashMap::from(expected), "{}", case.name);
}

/// What must be found again after the log was closed and opened.
pub(super) struct Memory {
    partition: Partition,
    trimmed: Partition,
    entries: Vec<Entry>,
    last_trimmed: u64,
}

pub(super) async fn fill_before_reopening(case: &Case) -> Memory {
    let partitions = case.partitions("t", 2).await;
    let [partition, trimmed] = [partitions[0].clone(), partitions[1].clone()];
    let appended = case.append_numbers(&partition, 0..300).await;
    let entries = case.read_to(&partition, appended[299].offset).await;
    let last_trimmed = case.append_numbers(&trimmed, 0..10).await[9].offset;
    case.read_to(&trimmed, last_trimmed).await;
    trim(case, &trimmed, u64::MAX).await;
    Memory { partition, trimmed, entries, last_trimmed }
}

pub(super) async fn everything_is_there_after_reopening(case: &Case, memory: Memory) {
    let Memory { partition, trimmed, entries, last_trimmed } = memory;
    case.partitions("t", 2).await;
    let last = entries.last().expect("the rule appends entries").offset;
    let again = case.read_to(&partition, last).await;
    assert!(again == entries, "{}: what is read differs from what was read before", case.name);
    let next = case.append(&partition, "next").await;
    assert!(next.offset > last, "{}: offset {} was used again", case.name, next.offset);

    let empty = bounds(case, &trimmed).await;
    assert!(empty.is_empty(), "{}: what was trimmed is back: {empty:?}", case.name);
    let next = case.append(&trimmed, "next").await;
    assert!(next.offset > last_trimmed, "{}: offset {} was used again", case.name, next.offset);
}

async fn bounds(case: &Case, partition: &Partition) -> std::ops::Range<u64> {
    case.log.bounds(partition).await.unwrap_or_else(|e| panic!("{}: bounds: {e}", case.name))
}

async fn trim(case: &Case, partition: &Partition, before: u64) {
    case.log.trim(partition, before).await.unwrap_or_else(|e| panic!("{}: trim: {e}", case.name));
}

async fn read_at(case: &Case, pointers: &[bulkhead_log::Pointer]) -> Vec<Option<Entry>> {
    case.log.read_at(pointers).await.unwrap_or_else(|e| panic!("{}: read_at: {e}", case.name))
}
