//! One tenant's compartment: hand-over, order, budgets, what is set aside.

use bulkhead_model::{Code, Kind, OnDeadline, Priority, ReferralId, State};
use bytes::Bytes;

use crate::cell::{Draft, England, tenant};
use crate::sidecar::Sidecar;

const TO: &str = "england/receiver";

async fn receiver(england: &England, inbox: &str) -> Sidecar {
    Sidecar::connect(&england.keys, &england.cell, TO, inbox).await
}

#[tokio::test(flavor = "multi_thread")]
async fn delivered_byte_for_byte_and_acknowledged() {
    let england = England::start(OnDeadline::Return).await;
    let draft = Draft::new("m1", TO);
    let id = england.cell.submit(&draft).await;
    let mut sidecar = receiver(&england, "i").await;
    sidecar.grant(4, 1).await;
    let offer = sidecar.handed_over().await;
    assert_eq!((&offer.payload[..], offer.attempt, offer.possible_duplicate), (&draft.payload[..], 1, false));
    sidecar.acknowledged(&offer).await;
    let row = england.cell.until(id, State::Acknowledged).await;
    assert_eq!(row.referral.omissions, ["NTE"]);
    let steps: Vec<_> = england.cell.ledger.trace(&id).unwrap().into_iter().map(|step| step.event).collect();
    assert_eq!(steps, ["routed", "offered", "delivered", "acknowledged"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credits_nothing_is_handed_over_and_one_is_kept_for_an_emergency() {
    let england = England::start(OnDeadline::Return).await;
    england.cell.submit(&Draft::new("m1", TO)).await;
    let mut sidecar = receiver(&england, "i").await;
    sidecar.nothing_comes().await;
    sidecar.grant(0, 1).await;
    sidecar.nothing_comes().await;
    let id = england.cell.submit(&Draft { priority: Priority::Emergency, ..Draft::new("m2", TO) }).await;
    assert_eq!(sidecar.handed_over().await.referral_id, id.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn order_is_kept_within_a_case_and_other_cases_go_on() {
    let england = England::start(OnDeadline::Return).await;
    let first = england.cell.submit(&Draft { case: Some("c"), ..Draft::new("m1", TO) }).await;
    let second =
        england.cell.submit(&Draft { case: Some("c"), kind: Kind::Update, ..Draft::new("m2", TO) }).await;
    let other = england.cell.submit(&Draft { case: Some("d"), ..Draft::new("m3", TO) }).await;
    england.cell.until(other, State::Routed).await;
    let mut sidecar = receiver(&england, "i").await;
    sidecar.grant(8, 1).await;
    let (a, b) = (sidecar.handed_over().await, sidecar.handed_over().await);
    let mut came = [a.referral_id.clone(), b.referral_id.clone()];
    came.sort();
    let mut expected = [first.to_string(), other.to_string()];
    expected.sort();
    assert_eq!(came, expected);
    sidecar.nothing_comes().await;
    let of_case = if a.referral_id == first.to_string() { a } else { b };
    sidecar.acknowledged(&of_case).await;
    assert_eq!(sidecar.handed_over().await.referral_id, second.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounded_budget_parks_the_referral_and_holds_back_only_its_case() {
    let england = England::start(OnDeadline::Return).await;
    let bad = england.cell.submit(&Draft { case: Some("c"), ..Draft::new("m1", TO) }).await;
    let behind = england.cell.submit(&Draft { case: Some("c"), ..Draft::new("m2", TO) }).await;
    let mut sidecar = receiver(&england, "i").await;
    sidecar.grant(16, 1).await;
    for attempt in 1..=3 {
        let offer = sidecar.handed_over().await;
        assert_eq!((offer.referral_id.clone(), offer.attempt), (bad.to_string(), attempt));
        sidecar.retry(&offer, attempt > 1).await;
    }
    let row = england.cell.until(bad, State::Parked).await;
    assert_eq!(row.referral.lifecycle.reason().unwrap().known(), Some(Code::BudgetSpent));
    let other = england.cell.submit(&Draft::new("m3", TO)).await;
    assert_eq!(sidecar.handed_over().await.referral_id, other.to_string());
    england.cell.until(behind, State::Routed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_go_on_is_a_visible_state_and_the_compartment_goes_on() {
    let england = England::start(OnDeadline::Return).await;
    let unknown = england.cell.submit(&Draft::new("m1", "england/nobody")).await;
    let closed = england.cell.submit(&Draft::new("m0", "england/closed")).await;
    let first = england.cell.submit(&Draft::new("m2", TO)).await;
    england.cell.submit(&Draft { payload: b"other bytes".to_vec(), ..Draft::new("m2", TO) }).await;
    england.cell.append(&tenant("england/sender"), Bytes::from_static(b"\xff\xff no record")).await;
    england.cell.submit(&Draft::new("m2", TO)).await;
    let last = england.cell.submit(&Draft::new("m3", TO)).await;
    england.cell.until(last, State::Routed).await;

    let reason =
        |row: bulkhead_ledger::Row| row.referral.lifecycle.reason().and_then(|reason| reason.known());
    assert_eq!(reason(england.cell.until(unknown, State::Parked).await), Some(Code::ServiceUnknown));
    assert_eq!(reason(england.cell.until(closed, State::Parked).await), Some(Code::NotGranted));
    england.cell.until(first, State::Routed).await;
    let conflict = ReferralId::of_record("in.england.sender", 0, 3);
    assert_eq!(reason(england.cell.until(conflict, State::Parked).await), Some(Code::ConflictingDuplicate));
    let unreadable = ReferralId::of_record("in.england.sender", 0, 4);
    assert_eq!(reason(england.cell.until(unreadable, State::Parked).await), Some(Code::Unreadable));
    england.cell.ledger.in_decided("in.england.sender", 7).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_sender_took_back_is_never_handed_over_and_a_new_attempt_is_welcome() {
    let england = England::start(OnDeadline::Return).await;
    let draft = Draft::new("m1", TO);
    let id = england.cell.submit(&draft).await;
    england.cell.withdraw(&draft, 1).await;
    england.cell.ledger.in_decided("in.england.sender", 2).await.unwrap();
    let mut sidecar = receiver(&england, "i").await;
    sidecar.grant(4, 1).await;
    england.cell.until(id, State::Cancelled).await;
    sidecar.nothing_comes().await;
    england.cell.submit(&Draft { attempt: 2, ..draft }).await;
    let offer = sidecar.handed_over().await;
    sidecar.acknowledged(&offer).await;
    england.cell.until(id, State::Acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_before_its_referral_cancels_what_arrives_late() {
    let england = England::start(OnDeadline::Return).await;
    let draft = Draft::new("m1", TO);
    england.cell.withdraw(&draft, 1).await;
    let id = england.cell.submit(&draft).await;
    england.cell.until(id, State::Cancelled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_attempt_comes_after_those_of_its_case_that_were_there_before() {
    let england = England::start(OnDeadline::Return).await;
    let first = england.cell.submit(&Draft { case: Some("c"), ..Draft::new("m1", TO) }).await;
    england.cell.until(first, State::Routed).await;
    let draft = Draft { case: Some("c"), ..Draft::new("m2", TO) };
    england.cell.withdraw(&draft, 1).await;
    let second = england.cell.submit(&draft).await;
    england.cell.until(second, State::Cancelled).await;
    england.cell.submit(&Draft { attempt: 2, ..draft }).await;
    england.cell.until(second, State::Routed).await;

    let mut sidecar = receiver(&england, "i").await;
    sidecar.grant(4, 1).await;
    for expected in [first, second] {
        let offer = sidecar.handed_over().await;
        assert_eq!(offer.referral_id, expected.to_string());
        sidecar.nothing_comes().await;
        sidecar.acknowledged(&offer).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_that_overtakes_its_request_settles_both_for_good() {
    let england = England::start(OnDeadline::Return).await;
    let draft = Draft { case: Some("c"), ..Draft::new("m1", TO) };
    let request = england.cell.submit(&draft).await;
    let cancel =
        england.cell.submit(&Draft { case: Some("c"), kind: Kind::Cancel, ..Draft::new("m2", TO) }).await;
    england.cell.until(cancel, State::Routed).await;
    let mut sidecar = receiver(&england, "i").await;
    sidecar.grant(4, 1).await;
    england.cell.until(request, State::Cancelled).await;
    england.cell.until(cancel, State::Cancelled).await;
    england.cell.submit(&Draft { attempt: 2, ..draft }).await;
    england.cell.ledger.in_decided("in.england.sender", 3).await.unwrap();
    sidecar.nothing_comes().await;
    england.cell.until(request, State::Cancelled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_what_was_offered_is_offered_again_as_a_possible_duplicate() {
    let england = England::start(OnDeadline::Return).await;
    let id = england.cell.submit(&Draft::new("m1", TO)).await;
    let mut sidecar = receiver(&england, "i").await;
    sidecar.grant(4, 1).await;
    sidecar.handed_over().await;
    england.cell.until(id, State::Offered).await;
    drop(sidecar);
    let england = england.restart().await;
    let mut sidecar = receiver(&england, "i").await;
    sidecar.grant(4, 1).await;
    let again = sidecar.handed_over().await;
    assert_eq!(
        (again.referral_id.clone(), again.attempt, again.possible_duplicate),
        (id.to_string(), 2, true)
    );
    sidecar.acknowledged(&again).await;
    england.cell.until(id, State::Acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_inbox_is_offered_again_what_was_not_acknowledged_and_the_old_one_is_not() {
    let england = England::start(OnDeadline::Return).await;
    let id = england.cell.submit(&Draft::new("m1", TO)).await;
    let mut sidecar = receiver(&england, "old").await;
    sidecar.grant(4, 1).await;
    let offer = sidecar.handed_over().await;
    sidecar.delivered(&offer).await;
    england.cell.until(id, State::Delivered).await;
    let mut same = receiver(&england, "old").await;
    same.grant(4, 1).await;
    same.nothing_comes().await;
    let mut new = receiver(&england, "new").await;
    new.grant(4, 1).await;
    let again = new.handed_over().await;
    assert!(again.possible_duplicate);
    new.acknowledged(&again).await;
    england.cell.until(id, State::Acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_says_nothing_is_ended_and_takes_nobodys_place() {
    let england = England::start(OnDeadline::Return).await;
    let mut sidecar = receiver(&england, "i").await;
    sidecar.grant(4, 1).await;
    let silent = Sidecar::silent(&england.keys, &england.cell, TO).await;
    let ended = silent.ended().await;
    assert_eq!(ended.code(), tonic::Code::DeadlineExceeded, "{ended:?}");
    let id = england.cell.submit(&Draft::new("m1", TO)).await;
    let offer = sidecar.handed_over().await;
    assert_eq!(offer.referral_id, id.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sidecar_holds_on_its_spool_is_seen() {
    let england = England::start(OnDeadline::Return).await;
    let sidecar = receiver(&england, "i").await;
    sidecar.spooled(3, 1).await;
    let seen = async {
        while england.cell.board.snapshot().get(&tenant(TO)).is_none_or(|seen| seen.spooled != 4) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), seen).await.expect("the report is seen");
}
