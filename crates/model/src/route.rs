//! Where a referral goes: the decision of the origin's owner, as a pure function.

use crate::gate::{Answer, Provenance};
use crate::{Code, Cuts, Directory, Envelope, Lane, Nation, Reason, TenantId};

/// What the decision is made of.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The nation that decides.
    pub home: Nation,
    /// The sender.
    pub tenant: &'a TenantId,
    /// What it asks for.
    pub envelope: &'a Envelope,
    /// Where it comes from and when, for the gate.
    pub provenance: &'a Provenance,
    /// Who is who.
    pub directory: &'a Directory,
    /// What is cut.
    pub cuts: &'a Cuts,
    /// Where the earlier one of its case went, when that was not where the directory says now: later
    /// referrals of a case follow it.
    pub follow: Option<&'a TenantId>,
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
    /// Set it aside; a person must look.
    Park(Reason),
    /// The gate holds it.
    Hold(Reason),
    /// The gate keeps it for review.
    Quarantine(Reason),
}

/// Decides where a referral goes.
///
/// A referral that came over a border is only ever delivered here: it is never carried on, so that two
/// nations' directories that disagree cannot send it round in circles.
pub fn decide(facts: Facts<'_>) -> Decision {
    match facts.cuts.ask(facts.provenance) {
        Answer::Open => {}
        Answer::Hold(cut) => {
            return Decision::Hold(Reason::new(Code::TenantCut, format!("the sender is cut off by {cut}")));
        }
        Answer::Quarantine(cut) => {
            let text = format!("sent while the sender was under the cut {cut}");
            return Decision::Quarantine(Reason::new(Code::TenantCut, text));
        }
        Answer::DestinationCut(cut) => {
            let text = format!("the receiver is cut off by {cut}");
            return Decision::Hold(Reason::new(Code::DestinationCut, text));
        }
    }
    let Some(service) = facts.directory.resolve(&facts.envelope.to) else {
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
    let to = facts.follow.unwrap_or(&service.host).clone();
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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::directory::tests::{directory, service, supplier, tenant};
    use crate::samples::{any_nation, any_priority, any_tenant, cases, envelope};
    use crate::{Priority, ReferralId, ServiceAddress};

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
            provenance: &provenance,
            directory: &directory,
            cuts: &cuts,
            follow: None,
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
                provenance: &provenance,
                directory: &directory,
                cuts: &Cuts::default(),
                follow: follow.as_ref(),
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
                Decision::Hold(_) | Decision::Quarantine(_) => prop_assert!(false, "nothing is cut"),
            }
        }
    }
}
