//! The same rows in whatever order the partitions are read.

use std::path::Path;

use bulkhead_log::Entry;
use bulkhead_model::State;
use proptest::prelude::*;

use super::*;
use crate::lives::Lives;
use crate::store::{self, Store};
use crate::writer::Writer;

/// Events by partition, each in the order of its owner.
type Partitions = Vec<(u32, Vec<ReadEvent>)>;

fn add(partitions: &mut Partitions, event: ReadEvent) {
    let shard = event.author.claim.shard;
    match partitions.iter_mut().find(|(partition, _)| *partition == shard) {
        Some((_, events)) => events.push(event),
        None => {
            let claimed = ReadEvent { author: author(shard, 1, "wales-1", 0), record: EventRecord::Claimed };
            partitions.push((shard, vec![claimed, event]));
        }
    }
}

/// What a referral of a case does, by a number.
fn live(partitions: &mut Partitions, message: &str, facts: Facts, fate: u8) {
    let fallback = tenant("wales/fallback");
    let diverted = Event::Diverted {
        to: fallback.clone(),
        service: "wales/fallback-1".into(),
        bytes: out(&fallback, 1, 5),
        reason: reason(Code::DeadlinePassed),
    };
    let cancelled = Event::Cancelled { reason: reason(Code::Withdrawn) };
    let far = tenant("england/x");
    let bytes = Place { topic: topics::border(Nation::England), partition: 2, offset: 4 };
    let mut again = facts.clone();
    (again.envelope.attempt, again.predecessor) = (2, Some(id("m-3")));
    let mut put = |owner: &TenantId, custody, event, facts| {
        add(partitions, decision(owner, message, custody, event, facts));
    };
    if fate == 5 {
        let reported = Event::Reported {
            state: State::Delivered,
            reason: None,
            destination: Some(far.clone()),
            sequence: 2,
            at: at(9),
            omissions: vec![],
        };
        let to_border = Event::ToBorder { nation: Nation::England, to: far, bytes };
        put(&origin(), 0, to_border, Some(facts));
        put(&origin(), 0, Event::Carrying { nation: Nation::England }, None);
        put(&origin(), 0, Event::Carried { nation: Nation::England }, None);
        put(&origin(), 1, reported, None);
        return;
    }
    put(&origin(), 0, routed(3), Some(facts));
    match fate {
        0 => {}
        1 => {
            put(&receiver(), 1, offered(1), None);
            put(&receiver(), 1, offered(1), None);
            put(&receiver(), 1, delivered(1), None);
            put(&receiver(), 1, acknowledged(), None);
        }
        2 => {
            put(&receiver(), 1, Event::Overdue, None);
            put(&receiver(), 1, diverted, None);
            put(&fallback, 2, offered(1), None);
            put(&fallback, 2, delivered(1), None);
        }
        3 => {
            put(&receiver(), 1, cancelled, None);
            put(&origin(), 2, routed(8), Some(again));
            put(&receiver(), 3, offered(1), None);
        }
        _ => {
            put(&origin(), 0, Event::Withdrawn { up_to: 1 }, None);
            put(&receiver(), 1, offered(1), None);
            put(&origin(), 0, Event::Told { version: 2 }, None);
            put(&receiver(), 1, Event::Parked { reason: reason(Code::BudgetSpent) }, None);
            put(&origin(), 0, Event::SenderTold { version: 3, answer: "AA".into() }, None);
        }
    }
}

fn partitions(fates: &[u8], priorities: &[Priority]) -> Partitions {
    let mut partitions = Partitions::new();
    for (number, (fate, priority)) in fates.iter().zip(priorities).enumerate() {
        let message = format!("m-{number}");
        let before = (number % 4 > 0).then(|| format!("m-{}", number - 1));
        let mut facts = in_case(&message, &format!("c-{}", number / 4), before.as_deref());
        facts.envelope.priority = *priority;
        live(&mut partitions, &message, facts, *fate);
    }
    partitions
}

/// Applies the partitions in turns, in batches of a few.
fn apply(path: &Path, partitions: &Partitions, mut turn: impl FnMut() -> usize, batch: usize) -> Vec<String> {
    let config = Config { path: path.to_owned(), nation: Nation::Wales };
    let mut writer = Writer::open(&config).unwrap();
    let mut left: Vec<_> =
        partitions.iter().map(|(shard, events)| (*shard, events.iter().enumerate())).collect();
    let mut entries = Vec::new();
    while !left.is_empty() {
        let chosen = turn() % left.len();
        let (shard, events) = &mut left[chosen];
        match events.next() {
            Some((offset, event)) => entries.push(Entry {
                partition: super::events(*shard),
                offset: offset as u64,
                at: at(0),
                record: Record { key: bytes::Bytes::new(), value: event.encode() },
            }),
            None => drop(left.remove(chosen)),
        }
    }
    for entries in entries.chunks(batch) {
        writer.apply(entries).unwrap();
    }
    let remembered = writer.store().unwrap();
    let from_the_file = Store::open(path, Arc::new(Lives::new()), Arc::default()).unwrap();
    for id in (0..12).map(|number| id(&format!("m-{number}"))) {
        let read = |store: &Store| store.read("comparing", |view| store::row(view, &id)).unwrap();
        assert_eq!(read(&remembered), read(&from_the_file));
    }
    dump(path)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_same_rows_in_whatever_order_the_partitions_are_read(
        fates in proptest::collection::vec(0u8..6, 1..12),
        urgency in proptest::collection::vec(0u32..3, 12),
        turns in proptest::collection::vec(0usize..7, 64),
        batch in 1usize..20,
    ) {
        let lanes = urgency.iter().filter_map(|lane| bulkhead_model::Lane::from_partition(*lane));
        let priorities: Vec<Priority> = lanes.map(|lane| lane.priority()).collect();
        let partitions = partitions(&fates, &priorities);
        let directory = tempfile::tempdir().unwrap();
        let expected = apply(&directory.path().join("in-order"), &partitions, || 0, 1000);
        let mut turns = turns.into_iter().cycle();
        let turn = || turns.next().unwrap();
        let shuffled = apply(&directory.path().join("shuffled"), &partitions, turn, batch);
        prop_assert_eq!(expected, shuffled);
    }
}
