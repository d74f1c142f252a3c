//! What a custodian does when a deadline passes.

use jiff::Timestamp;

use crate::{Lifecycle, OnDeadline};

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing now.
    Nothing,
    /// Record that it is overdue, and alert.
    Alert,
    /// Record it, then send it to the fallback.
    Divert,
    /// Record it, then give it back.
    Return,
}

/// What to do about a referral at `now`.
///
/// Before hand-over the custodian acts by the route's policy. Once offered, or on its way to another
/// nation, it only alerts, because the receiver may have it. A fallback has agreed to take what is late: with
/// it, too, it only alerts. What is settled needs nothing. `noted` says
/// that it was recorded as overdue before; an open one is then still acted upon, since the crash may have
/// come between the record and the act.
pub fn due(
    now: Timestamp,
    deadline: Option<Timestamp>,
    lifecycle: &Lifecycle,
    noted: bool,
    policy: &OnDeadline,
    has_fallback: bool,
) -> Due {
    let passed = deadline.is_some_and(|deadline| deadline <= now);
    if !passed || lifecycle.state().is_settled() {
        return Due::Nothing;
    }
    let with_fallback = matches!(lifecycle, Lifecycle::Diverted { .. });
    if lifecycle.is_open() && !with_fallback {
        return match policy {
            OnDeadline::Divert if has_fallback => Due::Divert,
            OnDeadline::Divert | OnDeadline::Return => Due::Return,
            OnDeadline::Alert if noted => Due::Nothing,
            OnDeadline::Alert => Due::Alert,
        };
    }
    if noted { Due::Nothing } else { Due::Alert }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::Place;
    use crate::samples::{any_lifecycle, cases};
    use crate::{Code, Event, Nation, Reason, State, TenantId};

    fn place() -> Place {
        Place { topic: "out.x".into(), partition: 0, offset: 1 }
    }

    #[test]
    fn before_hand_over_by_policy_after_it_only_an_alert() {
        let now = Timestamp::from_second(100).unwrap();
        let past = Some(Timestamp::from_second(99).unwrap());
        let to = TenantId::parse("wales/a").unwrap();
        let routed = Lifecycle::Routed { to: to.clone(), bytes: place() };
        let offered = Lifecycle::Offered {
            to: to.clone(),
            bytes: place(),
            attempt: 1,
            diversion: None,
            taken_by: None,
        };
        let away =
            Lifecycle::AtBorder { nation: Nation::Wales, to: to.clone(), bytes: place(), carrying: true };
        let done = Lifecycle::Acknowledged { to, answer: "AA".into() };
        let ask = |l: &Lifecycle, policy: OnDeadline, fallback| due(now, past, l, false, &policy, fallback);
        assert_eq!(ask(&routed, OnDeadline::Return, false), Due::Return);
        assert_eq!(ask(&routed, OnDeadline::Divert, true), Due::Divert);
        assert_eq!(ask(&routed, OnDeadline::Divert, false), Due::Return);
        assert_eq!(ask(&routed, OnDeadline::Alert, false), Due::Alert);
        assert_eq!(ask(&offered, OnDeadline::Return, false), Due::Alert);
        assert_eq!(ask(&away, OnDeadline::Return, false), Due::Alert);
        assert_eq!(ask(&done, OnDeadline::Return, false), Due::Nothing);
        assert_eq!(due(now, None, &routed, false, &OnDeadline::Return, false), Due::Nothing);
        assert_eq!(due(now, past, &offered, true, &OnDeadline::Return, false), Due::Nothing);
    }

    #[test]
    fn a_diverted_one_is_not_diverted_again_however_often_the_fallback_is_busy() {
        let (now, past) = (Timestamp::from_second(100).unwrap(), Timestamp::from_second(99).ok());
        let reason = Reason::new(Code::DeadlinePassed, "");
        let to = TenantId::parse("wales/b").unwrap();
        let mut lifecycle = Lifecycle::Diverted { to, service: "wales/b-1".into(), bytes: place(), reason };
        for attempt in 1..4 {
            let retry = Event::Retry { attempt, cause: "busy".into(), spends_budget: false };
            for event in [Event::Offered { attempt }, retry] {
                lifecycle = lifecycle.apply(&event).unwrap();
                let what = due(now, past, &lifecycle, true, &OnDeadline::Divert, true);
                assert_ne!(what, Due::Divert, "{lifecycle:?}");
            }
        }
    }

    fn any_policy() -> impl Strategy<Value = OnDeadline> {
        prop::sample::select(vec![OnDeadline::Alert, OnDeadline::Return, OnDeadline::Divert])
    }

    proptest! {
        #![proptest_config(cases(4_000))]

        #[test]
        fn what_is_due(
            lifecycle in any_lifecycle(),
            policy in any_policy(),
            deadline in prop::option::of(90..110_i64),
            noted in any::<bool>(),
            fallback in any::<bool>(),
        ) {
            let now = Timestamp::from_second(100).unwrap();
            let at = deadline.and_then(|second| Timestamp::from_second(second).ok());
            let what = due(now, at, &lifecycle, noted, &policy, fallback);
            if deadline.is_none_or(|second| second > 100) || lifecycle.state().is_settled() {
                prop_assert_eq!(what, Due::Nothing);
            } else if lifecycle.is_open() && lifecycle.state() != State::Diverted {
                prop_assert_eq!(what == Due::Nothing, noted && policy == OnDeadline::Alert);
            } else {
                prop_assert_eq!(what, if noted { Due::Nothing } else { Due::Alert });
            }
            if what == Due::Divert {
                prop_assert!(fallback && policy == OnDeadline::Divert);
                let diverted_already = matches!(lifecycle, Lifecycle::Diverted { .. });
                prop_assert!(!diverted_already);
            }
            let is_away = matches!(
                lifecycle,
                Lifecycle::Offered { .. }
                    | Lifecycle::Delivered { .. }
                    | Lifecycle::AtBorder { carrying: true, .. }
                    | Lifecycle::Carried { .. }
            );
            prop_assert!(!is_away || matches!(what, Due::Nothing | Due::Alert), "{:?}", what);
        }

        #[test]
        fn what_was_noted_is_not_alerted_again_and_what_was_done_is_not_done_again(
            lifecycle in any_lifecycle(),
            policy in any_policy(),
            fallback in any::<bool>(),
        ) {
            let (now, past) = (Timestamp::from_second(100).unwrap(), Timestamp::from_second(99).ok());
            let again = |lifecycle: &Lifecycle| due(now, past, lifecycle, true, &policy, fallback);
            prop_assert_ne!(again(&lifecycle), Due::Alert);
            let reason = Reason::new(Code::DeadlinePassed, "");
            let to = TenantId::parse("wales/b").unwrap();
            let act = match again(&lifecycle) {
                Due::Nothing | Due::Alert => return Ok(()),
                Due::Divert => Event::Diverted { to, service: "wales/b-1".into(), bytes: place(), reason },
                Due::Return => Event::ReturnPending { to: None, reason },
            };
            let what = again(&lifecycle);
            let after = lifecycle.apply(&act).unwrap();
            prop_assert_ne!(again(&after), what);
        }
    }
}
