//! Rules about readers.

use std::time::Duration;

use bulkhead_log::{Error, ReaderLimits};

use super::case::{Case, assert_rising, numbers, only, pointers, record, starts, values};

pub(super) async fn it_reads_on_from_a_position(case: &Case) {
    let partition = &case.partitions("t", 1).await[0];
    let appended = case.append_numbers(partition, 0..20).await;
    let mut reader = case.reader(&[(partition, appended[7].offset)]).await;
    assert_eq!(
        values(&case.read(&mut reader, 13).await),
        numbers(7..20),
        "{}: from the eighth on",
        case.name
    );
    case.append_numbers(partition, 20..25).await;
    assert_eq!(values(&case.read(&mut reader, 5).await), numbers(20..25), "{}: what came later", case.name);

    let mut at_end = case.reader(&[(partition, appended[19].offset + 1)]).await;
    assert_eq!(
        values(&case.read(&mut at_end, 5).await),
        numbers(20..25),
        "{}: after the twentieth",
        case.name
    );
}

pub(super) async fn a_reader_waits_for_the_next_entry(case: &Case) {
    let partitions = case.partitions("t", 3).await;
    let mut reader = case.reader(&[(&partitions[0], 0), (&partitions[2], 0)]).await;
    case.silent(&mut reader, "nothing was appended").await;
    case.append(&partitions[1], "not ours").await;
    case.silent(&mut reader, "only another partition was appended to").await;
    for n in 0..10 {
        let to = &partitions[if n % 2 == 0 { 0 } else { 2 }];
        let (entries, _) = futures::join!(case.read(&mut reader, 1), case.append(to, n.to_string()));
        assert_eq!(
            (entries[0].partition.clone(), values(&entries)),
            (to.clone(), vec![n.to_string()]),
            "{}",
            case.name
        );
    }
}

pub(super) async fn a_cancelled_read_loses_nothing(case: &Case) {
    let partition = &case.partitions("t", 1).await[0];
    let limits = ReaderLimits { max_entries: 7, ..ReaderLimits::default() };
    let mut reader = case.reader_within(&[(partition, 0)], limits).await;
    let reading = async {
        let (mut entries, mut patience) = (Vec::new(), 0);
        while entries.len() < 300 {
            // From no time at all to some milliseconds, so that it is dropped at every point that there is.
            patience = (patience + 131) % 4001;
            if let Ok(next) = tokio::time::timeout(Duration::from_micros(patience), reader.next()).await {
                entries.extend(next.unwrap_or_else(|e| panic!("{}: next: {e}", case.name)));
            }
        }
        entries
    };
    let appending = async {
        for n in 0..30 {
            case.append_numbers(partition, n * 10..n * 10 + 10).await;
        }
    };
    let (entries, ()) = futures::join!(reading, appending);
    assert_eq!(values(&entries), numbers(0..300), "{}", case.name);
}

pub(super) async fn partitions_are_added_and_removed(case: &Case) {
    let partitions = case.partitions("t", 2).await;
    let (a, b) = (&partitions[0], &partitions[1]);
    let mut reader = case.reader(&[]).await;
    case.silent(&mut reader, "the reader has no partitions").await;

    let appended = case.append_numbers(a, 0..5).await;
    case.append_numbers(b, 100..105).await;
    reader.add(starts(&[(a, 0)]));
    assert_eq!(values(&case.read(&mut reader, 5).await), numbers(0..5), "{}: the added one", case.name);
    reader.add(starts(&[(b, 0)]));
    assert_eq!(values(&case.read(&mut reader, 5).await), numbers(100..105), "{}: the second one", case.name);

    reader.remove(std::slice::from_ref(a));
    case.append_numbers(a, 5..8).await;
    case.append_numbers(b, 105..106).await;
    assert_eq!(values(&case.read(&mut reader, 1).await), ["105"], "{}: the one that stays", case.name);
    case.silent(&mut reader, "the other was removed").await;

    reader.add(starts(&[(a, appended[4].offset)]));
    assert_eq!(values(&case.read(&mut reader, 4).await), numbers(4..8), "{}: added again", case.name);
    reader.add(starts(&[(a, appended[2].offset)]));
    assert_eq!(values(&case.read(&mut reader, 6).await), numbers(2..8), "{}: moved back", case.name);
}

pub(super) async fn a_paused_partition_is_silent_and_loses_nothing(case: &Case) {
    let partitions = case.partitions("t", 2).await;
    let (a, b) = (&partitions[0], &partitions[1]);
    let mut reader = case.reader(&[(a, 0), (b, 0)]).await;
    case.append_numbers(a, 0..3).await;
    assert_eq!(values(&case.read(&mut reader, 3).await), numbers(0..3), "{}", case.name);

    reader.pause(std::slice::from_ref(a), true);
    case.append_numbers(a, 3..6).await;
    case.append_numbers(b, 100..103).await;
    assert_eq!(
        values(&case.read(&mut reader, 3).await),
        numbers(100..103),
        "{}: the other goes on",
        case.name
    );
    case.silent(&mut reader, "it is paused").await;
    reader.pause(std::slice::from_ref(a), false);
    assert_eq!(values(&case.read(&mut reader, 3).await), numbers(3..6), "{}: resumed", case.name);
}

