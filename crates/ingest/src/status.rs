//! One screen: nodes, tenants, and what needs a person now.

use std::collections::HashMap;

use bulkhead_ledger::{AlertCode, AlertCount, Count, Error, Stop};
use bulkhead_model::{Lane, Presence, SHARDS, State, TenantId};
use bulkhead_wire::v1::{Alert, GetStatusResponse, NodeStatus, StateCount, TenantStatus};
use bulkhead_wire::{state_to_wire, time_to_wire, topics};
use jiff::{SignedDuration, Timestamp};

use crate::caller::Viewer;
use crate::cut_status;
use crate::service::Shared;

/// From when on an expiring certificate needs a person.
const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Where what does not go on at all stands among the alerts.
const STOPPED: u8 = 0;
/// Where a changed audit file stands among the alerts: beside a wide cut that nobody confirmed.
const AUDIT: u8 = 0;

impl Shared {
    /// What this viewer may see of it. Takes milliseconds and more on a large ledger.
    pub(crate) fn status(&self, viewer: &Viewer) -> Result<GetStatusResponse, Error> {
        let now = Timestamp::now();
        let presence = (self.parts.presence)();
        let counts = self.parts.ledger.counts()?;
        let sees = |tenant: &TenantId| viewer.sees(tenant, None);
        let (mut tenants, mut alerts) = (Vec::new(), Vec::new());
        for count in self.parts.ledger.alerts(now)?.iter().filter(|alert| sees(&alert.subject)) {
            alerts.push((worst_first(count.code), of_referrals(count)));
        }
        // Of several nodes, another may have the sidecar.
        let alone = (self.parts.shards)() == SHARDS;
        let directory = self.directory();
        for tenant in directory.tenants_of(self.parts.nation).filter(|tenant| sees(&tenant.id)) {
            let status = self.tenant_status(&tenant.id, presence.get(&tenant.id), &counts)?;
            alerts.extend(of_sidecar(&status, presence.get(&tenant.id), alone, now));
            tenants.push(status);
        }
        // A tenant hears of cuts by the notices on its own stream.
        let of_cuts = viewer.tenant().is_none();
        let (cuts, pulses) = match of_cuts {
            true => (self.cut_statuses(now)?, self.node_pulses()),
            false => (vec![], vec![]),
        };
        alerts.extend(cut_status::alerts(&cuts));
        for (partition, why) in self.parts.ledger.stops() {
            let tenant = topics::sender_of(&partition);
            if of_cuts || tenant.as_ref().is_some_and(&sees) {
                alerts.push(of_stop(&partition, tenant.as_ref(), &why, &self.parts.node));
            }
        }
        if of_cuts {
            alerts.extend((self.parts.audits_behind)().into_iter().map(of_audit));
        }
        alerts.sort_by_key(|(rank, _)| *rank);
        let node = NodeStatus {
            name: self.parts.node.clone(),
            ready: (self.parts.ready)(),
            shards: (self.parts.shards)(),
        };
        Ok(GetStatusResponse {
            nation: self.parts.nation.to_string(),
            nodes: vec![node],
            tenants,
            alerts: alerts.into_iter().map(|(_, alert)| alert).collect(),
            cuts,
            pulses,
        })
    }

    fn tenant_status(
        &self,
        tenant: &TenantId,
        presence: Option<&Presence>,
        counts: &[Count],
    ) -> Result<TenantStatus, Error> {
        let waiting = self.parts.ledger.waiting_counts(tenant)?;
        let waiting = |lane: usize| waiting.get(lane).copied().unwrap_or(0);
        let of = |wanted: &dyn Fn(&Count) -> bool| by_state(counts.iter().filter(|count| wanted(count)));
        let seen = presence.cloned().unwrap_or_default();
        Ok(TenantStatus {
            tenant: tenant.to_string(),
            connected: seen.connected,
            taking: seen.taking,
            sent: of(&|count| count.origin == *tenant),
            received: of(&|count| count.destination.as_ref() == Some(tenant)),
            waiting_emergency: waiting(0),
            waiting_urgent: waiting(1),
            waiting_routine: waiting(2),
            next_due: self.parts.ledger.next_due(tenant)?.map(time_to_wire),
            spooled: seen.spooled,
            credential_expires: seen.credential_expires.map(time_to_wire),
            cut: self.cuts().covering(tenant).map(ToString::to_string).unwrap_or_default(),
        })
    }
}

const _: () = assert!(Lane::ALL.len() == 3, "a tenant's status names three lanes");

fn by_state<'a>(counts: impl Iterator<Item = &'a Count>) -> Vec<StateCount> {
    let mut sums: HashMap<State, u64> = HashMap::new();
    counts.for_each(|count| *sums.entry(count.state).or_default() += count.count);
    let present = State::ALL.into_iter().filter_map(|state| Some((state, *sums.get(&state)?)));
    present.map(|(state, count)| StateCount { state: state_to_wire(state) as i32, count }).collect()
}

/// The order in which a person should look; cuts have 0 and 5.
fn worst_first(code: AlertCode) -> u8 {
    match code {
        AlertCode::Overdue => 1,
        AlertCode::ReturnPending => 2,
        AlertCode::NotRecalled => 3,
        AlertCode::Unknown => 4,
        AlertCode::Rejected => 6,
        AlertCode::Held => 7,
        AlertCode::Parked => 8,
        AlertCode::Quarantined => 9,
        AlertCode::SentAfterAll => 10,
        AlertCode::CarriedUnknown => 11,
        AlertCode::Unanswered => 12,
    }
}

