//! Where a referral goes: the decision of the origin's owner, as a pure function.

use jiff::Timestamp;

use crate::gate::{Answer, Provenance};
use crate::{
    Code, CutId, Cuts, Directory, Envelope, Lane, Nation, Priority, Reason, Service, ServiceId, TenantId,
    Wanted, fallback,
};

/// What the decision is made of.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The nation that decides.
    pub home: Nation,
    /// The sender.
    pub tenant: &'a TenantId,
    /// What it asks for.
    pub envelope: &'a Envelope,
    /// How large its document is.
    pub bytes: usize,
    /// Where it comes from and when, for the gate.
    pub provenance: &'a Provenance,
    /// Who is who.
    pub directory: &'a Directory,
    /// What is cut.
    pub cuts: &'a Cuts,
    /// Where the earlier one of its case went, when that was not where the directory says now: later
    /// referrals of a case follow it.
    pub follow: Option<&'a TenantId>,
    /// When this is decided: a fallback has its hours.
    pub now: Timestamp,
}

/// What should be done with a referral.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Append it to that compartment, in that lane.
    Deliver {
        /// The destination.
        to: TenantId,
        /// By urgency.
        lane: Lane,
    },
    /// Append it to the border of that nation.
    Carry {
        /// The other nation.
        nation: Nation,
        /// The far tenant.
        to: TenantId,
    },
    /// Append it to the compartment of the agreed fallback's host, in that lane: whom it is for is cut off.
    Divert {
        /// The fallback's host.
        to: TenantId,
        /// The fallback.
        service: ServiceId,
        /// By urgency.
        lane: Lane,
        /// Why.
        reason: Reason,
    },
    /// Give it back, so that a human phones: whom it is for is cut off, and it cannot wait.
    Return {
        /// Whom it is for.
        to: TenantId,
        /// Why.
        reason: Reason,
    },
    /// Set it aside; a person must look.
    Park(Reason),
    /// The gate holds it.
    Hold {
        /// Whom it is for, when that is known.
        to: Option<TenantId>,
        /// For which cut.
        cut: CutId,
        /// Why.
        reason: Reason,
    },
    /// The gate keeps it for review.
    Quarantine {
        /// Whom it is for, when that is known.
        to: Option<TenantId>,
        /// For which cut.
        cut: CutId,
        /// Why.
        reason: Reason,
    },
}

/// Decides where a referral goes.
///
/// A referral that came over a border is only ever delivered here: it is never carried on, so that two
/// nations' directories that disagree cannot send it round in circles.
pub fn decide(facts: Facts<'_>) -> Decision {
    let service = facts.directory.resolve(&facts.envelope.to);
    let to = facts.follow.or(service.map(|service| &service.host)).cloned();
    let asked = Provenance { destination: to.clone(), ..facts.provenance.clone() };
    let closed = match facts.cuts.ask(&asked) {
        Answer::Open => None,
        Answer::Hold(cut) => {
            let reason = Reason::new(Code::TenantCut, format!("the sender is cut off by {cut}"));
            return Decision::Hold { to, cut, reason };
        }
        Answer::Quarantine(cut) => {
            let reason =
                Reason::new(Code::TenantCut, format!("sent while the sender was under the cut {cut}"));
            return Decision::Quarantine { to, cut, reason };
        }
        Answer::DestinationCut(cut) => Some(cut),
    };
    let (Some(service), Some(to)) = (service, to) else {
        return Decision::Park(Reason::new(
            Code::ServiceUnknown,
            format!("no service has the address {}", facts.envelope.to),
        ));
    };
    if !service.takes_from(facts.tenant) {
        return Decision::Park(Reason::new(
            Code::NotGranted,
            format!("{} does not take referrals from {}", service.id, facts.tenant),
        ));
    }
    if let Some(cut) = closed {
        return for_a_cut_tenant(&asked, to, service, facts, cut);
    }
    if to.nation() == facts.home {
        return Decision::Deliver { to, lane: facts.envelope.lane() };
    }
    if facts.tenant.nation() != facts.home {
        return Decision::Park(Reason::new(
            Code::ServiceUnknown,
            format!("{} is not hosted in {}", service.id, facts.home),
        ));
    }
    Decision::Carry { nation: to.nation(), to }
}

