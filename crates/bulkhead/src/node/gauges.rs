//! What `/metrics` says of the cuts, the pulses, the connections and what needs a person: looked at every few seconds,
//! beside the loops that act.
//!
//! Series are few whatever is cut: the first scopes that are cut have a label of their own, those beyond share one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bulkhead_control::Following;
use bulkhead_ledger::{AlertCode, AlertCount, AsideCount, Ledger};
use bulkhead_model::{Cut, Cuts, Nation, State, TenantId};
use bulkhead_process::Drain;
use bulkhead_transport::{Connections, Identity};
use jiff::{SignedDuration, Timestamp};
use metrics::gauge;
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(2);
/// Scopes with a label of their own, in the life of a process.
const SCOPES: usize = 64;
/// The label of all the others.
const OTHER: &str = "other";

/// What it looks at.
pub(super) struct Gauges {
    pub(super) nation: Nation,
    pub(super) node: String,
    pub(super) ledger: Ledger,
    pub(super) following: Following,
    pub(super) connections: Connections,
}

/// The labels that were used: what is no more cut says 0.
#[derive(Debug, Default)]
struct Scopes(BTreeSet<String>);

/// What one label says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct OfScope {
    active: u64,
    unconfirmed: u64,
    /// Of the oldest.
    age: SignedDuration,
    held: u64,
    quarantined: u64,
    unknown: u64,
    overdue: u64,
}

impl Gauges {
    /// Looks until the drain begins.
    pub(super) async fn run(self, drain: Drain) {
        let gauges = Arc::new(self);
        let mut scopes = Scopes::default();
        let mut filled = BTreeSet::new();
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = drain.started() => return,
                _ = tick.tick() => {}
            }
            let now = Timestamp::now();
            let asked = gauges.clone();
            let counted = tokio::task::spawn_blocking(move || {
                Ok::<_, bulkhead_ledger::Error>((asked.ledger.aside_counts(now)?, asked.ledger.alerts(now)?))
            });
            match counted.await {
                Ok(Ok((kept, alerts))) => {
                    gauges.of_cuts(&mut scopes, &kept, now);
                    gauges.of_alerts(&alerts);
                }
                Ok(Err(error)) => warn!(node = %gauges.node, %error, "what is set aside cannot be counted"),
                // The runtime is about to end.
                Err(_) => return,
            }
            gauges.of_stops();
            gauges.of_room(&mut filled);
            gauges.of_nodes();
            gauges.of_connections();
        }
    }

    fn labels(&self) -> [(&'static str, String); 2] {
        [("nation", self.nation.to_string()), ("node", self.node.clone())]
    }

    fn of_cuts(&self, scopes: &mut Scopes, kept: &[AsideCount], now: Timestamp) {
        let cuts = self.following.cuts.borrow().clone();
        let pending = self.following.book.ask(|authority| authority.pending().count());
        gauge!("bulkhead_cuts_waiting", &self.labels()).set(pending as f64);
        for (scope, said) in scopes.look(&cuts, kept, now) {
            let [nation, node] = self.labels();
            let labels = [nation, node, ("scope", scope)];
            gauge!("bulkhead_cut_active", &labels).set(said.active as f64);
            gauge!("bulkhead_cut_unconfirmed", &labels).set(said.unconfirmed as f64);
            gauge!("bulkhead_cut_age_seconds", &labels).set(said.age.as_secs_f64());
            gauge!("bulkhead_cut_kept_overdue", &labels).set(said.overdue as f64);
            let states = [
                (State::Held, said.held),
                (State::Quarantined, said.quarantined),
                (State::Unknown, said.unknown),
            ];
            for (state, count) in states {
                let [nation, node, scope] = labels.clone();
                let labels = [nation, node, scope, ("state", state.as_str().to_owned())];
                gauge!("bulkhead_cut_kept", &labels).set(count as f64);
            }
        }
    }

    fn of_alerts(&self, alerts: &[AlertCount]) {
        for code in AlertCode::ALL {
            let count: u64 = alerts.iter().filter(|alert| alert.code == code).map(|alert| alert.count).sum();
            let [nation, node] = self.labels();
            let labels = [nation, node, ("code", code.as_str().to_owned())];
            gauge!("bulkhead_needs_person", &labels).set(count as f64);
        }
    }

    fn of_stops(&self) {
        let stops = self.ledger.stops();
        for code in ["NEWER_RELEASE", "LOG_SHORT"] {
            let count = stops.iter().filter(|(_, why)| why.code() == code).count();
            let [nation, node] = self.labels();
            gauge!("bulkhead_partitions_stopped", &[nation, node, ("code", code.to_owned())])
                .set(count as f64);
        }
    }

    /// Of those tenants of the directory that had something unsettled in the life of this process.
    fn of_room(&self, filled: &mut BTreeSet<TenantId>) {
        let directory = self.following.directory.borrow().clone();
        for tenant in directory.tenants() {
            let bytes = self.ledger.unsettled_bytes(&tenant.id).unwrap_or_default();
            if bytes > 0 {
                filled.insert(tenant.id.clone());
            }
            if filled.contains(&tenant.id) {
                let [nation, node] = self.labels();
                let labels = [nation, node, ("tenant", tenant.id.to_string())];
                gauge!("bulkhead_unsettled_bytes", &labels).set(bytes as f64);
                gauge!("bulkhead_unsettled_quota_bytes", &labels).set(tenant.quota.unsettled_bytes as f64);
            }
        }
    }

    /// By the log's times, so that no two clocks are compared.
    fn of_nodes(&self) {
        let pulses = self.following.pulses.borrow().clone();
        let newest = pulses.all().map(|member| member.heard_at).max();
        let digest = self.following.cuts.borrow().digest();
        for member in pulses.all() {
            let age = newest.map(|newest| newest.duration_since(member.heard_at)).unwrap_or_default();
            let [nation, node] = self.labels();
            let labels = [nation, node, ("of", member.pulse.node.clone())];
            gauge!("bulkhead_pulse_age_seconds", &labels).set(age.as_secs_f64());
            let in_force = member.pulse.cuts == digest;
            gauge!("bulkhead_pulse_cuts_in_force", &labels).set(f64::from(u8::from(in_force)));
        }
    }

    fn of_connections(&self) {
        let cuts = self.following.cuts.borrow().clone();
        let cut = cuts.touched().filter(|tenant| cuts.severs(tenant).is_some());
        let of_cut: usize = cut.map(|tenant| self.connections.count(&Identity::Tenant(tenant))).sum();
        gauge!("bulkhead_connections_untracked", &self.labels()).set(self.connections.untracked() as f64);
        gauge!("bulkhead_connections_of_cut_tenants", &self.labels()).set(of_cut as f64);
    }
}

