//! What a person orders for referrals that are set aside.

use std::sync::Arc;

use bulkhead_model::{
    Direction, Lifecycle, Moment, OnDeadline, OperatorId, Order, Ordered, Priority, ReferralId, State,
    TakesOver, shard_of,
};
use bulkhead_routing::Layers;
use jiff::Timestamp;

use crate::cell::{Draft, England, all_always, directory, directory_with, tenant};
use crate::nodes::claim_elsewhere;
use crate::sidecar::Sidecar;
use crate::switch::{Switch, cut_id, cut_of, in_seconds};

const FROM: &str = "england/sender";
const TO: &str = "england/receiver";
const CUT: &str = "england/1";

fn order(england: &England, ordered: Ordered, referral: ReferralId, at: Timestamp) {
    england.cell.orders.send_modify(|orders| {
        let orders = Arc::make_mut(orders);
        orders.push(Order {
            moment: Moment { position: 500 + orders.len() as u64, at },
            by: OperatorId::parse("england/duty").unwrap(),
            ordered,
            referrals: vec![referral],
            note: "phoned".into(),
        });
    });
}

async fn sidecar(england: &England, tenant: &str) -> Sidecar {
    let sidecar = Sidecar::connect(&england.keys, &england.cell, tenant, "i").await;
    sidecar.grant(16, 1).await;
    sidecar
}