pub(super) async fn a_backlog_does_not_starve_the_others(case: &Case) {
    const BACKLOGS: usize = 40;
    let partitions = case.partitions("t", BACKLOGS as u32 + 1).await;
    let (last, backlogs) = partitions.split_last().expect("there are some");
    for partition in backlogs {
        case.append_numbers(partition, 0..50).await;
    }
    case.append_numbers(&backlogs[0], 50..1000).await;
    let late = case.append(last, "late").await;
    // Once it is visible, it need not wait for the backlogs.
    case.read_to(last, late.offset).await;

    let limits = ReaderLimits { max_entries: 20, ..ReaderLimits::default() };
    let from = partitions.iter().map(|partition| (partition, 0)).collect::<Vec<_>>();
    let mut reader = case.reader_within(&from, limits).await;
    let mut entries = Vec::new();
    while entries.len() < BACKLOGS * 50 + 950 + 1 {
        entries.extend(case.next(&mut reader).await);
        // Whoever reads a backlog has something to do for each answer; a reader in no hurry tells more about turns.
        tokio::time::sleep(Duration::from_millis(8)).await;
    }
    let place = entries.iter().position(|entry| entry.partition == *last);
    assert!(place.is_some_and(|place| place < 1500), "{}: {last} came at {place:?}", case.name);
    let backlog: Vec<_> = only(&entries, &backlogs[0]).cloned().collect();
    assert_eq!(values(&backlog), numbers(0..1000), "{}", case.name);
}

pub(super) async fn answers_keep_within_the_limits(case: &Case) {
    let partitions = case.partitions("t", 3).await;
    let mut count = 0;
    for size in [10, 400, 10, 3000, 10, 10, 900, 10] {
        for partition in &partitions {
            case.append(partition, vec![b'x'; size]).await;
            count += 1;
        }
    }
    let limits = ReaderLimits { max_bytes: 1000, max_entries: 4 };
    let from = partitions.iter().map(|partition| (partition, 0)).collect::<Vec<_>>();
    let mut reader = case.reader_within(&from, limits).await;
    let mut all = Vec::new();
    while all.len() < count {
        let entries = case.next(&mut reader).await;
        let bytes: usize = entries.iter().map(|entry| entry.record.bytes()).sum();
        assert!(entries.len() <= 4, "{}: {} entries, at most 4 wanted", case.name, entries.len());
        let alone = entries.len() == 1;
        assert!(bytes <= 1000 || alone, "{}: {bytes} bytes in {:?}", case.name, pointers(&entries));
        all.extend(entries);
    }
    assert_eq!(all.len(), count, "{}", case.name);
    partitions.iter().for_each(|partition| assert_rising(case, only(&all, partition)));
}

pub(super) async fn two_readers_see_the_same(case: &Case) {
    let partition = &case.partitions("t", 1).await[0];
    let (mut one, mut other) = (case.reader(&[(partition, 0)]).await, case.reader(&[(partition, 0)]).await);
    let (a, b, _) = futures::join!(
        case.read(&mut one, 200),
        case.read(&mut other, 200),
        case.append_numbers(partition, 0..200)
    );
    assert_eq!(a, b, "{}", case.name);
    assert_eq!(values(&a), numbers(0..200), "{}", case.name);
}

pub(super) async fn a_start_past_the_end_is_an_error(case: &Case) {
    let partitions = case.partitions("t", 2).await;
    let last = case.append(&partitions[0], "the only one").await;
    case.read_to(&partitions[0], last.offset).await;

    let past = starts(&[(&partitions[0], last.offset + 100)]);
    let answer = match case.log.reader(past.clone(), ReaderLimits::default()).await {
        Ok(mut reader) => reader.next().await.map(|entries| pointers(&entries)),
        Err(error) => Err(error),
    };
    assert!(matches!(answer, Err(Error::PastEnd { .. })), "{}: {answer:?}", case.name);

    let mut reader = case.reader(&[(&partitions[1], 0)]).await;
    reader.add(past);
    let answer = reader.next().await.map(|entries| pointers(&entries));
    assert!(matches!(answer, Err(Error::PastEnd { .. })), "{}: added: {answer:?}", case.name);
    case.append(&partitions[1], "goes on").await;
    assert_eq!(values(&case.read(&mut reader, 1).await), ["goes on"], "{}", case.name);
}

pub(super) async fn an_unknown_partition_is_said_once(case: &Case) {
    let partition = &case.partitions("t", 1).await[0];
    let mut reader = case.reader(&[(partition, 0)]).await;
    reader.add(starts(&[(&partition.topic.partition(7), 0)]));
    let answer = reader.next().await.map(|entries| pointers(&entries));
    assert!(matches!(answer, Err(Error::UnknownPartition { .. })), "{}: {answer:?}", case.name);
    let appended = case.log.append(partition, record("", "goes on"));
    assert_eq!(values(&case.read(&mut reader, 1).await), ["goes on"], "{}", case.name);
    assert!(appended.await.is_ok(), "{}", case.name);
}
