//! What a drill showed: times, what became of all that was sent, and whether anybody else noticed.

use std::time::{Duration, Instant};

use bulkhead_model::{OperatorId, TenantId};
use serde::Serialize;

use super::actor::{Seen, Sent};
use crate::desk::Desked;
use crate::view::{Account, Forced};

/// A drill and its outcome. Times are milliseconds after the cut was commanded.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Drilled {
    #[serde(flatten)]
    pub(crate) desk: Desked,
    pub(crate) tenant: String,
    pub(crate) second: String,
    pub(crate) cut_id: String,
    /// It worked, nothing was lost, and nobody else noticed.
    pub(crate) passed: bool,
    /// What did not work; empty when it passed.
    pub(crate) failures: Vec<String>,
    /// When each command was answered.
    pub(crate) steps: Vec<Timed>,
    /// When each node enforced the cut.
    pub(crate) nodes: Vec<Forced>,
    /// The last referral of the tenant that was accepted, and the last that was handed over to it, before it was back.
    pub(crate) last_accepted_ms: Option<f64>,
    pub(crate) last_handed_over_ms: Option<f64>,
    /// Accepted, or handed over, after the cut was in force and before the restore: must be 0.
    pub(crate) leaked: u64,
    /// When the tenant was first told that it is cut off.
    pub(crate) told_ms: Option<f64>,
    /// When one of its referrals was first accepted again.
    pub(crate) back_ms: Option<f64>,
    pub(crate) sent: u64,
    pub(crate) accepted: u64,
    pub(crate) arrived: u64,
    /// Accepted and not arrived: must be none.
    pub(crate) missing: Vec<String>,
    pub(crate) doubled: u64,
    /// Quarantined, and released by both operators.
    pub(crate) released: u64,
    /// How another synthetic tenant fared meanwhile; none: the context can speak for no other.
    pub(crate) bystander: Option<Bystander>,
    pub(crate) account: Option<Account>,
}

/// A command, and when it was answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Timed {
    pub(crate) what: String,
    pub(crate) at_ms: f64,
}

/// Somebody whom the cut is not about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Bystander {
    /// Referrals that it sent from the cut until the tenant was back.
    pub(crate) sent: u64,
    /// Of all that it sent: refused or not answered. Must be 0.
    pub(crate) failed: u64,
    /// Streams that it had to open again. Must be 0.
    pub(crate) reconnects: u64,
    pub(crate) doubled: u64,
    /// How long an answer took, before the cut and from then on.
    pub(crate) before: Latency,
    pub(crate) during: Latency,
}

/// How long answers took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

impl Drilled {
    pub(super) fn new(desk: Desked, tenant: &TenantId, second: &OperatorId) -> Self {
        Self {
            desk,
            tenant: tenant.to_string(),
            second: second.to_string(),
            cut_id: String::new(),
            passed: false,
            failures: vec![],
            steps: vec![],
            nodes: vec![],
            last_accepted_ms: None,
            last_handed_over_ms: None,
            leaked: 0,
            told_ms: None,
            back_ms: None,
            sent: 0,
            accepted: 0,
            arrived: 0,
            missing: vec![],
            doubled: 0,
            released: 0,
            bystander: None,
            account: None,
        }
    }

    pub(super) fn step(&mut self, what: &str, begun: Instant) {
        self.steps.push(Timed { what: what.to_owned(), at_ms: millis(begun, Instant::now()) });
    }

