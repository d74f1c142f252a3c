//! Events of a newer release: nothing is folded past them, and what they are not about goes on.

use bulkhead_model::State;

use super::*;

/// An event of a kind that only a newer release knows, under that claim.
fn newer(shard: u32, number: u64, node: &str) -> bytes::Bytes {
    let event = ReadEvent { author: author(shard, number, node, 1), record: EventRecord::Claimed };
    let mut bytes = event.encode().to_vec();
    // Instead of the claim, which is empty: field 6, a message of two bytes.
    assert_eq!(bytes.split_off(bytes.len() - 2), [3 << 3 | 2, 0]);
    bytes.extend([6 << 3 | 2, 2, 8, 1]);
    bytes.into()
}

async fn append(cell: &Cell, shard: u32, value: bytes::Bytes) -> Pointer {
    let partition = events(shard);
    let record = Record { key: bytes::Bytes::new(), value };
    let appended = cell.log.append(&partition, record).await.unwrap();
    partition.at(appended.offset)
}

async fn stands(cell: &Cell, at: &Pointer) {
    let verdict = soon(cell.ledger.verdict(at)).await;
    assert!(matches!(verdict, Err(Error::Stands { .. })), "{verdict:?}");
}

#[tokio::test]
async fn a_newer_releases_event_stops_its_shard_and_no_other() {
    let cell = Cell::start().await;
    let shard = shard_of(&origin());
    let known = cell.route(facts("m-1"), 7).await;
    let newer = append(&cell, shard, newer(shard, 1, "wales-1")).await;
    let behind = cell.append(shard, &decision(&origin(), "m-2", 0, routed(8), Some(facts("m-2")))).await;
    stands(&cell, &newer).await;
    stands(&cell, &behind).await;
    assert_eq!(cell.ledger.newer_of(shard), Some(newer.offset));
    assert_eq!(cell.ledger.get(&id("m-2")).unwrap(), None);
    soon(cell.ledger.caught_up()).await.unwrap();

    // What another shard decides about what was known before goes on.
    assert_eq!(cell.decide(&receiver(), "m-1", 1, offered(1), None).await, Verdict::Counts);
    assert_eq!(cell.ledger.get(&known).unwrap().unwrap().referral.lifecycle.state(), State::Offered);
    assert_eq!(cell.ledger.stops().len(), 1);

    // The file keeps its place, so that an upgraded node reads it from there.
    let cell = cell.restart().await;
    stands(&cell, &behind).await;
    assert_eq!(cell.ledger.newer_of(shard), Some(newer.offset));
    let next: u64 = Connection::open(cell.path())
        .unwrap()
        .query_row("SELECT next FROM position WHERE partition = ?1", [shard], |row| row.get(0))
        .unwrap();
    assert_eq!(next, newer.offset);
}

#[tokio::test]
async fn one_that_waits_when_it_comes_is_told() {
    let cell = Cell::start().await;
    let (shard, ledger) = (shard_of(&origin()), cell.ledger.clone());
    soon(ledger.caught_up()).await.unwrap();
    let waiting = tokio::spawn(async move { ledger.verdict(&events(shard).at(9)).await });
    tokio::task::yield_now().await;
    append(&cell, shard, newer(shard, 2, "wales-2")).await;
    let verdict = soon(waiting).await.unwrap();
    assert!(matches!(verdict, Err(Error::Stands { .. })), "{verdict:?}");
}

#[tokio::test]
async fn under_a_claim_that_is_not_in_force_it_is_void_and_stops_nothing() {
    let cell = Cell::start().await;
    let shard = shard_of(&origin());
    for (number, node) in [(0, "wales-1"), (1, "wales-2")] {
        let at = append(&cell, shard, newer(shard, number, node)).await;
        let verdict = soon(cell.ledger.verdict(&at)).await.unwrap();
        assert!(matches!(verdict, Verdict::Void(_)), "{verdict:?}");
    }
    let other = append(&cell, shard, newer(shard + 1, 1, "wales-1")).await;
    assert!(matches!(soon(cell.ledger.verdict(&other)).await.unwrap(), Verdict::Void(_)));
    cell.route(facts("m-1"), 7).await;
    assert_eq!(cell.ledger.newer_of(shard), None);
}

#[tokio::test]
async fn a_ledger_that_is_made_again_is_whole_as_far_as_this_release_reads() {
    let cell = Cell::start().await;
    cell.route(facts("m-1"), 7).await;
    let shard = shard_of(&origin());
    let at = append(&cell, shard, newer(shard, 1, "wales-1")).await;
    cell.append(shard, &decision(&origin(), "m-2", 0, routed(8), Some(facts("m-2")))).await;
    stands(&cell, &at).await;
    std::fs::remove_file(cell.path()).unwrap();
    let made_again = async {
        while !cell.path().exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(made_again).await;
    assert_eq!(cell.decide(&receiver(), "m-1", 1, offered(1), None).await, Verdict::Counts);
    soon(cell.ledger.caught_up()).await.unwrap();
    assert_eq!(cell.ledger.newer_of(shard), Some(at.offset));
    assert_eq!(cell.ledger.get(&id("m-2")).unwrap(), None);
}
