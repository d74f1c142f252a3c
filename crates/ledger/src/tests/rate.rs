//! How fast events are applied and asked about. Run alone, in release: `cargo test --release -- --ignored rate`.

use std::collections::HashSet;
use std::time::Instant;

use bulkhead_log::Entry;
use bulkhead_model::Lane;

use super::*;
use crate::writer::Writer;

#[test]
#[ignore = "a measurement"]
fn the_rate_of_applying() {
    let directory = tempfile::tempdir().unwrap();
    let config = Config { path: directory.path().join("ledger.db"), nation: Nation::Wales };
    let mut writer = Writer::open(&config).unwrap();
    let mut next = [0u64; SHARDS as usize];
    let mut entries = Vec::new();
    let mut put = |event: ReadEvent| {
        let shard = event.author.claim.shard;
        let offset = next[shard as usize];
        next[shard as usize] += 1;
        let record = Record { key: bytes::Bytes::new(), value: event.encode() };
        entries.push(Entry { partition: events(shard), offset, at: at(0), record });
    };
    for shard in 0..SHARDS {
        put(ReadEvent { author: author(shard, 1, "wales-1", 0), record: EventRecord::Claimed });
    }
    // As many lives at a time as a busy cell has: their events come in turns, in batches of that many.
    const LIVES: u64 = 16;
    for first in (0..50_000u64).step_by(LIVES as usize) {
        let lives = || (first..first + LIVES).map(|number| (number, format!("message-{number:08}")));
        for (number, message) in lives() {
            let mut facts = in_case(&message, &format!("case-{number:08}"), None);
            facts.envelope.deadline = Some(at(number as i64));
            put(decision(&origin(), &message, 0, routed(number), Some(facts)));
        }
        for event in [offered(1), delivered(1), acknowledged()] {
            lives().for_each(|(_, message)| put(decision(&receiver(), &message, 1, event.clone(), None)));
        }
    }
    let (catching_up, keeping_up) = entries.split_at(entries.len() / 2);
    for (what, entries, batch) in
        [("catching up", catching_up, 2_048), ("keeping up", keeping_up, LIVES as usize)]
    {
        let started = Instant::now();
        entries.chunks(batch).for_each(|entries| drop(writer.apply(entries).unwrap()));
        let took = started.elapsed();
        println!(
            "{what}: {} events in {took:?}: {:.0}/s",
            entries.len(),
            entries.len() as f64 / took.as_secs_f64()
        );
    }
    let store = writer.store().unwrap();
    let started = Instant::now();
    for number in 0..10_000u64 {
        let id = id(&format!("message-{:08}", number * 5));
        store.read("measuring", |connection| crate::store::row(connection, &id)).unwrap().unwrap();
    }
    println!("get: {:?} each", started.elapsed() / 10_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn the_time_from_append_to_verdict() {
    let cell = Cell::start().await;
    soon(cell.ledger.caught_up()).await.unwrap();
    let mut reader = cell
        .log
        .reader(
            vec![bulkhead_log::Start { partition: events(shard_of(&origin())), offset: 1 }],
            bulkhead_log::ReaderLimits::default(),
        )
        .await
        .unwrap();
    let (mut seen, mut judged) = (vec![], vec![]);
    for number in 0..2_000u64 {
        let message = format!("message-{number:08}");
        let event = decision(&origin(), &message, 0, routed(number), Some(facts(&message)));
        let partition = events(shard_of(&origin()));
        let record = Record { key: bytes::Bytes::new(), value: event.encode() };
        let pending = cell.log.append(&partition, record);
        let at = partition.at(number + 1);
        let started = Instant::now();
        let ledger = cell.ledger.clone();
        let verdict = tokio::spawn(async move {
            assert_eq!(ledger.verdict(&at).await.unwrap(), Verdict::Counts);
            started.elapsed()
        });
        reader.next().await.unwrap();
        seen.push(started.elapsed());
        judged.push(verdict.await.unwrap());
        pending.await.unwrap();
    }
    for (name, mut times) in [("log's own reader", seen), ("verdict", judged)] {
        times.sort();
        println!("{name}: median {:?}, 99 % {:?}", times[times.len() / 2], times[times.len() * 99 / 100]);
    }
    let started = Instant::now();
    let lane = Lane::of(Priority::Routine);
    let waiting = cell.ledger.waiting_out(&receiver(), lane, &HashSet::new(), 64).unwrap();
    println!("waiting_out of {}: {:?}", waiting.len(), started.elapsed());
}