impl Scopes {
    /// What each label says now, those of before too.
    fn look(&mut self, cuts: &Cuts, kept: &[AsideCount], now: Timestamp) -> BTreeMap<String, OfScope> {
        let mut said: BTreeMap<String, OfScope> = BTreeMap::new();
        for course in cuts.all() {
            let Some(cut) = course.cut() else { continue };
            let own = || kept.iter().filter(|count| count.cut == *course.id());
            if !course.stage().is_active() && own().next().is_none() {
                continue;
            }
            let entry = said.entry(self.label(cut)).or_default();
            if course.stage().is_active() {
                let made = course.made().map_or(now, |made| made.judged().at);
                entry.active += 1;
                entry.age = entry.age.max(now.duration_since(made));
                entry.unconfirmed += u64::from(cut.scope.is_wide() && course.confirmed().is_none());
            }
            for count in own() {
                match count.state {
                    State::Held => entry.held += count.count,
                    State::Quarantined => entry.quarantined += count.count,
                    _ => entry.unknown += count.count,
                }
                entry.overdue += count.overdue;
            }
        }
        for label in &self.0 {
            said.entry(label.clone()).or_default();
        }
        said
    }

    fn label(&mut self, cut: &Cut) -> String {
        let name = cut.scope.to_string();
        let label = if self.0.contains(&name) || self.0.len() < SCOPES { name } else { OTHER.to_owned() };
        self.0.insert(label.clone());
        label
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_model::{CutFact, CutId, Direction, FactId, OperatorId, Stamp, Word};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn cut(cuts: &mut Cuts, number: u64, scope: &str) -> CutId {
        let id = CutId::parse(&format!("wales/{number}")).unwrap();
        let by = OperatorId::parse("wales/wales-duty").unwrap();
        let made = Cut {
            id: id.clone(),
            by: by.clone(),
            scope: scope.parse().unwrap(),
            tenants: vec![],
            direction: Direction::Both,
            since: at(0),
            drain_clean: false,
            reason: "x".into(),
        };
        let mut fact = [0; 32];
        fact[..8].copy_from_slice(&number.to_be_bytes());
        let fact = CutFact { fact: FactId(fact), cut: id.clone(), by, word: Word::Made(Box::new(made)) };
        cuts.hear(fact, Stamp::here(number, at(0)));
        id
    }

    #[test]
    fn r19_a_thousand_cuts_make_few_series_and_lose_none() {
        let (mut cuts, mut scopes) = (Cuts::default(), Scopes::default());
        for number in 0..1_000 {
            cut(&mut cuts, number, &format!("wales/t-{number}"));
        }
        let said = scopes.look(&cuts, &[], at(60));
        assert_eq!(said.len(), SCOPES + 1);
        assert_eq!(said.values().map(|of| of.active).sum::<u64>(), 1_000);
        assert_eq!(said[OTHER].active, 1_000 - SCOPES as u64);
        assert_eq!(said[OTHER].age, SignedDuration::from_secs(60));
        let after = scopes.look(&Cuts::default(), &[], at(61));
        assert_eq!(after.len(), SCOPES + 1, "what is no more cut says so");
        assert!(after.values().all(|of| *of == OfScope::default()));
    }

    #[test]
    fn what_a_cut_keeps_is_told_with_what_is_overdue() {
        let mut cuts = Cuts::default();
        let id = cut(&mut cuts, 1, "nation:wales");
        let count =
            |state, count, overdue| AsideCount { cut: id.clone(), state, count, overdue, next_due: None };
        let kept = [count(State::Held, 3, 1), count(State::Quarantined, 2, 1), count(State::Unknown, 4, 0)];
        let said = Scopes::default().look(&cuts, &kept, at(5));
        let expected = OfScope {
            active: 1,
            unconfirmed: 1,
            age: SignedDuration::from_secs(5),
            held: 3,
            quarantined: 2,
            unknown: 4,
            overdue: 2,
        };
        assert_eq!(said["nation:wales"], expected);
    }
}
