//! Who exchanges referrals with a cut tenant hears of it on its own stream, and nobody waits for that.

use std::time::Duration;

use bulkhead_model::{Direction, OnDeadline, State};

use crate::cell::{Draft, England, directory};
use crate::sidecar::Sidecar;
use crate::switch::{Switch, cut_of, in_seconds};

const SENDER: &str = "england/sender";
const RECEIVER: &str = "england/receiver";

#[tokio::test(flavor = "multi_thread")]
async fn counterparts_of_a_cut_tenant_hear_that_it_is_off_and_that_it_is_back() {
    let england = England::start(OnDeadline::Return).await;
    let mut switch = Switch::new(&england.cell.cuts, directory(OnDeadline::Return));
    let mut receiver = Sidecar::connect(&england.keys, &england.cell, RECEIVER, "i").await;
    receiver.grant(4, 1).await;
    england.cell.submit(&Draft::new("m1", RECEIVER)).await;
    let offer = receiver.handed_over().await;
    receiver.acknowledged(&offer).await;

    let since = in_seconds(-60);
    switch.cut(cut_of("england/1", SENDER, Direction::Both, since));
    let notice = tokio::time::timeout(Duration::from_secs(5), receiver.service_noticed()).await.unwrap();
    assert_eq!((notice.tenant.as_str(), notice.off, notice.cut.as_str()), (SENDER, true, "england/1"));
    assert_eq!(notice.since, Some(bulkhead_wire::time_to_wire(since)));
    assert_eq!(notice.services, [SENDER]);
    assert!(notice.text.contains("is cut off") && notice.text_cy.is_empty(), "{notice:?}");
    // A stream that is opened while it is off hears of it too.
    let mut receiver = Sidecar::connect(&england.keys, &england.cell, RECEIVER, "i").await;
    assert!(receiver.service_noticed().await.off);
    switch.withdraw("england/1", in_seconds(-30));
    let notice = tokio::time::timeout(Duration::from_secs(5), receiver.service_noticed()).await.unwrap();
    assert_eq!((notice.tenant.as_str(), notice.off), (SENDER, false));
    assert!(notice.text.contains("is back"), "{notice:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_never_exchanged_anything_with_it_hears_nothing() {
    let england = England::start(OnDeadline::Return).await;
    let mut switch = Switch::new(&england.cell.cuts, directory(OnDeadline::Return));
    let mut receiver = Sidecar::connect(&england.keys, &england.cell, RECEIVER, "i").await;
    switch.cut(cut_of("england/1", SENDER, Direction::Both, in_seconds(-60)));
    let heard = tokio::time::timeout(Duration::from_secs(3), receiver.service_noticed()).await;
    assert!(heard.is_err(), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r17_a_counterpart_that_reads_nothing_delays_no_cut() {
    let england = England::start(OnDeadline::Return).await;
    let mut switch = Switch::new(&england.cell.cuts, directory(OnDeadline::Return));
    let mut deaf = Sidecar::connect(&england.keys, &england.cell, RECEIVER, "i").await;
    deaf.grant(64, 1).await;
    let mut ids = Vec::new();
    let messages: Vec<String> = (0..40).map(|number| format!("m{number}")).collect();
    for message in &messages {
        ids.push(england.cell.submit(&Draft::new(message, RECEIVER)).await);
    }
    // More than the stream's queue holds has begun, and nobody reads it.
    england.cell.until(ids[0], State::Offered).await;
    switch.cut(cut_of("england/1", SENDER, Direction::Both, in_seconds(-60)));
    let later = england.cell.submit(&Draft::new("later", RECEIVER)).await;
    england.cell.until(later, State::Quarantined).await;
    // When it reads at last, it hears of it.
    assert!(deaf.service_noticed().await.off);
}
