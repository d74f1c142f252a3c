//! Which events count by the claims of their partition.

use bulkhead_model::State;

use super::*;

#[tokio::test]
async fn an_old_claims_event_behind_a_newer_claim_is_void() {
    let cell = Cell::start().await;
    let shard = shard_of(&origin());
    let claim = ReadEvent { author: author(shard, 2, "wales-2", 1), record: EventRecord::Claimed };
    let newer = cell.append(shard, &claim).await;
    assert_eq!(soon(cell.ledger.verdict(&newer)).await.unwrap(), Verdict::Counts);
    assert_eq!(cell.ledger.claim(shard).unwrap(), (2, "wales-2".into()));

    let verdict = cell.decide(&origin(), "m-1", 0, routed(7), Some(facts("m-1"))).await;
    assert_eq!(verdict, Verdict::Void("claim 1 of wales-1 was not in force".into()));
    assert_eq!(cell.ledger.get(&id("m-1")).unwrap(), None);
    assert!(!cell.ledger.in_settled("in.wales.wast-111", 0).unwrap());

    let mut event = decision(&origin(), "m-1", 0, routed(8), Some(facts("m-1")));
    event.author = author(shard, 2, "wales-2", 2);
    let at = cell.append(shard, &event).await;
    assert_eq!(soon(cell.ledger.verdict(&at)).await.unwrap(), Verdict::Counts);
    let row = cell.ledger.get(&id("m-1")).unwrap().unwrap();
    assert_eq!(row.referral.lifecycle.state(), State::Routed);
    assert_eq!(row.referral.lifecycle.bytes(), Some(&out(&receiver(), 2, 8)));
    let trace = cell.ledger.trace(&id("m-1")).unwrap();
    assert_eq!(trace.iter().map(|step| step.counts).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn a_claim_of_an_equal_number_is_void_also_after_a_restart() {
    let cell = Cell::start().await.restart().await;
    let claim = ReadEvent { author: author(3, 1, "wales-2", 1), record: EventRecord::Claimed };
    let second = cell.append(3, &claim).await;
    let verdict = soon(cell.ledger.verdict(&second)).await.unwrap();
    assert!(matches!(verdict, Verdict::Void(_)), "{verdict:?}");
    assert_eq!(cell.ledger.claim(3).unwrap(), (1, "wales-1".into()));
}

#[tokio::test]
async fn a_claim_of_another_shard_is_void() {
    let cell = Cell::start().await;
    let claim = ReadEvent { author: author(4, 9, "wales-2", 1), record: EventRecord::Claimed };
    let strange = cell.append(3, &claim).await;
    assert!(matches!(soon(cell.ledger.verdict(&strange)).await.unwrap(), Verdict::Void(_)));
    assert_eq!(cell.ledger.claim(3).unwrap(), (1, "wales-1".into()));
}