    /// What the tenant and the bystander saw, with when the cut was commanded, in force everywhere, and opened again.
    pub(super) fn judge(
        &mut self,
        tenant: Seen,
        bystander: Option<Seen>,
        (begun, in_force, opened): (Instant, Instant, Instant),
    ) {
        let accepted = || tenant.sent.iter().filter(|sent| sent.accepted.is_some());
        let before_open = accepted().map(|sent| sent.answered).filter(|at| *at < opened);
        self.last_accepted_ms = before_open.max().map(|at| millis(begun, at));
        let handed = || tenant.handed_over.values().copied().filter(|at| *at < opened);
        self.last_handed_over_ms = handed().max().map(|at| millis(begun, at));
        let accepted_late = accepted().filter(|sent| sent.at > in_force && sent.answered < opened).count();
        let handed_late = handed().filter(|at| *at > in_force).count();
        self.leaked = (accepted_late + handed_late) as u64;
        let told = tenant.sent.iter().find(|sent| sent.refused == "TENANT_CUT");
        self.told_ms = told.map(|sent| millis(begun, sent.answered));
        self.back_ms = accepted().find(|sent| sent.at > opened).map(|sent| millis(begun, sent.answered));
        self.sent = tenant.sent.len() as u64;
        self.accepted = accepted().count() as u64;
        self.missing = tenant.missing().into_iter().map(str::to_owned).collect();
        self.arrived = self.accepted - self.missing.len() as u64;
        self.doubled = tenant.doubled;
        self.bystander = bystander.map(|seen| Bystander::of(&seen, begun, opened));
        self.failures = self.failures();
        self.passed = self.failures.is_empty();
    }

    fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        let mut fails = |when: bool, what: String| {
            if when {
                failures.push(what);
            }
        };
        fails(self.leaked > 0, format!("{} were accepted or handed over while it was cut off", self.leaked));
        let missing = self.missing.join(", ");
        fails(!missing.is_empty(), format!("accepted and not arrived: {missing}"));
        fails(self.doubled > 0, format!("{} were handed over twice", self.doubled));
        fails(self.told_ms.is_none(), "the tenant was never told that it is cut off".into());
        fails(self.back_ms.is_none(), "the tenant was not let in again".into());
        fails(self.last_handed_over_ms.is_none(), "nothing was handed over before the cut".into());
        let silent: Vec<_> =
            self.nodes.iter().filter(|node| !node.answered).map(|node| &*node.node).collect();
        fails(
            !silent.is_empty(),
            format!("nodes that did not say that it is in force: {}", silent.join(", ")),
        );
        let account = self.account.as_ref();
        fails(account.is_none_or(|account| !account.adds_up), "the account does not add up".into());
        let touched = account.map_or(0, |account| account.collateral.len());
        fails(touched > 0, format!("referrals of {touched} other tenants stood in its way"));
        if let Some(bystander) = &self.bystander {
            fails(bystander.failed > 0, format!("{} referrals of the bystander failed", bystander.failed));
            fails(bystander.reconnects > 0, "the bystander's stream was broken off".into());
        }
        failures
    }
}

impl Bystander {
    fn of(seen: &Seen, begun: Instant, opened: Instant) -> Self {
        let during = |sent: &&Sent| sent.at >= begun && sent.at < opened;
        Self {
            sent: seen.sent.iter().filter(during).count() as u64,
            failed: seen.sent.iter().filter(|sent| sent.accepted.is_none()).count() as u64,
            reconnects: seen.streams.saturating_sub(1),
            doubled: seen.doubled,
            before: Latency::of(seen.sent.iter().filter(|sent| sent.at < begun)),
            during: Latency::of(seen.sent.iter().filter(during)),
        }
    }
}

impl Latency {
    fn of<'a>(sent: impl Iterator<Item = &'a Sent>) -> Self {
        let mut took: Vec<Duration> = sent.map(|sent| sent.answered.duration_since(sent.at)).collect();
        took.sort();
        let at = |share: f64| {
            let index = (took.len() as f64 * share) as usize;
            took.get(index.min(took.len().saturating_sub(1))).map_or(0.0, |took| rounded(took.as_secs_f64()))
        };
        Self { p50_ms: at(0.5), p99_ms: at(0.99) }
    }
}

/// Milliseconds from one instant to another, negative when it was before.
fn millis(from: Instant, to: Instant) -> f64 {
    match to.checked_duration_since(from) {
        Some(after) => rounded(after.as_secs_f64()),
        None => -rounded(from.duration_since(to).as_secs_f64()),
    }
}

