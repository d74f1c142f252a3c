//! Setting aside and going on again.

use proptest::prelude::*;

use super::*;
use crate::samples::{any_event, any_lifecycle, cases, tenant};
use crate::{Code, CutId, Nation, Place, Reason, State, TenantId};

fn cut() -> CutId {
    CutId::parse("wales/1").unwrap()
}

fn reason() -> Reason {
    Reason::new(Code::TenantCut, "because")
}

fn held() -> Event {
    Event::Held { to: None, cut: cut(), reason: reason() }
}

fn quarantined() -> Event {
    Event::Quarantined { to: None, cut: cut(), reason: reason() }
}

fn resumed() -> Event {
    Event::Resumed { by: "the restore".into() }
}

fn place() -> Place {
    Place { topic: "out.wales.a".into(), partition: 1, offset: 7 }
}

fn routed() -> Lifecycle {
    Lifecycle::Routed { to: tenant("wales/a"), bytes: place() }
}

fn offered() -> Lifecycle {
    routed().apply(&Event::Offered { attempt: 1 }).unwrap()
}

fn check(before: Lifecycle, event: Event, expected: Option<State>) {
    let what = format!("{before:?} {event:?}");
    assert_eq!(before.apply(&event).ok().map(|after| after.state()), expected, "{what}");
}

#[test]
fn only_what_is_open_is_held_or_quarantined() {
    let delivered = offered().apply(&Event::Delivered { attempt: 1, inbox: "i".into() }).unwrap();
    for (before, aside) in
        [(Lifecycle::Accepted, true), (routed(), true), (offered(), false), (delivered, false)]
    {
        check(before.clone(), held(), aside.then_some(State::Held));
        check(before, quarantined(), aside.then_some(State::Quarantined));
    }
}

#[test]
fn held_becomes_quarantined_and_never_the_other_way() {
    let held_now = routed().apply(&held()).unwrap();
    check(held_now.clone(), held(), None);
    let quarantined_now = held_now.apply(&quarantined()).unwrap();
    assert_eq!(quarantined_now.underneath(), &routed());
    check(quarantined_now, held(), None);
}

#[test]
fn what_was_undecided_is_decided_when_it_goes_on() {
    let aside = Lifecycle::Accepted.apply(&quarantined()).unwrap();
    assert!(aside.waits_undecided());
    let routing = Event::Routed { to: tenant("wales/a"), bytes: place() };
    check(aside, routing.clone(), Some(State::Routed));
    check(routed().apply(&quarantined()).unwrap(), routing, None);
}

#[test]
fn an_unknown_outcome_may_still_become_known() {
    let unknown = offered().apply(&Event::Unknown { cut: cut(), reason: reason() }).unwrap();
    assert_eq!((unknown.state(), unknown.is_open()), (State::Unknown, false));
    check(unknown.clone(), Event::Delivered { attempt: 1, inbox: "i".into() }, Some(State::Delivered));
    check(unknown.clone(), Event::Offered { attempt: 2 }, Some(State::Offered));
    check(unknown.clone(), Event::Offered { attempt: 1 }, None);
    let retry = Event::Retry { attempt: 1, cause: "not sent".into(), spends_budget: false };
    check(unknown.clone(), retry, Some(State::Routed));
    check(unknown, Event::Returned { by: "on paper".into() }, Some(State::Returned));
    check(routed(), Event::Unknown { cut: cut(), reason: reason() }, None);
}

#[test]
fn what_its_receiver_gave_up_is_in_quarantine() {
    let recall = Event::Recalled { cut: cut(), reason: reason() };
    let delivered = offered().apply(&Event::Delivered { attempt: 1, inbox: "i".into() }).unwrap();
    for before in [offered(), delivered] {
        let after = before.apply(&recall).unwrap();
        assert_eq!((after.state(), after.underneath()), (State::Quarantined, &routed()));
    }
    check(routed(), recall, None);
}

#[test]
fn a_person_ends_what_is_set_aside() {
    let handled = Event::Returned { by: "on paper".into() };
    let back = Event::ReturnPending { to: None, reason: reason() };
    check(routed().apply(&held()).unwrap(), handled.clone(), Some(State::Returned));
    check(routed().apply(&held()).unwrap(), back.clone(), Some(State::ReturnPending));
    check(routed().apply(&quarantined()).unwrap(), handled.clone(), Some(State::Returned));
    check(routed(), handled.clone(), None);
    check(offered(), handled, None);
    check(routed().apply(&quarantined()).unwrap(), back, None);
    let no = Event::Rejected { reason: reason() };
    check(routed().apply(&quarantined()).unwrap(), no.clone(), Some(State::Rejected));
    check(routed(), no, None);
}

