//! A history with a cut that is right, and every way in which one can be wrong.

use std::collections::BTreeMap;

use bulkhead_model::State;
use jiff::Timestamp;

use super::{Answer, CutStory, Entry, History, Life, OldCredential, Submit, Turn, Wrong};

const CUT: &str = "england/1";
const NORTH: &str = "england/nhs111-north";
const CARDIFF: &str = "wales/ooh-cardiff";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// Made at 100, in force everywhere by 101; open for Cardiff from 200, for all from 300.
fn cut(tenant: &str) -> CutStory {
    let by: BTreeMap<_, _> = ["england", "wales"].map(|nation| (nation.to_owned(), at(101))).into();
    CutStory {
        id: CUT.into(),
        tenant: tenant.into(),
        from: true,
        to: true,
        drain_clean: false,
        since: at(50),
        turns: vec![
            Turn::Closed { at: at(100), by },
            Turn::Open { at: at(200), with: Some(vec![CARDIFF.into()]) },
            Turn::Open { at: at(300), with: None },
        ],
        released: BTreeMap::new(),
    }
}

/// From England to Wales, accepted then and offered then, in that state.
fn sent(accepted: i64, offered: &[i64], state: State) -> Submit {
    let entry =
        |nation: &str| Entry { nation: nation.into(), state, digest: "d".into(), sent_after_all: false };
    let offered: Vec<_> = offered.iter().map(|second| ("wales".to_owned(), at(*second))).collect();
    Submit {
        from: NORTH.into(),
        to: CARDIFF.into(),
        message_id: "m1".into(),
        case: None,
        order: 0,
        sha256: "d".into(),
        same_bytes: false,
        answer: Answer::Accepted,
        yes: None,
        deadline: None,
        detours: vec![],
        arrives_as: vec!["m1".into()],
        ledgers: vec![entry("england"), entry("wales")],
        life: Some(Life {
            referral_id: "r1".into(),
            accepted_at: at(accepted),
            spooled_at: None,
            offered,
            told: Some(state),
        }),
    }
}

#[track_caller]
fn check(cut: CutStory, submit: Submit, expected: &[Wrong]) {
    let mut history = History::new();
    history.cut(cut);
    // Whether it arrived is other tests' business.
    let arrived = submit.life.as_ref().filter(|_| submit.state() == Some(State::Acknowledged)).map(|_| {
        let time = submit.life.as_ref().and_then(|life| life.offered.last()).map_or(at(0), |(_, at)| *at);
        super::Reception {
            at: submit.to.clone(),
            sequence: 0,
            message_id: "m1".into(),
            case: None,
            sha256: "d".into(),
            time,
            repeat: false,
            changed: false,
        }
    });
    history.submitted(submit);
    arrived.into_iter().for_each(|reception| history.received(reception));
    assert_eq!(history.check().err().unwrap_or_default(), expected);
}

fn id() -> String {
    "m1".into()
}

fn suspect(second: i64) -> Vec<Wrong> {
    vec![Wrong::SuspectHandedOver { message_id: id(), cut: CUT.into(), at: at(second) }]
}

#[test]
fn what_is_right_is_not_wrong() {
    check(cut(NORTH), sent(10, &[11], State::Acknowledged), &[]);
    check(cut(NORTH), sent(60, &[61], State::Acknowledged), &[]);
    check(cut(NORTH), sent(60, &[], State::Quarantined), &[]);
    // Not suspect: held, and on its way again for whom it is open.
    check(cut(NORTH), sent(10, &[201], State::Acknowledged), &[]);
    check(cut(NORTH), sent(210, &[211], State::Acknowledged), &[]);
    check(cut(CARDIFF), sent(120, &[301], State::Acknowledged), &[]);
    // Whatever was under way when the cut was made.
    check(cut(NORTH), sent(100, &[100], State::Acknowledged), &[]);
}

#[test]
fn accepted_while_cut() {
    let expected = [Wrong::AcceptedWhileCut { message_id: id(), cut: CUT.into(), at: at(103) }];
    check(cut(NORTH), sent(103, &[], State::Quarantined), &expected);
    // Only what it sends is closed, then what comes to it is not.
    check(CutStory { from: false, ..cut(NORTH) }, sent(103, &[104], State::Acknowledged), &[]);
}

#[test]
fn suspect_and_handed_over() {
    check(cut(NORTH), sent(60, &[150], State::Acknowledged), &suspect(150));
    // Nor after the restore.
    check(cut(NORTH), sent(60, &[400], State::Acknowledged), &suspect(400));
    let mut released = cut(NORTH);
    released.released.insert("r1".into(), at(399));
    check(released.clone(), sent(60, &[400], State::Acknowledged), &[]);
    check(released, sent(60, &[398, 400], State::Acknowledged), &suspect(398));
}