/// Seconds as milliseconds, to the hundredth.
fn rounded(seconds: f64) -> f64 {
    (seconds * 100_000.0).round() / 100.0
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::samples::desked;

    /// Cut at 1 s, in force at 1.01 s, opened at 3 s: accepted until 1.005 s, told at 1.2 s, back at 3.4 s.
    pub(crate) fn drilled(change: impl FnOnce(&mut Seen, &mut Seen)) -> Drilled {
        let zero = Instant::now();
        let at = |ms: u64| zero + Duration::from_millis(ms);
        let sent = |from: u64, to: u64, accepted: Option<&str>, refused: &str| Sent {
            at: at(from),
            answered: at(to),
            accepted: accepted.map(str::to_owned),
            refused: refused.into(),
        };
        let mut tenant = Seen {
            sent: vec![
                sent(500, 502, Some("a"), ""),
                sent(1_003, 1_005, Some("b"), ""),
                sent(1_012, 1_013, None, ""),
                sent(1_199, 1_200, None, "TENANT_CUT"),
                sent(3_398, 3_400, Some("c"), ""),
            ],
            handed_over: HashMap::from([
                ("a".into(), at(504)),
                ("b".into(), at(3_500)),
                ("c".into(), at(3_402)),
            ]),
            doubled: 0,
            streams: 2,
        };
        let bystanders = (0..100).map(|n| sent(n * 30, n * 30 + 2, Some("x"), "")).collect();
        let mut bystander = Seen { sent: bystanders, streams: 1, ..Seen::default() };
        change(&mut tenant, &mut bystander);
        let tenant_id = TenantId::parse("wales/synthetic").unwrap();
        let mut drilled = Drilled::new(desked(), &tenant_id, &OperatorId::parse("wales/wales-lead").unwrap());
        drilled.cut_id = "wales/3f0c9a12be77".into();
        for (what, at_ms) in [("cut", 9.0), ("propose", 2_004.0), ("approve", 2_010.0), ("full", 2_030.0)] {
            drilled.steps.push(Timed { what: what.into(), at_ms });
        }
        drilled.nodes = vec![Forced { node: "wales-1".into(), answered: true, at: None, after_us: 310 }];
        drilled.account = Some(Account::of(&bulkhead_wire::v1::CutAccount::default()));
        drilled.released = 1;
        drilled.judge(tenant, Some(bystander), (at(1_000), at(1_010), at(3_000)));
        drilled
    }

    #[test]
    fn a_drill_passes_when_nothing_leaked_was_lost_or_was_noticed() {
        let drilled = drilled(|_, _| {});
        assert_eq!(drilled.failures, Vec::<String>::new());
        assert!(drilled.passed);
        assert_eq!((drilled.last_accepted_ms, drilled.last_handed_over_ms), (Some(5.0), Some(-496.0)));
        assert_eq!((drilled.told_ms, drilled.back_ms), (Some(200.0), Some(2_400.0)));
        assert_eq!((drilled.accepted, drilled.arrived, drilled.missing), (3, 3, vec![]));
    }

    #[test]
    fn each_of_these_fails_a_drill() {
        let check = |change: fn(&mut Seen, &mut Seen), expected: &str| {
            let failures = drilled(change).failures;
            assert_eq!(failures.len(), 1, "{failures:?}");
            assert!(failures[0].contains(expected), "{failures:?}");
        };
        check(|tenant, _| tenant.handed_over.retain(|id, _| id != "b"), "accepted and not arrived: b");
        check(|tenant, _| tenant.sent[2].accepted = Some("a".into()), "while it was cut off");
        check(|tenant, _| tenant.doubled = 2, "2 were handed over twice");
        check(|tenant, _| tenant.sent[3].refused.clear(), "never told");
        check(|_, bystander| bystander.sent[50].accepted = None, "1 referrals of the bystander failed");
        check(|_, bystander| bystander.streams = 2, "broken off");
    }
}
