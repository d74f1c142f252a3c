//! The same state in whatever order the partitions are read.

use proptest::prelude::*;

use super::*;
use crate::event::Place;
use crate::samples::{any_event, cases};
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
    let back = Event::ReturnPending { to: None, reason: Reason::new(Code::DeadlinePassed, "") };
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

#[test]
fn only_what_its_sender_took_back_where_it_began_begins_anew() {
    let cancelled = || Event::Cancelled { reason: Reason::new(Code::Withdrawn, "") };
    let withdrawn = |up_to| Event::Withdrawn { up_to };
    let there = Event::Reported {
        state: State::Cancelled,
        reason: None,
        destination: None,
        sequence: 1,
        at: jiff::Timestamp::UNIX_EPOCH,
        omissions: vec![],
    };
    let to_border = Event::ToBorder { nation: Nation::Wales, to: tenant("wales/a"), bytes: place(1) };
    let carrying = Event::Carrying { nation: Nation::Wales };
    let carried = Event::Carried { nation: Nation::Wales };
    let abroad =
        || vec![(0, to_border.clone()), (0, carrying.clone()), (0, carried.clone()), (1, there.clone())];
    let after = |life: Vec<(u32, Event)>| {
        let mut referral = Referral::default();
        for (custody, event) in life {
            assert_eq!(referral.apply(numbered(custody, event)), Verdict::Counts);
        }
        (referral.lifecycle.state(), referral.begins_anew_after(1))
    };
    assert_eq!(after(vec![(0, withdrawn(2)), (0, routed())]), (State::Routed, None));
    assert_eq!(after(vec![(0, withdrawn(2)), (0, cancelled())]), (State::Cancelled, Some(2)));
    assert_eq!(after(vec![(0, cancelled())]), (State::Cancelled, None));
    assert_eq!(after(abroad()), (State::Cancelled, None));
    let withdrawn_too = [(0, withdrawn(1))].into_iter().chain(abroad()).collect();
    assert_eq!(after(withdrawn_too), (State::Cancelled, None));
}

#[test]
fn a_new_attempt_has_a_deadline_and_a_budget_of_its_own() {
    let mut referral = Referral::default();
    let life = [
        numbered(0, routed()),
        numbered(1, Event::Overdue),
        numbered(1, Event::Offered { attempt: 1 }),
        numbered(1, Event::Retry { attempt: 1, cause: "AE".into(), spends_budget: true }),
        numbered(1, Event::Cancelled { reason: Reason::new(Code::Withdrawn, "") }),
    ];
    for event in life {
        assert_eq!(referral.apply(event), Verdict::Counts);
    }
    assert_eq!((referral.overdue, referral.spent), (true, 1));
    assert_eq!(referral.apply(numbered(2, routed())), Verdict::Counts);
    assert_eq!((referral.overdue, referral.spent, referral.attempt), (false, 0, 1));
    assert_eq!(referral.apply(numbered(3, Event::Overdue)), Verdict::Counts);
}

#[test]
fn what_waits_for_a_change_of_custody_has_a_bound() {
    let mut referral = Referral::default();
    let early = || numbered(2, Event::Offered { attempt: 1 });
    for _ in 0..EARLY {
        assert_eq!(referral.apply(early()), Verdict::Early);
    }
    assert!(matches!(referral.apply(early()), Verdict::Void(_)));
    assert_eq!(referral.apply(numbered(0, routed())), Verdict::Counts);
}

fn sender_told(version: u64) -> Numbered {
    numbered(0, Event::SenderTold { version, answer: "AA".into() })
}

#[test]
fn the_sender_hears_once_of_each_state_that_went_wrong() {
    let mut referral = Referral::default();
    let parked = Event::Parked { reason: Reason::new(Code::ServiceUnknown, "") };
    for event in [numbered(0, routed()), numbered(1, Event::Offered { attempt: 1 }), numbered(1, parked)] {
        assert!(!referral.sender_must_hear(1));
        assert_eq!(referral.apply(event), Verdict::Counts);
    }
    assert!(referral.sender_must_hear(1) && referral.state_since == 3);
    assert_eq!(referral.apply(sender_told(3)), Verdict::Counts);
    assert!(matches!(referral.apply(sender_told(2)), Verdict::Void(_)));
    // That its deadline passes as well is no other state.
    assert_eq!(referral.apply(numbered(1, Event::Overdue)), Verdict::Counts);
    assert!(!referral.sender_must_hear(1) && referral.version == 4 && referral.sender_told == 3);
}

