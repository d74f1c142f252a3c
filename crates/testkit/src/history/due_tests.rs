//! What is given back or diverted too early, and what a fallback may have.

use std::collections::BTreeMap;

use bulkhead_model::State;
use jiff::Timestamp;

use super::tests::{CARDIFF, at, cardiff, check, ended, id, reception, submit};
use super::{CutStory, Detour, Reception, Submit, Turn, Wrong};

const FALLBACK: &str = "wales/wast-111";

fn given_back(deadline: Option<Timestamp>) -> Submit {
    Submit { deadline, detours: vec![Detour { at: at(5), to: None }], ..ended("m1", State::Returned) }
}

fn diverted(deadline: Option<Timestamp>) -> Submit {
    let detours = vec![Detour { at: at(5), to: Some(FALLBACK.into()) }];
    Submit { deadline, detours, ..submit("m1") }
}

fn at_fallback() -> Reception {
    Reception { at: FALLBACK.into(), ..reception("m1", 6) }
}

fn not_due(to: Option<&str>) -> Vec<Wrong> {
    vec![Wrong::NotDue { message_id: id(), to: to.map(str::to_owned), at: at(5) }]
}

fn cut_of(tenant: &str, to: bool, closed: i64) -> CutStory {
    CutStory {
        id: "wales/1".into(),
        tenant: tenant.into(),
        from: true,
        to,
        drain_clean: true,
        since: at(closed),
        turns: vec![Turn::Closed { at: at(closed), by: BTreeMap::new() }],
        released: BTreeMap::new(),
    }
}

#[test]
fn one_that_is_given_back_before_its_deadline_or_without_one() {
    check(|history| history.submitted(given_back(Some(at(5)))), &[]);
    check(|history| history.submitted(given_back(Some(at(6)))), &not_due(None));
    check(|history| history.submitted(given_back(None)), &not_due(None));
}

#[test]
fn one_that_is_diverted_before_its_deadline() {
    for (deadline, expected) in [(at(4), vec![]), (at(6), not_due(Some(FALLBACK)))] {
        check(
            |history| {
                history.submitted(diverted(Some(deadline)));
                history.received(at_fallback());
            },
            &expected,
        );
    }
}

#[test]
fn a_cut_of_its_receiver_before_is_a_reason_and_no_other_is() {
    for (cut, expected) in [
        (cut_of(CARDIFF, true, 4), vec![]),
        (cut_of(CARDIFF, true, 6), not_due(None)),
        (cut_of(CARDIFF, false, 4), not_due(None)),
        (cut_of(FALLBACK, true, 4), not_due(None)),
    ] {
        check(
            |history| {
                history.submitted(given_back(None));
                history.cut(cut);
            },
            &expected,
        );
    }
}

#[test]
fn one_that_another_than_its_fallback_took() {
    let elsewhere = "wales/elsewhere";
    check(
        |history| {
            history.submitted(diverted(Some(at(4))));
            history.received(Reception { at: elsewhere.into(), ..at_fallback() });
        },
        &[Wrong::Astray { message_id: id(), to: cardiff(), at: elsewhere.into() }],
    );
}
