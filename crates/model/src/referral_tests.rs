//! The same state in whatever order the partitions are read.

use proptest::prelude::*;

use super::*;
use crate::event::Place;
use crate::{Code, Nation, Reason, State, TenantId};

fn tenant(text: &str) -> TenantId {
    TenantId::parse(text).unwrap()
}

fn place(offset: u64) -> Place {
    Place { topic: "out.wales.a".into(), partition: 1, offset }
}

fn numbered(custody: u32, event: Event) -> Numbered {
    Numbered { custody, event }
}

fn routed() -> Event {
    Event::Routed { to: tenant("wales/a"), bytes: place(7) }
}

#[test]
fn a_life_from_routed_to_acknowledged() {
    let mut referral = Referral::default();
    let life = [
        numbered(0, routed()),
        numbered(1, Event::Offered { attempt: 1 }),
        numbered(1, Event::Retry { attempt: 1, cause: "AE".into(), spends_budget: true }),
        numbered(1, Event::Offered { attempt: 2 }),
        numbered(1, Event::Delivered { attempt: 2, inbox: "i".into() }),
        numbered(1, Event::Acknowledged { answer: "AA".into(), omissions: vec![] }),
    ];
    for event in life {
        assert_eq!(referral.apply(event), Verdict::Counts);
    }
    assert_eq!((referral.lifecycle.state(), referral.spent, referral.custody), (State::Acknowledged, 1, 1));
}

#[test]
fn what_is_on_its_way_to_another_nation_is_neither_returned_nor_diverted() {
    let mut referral = Referral::default();
    let border = Event::ToBorder { nation: Nation::Wales, to: tenant("wales/a"), bytes: place(1) };
    referral.apply(numbered(0, border));
    referral.apply(numbered(0, Event::Carrying { nation: Nation::Wales }));
    let back = Event::ReturnPending { reason: Reason::new(Code::DeadlinePassed, "") };
    assert!(matches!(referral.apply(numbered(0, back)), Verdict::Void(_)));
    assert_eq!(referral.apply(numbered(0, Event::Carried { nation: Nation::Wales })), Verdict::Counts);
    assert_eq!(referral.lifecycle.state(), State::Carried);
}

#[test]
fn an_event_of_a_former_custodian_is_void() {
    let mut referral = Referral::default();
    referral.apply(numbered(0, routed()));
    let late = Event::Cancelled { reason: Reason::new(Code::Withdrawn, "") };
    assert!(matches!(referral.apply(numbered(0, late)), Verdict::Void(_)));
}

#[test]
fn a_new_attempt_after_a_withdrawal_starts_again_from_the_origin() {
    let mut referral = Referral::default();
    let cancelled = Event::Cancelled { reason: Reason::new(Code::Withdrawn, "") };
    assert_eq!(referral.apply(numbered(0, routed())), Verdict::Counts);
    assert_eq!(referral.apply(numbered(0, Event::Withdrawn { up_to: 1 })), Verdict::Counts);
    assert_eq!(referral.apply(numbered(2, routed())), Verdict::Early);
    assert_eq!(referral.apply(numbered(1, cancelled)), Verdict::Counts);
    assert_eq!((referral.lifecycle.state(), referral.custody), (State::Routed, 3));
}

/// A life over three partitions (origin, destination, fallback), with late and doubled events.
fn partitions() -> impl Strategy<Value = Vec<Vec<Numbered>>> {
    let diverted = Event::Diverted {
        to: tenant("wales/b"),
        service: "wales/b-1".into(),
        bytes: place(9),
        reason: Reason::new(Code::DeadlinePassed, ""),
    };
    let origin = vec![
        numbered(0, routed()),
        numbered(0, routed()),
        numbered(0, Event::Parked { reason: Reason::new(Code::ServiceUnknown, "") }),
        numbered(0, Event::Withdrawn { up_to: 1 }),
    ];
    let destination = vec![
        numbered(1, Event::Offered { attempt: 1 }),
        numbered(1, Event::Offered { attempt: 1 }),
        numbered(1, Event::Retry { attempt: 1, cause: "busy".into(), spends_budget: true }),
        numbered(1, Event::Overdue),
        numbered(1, diverted),
        numbered(1, Event::Offered { attempt: 2 }),
    ];
    let fallback = vec![
        numbered(2, Event::Offered { attempt: 2 }),
        numbered(2, Event::Delivered { attempt: 2, inbox: "i".into() }),
        numbered(2, Event::Delivered { attempt: 2, inbox: "i".into() }),
        numbered(2, Event::Acknowledged { answer: "AA".into(), omissions: vec!["NTE".into()] }),
    ];
    let cut = |events: Vec<Numbered>| (0..=events.len()).prop_map(move |n| events[..n].to_vec());
    (cut(origin), cut(destination), cut(fallback)).prop_map(|(a, b, c)| vec![a, b, c])
}

fn fold(mut partitions: Vec<Vec<Numbered>>, mut turns: impl FnMut() -> usize) -> Referral {
    let mut referral = Referral::default();
    partitions.iter_mut().for_each(|events| events.reverse());
    while partitions.iter().any(|events| !events.is_empty()) {
        let ready: Vec<usize> = (0..partitions.len()).filter(|&i| !partitions[i].is_empty()).collect();
        let turn = ready[turns() % ready.len()];
        referral.apply(partitions[turn].pop().unwrap());
    }
    referral
}

proptest! {
    #[test]
    fn the_same_state_in_whatever_order_the_partitions_are_read(
        partitions in partitions(),
        turns in proptest::collection::vec(0usize..6, 32),
    ) {
        let in_order = fold(partitions.clone(), || 0);
        let mut turn = turns.into_iter().cycle();
        let mut shuffled = fold(partitions, || turn.next().unwrap());
        let mut expected = in_order;
        expected.early.sort_by_key(|early| early.custody);
        shuffled.early.sort_by_key(|early| early.custody);
        prop_assert_eq!(expected, shuffled);
    }
}