/// Held, because a cut covers its sender and it is not suspect.
async fn held(england: &England, message: &str) -> ReferralId {
    let id = england.cell.submit(&Draft::new(message, TO)).await;
    england.cell.until(id, State::Routed).await;
    let mut switch = Switch::new(&england.cell.cuts, directory(OnDeadline::Return));
    switch.cut(cut_of(CUT, FROM, Direction::Both, in_seconds(3_600)));
    england.cell.until(id, State::Held).await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_given_back_and_its_return_confirmed_by_a_person() {
    let england = England::start(OnDeadline::Return).await;
    let id = held(&england, "m1").await;
    order(&england, Ordered::Return, id, Timestamp::now());
    let row = england.cell.until(id, State::ReturnPending).await;
    let reason = row.referral.lifecycle.reason().unwrap();
    assert!(
        reason.code == "TENANT_CUT" && reason.text.ends_with("given back by england/duty: phoned"),
        "{reason:?}"
    );

    order(&england, Ordered::Handled, id, Timestamp::now());
    let row = england.cell.until(id, State::Returned).await;
    let by = "england/duty, who handled it: phoned".into();
    let to = Some(crate::cell::tenant(TO));
    assert_eq!(row.referral.lifecycle, Lifecycle::Returned { to, by });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_was_written_behind_another_nodes_claim_is_carried_out_by_whoever_decides_then() {
    let england = England::start(OnDeadline::Return).await;
    let id = held(&england, "m1").await;
    let before = sidecar(&england, TO).await;
    claim_elsewhere(&england, shard_of(&tenant(TO))).await;
    order(&england, Ordered::Return, id, Timestamp::now());
    before.ended().await;
    // It is opened when the shard is this node's again.
    let _stream = sidecar(&england, TO).await;
    england.cell.orders.send_modify(|_| ());
    england.cell.until(id, State::ReturnPending).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_parked_is_handled_or_tried_again() {
    let england = England::start(OnDeadline::Return).await;
    let [handled, tried] = ["m1", "m2"].map(|message| Draft::new(message, "england/nobody"));
    let (handled, tried) = (england.cell.submit(&handled).await, england.cell.submit(&tried).await);
    england.cell.until(handled, State::Parked).await;
    let before = england.cell.until(tried, State::Parked).await;
    order(&england, Ordered::Handled, handled, Timestamp::now());
    order(&england, Ordered::Release, tried, Timestamp::now());
    england.cell.until(handled, State::Returned).await;
    // The service is as unknown as it was: it stays set aside.
    let after = england.cell.until(tried, State::Parked).await;
    assert_eq!(before.referral.lifecycle, after.referral.lifecycle);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rejected_in_quarantine_never_goes_on() {
    let england = England::start(OnDeadline::Return).await;
    let [suspect, other] = ["m1", "m2"].map(|message| Draft::new(message, TO));
    let (suspect, other) = (england.cell.submit(&suspect).await, england.cell.submit(&other).await);
    england.cell.until(other, State::Routed).await;
    let mut switch = Switch::new(&england.cell.cuts, directory(OnDeadline::Return));
    switch.cut(cut_of(CUT, FROM, Direction::Both, in_seconds(-60)));
    england.cell.until(suspect, State::Quarantined).await;
    england.cell.until(other, State::Quarantined).await;
    // One of another cut says nothing about it.
    order(&england, Ordered::Rejected(cut_id("england/2")), other, Timestamp::now());
    order(&england, Ordered::Rejected(cut_id(CUT)), suspect, Timestamp::now());
    england.cell.until(suspect, State::Rejected).await;
    switch.withdraw(CUT, Timestamp::now());
    let mut receiver = sidecar(&england, TO).await;
    assert_eq!(receiver.handed_over().await.referral_id, other.to_string());
    receiver.nothing_comes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_has_handled_in_quarantine_never_goes_on_either() {
    let england = England::start(OnDeadline::Return).await;
    let [handled, other] = ["m1", "m2"].map(|message| Draft::new(message, TO));
    let (handled, other) = (england.cell.submit(&handled).await, england.cell.submit(&other).await);
    england.cell.until(other, State::Routed).await;
    let mut switch = Switch::new(&england.cell.cuts, directory(OnDeadline::Return));
    switch.cut(cut_of(CUT, FROM, Direction::Both, in_seconds(-60)));
    england.cell.until(handled, State::Quarantined).await;
    england.cell.until(other, State::Quarantined).await;
    order(&england, Ordered::Handled, handled, Timestamp::now());
    england.cell.until(handled, State::Returned).await;
    // A release that comes after it, and the end of the cut, open nothing of it.
    switch.release(CUT, handled);
    switch.withdraw(CUT, Timestamp::now());
    let mut receiver = sidecar(&england, TO).await;
    assert_eq!(receiver.handed_over().await.referral_id, other.to_string());
    receiver.nothing_comes().await;
    england.cell.until(handled, State::Returned).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_about_what_was_set_aside_when_it_was_given() {
    let england = England::start(OnDeadline::Return).await;
    let id = held(&england, "m1").await;
    // As a node that starts hears all orders once more.
    order(&england, Ordered::Return, id, in_seconds(-3_600));
    let other = england.cell.submit(&Draft::new("m2", TO)).await;
    england.cell.until(other, State::Held).await;
    order(&england, Ordered::Handled, other, Timestamp::now());
    england.cell.until(other, State::Returned).await;
    england.cell.until(id, State::Held).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_diverted_by_a_person_alone_and_only_where_the_fallback_takes_it() {
    let urgent = TakesOver { priorities: Some(vec![Priority::Urgent]), ..all_always() };
    let closed = directory_with(OnDeadline::Return, Some(urgent));
    let england = England::start_in(closed.clone(), Layers::default()).await;
    let routine = |message: &str| Draft { priority: Priority::Routine, ..Draft::new(message, TO) };
    let before = england.cell.submit(&routine("m1")).await;
    england.cell.until(before, State::Routed).await;
    Switch::new(&england.cell.cuts, closed).cut(cut_of(CUT, TO, Direction::Both, in_seconds(-60)));
    england.cell.until(before, State::Held).await;
    // This one is set aside before it is decided where it goes.
    let after = england.cell.submit(&routine("m2")).await;
    england.cell.until(after, State::Held).await;
    let mut fallback = sidecar(&england, FROM).await;
    order(&england, Ordered::Divert, before, Timestamp::now());
    fallback.nothing_comes().await;
    england.cell.until(before, State::Held).await;

    // Its fallback takes it from now on: that alone moves nothing.
    let england = england.knowing(directory(OnDeadline::Return)).restart().await;
    let mut fallback = sidecar(&england, FROM).await;
    fallback.nothing_comes().await;
    for (id, message) in [(before, "m1"), (after, "m2")] {
        england.cell.until(id, State::Held).await;
        order(&england, Ordered::Divert, id, Timestamp::now());
        let offer = fallback.handed_over().await;
        assert_eq!(
            (&offer.referral_id, &offer.payload[..]),
            (&id.to_string(), &routine(message).payload[..])
        );
        let reason = offer.diverted.clone().unwrap().reason.unwrap();
        assert!(
            reason.code == "DESTINATION_CUT" && reason.text.ends_with("diverted by england/duty: phoned"),
            "{reason:?}"
        );
        fallback.acknowledged(&offer).await;
        england.cell.until(id, State::Acknowledged).await;
    }
}