#[test]
fn what_is_given_back_remembers_whom_it_was_for() {
    let back = |to: Option<&str>| Event::ReturnPending { to: to.map(tenant), reason: reason() };
    let known = tenant("wales/a");
    let held_now = routed().apply(&held()).unwrap();
    let parked = routed().apply(&Event::Parked { reason: reason() }).unwrap();
    for before in [routed(), held_now, parked] {
        let after = before.apply(&back(None)).unwrap();
        assert_eq!(after.destination(), Some(&known));
        let after = after.apply(&Event::Returned { by: "its system".into() }).unwrap();
        assert_eq!((after.destination(), after.is_given_back()), (Some(&known), true));
    }
    // Given back when it was decided where it would go.
    let undecided = Lifecycle::Accepted.apply(&back(Some("wales/a"))).unwrap();
    assert_eq!(undecided.destination(), Some(&known));
    assert_eq!(Lifecycle::Accepted.apply(&back(None)).unwrap().destination(), None);
    // Given back by the nation that had it.
    let abroad = Event::Reported {
        state: State::ReturnPending,
        reason: None,
        destination: Some(known.clone()),
        sequence: 3,
        at: jiff::Timestamp::UNIX_EPOCH,
        omissions: vec![],
    };
    let carried = Lifecycle::Carried { by: Nation::Wales, there: None };
    assert_eq!(carried.apply(&abroad).unwrap().destination(), Some(&known));
}

#[test]
fn what_is_being_carried_is_set_aside_and_only_the_far_nations_answer_ends_that() {
    let nation = Nation::Wales;
    let bytes = Place { topic: "border.wales".into(), partition: 3, offset: 5 };
    let to = TenantId::parse("wales/a").unwrap();
    let at_border = |carrying| Lifecycle::AtBorder { nation, to: to.clone(), bytes: bytes.clone(), carrying };
    let no = Event::Rejected { reason: reason() };
    let refused = |cut| Event::BorderRefused { nation, cut, reason: reason() };
    for aside in [held(), quarantined()] {
        let carried = at_border(true).apply(&aside).unwrap();
        assert!(carried.is_carrying() && !carried.is_open());
        check(carried.clone(), Event::Carried { nation }, Some(State::Carried));
        check(carried.clone(), Event::Carried { nation: Nation::Scotland }, None);
        for not_yet in [no.clone(), Event::ReturnPending { to: None, reason: reason() }] {
            check(carried.clone(), not_yet, None);
        }
        check(carried.clone(), Event::Returned { by: "on paper".into() }, None);
        let back = carried.clone().apply(&refused(None)).unwrap();
        assert_eq!((back.state(), back.is_carrying()), (carried.state(), false));
        assert_eq!(back.apply(&resumed()), Ok(at_border(false)));
        assert_eq!(carried.apply(&resumed()), Ok(at_border(true)));
    }
    // Refused for a cut it waits for that cut; else a person must look, and it is decided anew.
    let kept_out = at_border(true).apply(&refused(Some(cut()))).unwrap();
    assert_eq!((kept_out.state(), kept_out.cut()), (State::Held, Some(&cut())));
    assert_eq!(kept_out.apply(&resumed()), Ok(at_border(false)));
    let parked = at_border(true).apply(&refused(None)).unwrap();
    assert!(parked.state() == State::Parked && parked.waits_undecided());
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn what_goes_on_is_what_it_was(lifecycle in any_lifecycle()) {
        for event in [held(), quarantined()] {
            if let Ok(aside) = lifecycle.clone().apply(&event) {
                let was = lifecycle.underneath().clone();
                prop_assert_eq!(aside.bytes(), lifecycle.bytes());
                prop_assert_eq!(aside.apply(&resumed()), Ok(was));
            }
        }
    }

    #[test]
    fn quarantine_is_left_only_by_a_decision_of_a_person_or_another_nations_answer(
        lifecycle in any_lifecycle(), event in any_event(),
    ) {
        if lifecycle.state() == State::Quarantined && !matches!(lifecycle, Lifecycle::Carried { .. }) {
            let abroad = match lifecycle.underneath() {
                Lifecycle::AtBorder { nation, carrying: true, .. } => Some(*nation),
                _ => None,
            };
            let leaves = match &event {
                Event::Resumed { .. } => true,
                Event::Rejected { .. } | Event::Returned { .. } => abroad.is_none(),
                Event::Carried { nation } => abroad == Some(*nation),
                // It stays there, and is not on its way any more.
                Event::BorderRefused { nation, .. } => abroad == Some(*nation),
                Event::Routed { .. } | Event::ToBorder { .. } => lifecycle.waits_undecided(),
                _ => false,
            };
            prop_assert_eq!(lifecycle.apply(&event).is_ok(), leaves);
        }
    }
}
