//! Where to read `in` on.

use super::*;

const IN: &str = "in.wales.wast-111";

fn from(message: &str, offset: u64) -> ReadEvent {
    let mut event = decision(&origin(), message, 0, routed(offset), Some(facts(message)));
    if let EventRecord::Decision { source, .. } = &mut event.record {
        *source = Some(Place { topic: IN.into(), partition: 0, offset });
    }
    event
}

async fn settle(cell: &Cell, event: &ReadEvent) -> Verdict {
    let at = cell.append(shard_of(&origin()), event).await;
    soon(cell.ledger.verdict(&at)).await.unwrap()
}

#[tokio::test]
async fn read_on_is_the_lowest_offset_that_nothing_settles() {
    let cell = Cell::start().await;
    assert_eq!(cell.ledger.in_read_on(IN).unwrap(), 0);
    settle(&cell, &from("m-0", 0)).await;
    settle(&cell, &from("m-2", 2)).await;
    assert_eq!(cell.ledger.in_read_on(IN).unwrap(), 1);
    assert!(cell.ledger.in_settled(IN, 2).unwrap() && !cell.ledger.in_settled(IN, 1).unwrap());

    let cell = cell.restart().await;
    assert_eq!(cell.ledger.in_read_on(IN).unwrap(), 1);
    let ledger = cell.ledger.clone();
    let decided = tokio::spawn(async move { ledger.in_decided(IN, 3).await });
    let source = Place { topic: IN.into(), partition: 0, offset: 1 };
    let record = EventRecord::Settled { source, id: Some(id("m-0")), code: "DUPLICATE".into() };
    let repeat = ReadEvent { author: author(shard_of(&origin()), 1, "wales-1", 1), record };
    assert_eq!(settle(&cell, &repeat).await, Verdict::Counts);
    soon(decided).await.unwrap().unwrap();
    assert_eq!(cell.ledger.in_read_on(IN).unwrap(), 3);
}

#[tokio::test]
async fn a_void_decision_settles_nothing_but_old_news_does() {
    let cell = Cell::start().await;
    settle(&cell, &from("m-0", 0)).await;
    let mut again = from("m-0", 1);
    assert!(matches!(settle(&cell, &again).await, Verdict::Void(_)));
    assert!(!cell.ledger.in_settled(IN, 1).unwrap());
    for (offset, counts) in [(2, true), (3, false)] {
        if let EventRecord::Decision { numbered, facts, source, .. } = &mut again.record {
            numbered.event = Event::Withdrawn { up_to: 1 };
            *facts = None;
            *source = Some(Place { topic: IN.into(), partition: 0, offset });
        }
        assert_eq!(settle(&cell, &again).await == Verdict::Counts, counts);
        assert!(cell.ledger.in_settled(IN, offset).unwrap());
    }
}

#[tokio::test]
async fn a_gap_is_passed_when_a_reader_has_seen_it() {
    let cell = Cell::start().await;
    settle(&cell, &from("m-9", 9)).await;
    assert_eq!(cell.ledger.in_read_on(IN).unwrap(), 0);
    cell.ledger.in_gap(IN, 0..9);
    soon(cell.ledger.in_decided(IN, 10)).await.unwrap();
    assert_eq!(cell.ledger.in_read_on(IN).unwrap(), 10);
}
