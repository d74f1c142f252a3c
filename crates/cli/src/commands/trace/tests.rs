//! One life from two ledgers, and what people and programs see of it.

use bulkhead_model::{Nation, State};
use bulkhead_wire::v1;

use super::*;
use crate::samples::{REFERRAL, look, referral, step, world};
use crate::screen::Paint;

/// England sent it, Wales has it.
fn over_the_border() -> Vec<(Nation, v1::GetReferralResponse)> {
    let mut home = referral(State::Delivered);
    home.steps = vec![
        step("09:00:00.100", "england-1", "accepted", ""),
        step("09:00:00.120", "england-1", "to-border", "for wales/ooh-cardiff, at the border to wales"),
        step("09:00:00.130", "england-1", "carrying", "to wales"),
        step("09:00:00.300", "england-1", "carried", "to wales"),
        step("09:00:00.700", "england-2", "reported", "delivered at wales/ooh-cardiff"),
    ];
    let mut away = referral(State::Acknowledged);
    away.accepted_at = None;
    away.omissions = vec!["CareConnect-Flag".into()];
    away.alerts = vec!["SENT_AFTER_ALL".into()];
    let mut void = step("09:00:00.350", "wales-2", "offered", "claim 3 of shard 7 is older than 4");
    void.counts = false;
    away.steps = vec![
        step("09:00:00.310", "wales-1", "routed", "to wales/ooh-cardiff"),
        void,
        // This node's clock is behind: the order of the log stays.
        step("09:00:00.305", "wales-1", "offered", "attempt 1"),
        step("09:00:00.600", "wales-1", "delivered", "on attempt 1, durable in the receiving sidecar"),
        step(
            "09:00:00.900",
            "wales-1",
            "acknowledged",
            "stored by the receiving system (AA), not yet seen by a clinician",
        ),
    ];
    let answer = |referral| v1::GetReferralResponse { referrals: vec![referral] };
    vec![(Nation::Wales, answer(away)), (Nation::England, answer(home))]
}

fn traced(demo: bool) -> Traced {
    let mut lives = merge::merge(over_the_border());
    assert_eq!(lives.len(), 1);
    let unanswered = vec![Unanswered {
        nation: "scotland".into(),
        reason: "CANNOT_REACH".into(),
        message: "cannot be reached: Connection refused (os error 111)".into(),
    }];
    Traced { world: world(demo), life: lives.remove(0), unanswered }
}

#[test]
fn a_life_over_the_border_as_text() {
    insta::assert_snapshot!(text::render(&traced(true), &look(Paint::PLAIN)));
}

#[test]
fn a_life_over_the_border_as_json() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&traced(false)).unwrap());
}

#[test]
fn the_nation_that_has_it_says_how_it_is_and_the_home_nation_when_it_was_accepted() {
    let life = traced(true).life;
    assert_eq!(life.referral.state, "acknowledged");
    assert!(life.referral.accepted_at.is_some());
    let nations: Vec<_> = life.cells.iter().map(|cell| (cell.nation.as_str(), cell.state.as_str())).collect();
    assert_eq!(nations, [("england", "delivered"), ("wales", "acknowledged")]);
}

#[test]
fn a_referral_that_its_own_nation_gave_back_is_shown_as_that() {
    let mut home = referral(State::Returned);
    home.destination = String::new();
    let away = referral(State::Cancelled);
    let answer = |referral| v1::GetReferralResponse { referrals: vec![referral] };
    let lives = merge::merge(vec![(Nation::England, answer(home)), (Nation::Wales, answer(away))]);
    assert_eq!(lives[0].referral.state, "returned");
}

#[test]
fn steps_keep_each_nations_own_order() {
    let steps = traced(true).life.steps;
    let of_wales: Vec<_> =
        steps.iter().filter(|step| step.nation == "wales").map(|step| step.event.as_str()).collect();
    assert_eq!(of_wales, ["routed", "offered", "offered", "delivered", "acknowledged"]);
    assert_eq!(steps.last().unwrap().event, "acknowledged");
    assert_eq!(steps[3].event, "carried", "England's, before Wales's");
}

#[test]
fn several_matches_are_listed() {
    let mut other = referral(State::Parked);
    other.referral_id = REFERRAL.replace('6', "7");
    let answer = v1::GetReferralResponse { referrals: vec![referral(State::Routed), other] };
    let lives = merge::merge(vec![(Nation::England, answer)]);
    let matches = lives.into_iter().map(|life| life.referral).collect();
    let matches = Matches { world: world(false), matches, unanswered: Vec::new() };
    insta::assert_snapshot!(text::render_matches(&matches, &look(Paint::PLAIN)));
}

#[test]
fn what_a_sender_wrote_cannot_paint_the_screen() {
    let mut odd = referral(State::Routed);
    odd.envelope.as_mut().unwrap().message_id = "\x1b[2Jgone".into();
    odd.envelope.as_mut().unwrap().case_id = "a\nb".into();
    let answer = v1::GetReferralResponse { referrals: vec![odd] };
    let life = merge::merge(vec![(Nation::England, answer)]).remove(0);
    let traced = Traced { world: world(false), life, unanswered: Vec::new() };
    let text = text::render(&traced, &look(Paint::PLAIN));
    assert!(!text.contains('\x1b') && !text.contains("a\nb"), "{text}");
}

#[test]
fn what_a_cut_keeps_names_the_cut_and_who_decides_next() {
    let mut home = referral(State::Quarantined);
    home.cut = "wales/3f0c9a12be77".into();
    home.next = "two operators of wales release it".into();
    let answer = |referral| v1::GetReferralResponse { referrals: vec![referral] };
    let mut away = referral(State::Carried);
    away.destination = String::new();
    let life = merge::merge(vec![(Nation::England, answer(away)), (Nation::Wales, answer(home))]).remove(0);
    assert_eq!(life.referral.cut.as_deref(), Some("wales/3f0c9a12be77"));
    let traced = Traced { world: world(false), life, unanswered: Vec::new() };
    let text = text::render(&traced, &look(Paint::PLAIN));
    assert!(text.contains("next: two operators of wales release it"), "{text}");
    assert!(text.contains("wales/3f0c9a12be77"), "{text}");
}
