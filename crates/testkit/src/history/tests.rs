//! A history that is right, and every way in which one can be wrong: each is seeded and must be caught.

use bulkhead_model::State;
use jiff::Timestamp;

use super::{Answer, Entry, History, Reception, Submit, Wrong};

const NORTH: &str = "england/nhs111-north";
pub(super) const CARDIFF: &str = "wales/ooh-cardiff";

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

pub(super) fn submit(message_id: &str) -> Submit {
    let ledger = |nation: &str| Entry {
        nation: nation.into(),
        state: State::Acknowledged,
        digest: format!("digest of {message_id}"),
        sent_after_all: false,
    };
    Submit {
        from: NORTH.into(),
        to: CARDIFF.into(),
        message_id: message_id.into(),
        case: None,
        order: 0,
        sha256: format!("digest of {message_id}"),
        same_bytes: true,
        answer: Answer::Accepted,
        yes: None,
        deadline: None,
        detours: vec![],
        arrives_as: vec![message_id.into(), format!("derived-{message_id}")],
        ledgers: vec![ledger("england"), ledger("wales")],
        life: None,
    }
}

fn in_case(message_id: &str, order: u64) -> Submit {
    Submit { case: Some("CASE".into()), order, ..submit(message_id) }
}

pub(super) fn reception(message_id: &str, sequence: u64) -> Reception {
    Reception {
        at: CARDIFF.into(),
        sequence,
        message_id: message_id.into(),
        case: None,
        sha256: format!("digest of {message_id}"),
        time: at(sequence as i64),
        repeat: false,
        changed: false,
    }
}

pub(super) fn again(message_id: &str, sequence: u64) -> Reception {
    Reception { repeat: true, ..reception(message_id, sequence) }
}

/// Judges what `seed` makes of an empty history.
#[track_caller]
pub(super) fn check(seed: impl FnOnce(&mut History), expected: &[Wrong]) {
    let mut history = History::new();
    seed(&mut history);
    assert_eq!(history.check().err().unwrap_or_default(), expected);
}

pub(super) fn id() -> String {
    "m1".into()
}

pub(super) fn cardiff() -> String {
    CARDIFF.into()
}

pub(super) fn ended(message_id: &str, state: State) -> Submit {
    let mut submit = submit(message_id);
    submit.ledgers.iter_mut().for_each(|entry| entry.state = state);
    submit
}

#[test]
fn a_good_history_is_good_and_counted() {
    let mut history = History::new();
    history.submitted(in_case("m1", 1));
    history.submitted(in_case("m2", 2));
    history.submitted(ended("m3", State::Parked));
    history.submitted(Submit { answer: Answer::Refused, ledgers: vec![], ..submit("m4") });
    history.received(reception("m1", 0));
    history.crashed(at(1));
    history.received(again("m1", 1));
    history.received(reception("m2", 2));
    let tally = history.check().unwrap();
    assert_eq!((tally.sent, tally.accepted, tally.refused), (4, 3, 1));
    assert_eq!((tally.received, tally.repeats), (2, 1));
    assert_eq!(tally.pairs["england>wales"], 3);
    assert_eq!((tally.states["acknowledged"], tally.states["parked"]), (2, 1));
}

#[test]
fn translated_ones_are_known_by_their_derived_id() {
    check(
        |history| {
            history.submitted(Submit { same_bytes: false, ..submit("m1") });
            history.received(Reception { sha256: "another".into(), ..reception("DERIVED-M1", 0) });
        },
        &[],
    );
}

#[test]
fn one_that_no_ledger_knows() {
    check(
        |history| history.submitted(Submit { ledgers: vec![], ..submit("m1") }),
        &[Wrong::Vanished { message_id: id() }],
    );
}

#[test]
fn one_that_is_acknowledged_and_never_came() {
    check(
        |history| history.submitted(submit("m1")),
        &[Wrong::NeverArrived { message_id: id(), to: cardiff() }],
    );
}

#[test]
fn one_that_stays_on_its_way() {
    for state in [State::Accepted, State::Routed, State::Carried, State::Offered, State::Delivered] {
        check(|history| history.submitted(ended("m1", state)), &[Wrong::Stuck { message_id: id(), state }]);
    }
}

#[test]
fn one_that_waits_behind_a_parked_one_is_not_stuck_but_alone_it_is() {
    let parked = Submit { case: Some("CASE".into()), order: 1, ..ended("m0", State::Parked) };
    let waits = Submit { case: Some("CASE".into()), order: 2, ..ended("m1", State::Routed) };
    let stuck = [Wrong::Stuck { message_id: id(), state: State::Routed }];
    check(
        |history| {
            history.submitted(parked.clone());
            history.submitted(waits.clone());
        },
        &[],
    );
    check(|history| history.submitted(waits.clone()), &stuck);
    let elsewhere = Submit { case: Some("OTHER".into()), ..parked };
    check(
        |history| {
            history.submitted(elsewhere);
            history.submitted(waits.clone());
        },
        &stuck,
    );
}

#[test]
fn one_that_somebody_else_took() {
    check(
        |history| {
            history.submitted(submit("m1"));
            history.received(Reception { at: "wales/wast-111".into(), ..reception("m1", 0) });
        },
        &[Wrong::Astray { message_id: id(), to: cardiff(), at: "wales/wast-111".into() }],
    );
}

#[test]
fn one_that_was_taken_twice_as_if_it_were_new() {
    check(
        |history| {
            history.submitted(submit("m1"));
            history.crashed(at(1));
            history.received(reception("m1", 0));
            history.received(reception("m1", 2));
        },
        &[Wrong::Twice { message_id: id(), at: cardiff() }],
    );
}