#[test]
fn the_spool_of_the_cut_period() {
    let mut spooled = sent(400, &[401], State::Acknowledged);
    spooled.life.as_mut().unwrap().spooled_at = Some(at(150));
    check(cut(NORTH), spooled, &suspect(401));
}

#[test]
fn held_and_handed_over_all_the_same() {
    check(cut(NORTH), sent(10, &[150], State::Acknowledged), &suspect(150));
    check(CutStory { drain_clean: true, ..cut(NORTH) }, sent(10, &[150], State::Acknowledged), &[]);
    // Open for somebody else.
    let other = Turn::Open { at: at(200), with: Some(vec!["wales/wast-111".into()]) };
    let mut story = cut(NORTH);
    story.turns[1] = other;
    check(story, sent(10, &[250], State::Acknowledged), &suspect(250));
}

#[test]
fn an_opening_that_was_aborted_never_was() {
    let mut story = cut(NORTH);
    let by = [("wales".to_owned(), at(221)), ("england".to_owned(), at(221))].into();
    story.turns.insert(2, Turn::Closed { at: at(220), by });
    check(story.clone(), sent(210, &[211], State::Acknowledged), &[]);
    check(story.clone(), sent(210, &[230], State::Acknowledged), &suspect(230));
    check(story, sent(210, &[310], State::Acknowledged), &suspect(310));
}

#[test]
fn offered_to_one_who_is_cut_off() {
    let expected = [Wrong::OfferedToCut { message_id: id(), cut: CUT.into(), at: at(150) }];
    check(cut(CARDIFF), sent(10, &[150], State::Acknowledged), &expected);
    let mut story = cut(CARDIFF);
    story.turns[1] = Turn::Open { at: at(200), with: Some(vec!["wales/wast-111".into()]) };
    let expected = [Wrong::OfferedToCut { message_id: id(), cut: CUT.into(), at: at(250) }];
    check(story, sent(10, &[250], State::Acknowledged), &expected);
}

#[test]
fn kept_although_every_cut_is_over() {
    for state in [State::Held, State::Unknown] {
        check(cut(CARDIFF), sent(10, &[], state), &[Wrong::StuckAfterCut { message_id: id(), state }]);
    }
    // Half handed over and suspect: that is for two persons to end.
    check(cut(NORTH), sent(60, &[61], State::Unknown), &[]);
    let mut released = cut(NORTH);
    released.released.insert("r1".into(), at(399));
    let unknown = [Wrong::StuckAfterCut { message_id: id(), state: State::Unknown }];
    check(released, sent(60, &[61], State::Unknown), &unknown);
    let needless = [Wrong::NeedlesslyQuarantined { message_id: id() }];
    check(cut(NORTH), sent(10, &[], State::Quarantined), &needless);
    check(cut(NORTH), sent(400, &[], State::Quarantined), &needless);
    let mut withdrawn = cut(NORTH);
    withdrawn.turns = vec![withdrawn.turns[0].clone(), Turn::Withdrawn { at: at(200) }];
    check(withdrawn, sent(60, &[], State::Quarantined), &needless);
    let mut released = cut(NORTH);
    released.released.insert("r1".into(), at(399));
    check(released, sent(60, &[], State::Quarantined), &needless);
}

#[test]
fn a_sender_that_is_told_something_else() {
    let mut submit = sent(10, &[11], State::Acknowledged);
    submit.life.as_mut().unwrap().told = Some(State::Held);
    let (told, state) = (State::Held, State::Acknowledged);
    check(cut(NORTH), submit, &[Wrong::ToldOtherwise { message_id: id(), told, state }]);
}

#[test]
fn an_old_credential_that_is_let_in() {
    let tried = OldCredential {
        tenant: NORTH.into(),
        fingerprint: "ab".into(),
        let_in: true,
        words: "accepted".into(),
    };
    let mut history = History::new();
    history.came_with_old(OldCredential { let_in: false, ..tried.clone() });
    assert!(history.check().is_ok());
    history.came_with_old(tried);
    let (tenant, fingerprint) = (NORTH.into(), "ab".into());
    let expected = Wrong::OldCredentialLetIn { tenant, fingerprint, words: "accepted".into() };
    assert_eq!(history.check(), Err(vec![expected]));
}

#[test]
fn a_repeat_after_a_cut_of_the_receiver_is_no_fault() {
    let mut history = History::new();
    history.cut(cut(CARDIFF));
    history.submitted(sent(10, &[11, 301], State::Acknowledged));
    for (sequence, second) in [(0, 12), (1, 302)] {
        history.received(super::Reception {
            at: CARDIFF.into(),
            sequence,
            message_id: "m1".into(),
            case: None,
            sha256: "d".into(),
            time: at(second),
            repeat: sequence > 0,
            changed: false,
        });
    }
    assert!(history.check().is_ok());
}
