//! A cut while something is being handed over: what nobody knows the outcome of, and what is asked back.

use bulkhead_model::{Direction, OnDeadline, ReferralId, State};
use bulkhead_wire::v1::receive_response::Frame;
use jiff::Timestamp;

use crate::cell::{Draft, England};
use crate::cut::{CUT, TO, from_sender, sidecar, switch};
use crate::sidecar::Sidecar;
use crate::switch::{cut_id, cut_of, in_seconds};

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_over_without_an_answer_is_unknown_and_offered_again_after_the_restore() {
    let england = England::start(OnDeadline::Return).await;
    let mut switch = switch(&england);
    let mut receiver = sidecar(&england, TO).await;
    let id = england.cell.submit(&Draft::new("m1", TO)).await;
    let offer = receiver.handed_over().await;
    switch.cut(cut_of(CUT, TO, Direction::Both, in_seconds(-60)));
    england.cell.until(id, State::Unknown).await;
    // R15: what a cut tenant says afterwards is no fact.
    receiver.try_acknowledged(&offer).await;
    england.cell.until(id, State::Unknown).await;
    switch.restore(CUT, Timestamp::now());
    let mut back = Sidecar::connect(&england.keys, &england.cell, TO, "new").await;
    back.grant(4, 1).await;
    let again = back.handed_over().await;
    assert_eq!((again.referral_id.clone(), again.possible_duplicate), (id.to_string(), true));
    back.acknowledged(&again).await;
    england.cell.until(id, State::Acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_suspect_and_perhaps_handed_over_goes_on_when_a_release_names_it() {
    let england = England::start(OnDeadline::Return).await;
    let mut switch = switch(&england);
    let mut gone = sidecar(&england, TO).await;
    let id = england.cell.submit(&Draft::new("m1", TO)).await;
    gone.handed_over().await;
    drop(gone);
    // However short the cut was.
    switch.cut(from_sender(in_seconds(-60)));
    switch.restore(CUT, in_seconds(1));
    // Its inbox has never had it, so it has no answer to the recall.
    let mut back = sidecar(&england, TO).await;
    back.no_last_frame().await;
    let row = england.cell.until(id, State::Unknown).await;
    assert_eq!(row.referral.lifecycle.cut(), Some(&cut_id(CUT)));
    back.no_last_frame().await;

    switch.release(CUT, id);
    let again = back.handed_over().await;
    assert_eq!((again.referral_id.clone(), again.possible_duplicate), (id.to_string(), true));
    back.acknowledged(&again).await;
    england.cell.until(id, State::Acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_a_hand_over_counts_when_it_was_called_unknown_meanwhile() {
    let england = England::start(OnDeadline::Return).await;
    let mut switch = switch(&england);
    let mut slow = sidecar(&england, TO).await;
    let id = england.cell.submit(&Draft::new("m1", TO)).await;
    let offer = slow.handed_over().await;
    drop(slow);
    switch.cut(from_sender(in_seconds(-60)));
    england.cell.until(id, State::Unknown).await;
    let back = sidecar(&england, TO).await;
    back.acknowledged(&offer).await;
    england.cell.until(id, State::Acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_handed_over_is_recalled_or_said_not_to_be() {
    let england = England::start(OnDeadline::Return).await;
    let mut switch = switch(&england);
    let mut receiver = sidecar(&england, TO).await;
    let mut ids = Vec::new();
    for message in ["m1", "m2"] {
        let id = england.cell.submit(&Draft::new(message, TO)).await;
        let offer = receiver.handed_over().await;
        receiver.delivered(&offer).await;
        england.cell.until(id, State::Delivered).await;
        ids.push(id);
    }
    switch.cut(from_sender(in_seconds(-60)));
    for _ in 0..2 {
        let recall = loop {
            if let Frame::Recall(recall) = receiver.frame().await {
                break recall;
            }
        };
        assert_eq!(recall.cut, CUT);
        receiver.recall_answered(&recall, recall.referral_id == ids[0].to_string()).await;
    }
    england.cell.until(ids[0], State::Quarantined).await;
    let not_recalled = |id: ReferralId| england.cell.ledger.get(&id).unwrap().unwrap().referral.not_recalled;
    for _ in 0..500 {
        if not_recalled(ids[1]) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!((not_recalled(ids[0]), not_recalled(ids[1])), (false, true));
    england.cell.until(ids[1], State::Delivered).await;
}
