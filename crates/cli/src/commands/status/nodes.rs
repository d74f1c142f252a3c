//! A nation's status from its nodes' answers. Each node speaks for itself and for the sidecars that are
//! connected to it; what lies in the log they all know alike.

use bulkhead_wire::v1;

use super::overview::{NationStatus, Node};
use crate::cell::Trouble;

/// What the nodes say together.
///
/// # Errors
/// The first node's trouble when none answered.
pub(super) fn together(
    answers: Vec<(String, Result<v1::GetStatusResponse, Trouble>)>,
) -> Result<Answered, Trouble> {
    let (mut whole, mut silent, mut first_trouble) = (None, Vec::new(), None);
    for (address, answer) in answers {
        match answer {
            Ok(answer) => match &mut whole {
                None => whole = Some(answer),
                Some(whole) => add(whole, answer),
            },
            Err(trouble) => {
                silent.push(Node {
                    name: address,
                    ready: false,
                    shards: 0,
                    pulse: None,
                    problem: Some(trouble.to_string()),
                });
                first_trouble.get_or_insert(trouble);
            }
        }
    }
    match whole {
        Some(status) => Ok(Answered { status, silent }),
        None => {
            Err(first_trouble
                .unwrap_or_else(|| Trouble::Silent { cause: "the context names no node".into() }))
        }
    }
}

/// A nation's answer, and its nodes that gave none.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Of the nodes that answered, together.
    pub status: v1::GetStatusResponse,
    /// Those that did not.
    pub silent: Vec<Node>,
}

impl Answered {
    /// For the screen.
    pub(super) fn into_nation(self, at: jiff::Timestamp) -> NationStatus {
        let mut status = self.status;
        let pulses = std::mem::take(&mut status.pulses);
        let mut nation = NationStatus::new(status, at);
        nation.nodes.extend(self.silent);
        nation.hear(pulses);
        nation
    }
}

fn add(whole: &mut v1::GetStatusResponse, more: v1::GetStatusResponse) {
    for node in more.nodes {
        if !whole.nodes.iter().any(|known| known.name == node.name) {
            whole.nodes.push(node);
        }
    }
    for tenant in more.tenants {
        match whole.tenants.iter_mut().find(|known| known.tenant == tenant.tenant) {
            Some(known) => {
                known.connected |= tenant.connected;
                known.taking |= tenant.taking;
                known.spooled = known.spooled.max(tenant.spooled);
                known.credential_expires = known.credential_expires.or(tenant.credential_expires);
            }
            None => whole.tenants.push(tenant),
        }
    }
    // Each counts what all of them keep; who knows more of a cut is further on in the log.
    for cut in more.cuts {
        let id = |status: &v1::CutStatus| status.cut.as_ref().map(|cut| cut.cut_id.clone());
        if !whole.cuts.iter().any(|known| id(known) == id(&cut)) {
            whole.cuts.push(cut);
        }
    }
    for pulse in more.pulses {
        match whole.pulses.iter_mut().find(|known| known.name == pulse.name) {
            Some(known) if known.age_ms <= pulse.age_ms => known.in_force &= pulse.in_force,
            Some(known) => {
                let in_force = known.in_force && pulse.in_force;
                *known = v1::NodePulse { in_force, ..pulse };
            }
            None => whole.pulses.push(pulse),
        }
    }
    for alert in more.alerts {
        let same = |known: &&mut v1::Alert| known.code == alert.code && known.subject == alert.subject;
        match whole.alerts.iter_mut().find(same) {
            Some(known) => known.count = known.count.max(alert.count),
            None => whole.alerts.push(alert),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, connected: bool, alert: &str) -> v1::GetStatusResponse {
        let tenant = v1::TenantStatus { tenant: "wales/a".into(), connected, ..Default::default() };
        let alert =
            v1::Alert { code: alert.into(), subject: "wales/a".into(), count: 2, ..Default::default() };
        v1::GetStatusResponse {
            nation: "wales".into(),
            nodes: vec![v1::NodeStatus { name: name.into(), ready: true, shards: 16 }],
            tenants: vec![tenant],
            alerts: vec![alert],
            ..Default::default()
        }
    }

    #[test]
    fn a_tenant_is_connected_when_any_node_has_its_sidecar() {
        let silent = Trouble::Silent { cause: "refused".into() };
        let answers = vec![
            ("a:1".to_owned(), Ok(node("wales-1", false, "PARKED"))),
            ("b:1".to_owned(), Err(silent)),
            ("c:1".to_owned(), Ok(node("wales-3", true, "PARKED"))),
        ];
        let nation = together(answers).unwrap().into_nation(jiff::Timestamp::UNIX_EPOCH);
        let names: Vec<_> = nation.nodes.iter().map(|node| (node.name.as_str(), node.ready)).collect();
        assert_eq!(names, [("wales-1", true), ("wales-3", true), ("b:1", false)]);
        assert!(nation.tenants[0].connected);
        assert_eq!((nation.tenants.len(), nation.alerts.len(), nation.alerts[0].count), (1, 1, 2));
    }

    #[test]
    fn without_any_answer_there_is_trouble() {
        let silent = Trouble::Silent { cause: "refused".into() };
        assert_eq!(together(vec![("a:1".to_owned(), Err(silent.clone()))]).unwrap_err(), silent);
        assert!(together(Vec::new()).unwrap_err().is_silence());
    }
}
