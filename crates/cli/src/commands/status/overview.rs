//! What the cells' answers say together: totals, what is due next, and whether a person is needed.

use bulkhead_wire::v1;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::nodes::Answered;
use crate::view::{Kept, Unanswered, World, moment, state_name};

/// All nations at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct Overview {
    /// Which world was asked.
    #[serde(flatten)]
    pub world: World,
    /// When it was asked.
    pub at: Timestamp,
    /// Somebody should look; the exit code is 7.
    pub needs_person: bool,
    /// Over all nations.
    pub totals: Totals,
    /// The cuts that cover something or keep something, each once whichever nations know it.
    pub(crate) cuts: Vec<Kept>,
    /// Each nation that answered.
    pub nations: Vec<NationStatus>,
    /// Nations that did not answer.
    pub unanswered: Vec<Unanswered>,
}

/// Counts over all nations that answered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Totals {
    /// Routed and not handed over.
    pub waiting: u64,
    /// Past their deadline, as the cells' alerts say.
    pub overdue: u64,
    /// Delivered to a sidecar whose system has not answered.
    pub delivered_unanswered: u64,
    /// In sidecars' spools.
    pub spooled: u64,
    /// The earliest deadline of what waits.
    pub next_due: Option<Timestamp>,
}

/// One nation.
#[derive(Debug, Clone, Serialize)]
pub struct NationStatus {
    /// Which.
    pub nation: String,
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// Its own tenants.
    pub tenants: Vec<Tenant>,
    /// The cuts as its cell knows them.
    pub(crate) cuts: Vec<Kept>,
    /// What needs a person there, worst first.
    pub alerts: Vec<Alert>,
}

/// One node.
#[derive(Debug, Clone, Serialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Ready to serve.
    pub ready: bool,
    /// Shards that it owns.
    pub shards: u32,
    /// Its newest pulse; none: no node that answered has heard one.
    pub pulse: Option<Pulse>,
    /// Why it gave no answer; its name is then its address.
    pub problem: Option<String>,
}

/// What a node last said of itself in its cell's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pulse {
    /// host:port at which its tenants reach it.
    pub address: String,
    /// It is not taken for gone.
    pub alive: bool,
    /// How old that is, in milliseconds.
    pub age_ms: u64,
    /// The newest control record that it knew.
    pub position: u64,
    /// Shards that it held.
    pub shards: u32,
    /// It enforces the same cuts as the node that told of it.
    pub in_force: bool,
}

/// One tenant.
#[derive(Debug, Clone, Serialize)]
pub struct Tenant {
    /// nation/name.
    pub tenant: String,
    /// Its sidecar is connected.
    pub connected: bool,
    /// The sidecar takes deliveries.
    pub taking: bool,
    /// The cut that covers it now.
    pub cut: Option<String>,
    /// Referrals by state, as their sender.
    pub sent: Map<String, Value>,
    /// Referrals by state, as their destination.
    pub received: Map<String, Value>,
    /// Routed to it and not handed over, by priority.
    pub waiting: Waiting,
    /// The earliest deadline among those.
    pub next_due: Option<Timestamp>,
    /// Delivered to its sidecar, and its system has not answered.
    pub delivered_unanswered: u64,
    /// In its sidecar's spool, as last told.
    pub spooled: u64,
    /// When its certificate expires.
    pub credential_expires: Option<Timestamp>,
    /// 30, 7 or 1: the certificate expires within so many days; 0: it has expired.
    pub credential_days: Option<u32>,
}

/// Routed and not handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "one for each priority")]
pub struct Waiting {
    pub emergency: u64,
    pub urgent: u64,
    pub routine: u64,
}

/// Something for a person.
#[derive(Debug, Clone, Serialize)]
pub struct Alert {
    /// As `explain` takes it.
    pub code: String,
    /// A tenant or nation.
    pub subject: String,
    /// How many referrals.
    pub count: u64,
    /// What to do.
    pub text: String,
}

impl Overview {
    /// Puts the answers together; `silent` when a cell could not be reached.
    pub fn new(
        world: World,
        at: Timestamp,
        answers: Vec<Answered>,
        unanswered: Vec<Unanswered>,
        silent: bool,
    ) -> Self {
        let nations: Vec<_> = answers.into_iter().map(|answer| answer.into_nation(at)).collect();
        let needs_person = silent || nations.iter().any(NationStatus::needs_person);
        let (totals, cuts) = (Totals::of(&nations), cuts(&nations));
        Self { world, at, needs_person, totals, cuts, nations, unanswered }
    }

    /// All tenants, nation by nation.
    pub(super) fn tenants(&self) -> impl Iterator<Item = &Tenant> {
        self.nations.iter().flat_map(|nation| &nation.tenants)
    }

    /// All alerts, nation by nation.
    pub(super) fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.nations.iter().flat_map(|nation| &nation.alerts)
    }
}

