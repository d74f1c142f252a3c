//! Every event in every state.

use proptest::prelude::*;

use super::*;
use crate::samples::{any_event, any_lifecycle, cases};

/// Events that send a referral back or elsewhere, which only whoever still has it may do.
fn takes_away(event: &Event) -> bool {
    matches!(event, Event::Diverted { .. } | Event::ReturnPending { .. } | Event::Cancelled { .. })
}

/// Nothing follows; of `Cancelled` only a new attempt of its sender, of `ReturnPending` only its confirmation.
fn may_follow_the_end(end: &Lifecycle, event: &Event) -> bool {
    match end {
        Lifecycle::Cancelled { .. } => matches!(event, Event::Routed { .. } | Event::ToBorder { .. }),
        Lifecycle::ReturnPending { .. } => matches!(event, Event::Returned { .. }),
        _ => false,
    }
}

fn is_end(lifecycle: &Lifecycle) -> bool {
    lifecycle.state().is_settled() && !matches!(lifecycle, Lifecycle::Carried { .. })
}

#[test]
fn what_the_fallback_does_not_take_is_still_diverted() {
    let reason = Reason::new(crate::Code::DeadlinePassed, "");
    let to = TenantId::parse("wales/b").unwrap();
    let bytes = Place { topic: "out.wales.b".into(), partition: 1, offset: 4 };
    let diverted = Lifecycle::Diverted { to, service: "wales/b-1".into(), bytes, reason };
    let step = |lifecycle: Lifecycle, event: Event| lifecycle.apply(&event).unwrap();
    let retry = |attempt| Event::Retry { attempt, cause: "busy".into(), spends_budget: false };
    let offered = step(diverted.clone(), Event::Offered { attempt: 1 });
    assert_eq!(step(offered.clone(), retry(1)), diverted);
    let delivered = step(offered, Event::Delivered { attempt: 1, inbox: "old".into() });
    let offered = step(delivered, Event::Offered { attempt: 2 });
    assert_eq!(step(offered, retry(2)).state(), State::Delivered);
}

#[test]
fn names_of_states_are_read_again() {
    for state in State::ALL {
        assert_eq!(State::parse(state.as_str()), Some(state));
        assert!(!state.is_final() || state.is_settled());
    }
    assert_eq!(State::parse("Accepted"), None);
}

proptest! {
    #![proptest_config(cases(4_000))]

    #[test]
    fn what_has_ended_stays_ended(lifecycle in any_lifecycle(), event in any_event()) {
        let next = lifecycle.clone().apply(&event);
        if is_end(&lifecycle) {
            prop_assert_eq!(next.is_ok(), may_follow_the_end(&lifecycle, &event), "{:?}", event);
        }
    }

    #[test]
    fn what_may_have_been_taken_is_never_sent_elsewhere(lifecycle in any_lifecycle(), event in any_event()) {
        // What is parked, a person gives back.
        let by_a_person = matches!((&lifecycle, &event), (Lifecycle::Parked { .. }, Event::ReturnPending { .. }));
        if takes_away(&event) && !by_a_person {
            prop_assert_eq!(lifecycle.clone().apply(&event).is_ok(), lifecycle.is_open());
        }
    }

    #[test]
    fn what_cannot_happen_names_the_event_and_the_state(lifecycle in any_lifecycle(), event in any_event()) {
        if let Err(illegal) = lifecycle.clone().apply(&event) {
            prop_assert_eq!(illegal, Illegal { event: event.name(), state: lifecycle.state() });
        }
    }

    #[test]
    fn facts_beside_the_lifecycle_never_move_it(lifecycle in any_lifecycle(), number in 0..9_u32) {
        let version = u64::from(number);
        let beside = [
            Event::Overdue,
            Event::Withdrawn { up_to: number },
            Event::Told { version },
            Event::SenderTold { version, answer: "AA".into() },
        ];
        for event in beside {
            prop_assert!(lifecycle.clone().apply(&event).is_err());
        }
    }

    #[test]
    fn what_waits_to_be_handed_over_has_a_destination_and_bytes(
        events in prop::collection::vec(any_event(), 0..24),
    ) {
        let mut lifecycle = Lifecycle::Accepted;
        for event in &events {
            lifecycle = lifecycle.clone().apply(event).unwrap_or(lifecycle);
            let waits = matches!(
                lifecycle.state(),
                State::Routed | State::Offered | State::Delivered | State::Diverted
            );
            if waits && !matches!(lifecycle, Lifecycle::Carried { .. }) {
                prop_assert!(lifecycle.destination().is_some() && lifecycle.bytes().is_some());
            }
            prop_assert!(!(lifecycle.is_open() && is_end(&lifecycle)));
        }
    }

    #[test]
    fn an_older_report_never_follows_a_newer_one(events in prop::collection::vec(any_event(), 0..24)) {
        let mut lifecycle = Lifecycle::Carried { by: Nation::Wales, there: None };
        let mut newest = 0;
        for event in &events {
            let before = lifecycle.clone();
            lifecycle = lifecycle.clone().apply(event).unwrap_or(lifecycle);
            if let Lifecycle::Carried { there: Some(there), .. } = &lifecycle {
                prop_assert!(there.sequence > newest || before == lifecycle);
                newest = there.sequence;
            }
        }
    }
}

#[test]
fn what_another_inbox_has_taken_is_never_open_again() {
    let to = TenantId::parse("wales/a").unwrap();
    let bytes = Place { topic: "out.x".into(), partition: 0, offset: 1 };
    let mut lifecycle = Lifecycle::Delivered { to, bytes, attempt: 1, inbox: "old".into(), diversion: None };
    let busy = Event::Retry { attempt: 2, cause: "busy".into(), spends_budget: false };
    for event in [Event::Offered { attempt: 2 }, busy] {
        lifecycle = lifecycle.apply(&event).unwrap();
    }
    assert!(matches!(&lifecycle, Lifecycle::Delivered { inbox, .. } if inbox == "old"), "{lifecycle:?}");
}