#[test]
fn a_sender_that_was_told_no_hears_only_what_it_is_to_confirm() {
    let reason = || Reason::new(Code::DeadlinePassed, "");
    let check = |event: Event, hears: bool| {
        let mut referral = Referral::default();
        for event in [routed(), Event::Withdrawn { up_to: 1 }] {
            referral.apply(numbered(0, event));
        }
        referral.apply(numbered(1, event));
        assert_eq!((referral.sender_must_hear(1), referral.sender_must_hear(2)), (hears, true));
    };
    check(Event::Parked { reason: reason() }, false);
    check(Event::ReturnPending { to: None, reason: reason() }, true);
}

#[test]
fn what_another_nation_gives_back_is_given_back_here() {
    let mut referral = Referral::default();
    let to_border = Event::ToBorder { nation: Nation::Wales, to: tenant("wales/a"), bytes: place(1) };
    referral.apply(numbered(0, to_border));
    referral.apply(numbered(0, Event::Carrying { nation: Nation::Wales }));
    referral.apply(numbered(0, Event::Carried { nation: Nation::Wales }));
    let reported = |state, sequence| {
        let (reason, destination) = (Some(Reason::new(Code::DeadlinePassed, "")), None);
        let at = jiff::Timestamp::UNIX_EPOCH;
        let event = Event::Reported { state, reason, destination, sequence, at, omissions: vec![] };
        numbered(1, event)
    };
    assert_eq!(referral.apply(reported(State::ReturnPending, 4)), Verdict::Counts);
    assert!(matches!(referral.lifecycle, Lifecycle::ReturnPending { .. }) && referral.sender_must_hear(1));
    assert!(matches!(referral.apply(reported(State::Returned, 5)), Verdict::Void(_)));
    assert_eq!(referral.apply(numbered(1, Event::Returned { by: "its system".into() })), Verdict::Counts);
    assert_eq!(referral.lifecycle.state(), State::Returned);
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

/// What happens next in a generated life.
#[derive(Debug, Clone)]
enum Step {
    /// The custodian decides something that can happen now; which, by index.
    Decide(prop::sample::Index),
    /// The custodian writes an event that may not be able to happen.
    Attempt(Event),
    /// A custodian writes its last event once more, as after a crash between writing and reading back.
    Double,
    /// A former custodian has not yet heard that custody has passed on.
    Late(prop::sample::Index, Event),
    /// The origin's owner records a fact beside the lifecycle.
    Beside(Event),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => any::<prop::sample::Index>().prop_map(Step::Decide),
        1 => any_event().prop_map(Step::Attempt),
        1 => Just(Step::Double),
        1 => (any::<prop::sample::Index>(), any_event()).prop_map(|(which, event)| Step::Late(which, event)),
        1 => (1..4_u32).prop_map(|up_to| Step::Beside(Event::Withdrawn { up_to })),
        1 => (1..6_u64).prop_map(|version| Step::Beside(Event::Told { version })),
        1 => (1..6_u64).prop_map(|version| {
            Step::Beside(Event::SenderTold { version, answer: "AA".into() })
        }),
    ];
    prop::collection::vec(step, 0..40)
}

/// Everything that the custodian could decide about this referral now.
fn possible(referral: &Referral) -> Vec<Event> {
    let reason = || Reason::new(Code::DeadlinePassed, "");
    let (near, far) = (tenant("wales/a"), tenant("england/x"));
    let attempt = referral.attempt + 1;
    let sequence = referral.version + 1;
    let retry =
        |spends_budget| Event::Retry { attempt: referral.attempt, cause: "busy".into(), spends_budget };
    let diverted = Event::Diverted {
        to: tenant("wales/b"),
        service: "wales/b-1".into(),
        bytes: place(9),
        reason: reason(),
    };
    let reported = |state| Event::Reported {
        state,
        reason: None,
        destination: Some(far.clone()),
        sequence,
        at: jiff::Timestamp::UNIX_EPOCH,
        omissions: vec!["NTE".into()],
    };
    let events = [
        Event::Routed { to: near, bytes: place(7) },
        Event::ToBorder { nation: Nation::England, to: far.clone(), bytes: place(1) },
        Event::Carrying { nation: Nation::England },
        Event::Carried { nation: Nation::England },
        Event::BorderRefused { nation: Nation::England, cut: None, reason: reason() },
        Event::BorderRefused {
            nation: Nation::England,
            cut: Some(crate::CutId::parse("england/1").unwrap()),
            reason: reason(),
        },
        Event::Offered { attempt },
        Event::Delivered { attempt: referral.attempt, inbox: "i".into() },
        retry(true),
        retry(false),
        Event::Acknowledged { answer: "AA".into(), omissions: vec!["NTE".into()] },
        Event::Rejected { reason: reason() },
        Event::Parked { reason: reason() },
        Event::Overdue,
        Event::ReturnPending { to: None, reason: reason() },
        Event::Returned { by: "a person".into() },
        diverted,
        Event::Cancelled { reason: reason() },
        reported(State::Delivered),
        reported(State::ReturnPending),
    ];
    let counts =
        |event: &Event| referral.clone().apply(numbered(referral.custody, event.clone())) == Verdict::Counts;
    events.into_iter().filter(counts).collect()
}