/// What becomes of a referral for a tenant that is cut off: to the agreed fallback, or back if it cannot wait, or kept.
fn for_a_cut_tenant(
    asked: &Provenance,
    to: TenantId,
    service: &Service,
    facts: Facts<'_>,
    cut: CutId,
) -> Decision {
    let lane = facts.envelope.lane();
    let reason = Reason::new(Code::DestinationCut, format!("{} is cut off by {cut}", service.id));
    let Envelope { kind, priority, .. } = *facts.envelope;
    let wanted = Wanted { kind, priority, bytes: facts.bytes, at: facts.now };
    match fallback(asked, service, &wanted, facts.home, facts.directory, facts.cuts) {
        Some(fallback) => {
            let (to, service) = (fallback.host.clone(), fallback.id.clone());
            Decision::Divert { to, service, lane, reason }
        }
        None if lane.priority() != Priority::Routine => Decision::Return { to, reason },
        None => Decision::Hold { to: Some(to), cut, reason },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::directory::tests::{directory, service, supplier, takes_over, tenant};
    use crate::samples::{any_nation, any_priority, any_tenant, cases, envelope};
    use crate::{ReferralId, ServiceAddress};

    fn check(home: Nation, from: &str, to: &str, expected: impl Fn(&Decision) -> bool) {
        let mut closed = service("england/closed", "england/b", "9");
        closed.grants = Some(vec![]);
        let directory = directory(vec![
            service("england/s", "england/b", "1"),
            service("wales/s", "wales/c", "2"),
            closed,
        ])
        .unwrap();
        let tenant = TenantId::parse(from).unwrap();
        let envelope = envelope("m", 1, ServiceAddress::parse("", to).unwrap(), Priority::Emergency);
        let provenance = Provenance {
            id: ReferralId::derive(&tenant, &envelope.message_id),
            origin: tenant.clone(),
            destination: None,
            accepted_at: None,
            admitted_at: Timestamp::UNIX_EPOCH,
            spooled_at: None,
            epochs: vec![],
        };
        let cuts = Cuts::default();
        let decision = decide(Facts {
            home,
            tenant: &tenant,
            envelope: &envelope,
            bytes: 100,
            provenance: &provenance,
            directory: &directory,
            cuts: &cuts,
            follow: None,
            now: Timestamp::UNIX_EPOCH,
        });
        assert!(expected(&decision), "{from} -> {to} in {home}: {decision:?}");
    }

    #[test]
    fn each_way() {
        let parked =
            |code: Code| move |d: &Decision| matches!(d, Decision::Park(r) if r.known() == Some(code));
        check(
            Nation::England,
            "england/a",
            "england/s",
            |d| matches!(d, Decision::Deliver { lane, .. } if *lane == Lane::of(Priority::Emergency)),
        );
        check(Nation::England, "england/a", "wales/s", |d| {
            matches!(d, Decision::Carry { nation: Nation::Wales, .. })
        });
        check(Nation::Wales, "england/a", "wales/s", |d| matches!(d, Decision::Deliver { .. }));
        check(Nation::England, "england/a", "england/none", parked(Code::ServiceUnknown));
        check(Nation::England, "england/a", "england/closed", parked(Code::NotGranted));
        check(Nation::Wales, "england/a", "england/s", parked(Code::ServiceUnknown));
    }

    /// What is decided for a referral of england/a to a service of england/b, which is cut off.
    fn for_a_cut(priority: Priority, fallback: Option<Service>, also_cut: &[&str]) -> Decision {
        let mut first = service("england/s", "england/b", "1");
        let mut services = vec![];
        if let Some(fallback) = fallback {
            first.fallback = Some(fallback.id.clone());
            services.push(fallback);
        }
        services.push(first);
        let directory = directory(services).unwrap();
        let mut cuts = Cuts::default();
        for tenant in also_cut.iter().chain(&["england/b"]) {
            let id = CutId::parse(&format!("england/of-{}", &tenant[8..])).unwrap();
            cuts.close_early(
                crate::Cut {
                    id,
                    by: crate::OperatorId::parse("england/duty").unwrap(),
                    scope: tenant.parse().unwrap(),
                    tenants: vec![],
                    direction: crate::Direction::To,
                    since: Timestamp::UNIX_EPOCH,
                    drain_clean: false,
                    reason: String::new(),
                },
                Timestamp::UNIX_EPOCH,
            );
        }
        let tenant = TenantId::parse("england/a").unwrap();
        let envelope = envelope("m", 1, ServiceAddress::parse("", "england/s").unwrap(), priority);
        let provenance = Provenance {
            id: ReferralId::derive(&tenant, &envelope.message_id),
            origin: tenant.clone(),
            destination: None,
            accepted_at: None,
            admitted_at: Timestamp::UNIX_EPOCH,
            spooled_at: None,
            epochs: vec![],
        };
        decide(Facts {
            home: Nation::England,
            tenant: &tenant,
            envelope: &envelope,
            bytes: 100,
            provenance: &provenance,
            directory: &directory,
            cuts: &cuts,
            follow: None,
            now: Timestamp::UNIX_EPOCH,
        })
    }

    /// A fallback at that host, which has said so.
    fn accepted_by(host: &str) -> Option<Service> {
        Some(Service { takes_over: vec![takes_over("england/s")], ..service("england/f", host, "2") })
    }

    #[test]
    fn for_a_cut_tenant_by_fallback_and_urgency() {
        let routine = for_a_cut(Priority::Routine, None, &[]);
        assert!(matches!(routine, Decision::Hold { cut, .. } if cut.as_str() == "england/of-b"));
        for priority in [Priority::Urgent, Priority::Emergency] {
            assert!(matches!(for_a_cut(priority, None, &[]), Decision::Return { .. }));
            let diverted = for_a_cut(priority, accepted_by("england/a"), &[]);
            assert!(matches!(diverted, Decision::Divert { to, .. } if to.as_str() == "england/a"));
        }
    }

    #[test]
    fn r10_nothing_is_diverted_into_another_cut_tenant() {
        let decided = for_a_cut(Priority::Routine, accepted_by("england/a"), &["england/a"]);
        assert!(matches!(decided, Decision::Hold { .. }));
        assert!(matches!(
            for_a_cut(Priority::Urgent, accepted_by("england/b"), &[]),
            Decision::Return { .. }
        ));
    }

    #[test]
    fn without_its_hosts_word_for_this_and_now_there_is_no_fallback() {
        let with = |priority, word: crate::TakesOver| {
            let fallback = Service { takes_over: vec![word], ..service("england/f", "england/a", "2") };
            for_a_cut(priority, Some(fallback), &[])
        };
        let silent = Some(service("england/f", "england/a", "2"));
        assert!(matches!(for_a_cut(Priority::Urgent, silent.clone(), &[]), Decision::Return { .. }));
        assert!(matches!(for_a_cut(Priority::Routine, silent, &[]), Decision::Hold { .. }));

        // It is midnight from Wednesday to Thursday.
        let at = |hours: &str| crate::TakesOver {
            hours: Some(vec![crate::Span::parse(hours).unwrap()]),
            ..takes_over("england/s")
        };
        assert!(matches!(with(Priority::Urgent, at("wed 18:30-08:00")), Decision::Divert { .. }));
        assert!(matches!(with(Priority::Urgent, at("thu 08:00-18:30")), Decision::Return { .. }));
        assert!(matches!(with(Priority::Routine, at("thu 08:00-18:30")), Decision::Hold { .. }));

        let urgent = crate::TakesOver { priorities: Some(vec![Priority::Urgent]), ..takes_over("england/s") };
        assert!(matches!(with(Priority::Urgent, urgent.clone()), Decision::Divert { .. }));
        assert!(matches!(with(Priority::Emergency, urgent.clone()), Decision::Return { .. }));
        assert!(matches!(with(Priority::Routine, urgent), Decision::Hold { .. }));

        let fallback =
            |max_bytes| Service { max_bytes: Some(max_bytes), ..accepted_by("england/a").unwrap() };
        assert!(matches!(for_a_cut(Priority::Urgent, Some(fallback(100)), &[]), Decision::Divert { .. }));
        assert!(matches!(for_a_cut(Priority::Urgent, Some(fallback(99)), &[]), Decision::Return { .. }));

        let updates = crate::TakesOver { kinds: Some(vec![crate::Kind::Update]), ..takes_over("england/s") };
        assert!(matches!(with(Priority::Urgent, updates), Decision::Return { .. }));
    }

    fn all_nations() -> Directory {
        let tenants = ["england/a", "england/b", "wales/c", "scotland/d", "northern-ireland/e"];
        let mut for_wales = service("scotland/for-wales", "scotland/d", "6");
        for_wales.grants = Some(vec![TenantId::parse("wales/c").unwrap()]);
        let services = vec![
            service("england/s", "england/b", "1"),
            service("wales/s", "wales/c", "2"),
            service("scotland/s", "scotland/d", "3"),
            service("northern-ireland/s", "northern-ireland/e", "4"),
            for_wales,
        ];
        Directory::new(vec![supplier()], tenants.map(tenant).to_vec(), services, vec![]).unwrap()
    }

    proptest! {
        #![proptest_config(cases(2_000))]

        #[test]
        fn every_decision_is_allowed(
            home in any_nation(),
            tenant in any_tenant(),
            to in prop::sample::select(vec![
                "england/s", "wales/s", "scotland/s", "northern-ireland/s", "scotland/for-wales", "wales/none",
            ]),
            priority in any_priority(),
            follow in prop::option::of(any_tenant()),
        ) {
            let directory = all_nations();
            let envelope = envelope("m", 1, ServiceAddress::parse("", to).unwrap(), priority);
            let provenance = Provenance {
                id: ReferralId::derive(&tenant, &envelope.message_id),
                origin: tenant.clone(),
                destination: None,
                accepted_at: None,
                admitted_at: Timestamp::UNIX_EPOCH,
            spooled_at: None,
                epochs: vec![],
            };
            let decision = decide(Facts {
                home,
                tenant: &tenant,
                envelope: &envelope,
                bytes: 100,
                provenance: &provenance,
                directory: &directory,
                cuts: &Cuts::default(),
                follow: follow.as_ref(),
                now: Timestamp::UNIX_EPOCH,
            });
            let service = directory.resolve(&envelope.to);
            let takes = service.is_some_and(|service| service.takes_from(&tenant));
            let goes_to = follow.as_ref().or(service.map(|service| &service.host));
            match decision {
                Decision::Deliver { to, lane } => {
                    prop_assert!(takes && to.nation() == home);
                    prop_assert_eq!((Some(&to), lane.priority()), (goes_to, priority));
                }
                Decision::Carry { nation, to } => {
                    prop_assert!(takes && nation != home && to.nation() == nation);
                    prop_assert_eq!(tenant.nation(), home, "carried on");
                    prop_assert_eq!(Some(&to), goes_to);
                }
                Decision::Park(reason) => match reason.known() {
                    Some(Code::ServiceUnknown) if service.is_none() => {}
                    Some(Code::ServiceUnknown) => {
                        prop_assert!(tenant.nation() != home && goes_to.is_some_and(|to| to.nation() != home));
                    }
                    Some(Code::NotGranted) => prop_assert!(service.is_some() && !takes),
                    other => prop_assert!(false, "{:?}", other),
                },
                Decision::Hold { .. }
                | Decision::Quarantine { .. }
                | Decision::Divert { .. }
                | Decision::Return { .. } => prop_assert!(false, "nothing is cut"),
            }
        }
    }
}
