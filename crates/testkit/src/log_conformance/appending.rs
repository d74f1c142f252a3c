//! Rules about topics and appends.

use std::collections::{HashMap, HashSet};

use bulkhead_log::{DEFAULT_MAX_RECORD_BYTES, Error};

use super::case::{Case, assert_rising, numbers, record, values};

pub(super) async fn ensure_is_idempotent(case: &Case) {
    let specs = [case.spec("a", 1), case.spec("b", 3)];
    for _ in 0..3 {
        assert_eq!(case.log.ensure(&specs).await, Ok(()), "{}: ensure again", case.name);
    }
    let b = specs[1].topic.partition(2);
    case.append(&b, "kept").await;
    assert_eq!(case.log.ensure(&specs).await, Ok(()), "{}: ensure a topic with entries", case.name);
    assert_eq!(values(&case.read_to(&b, 0).await), ["kept"], "{}: ensure touched the entries", case.name);
}

pub(super) async fn a_topic_of_another_shape_is_refused(case: &Case) {
    case.partitions("a", 2).await;
    let answer = case.log.ensure(&[case.spec("a", 3)]).await;
    assert!(
        matches!(answer, Err(Error::TopicDiffers { .. })),
        "{}: 3 partitions, not 2: {answer:?}",
        case.name
    );
    let answer = case.log.ensure(&[case.spec("none", 0)]).await;
    assert!(matches!(answer, Err(Error::BadPartitions { .. })), "{}: no partitions: {answer:?}", case.name);
}

pub(super) async fn every_topic_name_that_parses_is_taken(case: &Case) {
    let used = case.name_of("").as_str().len();
    for name in ["UPPER_and-lower.9".to_owned(), "x".repeat(200 - used)] {
        let partition = &case.partitions(&name, 1).await[0];
        let appended = case.append(partition, name.clone()).await;
        assert_eq!(values(&case.read_to(partition, appended.offset).await), [name], "{}", case.name);
    }
}

pub(super) async fn an_append_to_nowhere_writes_nothing(case: &Case) {
    let known = &case.partitions("known", 1).await[0];
    for nowhere in [case.name_of("unknown").partition(0), known.topic.partition(1)] {
        let answer = case.log.append(&nowhere, record("", "lost")).await;
        let refused = matches!(answer, Err(Error::UnknownTopic { .. } | Error::UnknownPartition { .. }));
        assert!(refused, "{}: append to {nowhere}: {answer:?}", case.name);
        assert!(case.log.bounds(&nowhere).await.is_err(), "{}: {nowhere} has bounds", case.name);
    }
}

pub(super) async fn appends_land_in_call_order(case: &Case) {
    let partition = &case.partitions("t", 1).await[0];
    let appended = case.append_numbers(partition, 0..500).await;
    assert!(appended.is_sorted_by(|a, b| a.offset < b.offset), "{}: answers out of order", case.name);
    let entries = case.read_to(partition, appended[499].offset).await;
    assert_eq!(values(&entries), numbers(0..500), "{}: entries out of order", case.name);
    assert_rising(case, &entries);
}

pub(super) async fn a_dropped_append_still_lands(case: &Case) {
    let partition = &case.partitions("t", 1).await[0];
    drop(case.log.append(partition, record("", "dropped")));
    let last = case.append(partition, "waited for").await;
    let entries = case.read_to(partition, last.offset).await;
    assert_eq!(values(&entries), ["dropped", "waited for"], "{}", case.name);
}

pub(super) async fn what_is_answered_is_what_is_read(case: &Case) {
    let partition = &case.partitions("t", 1).await[0];
    let sent = record("key", "value");
    let appended =
        case.log.append(partition, sent.clone()).await.unwrap_or_else(|e| panic!("{}: {e}", case.name));
    let entry = &case.read_to(partition, appended.offset).await[0];
    assert_eq!(entry.partition, *partition, "{}", case.name);
    assert_eq!(entry.offset, appended.offset, "{}", case.name);
    assert_eq!(entry.at, appended.at, "{}: the time differs between answer and entry", case.name);
    assert_eq!(entry.record, sent, "{}", case.name);
    let skew = (jiff::Timestamp::now() - entry.at).total(jiff::Unit::Second).map(f64::abs);
    assert!(skew.is_ok_and(|skew| skew < 60.0), "{}: appended at {}", case.name, entry.at);
}

