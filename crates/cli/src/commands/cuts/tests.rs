//! Cuts, their account and what commands about them say, as people and programs see it.

use bulkhead_model::State;
use bulkhead_wire::{state_to_wire, time_to_wire};

use super::*;
use crate::Paint;
use crate::samples::{at, cut, desked, look};

fn count(state: State, count: u64) -> v1::StateCount {
    v1::StateCount { state: state_to_wire(state) as i32, count }
}

fn step(time: &str, by: &str, what: &str, detail: &str) -> v1::CutStep {
    v1::CutStep {
        at: Some(time_to_wire(at(time))),
        position: 57,
        by: by.into(),
        what: what.into(),
        detail: detail.into(),
        node: "wales-1".into(),
    }
}

fn handed_over(id: &str, state: State, recall: &str, answer: &str) -> v1::HandedOver {
    v1::HandedOver {
        referral_id: id.into(),
        message_id: format!("m-{id}"),
        tenant: "wales/wast-111".into(),
        destination: "wales/ooh-cardiff".into(),
        state: state_to_wire(state) as i32,
        at: Some(time_to_wire(at("08:00:30"))),
        recall: recall.into(),
        answer: answer.into(),
    }
}

/// Every state is there, so that none can be forgotten in the balance.
fn account() -> v1::CutAccount {
    v1::CutAccount {
        cut: Some(cut("wales/3f0c9a12be77", "wales/wast-111")),
        steps: vec![
            step("08:01:00", "wales/wales-duty", "cut", "wales/wast-111, both, since 2026-07-01T06:00:00Z"),
            step("08:20:00", "wales/wales-duty", "propose", "rebuilt, report 17"),
        ],
        nodes: vec![v1::CutInForce {
            node: "wales-2".into(),
            at: Some(time_to_wire(at("08:01:00.160"))),
            after_us: 160_000,
            answered: true,
        }],
        sent: State::ALL.into_iter().zip(1..).map(|(state, number)| count(state, number)).collect(),
        accepted: 120,
        received: vec![count(State::Held, 2)],
        last_accepted: Some(time_to_wire(at("08:00:59.990"))),
        last_delivery: Some(time_to_wire(at("08:00:58"))),
        handed_over: vec![
            handed_over("a", State::Quarantined, "recalled", ""),
            handed_over("b", State::Acknowledged, "not-recalled", "its receiver has it (acknowledged AA)"),
            handed_over("c", State::Delivered, "no-answer", ""),
        ],
        handed_over_total: 4,
        recalled: 1,
        not_recalled: 1,
        refused: 1,
        no_answer: 1,
        collateral: vec![v1::Collateral {
            tenant: "england/nhs111-north".into(),
            referrals: vec![count(State::Held, 2), count(State::Returned, 1)],
        }],
        not_covered: vec!["wales/ooh-powys".into()],
        border_only: vec!["england/nhs111-south".into()],
        proposal: Some(v1::CutProposal {
            fact: vec![0xab; 32].into(),
            by: "wales/wales-duty".into(),
            evidence: "rebuilt, report 17".into(),
            certificates: vec!["ab".repeat(32)],
            inbox_id: String::new(),
        }),
        ..Default::default()
    }
}

fn shown(account: &v1::CutAccount) -> Shown {
    Shown { desk: desked(), account: Account::of(account), others: vec![] }
}

#[test]
fn the_account_as_text() {
    insta::assert_snapshot!(text::show(&shown(&account()), &look(Paint::PLAIN)));
}

#[test]
fn the_account_as_json() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&shown(&account())).unwrap());
}

#[test]
fn every_state_is_in_exactly_one_part_of_the_balance() {
    let account = Account::of(&account());
    assert_eq!(account.balance.sum(), 120, "1 + 2 + … + 15");
    assert!(account.adds_up);
    let of = |state| {
        Account::of(&v1::CutAccount { sent: vec![count(state, 1)], accepted: 1, ..Default::default() })
    };
    for state in State::ALL {
        assert!(of(state).adds_up, "{}", state.as_str());
    }
}

#[test]
fn what_does_not_add_up_is_said() {
    let check = |change: fn(&mut v1::CutAccount), expected: &str| {
        let mut account = account();
        change(&mut account);
        let shown = shown(&account);
        assert!(!shown.account.adds_up);
        let text = text::show(&shown, &look(Paint::PLAIN));
        assert!(text.contains("THIS DOES NOT ADD UP") && text.contains(expected), "{text}");
    };
    let undecided = |account: &mut v1::CutAccount| (account.accepted, account.undecided) = (123, 3);
    check(undecided, "3 are missing; 3 lie in the log and are not decided yet");
    let of_a_newer_cell = |account: &mut v1::CutAccount| {
        account.accepted += 2;
        account.sent.push(v1::StateCount { state: 99, count: 2 });
    };
    check(of_a_newer_cell, "2 are missing; this command does not know their state");
}

#[test]
fn the_list_as_text() {
    let wide = v1::CutSummary {
        unconfirmed: true,
        direction: "from".into(),
        ..cut("wales/77aa01bc22de", "supplier:meridian")
    };
    let past = v1::CutSummary {
        active: false,
        stage: "restored".into(),
        ..cut("wales/0011aabbccdd", "wales/ooh-cardiff")
    };
    let cuts = [cut("wales/3f0c9a12be77", "wales/wast-111"), wide, past];
    let listed = Listed { desk: desked(), cuts: cuts.iter().map(Cut::of).collect() };
    insta::assert_snapshot!(text::list(&listed, &look(Paint::PLAIN)));
}

#[test]
fn what_a_command_did_as_text() {
    let done = |pending: bool, effect: &str| Done {
        desk: desked(),
        effect: effect.into(),
        pending,
        position: 61,
        cut: Some(Cut::of(&cut("wales/3f0c9a12be77", "wales/wast-111"))),
    };
    let text = [done(true, "the withdrawal waits for a second operator"), done(false, "confirmed")];
    let text: String = text.iter().map(|done| text::done(done, &look(Paint::PLAIN))).collect();
    insta::assert_snapshot!(text);
}
