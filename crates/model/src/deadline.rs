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
/// nation, it only alerts, because the receiver may have it. What is settled needs nothing. `noted` says
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
    if lifecycle.is_open() {
        return match policy {
            OnDeadline::Divert if has_fallback && !matches!(lifecycle, Lifecycle::Diverted { .. }) => {
                Due::Divert
            }
            OnDeadline::Divert | OnDeadline::Return => Due::Return,
            OnDeadline::Alert if noted => Due::Nothing,
            OnDeadline::Alert => Due::Alert,
        };
    }
    if noted { Due::Nothing } else { Due::Alert }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Place;
    use crate::{Nation, TenantId};

    fn place() -> Place {
        Place { topic: "out.x".into(), partition: 0, offset: 1 }
    }

    #[test]
    fn before_hand_over_by_policy_after_it_only_an_alert() {
        let now = Timestamp::from_second(100).unwrap();
        let past = Some(Timestamp::from_second(99).unwrap());
        let to = TenantId::parse("wales/a").unwrap();
        let routed = Lifecycle::Routed { to: to.clone(), bytes: place() };
        let offered = Lifecycle::Offered { to: to.clone(), bytes: place(), attempt: 1 };
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
}
