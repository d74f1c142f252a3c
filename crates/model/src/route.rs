//! Where a referral goes: the decision of the origin's owner, as a pure function.

use crate::gate::{Answer, Cuts, Provenance};
use crate::{Code, Directory, Envelope, Lane, Nation, Reason, TenantId};

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
        Answer::Hold => return Decision::Hold(Reason::new(Code::TenantCut, "the sender is cut off")),
        Answer::Quarantine => {
            return Decision::Quarantine(Reason::new(
                Code::TenantCut,
                "sent while the sender was under a cut",
            ));
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

    use super::*;
    use crate::directory::tests::{directory, service};
    use crate::{Kind, MessageId, Priority, ServiceAddress};

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
        let envelope = Envelope {
            message_id: MessageId::parse("m").unwrap(),
            attempt: 1,
            to: ServiceAddress::parse("", to).unwrap(),
            reply_to: None,
            kind: Kind::Request,
            case_id: None,
            priority: Priority::Emergency,
            deadline: None,
            content_type: "text/plain".into(),
            in_response_to: None,
            traceparent: None,
            flags: vec![],
        };
        let provenance = Provenance {
            origin: tenant.clone(),
            destination: None,
            accepted_at: None,
            admitted_at: Timestamp::UNIX_EPOCH,
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
}
