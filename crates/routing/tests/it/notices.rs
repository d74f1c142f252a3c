//! The sender hears later of what went wrong after it was told *accepted*.

use std::time::Duration;

use bulkhead_model::{Code, OnDeadline, ReferralId, State};
use bulkhead_wire::v1;
use jiff::Timestamp;

use crate::border::two_cells;
use crate::cell::{Cell, Draft, England};
use crate::sidecar::Sidecar;

const FROM: &str = "england/sender";
const TO: &str = "england/receiver";

/// Longer than it takes until the ledger is asked again.
async fn a_round() {
    tokio::time::sleep(Duration::from_millis(1500)).await;
}

fn alerts(cell: &Cell, code: &str) -> usize {
    let alerts = cell.ledger.alerts(Timestamp::now()).unwrap();
    alerts.iter().filter(|alert| alert.code.as_str() == code && alert.subject.as_str() == FROM).count()
}

async fn refuse(england: &England, draft: &Draft) -> ReferralId {
    let mut receiver = Sidecar::connect(&england.keys, &england.cell, TO, "r").await;
    receiver.grant(4, 1).await;
    let id = england.cell.submit(draft).await;
    let offer = receiver.handed_over().await;
    receiver.rejected(&offer).await;
    england.cell.until(id, State::Rejected).await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_once_with_the_original_bytes() {
    let england = England::start(OnDeadline::Return).await;
    let draft = Draft::new("m1", TO);
    let id = refuse(&england, &draft).await;
    assert_eq!(alerts(&england.cell, "REJECTED"), 1);
    // No credit is needed.
    let mut sender = Sidecar::connect(&england.keys, &england.cell, FROM, "s").await;
    let notice = sender.noticed().await;
    assert_eq!((&notice.referral_id, &notice.payload[..]), (&id.to_string(), &draft.payload[..]));
    assert_eq!(notice.state(), v1::State::Rejected);
    assert_eq!(notice.envelope.as_ref().unwrap().message_id, "m1");
    assert_eq!(notice.reason.as_ref().unwrap().text, "AR");
    // Unanswered, it is said again on the next stream.
    let mut sender = Sidecar::connect(&england.keys, &england.cell, FROM, "s").await;
    assert_eq!(sender.noticed().await, notice);
    sender.notice_taken(&notice, true).await;
    sender.notice_taken(&notice, true).await;
    england.cell.until_so(id, |row| row.referral.sender_told == notice.version).await;
    assert_eq!(alerts(&england.cell, "REJECTED"), 0);
    a_round().await;
    sender.nothing_comes().await;
    let england = england.restart().await;
    let mut sender = Sidecar::connect(&england.keys, &england.cell, FROM, "s").await;
    a_round().await;
    sender.nothing_comes().await;
    let told = england.cell.ledger.trace(&id).unwrap();
    let told = told.iter().filter(|step| step.event == "sender-told" && step.counts).count();
    assert_eq!((told, england.cell.until(id, State::Rejected).await.id), (1, id));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_stays_an_alert_and_is_asked_again_on_the_next_stream_only() {
    let england = England::start(OnDeadline::Return).await;
    let id = refuse(&england, &Draft::new("m1", TO)).await;
    let mut sender = Sidecar::connect(&england.keys, &england.cell, FROM, "s").await;
    let notice = sender.noticed().await;
    sender.notice_taken(&notice, false).await;
    a_round().await;
    sender.nothing_comes().await;
    assert_eq!(alerts(&england.cell, "REJECTED"), 1);
    let mut sender = Sidecar::connect(&england.keys, &england.cell, FROM, "s").await;
    assert_eq!(sender.noticed().await.referral_id, id.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_back_is_returned_when_the_senders_system_knows() {
    let england = England::start(OnDeadline::Return).await;
    let deadline = Some(Timestamp::now() + jiff::SignedDuration::from_millis(300));
    let id = england.cell.submit(&Draft { deadline, ..Draft::new("m1", TO) }).await;
    england.cell.until(id, State::ReturnPending).await;
    let mut sender = Sidecar::connect(&england.keys, &england.cell, FROM, "s").await;
    let notice = sender.noticed().await;
    assert_eq!(notice.state(), v1::State::ReturnPending);
    sender.notice_taken(&notice, true).await;
    england.cell.until(id, State::Returned).await;
    assert_eq!(alerts(&england.cell, "RETURN_PENDING"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_its_own_sender_answers_for_a_referral() {
    let england = England::start(OnDeadline::Return).await;
    let id = refuse(&england, &Draft::new("m1", TO)).await;
    let mut sender = Sidecar::connect(&england.keys, &england.cell, FROM, "s").await;
    let notice = sender.noticed().await;
    let other = Sidecar::connect(&england.keys, &england.cell, TO, "r").await;
    other.notice_taken(&notice, true).await;
    sender.notice_taken(&v1::Notice { version: notice.version - 1, ..notice.clone() }, true).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(england.cell.until(id, State::Rejected).await.referral.sender_told, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_parked_is_told_once_and_stays_set_aside() {
    let england = England::start(OnDeadline::Return).await;
    let id = england.cell.submit(&Draft::new("m1", "england/nowhere")).await;
    england.cell.until(id, State::Parked).await;
    let mut sender = Sidecar::connect(&england.keys, &england.cell, FROM, "s").await;
    let notice = sender.noticed().await;
    assert_eq!(notice.reason.as_ref().unwrap().code, Code::ServiceUnknown.as_str());
    sender.notice_taken(&notice, true).await;
    england.cell.until_so(id, |row| row.referral.sender_told == notice.version).await;
    assert_eq!(alerts(&england.cell, "PARKED"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_in_another_nation_is_told_at_home() {
    let cells = two_cells(true).await;
    let wales = cells.wales.as_ref().unwrap();
    let mut receiver = Sidecar::connect(&cells.keys, wales, "wales/receiver", "r").await;
    receiver.grant(4, 1).await;
    let id = cells.england.submit(&Draft::new("m1", "wales/receiver")).await;
    let offer = receiver.handed_over().await;
    receiver.rejected(&offer).await;
    let mut sender = Sidecar::connect(&cells.keys, &cells.england, FROM, "s").await;
    let notice = sender.noticed().await;
    assert_eq!((notice.referral_id.clone(), notice.state()), (id.to_string(), v1::State::Rejected));
    assert_eq!(notice.reason.as_ref().unwrap().text, "AR");
    sender.notice_taken(&notice, true).await;
    cells.england.until_so(id, |row| row.referral.sender_told == notice.version).await;
    assert_eq!(alerts(wales, "REJECTED"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_nation_gives_back_is_returned_at_home_and_there() {
    let cells = two_cells(true).await;
    let wales = cells.wales.as_ref().unwrap();
    let deadline = Some(Timestamp::now() + jiff::SignedDuration::from_millis(1500));
    let id = cells.england.submit(&Draft { deadline, ..Draft::new("m1", "wales/receiver") }).await;
    cells.england.until(id, State::Carried).await;
    cells.england.until(id, State::ReturnPending).await;
    wales.until(id, State::Returned).await;
    a_round().await;
    cells.england.until(id, State::ReturnPending).await;
    let mut sender = Sidecar::connect(&cells.keys, &cells.england, FROM, "s").await;
    let notice = sender.noticed().await;
    assert_eq!(notice.reason.as_ref().unwrap().code, Code::DeadlinePassed.as_str());
    sender.notice_taken(&notice, true).await;
    cells.england.until(id, State::Returned).await;
}