/// A life as it was really lived: what each owner wrote into its own partition, in its order, and what the
/// referral was after every step.
#[derive(Debug, Default)]
struct World {
    partitions: Vec<Vec<Numbered>>,
    /// The partition of each custody number's owner.
    owners: Vec<usize>,
    referral: Referral,
}

/// The origin's owner; also decides about what another nation has and what is cancelled or given back.
const ORIGIN: usize = 0;

impl World {
    fn live(steps: &[Step]) -> Self {
        let mut world =
            Self { partitions: vec![vec![]; 3], owners: vec![ORIGIN], referral: Referral::default() };
        steps.iter().for_each(|step| world.step(step));
        world
    }

    fn step(&mut self, step: &Step) {
        let custody = self.referral.custody;
        match step {
            Step::Decide(which) => {
                let possible = possible(&self.referral);
                if !possible.is_empty() {
                    self.write(custody, which.get(&possible).clone());
                }
            }
            Step::Attempt(event) => self.write(custody, event.clone()),
            Step::Double => {
                let owner = self.owners[custody as usize];
                if let Some(last) = self.partitions[owner].last().cloned() {
                    self.write(last.custody, last.event);
                }
            }
            Step::Late(which, event) => {
                let former = which.index(self.owners.len());
                self.write(former as u32, event.clone());
            }
            Step::Beside(event) => {
                self.partitions[ORIGIN].push(numbered(0, event.clone()));
                self.referral.apply(numbered(0, event.clone()));
            }
        }
    }

    /// The owner of that custody number writes, and everybody who is up to date reads.
    fn write(&mut self, custody: u32, event: Event) {
        let owner = self.owners[custody as usize];
        self.partitions[owner].push(numbered(custody, event.clone()));
        let before = self.referral.clone();
        let verdict = self.referral.apply(numbered(custody, event.clone()));
        let now = &self.referral;
        assert!(now.early.is_empty() && verdict != Verdict::Early);
        if let Verdict::Void(_) = verdict {
            assert_eq!(before, *now, "void, and yet something changed");
        }
        assert!(now.custody - before.custody <= 1, "one change of custody a decision");
        assert!(now.attempt >= before.attempt && now.version >= before.version);
        let owner = match event {
            Event::Routed { .. } => 1,
            Event::Diverted { .. } => 2,
            Event::Carried { .. } | Event::Cancelled { .. } | Event::ReturnPending { .. } => ORIGIN,
            _ => return,
        };
        if verdict == Verdict::Counts {
            self.owners.truncate(now.custody as usize);
            self.owners.push(owner);
        }
    }
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn every_ledger_shows_the_life_that_was_lived(
        steps in steps(),
        turns in prop::collection::vec(0_usize..6, 64),
    ) {
        let World { partitions, referral, .. } = World::live(&steps);
        let mut turn = turns.into_iter().cycle();
        let folded = fold(partitions, || turn.next().unwrap());
        prop_assert_eq!(folded, referral);
    }

    #[test]
    fn ledgers_that_have_read_equally_far_show_the_same(
        steps in steps(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 3),
        turns in prop::collection::vec(0_usize..6, 64),
    ) {
        let mut partitions = World::live(&steps).partitions;
        for (events, cut) in partitions.iter_mut().zip(cuts) {
            events.truncate(cut.index(events.len() + 1));
        }
        let mut turn = turns.into_iter().cycle();
        let by_custody = |mut referral: Referral| {
            referral.early.sort_by_key(|early| early.custody);
            referral
        };
        let in_order = by_custody(fold(partitions.clone(), || 0));
        let backwards = by_custody(fold(partitions.clone(), || usize::MAX));
        let shuffled = by_custody(fold(partitions, || turn.next().unwrap()));
        prop_assert_eq!(&in_order, &backwards);
        prop_assert_eq!(&in_order, &shuffled);
    }

    #[test]
    fn custody_never_falls_whatever_is_read(
        events in prop::collection::vec((0..6_u32, any_event()), 0..60),
    ) {
        let mut referral = Referral::default();
        for (custody, event) in events {
            let before = referral.clone();
            let verdict = referral.apply(numbered(custody, event));
            prop_assert!(referral.custody >= before.custody && referral.version >= before.version);
            prop_assert!(referral.attempt >= before.attempt && referral.told >= before.told);
            prop_assert!(referral.withdrawn_up_to >= before.withdrawn_up_to);
            if verdict == Verdict::Early {
                prop_assert_eq!(referral.early.len(), before.early.len() + 1);
            }
            prop_assert!(referral.early.iter().all(|early| early.custody > referral.custody));
        }
    }

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