pub(super) async fn many_appenders_keep_their_order(case: &Case) {
    const APPENDERS: u32 = 32;
    const EACH: u32 = 60;
    let partitions = case.partitions("t", 4).await;
    let appenders = (0..APPENDERS).map(|appender| {
        let (log, partitions, name) = (case.log.clone(), partitions.clone(), case.name);
        tokio::spawn(async move {
            let (mut answered, mut repeated) = (Vec::new(), Vec::new());
            for n in 0..EACH {
                let to = &partitions[(n % 4) as usize];
                let value = format!("{appender} {n}");
                // Where nobody knows whether it was written, it is said again before anything else is.
                let appended = loop {
                    match log.append(to, record("", value.clone())).await {
                        Ok(appended) => break appended,
                        Err(Error::Unknown { .. }) => repeated.push(value.clone()),
                        Err(error) => panic!("{name}: append to {to}: {error}"),
                    }
                };
                answered.push((to.at(appended.offset), value));
            }
            (answered, repeated)
        })
    });
    let (mut answered, mut repeated) = (HashMap::new(), HashSet::new());
    for appender in appenders.collect::<Vec<_>>() {
        let (theirs, again) = appender.await.expect("an appender panicked");
        for (pointer, value) in theirs {
            let twice = answered.insert(pointer.clone(), value);
            assert_eq!(twice, None, "{}: two appends were given {pointer}", case.name);
        }
        repeated.extend(again);
    }
    let mut written = 0;
    for partition in &partitions {
        written += case.append(partition, "the end").await.offset as usize;
    }
    let mut reader =
        case.reader(&partitions.iter().map(|partition| (partition, 0)).collect::<Vec<_>>()).await;
    let entries = case.read(&mut reader, written + partitions.len()).await;
    let mut last: HashMap<(u32, String), u32> = HashMap::new();
    let mut seen = HashSet::new();
    for (entry, value) in entries.iter().zip(values(&entries)).filter(|(_, value)| value != "the end") {
        let is_answered = answered.get(&entry.pointer()) == Some(&value);
        assert!(is_answered || repeated.contains(&value), "{}: {value} at {}", case.name, entry.pointer());
        assert!(seen.insert(entry.pointer()), "{}: {} came twice", case.name, entry.pointer());
        let (appender, n) = value.split_once(' ').expect("the values of this rule have two words");
        let n: u32 = n.parse().expect("the second word is a number");
        let before = last.insert((entry.partition.number, appender.to_owned()), n);
        let is_again = before == Some(n) && repeated.contains(&value);
        assert!(
            before < Some(n) || is_again,
            "{}: {n} of appender {appender} came after {before:?}",
            case.name
        );
    }
    assert!(
        answered.keys().all(|pointer| seen.contains(pointer)),
        "{}: an answered one is missing",
        case.name
    );
    for partition in &partitions {
        assert_rising(case, entries.iter().filter(|entry| entry.partition == *partition));
    }
}

pub(super) async fn small_and_large_records_come_back(case: &Case) {
    let partition = &case.partitions("t", 1).await[0];
    let large: Vec<u8> =
        (0..4 * 1024 * 1024_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    case.append(partition, "").await;
    case.append(partition, large.clone()).await;
    let last = case.append(partition, [0, 255, 10, 13]).await;
    let entries = case.read_to(partition, last.offset).await;
    assert_eq!(entries.len(), 3, "{}", case.name);
    assert_eq!(entries[0].record.bytes(), 0, "{}: an empty record grew", case.name);
    assert!(entries[1].record.value == large, "{}: a record of 4 MiB was changed", case.name);
    assert_eq!(entries[2].record.value[..], [0, 255, 10, 13], "{}", case.name);
}

pub(super) async fn a_record_over_the_limit_writes_nothing(case: &Case) {
    let partition = &case.partitions("t", 1).await[0];
    let answer = case.log.append(partition, record("k", vec![0; DEFAULT_MAX_RECORD_BYTES])).await;
    assert!(matches!(answer, Err(Error::TooLarge { .. })), "{}: {answer:?}", case.name);
    let last = case.append(partition, "after").await;
    assert_eq!(values(&case.read_to(partition, last.offset).await), ["after"], "{}", case.name);
}
