//! Many referrals of several ledgers in one list.

use super::*;
use crate::samples::{at, look, referral, world};
use crate::screen::Paint;

fn answer(referrals: Vec<v1::Referral>) -> v1::ListReferralsResponse {
    v1::ListReferralsResponse { total: 1_234, referrals, ..Default::default() }
}

fn named(id: &str, state: State, deadline: Option<&str>) -> v1::Referral {
    let mut referral = referral(state);
    referral.referral_id = id.into();
    referral.envelope.as_mut().unwrap().deadline = deadline.map(|time| time_to_wire(at(time)));
    referral
}

fn listed() -> Listed {
    let mut overdue = named("overdue", State::Routed, Some("08:30:00"));
    overdue.overdue = true;
    let mut home = named("no-deadline", State::Acknowledged, None);
    home.envelope.as_mut().unwrap().priority = v1::Priority::Emergency as i32;
    home.destination = "england/ooh-riverside".into();
    let answers = vec![
        (Nation::England, answer(vec![named("crossed", State::Carried, Some("10:00:00")), home])),
        (Nation::Wales, answer(vec![overdue, named("crossed", State::Delivered, Some("10:00:00"))])),
    ];
    let silent = Unanswered {
        nation: "scotland".into(),
        reason: "CANNOT_REACH".into(),
        message: "cannot be reached: no answer within 30s".into(),
    };
    gather(world(true), answers, vec![silent], 3)
}

#[test]
fn the_most_urgent_due_comes_first_and_one_that_crossed_comes_once() {
    let listed = listed();
    let shown: Vec<_> =
        listed.referrals.iter().map(|one| (one.referral_id.as_str(), one.state.as_str())).collect();
    assert_eq!(shown, [("overdue", "routed"), ("crossed", "delivered"), ("no-deadline", "acknowledged")]);
}

#[test]
fn the_list_as_text() {
    insta::assert_snapshot!(text::render(&listed(), &look(Paint::PLAIN)));
}

#[test]
fn the_list_in_colour() {
    insta::assert_snapshot!(text::render(&listed(), &look(Paint::COLOR)).escape_debug().to_string());
}

#[test]
fn the_list_as_json() {
    let mut listed = listed();
    listed.referrals.truncate(1);
    insta::assert_snapshot!(serde_json::to_string_pretty(&listed).unwrap());
}

#[test]
fn an_empty_list_says_so() {
    let listed =
        gather(world(false), vec![(Nation::England, v1::ListReferralsResponse::default())], Vec::new(), 100);
    assert_eq!(text::render(&listed, &look(Paint::PLAIN)), "no referral matches\n");
}

#[test]
fn what_is_asked_of_a_cell() {
    let list = List {
        tenant: TenantId::parse("wales/ooh-cardiff").ok(),
        state: vec![State::Held],
        since: Some(Moment::Away(std::time::Duration::from_secs(60))),
        overdue: true,
        priority: None,
        limit: 7,
    };
    let request = list.request(at("09:00:00"));
    assert_eq!((request.tenant.as_str(), request.limit, request.overdue), ("wales/ooh-cardiff", 7, true));
    assert_eq!(request.states, [v1::State::Held as i32]);
    assert_eq!(request.since, Some(time_to_wire(at("08:59:00"))));
    assert_eq!(request.priority, v1::Priority::Unspecified as i32);
}