const SIDECAR: u8 = 13;
const CREDENTIAL: u8 = 14;

fn of_referrals(count: &AlertCount) -> Alert {
    let (subject, number) = (count.subject.to_string(), count.count);
    let (are, they) = if number == 1 { ("referral is", "it") } else { ("referrals are", "them") };
    let text = match count.code {
        AlertCode::Overdue => format!(
            "{number} {are} past the deadline at {subject}: phone the receiver, \
             then `bulkhead list --tenant {subject} --overdue`"
        ),
        AlertCode::ReturnPending => format!(
            "{number} {are} given back to {subject} and not confirmed: phone the sender and see that a \
             person has {they}, `bulkhead list --tenant {subject} --state return-pending`"
        ),
        AlertCode::Rejected => format!(
            "{number} {are} refused by the receiving system and the system of {subject} does not know: phone \
             the sender, `bulkhead list --tenant {subject} --state rejected`"
        ),
        AlertCode::NotRecalled => format!(
            "{number} {are} in the system of {subject} although the sender was cut off: tell {subject} what not to \
             trust, `bulkhead list --tenant {subject}`"
        ),
        AlertCode::Unknown => format!(
            "{number} {are} perhaps in the system of {subject}, which was cut off before it answered: phone it, \
             `bulkhead list --tenant {subject} --state unknown`"
        ),
        AlertCode::Held => format!(
            "{number} {are} held at {subject} until a cut ends: see whom it must reach before, \
             `bulkhead list --tenant {subject} --state held`"
        ),
        AlertCode::Quarantined => format!(
            "{number} {are} in quarantine, sent by {subject} under a cut: review {they}, \
             `bulkhead list --tenant {subject} --state quarantined`"
        ),
        AlertCode::Parked => format!(
            "{number} {are} set aside at {subject}: read the reason of each and decide, \
             `bulkhead list --tenant {subject} --state parked`"
        ),
        AlertCode::SentAfterAll => format!(
            "{number} {are} delivered although the sender {subject} was told no: tell the receiver that \
             there may be a second one on paper, `bulkhead list --tenant {subject}`"
        ),
        AlertCode::CarriedUnknown => format!(
            "{number} {are} on the way to {subject} in another nation and nothing is heard: ask that \
             nation's operators, `bulkhead list --tenant {subject} --state carried`"
        ),
        AlertCode::Unanswered => format!(
            "{number} {are} delivered to {subject} and not stored by its system: see whether its system \
             works, `bulkhead list --tenant {subject} --state delivered`"
        ),
    };
    Alert { code: count.code.as_str().to_owned(), subject, count: number, text }
}

/// What does not go on at this node.
fn of_stop(partition: &str, tenant: Option<&TenantId>, why: &Stop, node: &str) -> (u8, Alert) {
    let subject = tenant.map_or_else(|| node.to_owned(), ToString::to_string);
    let what = match tenant {
        Some(tenant) => format!("nothing that {tenant} sent goes on"),
        None => format!("node {node} decides nothing by it"),
    };
    let do_this = match why {
        Stop::Newer { .. } => "upgrade the nodes of this cell",
        Stop::Short { .. } => "put the topic back as it was, and phone what was sent last through",
    };
    let text = format!("{partition}: {why}; {what}: {do_this}, `bulkhead explain {}`", why.code());
    (STOPPED, Alert { code: why.code().to_owned(), subject, count: 1, text })
}

/// A node whose audit file is not what it was.
fn of_audit((node, what): (String, String)) -> (u8, Alert) {
    let text = format!("{what}: compare its export with another node's, `bulkhead audit verify --against`");
    (AUDIT, Alert { code: "AUDIT_BEHIND".into(), subject: node, count: 1, text })
}

fn of_sidecar(
    status: &TenantStatus,
    presence: Option<&Presence>,
    alone: bool,
    now: Timestamp,
) -> Vec<(u8, Alert)> {
    let subject = &status.tenant;
    let alert = |code: &str, count: u64, text: String| Alert {
        code: code.to_owned(),
        subject: subject.clone(),
        count,
        text,
    };
    let mut alerts = Vec::new();
    let waiting = status.waiting_emergency + status.waiting_urgent + status.waiting_routine;
    let is_cut = !status.cut.is_empty();
    if waiting > 0 && alone && !is_cut && !status.connected {
        let text = format!(
            "{waiting} wait for {subject}, whose sidecar is not connected: see that it runs and reaches the broker"
        );
        alerts.push((SIDECAR, alert("NOT_CONNECTED", waiting, text)));
    } else if waiting > 0 && status.connected && !status.taking {
        let text =
            format!("{waiting} wait for {subject}, whose own system takes nothing now: see that it runs");
        alerts.push((SIDECAR, alert("NOT_TAKING", waiting, text)));
    }
    if let Some(expires) = presence.and_then(|presence| presence.credential_expires)
        && expires < now + EXPIRES_SOON
    {
        let text =
            format!("the certificate of {subject} expires at {expires:.0}: issue a new one before then");
        alerts.push((CREDENTIAL, alert("CREDENTIAL_EXPIRES", 0, text)));
    }
    alerts
}