impl Totals {
    fn of(nations: &[NationStatus]) -> Self {
        let mut totals = Self::default();
        for nation in nations {
            let overdue = nation.alerts.iter().filter(|alert| alert.code == "OVERDUE");
            totals.overdue += overdue.map(|alert| alert.count).sum::<u64>();
            for tenant in &nation.tenants {
                totals.waiting += tenant.waiting.all();
                totals.delivered_unanswered += tenant.delivered_unanswered;
                totals.spooled += tenant.spooled;
                totals.next_due = totals.next_due.into_iter().chain(tenant.next_due).min();
            }
        }
        totals
    }
}

impl NationStatus {
    pub(super) fn new(answer: v1::GetStatusResponse, at: Timestamp) -> Self {
        let node = |node: v1::NodeStatus| Node {
            name: node.name,
            ready: node.ready,
            shards: node.shards,
            pulse: None,
            problem: None,
        };
        let alert = |alert: v1::Alert| Alert {
            code: alert.code,
            subject: alert.subject,
            count: alert.count,
            text: alert.text,
        };
        Self {
            nation: answer.nation,
            nodes: answer.nodes.into_iter().map(node).collect(),
            cuts: answer.cuts.iter().map(Kept::of).collect(),
            tenants: answer.tenants.into_iter().map(|tenant| Tenant::new(tenant, at)).collect(),
            alerts: answer.alerts.into_iter().map(alert).collect(),
        }
    }

    /// Gives each node its pulse. One that gave no answer is known by its address; one that nobody asked is added.
    pub(super) fn hear(&mut self, pulses: Vec<v1::NodePulse>) {
        for heard in pulses {
            let pulse = Pulse {
                address: heard.address,
                alive: heard.alive,
                age_ms: heard.age_ms,
                position: heard.position,
                shards: heard.shards,
                in_force: heard.in_force,
            };
            let is_it = |node: &&mut Node| node.name == heard.name || node.name == pulse.address;
            match self.nodes.iter_mut().find(is_it) {
                Some(node) => {
                    node.name = heard.name;
                    node.pulse = Some(pulse);
                }
                // A node that was taken away is remembered for a day; it is no node of the cell any more.
                None if !pulse.alive => {}
                None => self.nodes.push(Node {
                    name: heard.name,
                    ready: false,
                    shards: pulse.shards,
                    pulse: Some(pulse),
                    problem: Some("it was not asked".into()),
                }),
            }
        }
    }

    /// Nobody of this nation serves.
    pub(super) fn is_down(&self) -> bool {
        !self.nodes.iter().any(|node| node.ready)
    }

    fn needs_person(&self) -> bool {
        self.is_down() || !self.alerts.is_empty()
    }
}

impl Tenant {
    fn new(wire: v1::TenantStatus, at: Timestamp) -> Self {
        let delivered = wire.received.iter().filter(|count| count.state == v1::State::Delivered as i32);
        let expires = moment(wire.credential_expires);
        Self {
            delivered_unanswered: delivered.map(|count| count.count).sum(),
            tenant: wire.tenant,
            connected: wire.connected,
            taking: wire.taking,
            cut: Some(wire.cut).filter(|cut| !cut.is_empty()),
            sent: counts(&wire.sent),
            received: counts(&wire.received),
            waiting: Waiting {
                emergency: wire.waiting_emergency,
                urgent: wire.waiting_urgent,
                routine: wire.waiting_routine,
            },
            next_due: moment(wire.next_due),
            spooled: wire.spooled,
            credential_expires: expires,
            credential_days: expires.and_then(|expires| days_left(expires, at)),
        }
    }
}

/// Each cut once, in the order in which the nations named them.
fn cuts(nations: &[NationStatus]) -> Vec<Kept> {
    let mut cuts: Vec<Kept> = Vec::new();
    for kept in nations.iter().flat_map(|nation| &nation.cuts) {
        match cuts.iter().position(|known| known.cut.cut_id == kept.cut.cut_id) {
            Some(known) => cuts[known] = cuts[known].clone().and(kept.clone()),
            None => cuts.push(kept.clone()),
        }
    }
    cuts
}

impl Waiting {
    pub(super) fn all(self) -> u64 {
        self.emergency + self.urgent + self.routine
    }
}

/// The mark that the certificate has passed: 30, 7 and 1 days before its end, and the end itself.
fn days_left(expires: Timestamp, now: Timestamp) -> Option<u32> {
    const DAY: i64 = 86_400;
    let seconds = expires.as_second() - now.as_second();
    [0, 1, 7, 30].into_iter().find(|days| seconds <= i64::from(*days) * DAY)
}

fn counts(counts: &[v1::StateCount]) -> Map<String, Value> {
    counts.iter().map(|count| (state_name(count.state), Value::from(count.count))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_named_before_it_expires() {
        let now: Timestamp = "2026-03-01T09:00:00Z".parse().unwrap();
        let check =
            |expires: &str, days| assert_eq!(days_left(expires.parse().unwrap(), now), days, "{expires}");
        check("2026-03-01T08:59:59Z", Some(0));
        check("2026-03-02T08:00:00Z", Some(1));
        check("2026-03-05T09:00:00Z", Some(7));
        check("2026-03-31T09:00:00Z", Some(30));
        check("2026-04-01T09:00:00Z", None);
    }
}
