//! When time runs out: before hand-over by policy, after it only an alert.

use std::time::Duration;

use bulkhead_model::{Kind, OnDeadline, State, TakesOver};
use bulkhead_routing::Layers;
use jiff::Timestamp;

use crate::cell::{Draft, England, all_always, directory_with};
use crate::sidecar::Sidecar;

const TO: &str = "england/receiver";

fn soon() -> Option<Timestamp> {
    Some(Timestamp::now() + jiff::SignedDuration::from_millis(700))
}

#[tokio::test(flavor = "multi_thread")]
async fn before_hand_over_it_is_given_back_and_never_handed_over() {
    let england = England::start(OnDeadline::Return).await;
    let id = england.cell.submit(&Draft { deadline: soon(), ..Draft::new("m1", TO) }).await;
    let row = england.cell.until(id, State::ReturnPending).await;
    assert!(row.referral.overdue);
    let mut sidecar = Sidecar::connect(&england.keys, &england.cell, TO, "i").await;
    sidecar.grant(4, 1).await;
    sidecar.nothing_comes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn once_offered_it_only_alerts() {
    let england = England::start(OnDeadline::Return).await;
    let mut sidecar = Sidecar::connect(&england.keys, &england.cell, TO, "i").await;
    sidecar.grant(4, 1).await;
    let id = england.cell.submit(&Draft { deadline: soon(), ..Draft::new("m1", TO) }).await;
    let offer = sidecar.handed_over().await;
    sidecar.delivered(&offer).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let row = england.cell.until(id, State::Delivered).await;
    assert!(row.referral.overdue);
    let alerts = england.cell.ledger.alerts(Timestamp::now()).unwrap();
    assert!(alerts.iter().any(|alert| alert.code.as_str() == "OVERDUE"), "{alerts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_fallback_it_is_diverted_and_later_ones_of_its_case_follow() {
    let england = England::start(OnDeadline::Divert).await;
    let first = Draft { deadline: soon(), case: Some("c"), ..Draft::new("m1", TO) };
    let id = england.cell.submit(&first).await;
    england.cell.until(id, State::Diverted).await;
    let later = england.cell.submit(&Draft { case: Some("c"), ..Draft::new("m2", TO) }).await;
    let mut fallback = Sidecar::connect(&england.keys, &england.cell, "england/sender", "i").await;
    fallback.grant(4, 1).await;
    let offer = fallback.handed_over().await;
    assert_eq!((offer.referral_id.clone(), &offer.payload[..]), (id.to_string(), &first.payload[..]));
    assert_eq!(offer.diverted.clone().unwrap().reason.unwrap().code, "DEADLINE_PASSED");
    fallback.acknowledged(&offer).await;
    england.cell.until(id, State::Acknowledged).await;
    let offer = fallback.handed_over().await;
    assert_eq!(offer.referral_id, later.to_string());
    assert_eq!(offer.diverted.clone().unwrap().reason, None, "it follows the first");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_fallback_has_not_agreed_to_take_is_given_back() {
    let word = TakesOver { kinds: Some(vec![Kind::Update]), ..all_always() };
    let england = England::start_in(directory_with(OnDeadline::Divert, Some(word)), Layers::default()).await;
    let draft = |message: &str, kind| Draft { deadline: soon(), kind, ..Draft::new(message, TO) };
    let request = england.cell.submit(&draft("m1", Kind::Request)).await;
    let update = england.cell.submit(&draft("m2", Kind::Update)).await;
    england.cell.until(request, State::ReturnPending).await;
    england.cell.until(update, State::Diverted).await;
}