#[test]
fn one_that_came_under_two_ids() {
    check(
        |history| {
            history.submitted(Submit { same_bytes: false, ..submit("m1") });
            history.crashed(at(1));
            history.received(reception("m1", 0));
            history.received(again("derived-m1", 2));
        },
        &[Wrong::UnderTwoIds { message_id: id(), ids: vec!["derived-m1".into(), id()] }],
    );
}

#[test]
fn one_that_nobody_sent() {
    check(
        |history| {
            history.submitted(submit("m1"));
            history.received(reception("m1", 0));
            history.received(reception("m9", 1));
        },
        &[Wrong::Stranger { message_id: "m9".into(), case: None, at: cardiff() }],
    );
}

#[test]
fn more_repeats_than_crashes() {
    check(
        |history| {
            history.submitted(submit("m1"));
            history.received(reception("m1", 0));
            history.crashed(at(1));
            history.received(again("m1", 2));
            history.received(again("m1", 3));
        },
        &[Wrong::NeedlessRepeat { message_id: id(), at: cardiff() }],
    );
}

#[test]
fn a_repeat_after_the_crash_of_somebody_elses_sidecar() {
    for (of, expected) in
        [(CARDIFF, &[][..]), (NORTH, &[Wrong::NeedlessRepeat { message_id: id(), at: cardiff() }])]
    {
        check(
            |history| {
                history.submitted(submit("m1"));
                history.received(reception("m1", 0));
                history.sidecar_crashed(of, at(1));
                history.received(again("m1", 2));
            },
            expected,
        );
    }
}

#[test]
fn a_repeat_with_other_bytes() {
    check(
        |history| {
            history.submitted(Submit { same_bytes: false, ..submit("m1") });
            history.received(reception("m1", 0));
            history.crashed(at(1));
            history.received(Reception { changed: true, ..again("m1", 2) });
        },
        &[Wrong::RepeatChanged { message_id: id(), at: cardiff() }],
    );
}

#[test]
fn a_case_out_of_order() {
    let expected = [Wrong::OutOfOrder { case: "CASE".into(), first: id(), later: "m2".into() }];
    check(
        |history| {
            history.submitted(in_case("m1", 1));
            history.submitted(in_case("m2", 2));
            history.received(reception("m2", 0));
            history.received(reception("m1", 1));
        },
        &expected,
    );
    // The repeat of an earlier one behind a later one is no better.
    check(
        |history| {
            history.submitted(in_case("m1", 1));
            history.submitted(in_case("m2", 2));
            history.received(reception("m1", 0));
            history.received(reception("m2", 1));
            history.crashed(at(2));
            history.received(again("m1", 3));
        },
        &expected,
    );
}

#[test]
fn messages_of_different_cases_have_no_order() {
    check(
        |history| {
            history.submitted(in_case("m1", 1));
            history.submitted(Submit { case: Some("OTHER".into()), ..in_case("m2", 2) });
            history.received(reception("m2", 0));
            history.received(reception("m1", 1));
        },
        &[],
    );
}

#[test]
fn other_bytes_where_nothing_is_translated() {
    check(
        |history| {
            history.submitted(submit("m1"));
            history.received(Reception { sha256: "another".into(), ..reception("m1", 0) });
        },
        &[Wrong::BytesDiffer { message_id: id(), sent: "digest of m1".into(), arrived: "another".into() }],
    );
}

#[test]
fn a_ledger_with_another_digest() {
    let mut sent = submit("m1");
    sent.ledgers[1].digest = "another".into();
    check(
        |history| {
            history.submitted(sent);
            history.received(reception("m1", 0));
        },
        &[Wrong::DigestDiffers { message_id: id(), nation: "wales".into() }],
    );
}

#[test]
fn what_another_nation_has_given_back_and_its_sender_has_not_heard_of_is_no_fault() {
    let mut sent = submit("m1");
    sent.ledgers[0].state = State::ReturnPending;
    sent.ledgers[1].state = State::Returned;
    let said = vec![("england".into(), State::Returned), ("wales".into(), State::ReturnPending)];
    check(|history| history.submitted(sent.clone()), &[]);
    sent.ledgers[0].state = State::Returned;
    sent.ledgers[1].state = State::ReturnPending;
    check(|history| history.submitted(sent), &[Wrong::LedgersDisagree { message_id: id(), said }]);
}

#[test]
fn ledgers_that_say_different_things() {
    let mut sent = submit("m1");
    sent.ledgers[0].state = State::Carried;
    let said = vec![("england".into(), State::Carried), ("wales".into(), State::Acknowledged)];
    check(
        |history| {
            history.submitted(sent);
            history.received(reception("m1", 0));
        },
        &[Wrong::LedgersDisagree { message_id: id(), said }],
    );
}

#[test]
fn one_that_was_refused_and_came_all_the_same() {
    let refused = Submit { answer: Answer::Refused, ..submit("m1") };
    let mut said_so = refused.clone();
    said_so.ledgers[1].sent_after_all = true;
    let expected = [Wrong::ReceivedThoughRefused { message_id: id(), at: cardiff() }];
    for (sent, expected) in [(refused, &expected[..]), (said_so, &[])] {
        check(
            |history| {
                history.submitted(sent);
                history.received(reception("m1", 0));
            },
            expected,
        );
    }
}

#[test]
fn one_that_never_had_an_answer() {
    check(
        |history| history.submitted(Submit { answer: Answer::Open, ledgers: vec![], ..submit("m1") }),
        &[Wrong::NeverAnswered { message_id: id() }],
    );
}
