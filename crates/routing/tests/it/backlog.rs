//! What was held for a cut goes on when that ends: a few at a time, behind new work that is more urgent, and not when
//! its time has run out meanwhile.

use std::time::Duration;

use bulkhead_model::{OnDeadline, Priority, ReferralId, State};

use crate::cell::{Draft, England};
use crate::cut::{CUT, TO, from_sender, sidecar, switch};
use crate::switch::in_seconds;

/// So many may wait for one destination before more of what was held goes on.
const AHEAD: usize = 16;
const HELD: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_goes_on_a_few_at_a_time_and_new_urgent_work_goes_ahead_of_it() {
    let england = England::start(OnDeadline::Alert).await;
    let mut switch = switch(&england);
    let routine = |message: String| Draft { priority: Priority::Routine, ..Draft::new(&message, TO) };
    let mut backlog = Vec::new();
    for number in 0..HELD {
        backlog.push(england.cell.submit(&routine(format!("b{number}"))).await);
    }
    // Accepted before since, so not suspect.
    switch.cut(from_sender(in_seconds(3_600)));
    for id in &backlog {
        england.cell.until(*id, State::Held).await;
    }
    switch.restore(CUT, in_seconds(7_200));
    let count = |state| backlog.iter().filter(|id| england.cell.state(**id) == Some(state)).count();
    // Nobody takes any: the room is used up, whichever went first.
    while count(State::Routed) < AHEAD {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let urgent = england.cell.submit(&Draft::new("urgent", TO)).await;
    england.cell.until(urgent, State::Routed).await;
    assert_eq!((count(State::Routed), count(State::Held)), (AHEAD, HELD - AHEAD));
    let mut receiver = sidecar(&england, TO).await;
    let mut came: Vec<String> = Vec::new();
    while came.len() <= HELD {
        let offer = receiver.handed_over().await;
        receiver.acknowledged(&offer).await;
        receiver.grant(1, 0).await;
        came.push(offer.referral_id);
    }
    assert_eq!(came.first(), Some(&urgent.to_string()));
    came.sort();
    let mut expected: Vec<String> = backlog.iter().chain([&urgent]).map(ReferralId::to_string).collect();
    expected.sort();
    assert_eq!(came, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_past_its_deadline_when_the_cut_ends_waits_for_a_person() {
    let england = England::start(OnDeadline::Alert).await;
    let mut switch = switch(&england);
    let late = Draft { deadline: Some(in_seconds(2)), ..Draft::new("late", TO) };
    let late = england.cell.submit(&late).await;
    let other = england.cell.submit(&Draft::new("other", TO)).await;
    switch.cut(from_sender(in_seconds(3_600)));
    england.cell.until(late, State::Held).await;
    england.cell.until(other, State::Held).await;
    england.cell.until_so(late, |row| row.referral.overdue).await;

    switch.restore(CUT, in_seconds(7_200));
    let mut receiver = sidecar(&england, TO).await;
    let offer = receiver.handed_over().await;
    assert_eq!(offer.referral_id, other.to_string());
    receiver.acknowledged(&offer).await;
    receiver.nothing_comes().await;
    england.cell.until(late, State::Held).await;
}
