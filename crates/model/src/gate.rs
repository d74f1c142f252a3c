//! The gate: it is asked about a record, not about a tenant.
//!
//! From a tenant, a record is *suspect* under a cut if it was first accepted at or after `since`, unless it was both
//! first accepted after that cut's restore and admitted under an epoch at or after it. Skew always counts towards
//! quarantine. It is asked at every step: ingest before and after the append, routing, the border door, the courier,
//! delivery before the last frame. The answer is looked up in an index, made whenever cuts or directory change.

mod over;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use self::over::Over;
use crate::cut::Heirs;
use crate::{
    Cut, CutCourse, CutId, Cuts, Direction, Directory, Moment, Nation, ReferralId, Scope, Stage, TenantId,
};

/// How far two clocks that are compared may be apart, in microseconds.
const SKEW: i64 = 2_000_000;

/// What the gate needs to know about a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// Which referral it is: a release names it.
    pub id: ReferralId,
    /// Who sent it first.
    pub origin: TenantId,
    /// Who gets it, when that is known.
    pub destination: Option<TenantId>,
    /// The broker's append time of the first acceptance; none before that.
    pub accepted_at: Option<Timestamp>,
    /// The admitting node's clock.
    pub admitted_at: Timestamp,
    /// When the sender's sidecar had it, when it says so: what lay in a spool while its system was under a cut is as
    /// suspect as what was sent then.
    pub spooled_at: Option<Timestamp>,
    /// The control positions that its doors admitted it under.
    pub epochs: Vec<(Nation, u64)>,
}

/// What the gate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Open,
    /// From a cut tenant and not suspect: keep it until that cut ends.
    Hold(CutId),
    /// Suspect: keep it until a release names it.
    Quarantine(CutId),
    /// For a cut tenant: it does not go there while that cut is in force.
    DestinationCut(CutId),
}

impl Answer {
    /// Nothing stands in its way.
    pub fn is_open(&self) -> bool {
        *self == Answer::Open
    }

    /// The cut that stands in its way.
    pub fn cut(&self) -> Option<&CutId> {
        match self {
            Answer::Open => None,
            Answer::Hold(cut) | Answer::Quarantine(cut) | Answer::DestinationCut(cut) => Some(cut),
        }
    }
}

/// One cut as the gate sees it.
#[derive(Debug)]
struct Gate {
    id: CutId,
    /// It still covers its scope.
    is_active: bool,
    direction: Direction,
    drain_clean: bool,
    since: i64,
    /// From where on what is accepted is not suspect.
    opening: Option<(Moment, i64)>,
    /// Open towards these alone; none: as the stage says.
    with: HashSet<TenantId>,
    is_closed: bool,
    is_limited: bool,
    /// At the limited stage: referrals a minute, each way.
    per_minute: Option<u32>,
    releases: Arc<HashMap<ReferralId, Moment>>,
    certificates: Vec<String>,
}

impl Gate {
    fn of(course: &CutCourse, cut: &Cut) -> Self {
        let stage = course.stage();
        // What comes after the cut is suspect, whatever instant its maker named.
        let made = course.made().map(|stamp| stamp.judged().at).into_iter().chain(course.early()).min();
        let since = made.map_or(cut.since, |made| made.min(cut.since));
        let opening = course.opening();
        Self {
            id: course.id().clone(),
            is_active: stage.is_active(),
            direction: cut.direction,
            drain_clean: cut.drain_clean,
            since: since.as_microsecond(),
            opening: opening.map(|opening| (opening.moment, opening.moment.at.as_microsecond())),
            with: course.canary_with().iter().cloned().collect(),
            is_closed: stage.is_closed(),
            is_limited: stage == Stage::Limited,
            per_minute: course.per_minute(),
            releases: course.releases().clone(),
            certificates: opening.map(|opening| opening.certificates.clone()).unwrap_or_default(),
        }
    }

    /// What it says of a record from a tenant that it covers; none: go on.
    fn from(&self, record: &Provenance) -> Option<Answer> {
        if self.releases.contains_key(&record.id) {
            return None;
        }
        if self.is_suspect(record) {
            return Some(Answer::Quarantine(self.id.clone()));
        }
        let goes_on = !self.is_active
            || self.drain_clean
            || self.is_limited
            || record.destination.as_ref().is_some_and(|to| self.with.contains(to));
        (!goes_on).then(|| Answer::Hold(self.id.clone()))
    }

    fn is_suspect(&self, record: &Provenance) -> bool {
        let admitted = record.admitted_at.as_microsecond();
        let accepted = record.accepted_at.map_or(admitted, Timestamp::as_microsecond);
        if accepted.max(admitted).saturating_add(SKEW) < self.since {
            return false;
        }
        let Some((opening, opened_at)) = &self.opening else { return true };
        let spooled = record.spooled_at.map_or(admitted, Timestamp::as_microsecond);
        let earliest = accepted.min(admitted).min(spooled);
        let maker = self.id.nation();
        let epochs = record.epochs.iter().filter(|(nation, _)| *nation == maker);
        let newest = epochs.map(|(_, position)| *position).max();
        earliest.saturating_sub(SKEW) <= *opened_at || newest.is_none_or(|epoch| epoch < opening.position)
    }

    /// Whether a record of that sender may go to a tenant that it covers.
    fn lets_in(&self, origin: &TenantId) -> bool {
        !self.is_active || self.is_limited || self.with.contains(origin)
    }

    fn closes_from(&self) -> bool {
        self.is_closed && self.direction.closes_from()
    }

    fn closes_to(&self) -> bool {
        self.is_closed && self.direction.closes_to()
    }
}

/// The index: by tenant, the cuts that cover it now or did.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    by_tenant: HashMap<TenantId, Over>,
    /// Those of whole nations, for tenants that the directory does not know.
    by_nation: [Over; Nation::ALL.len()],
}

impl Gates {
    pub(crate) fn of<'a>(courses: impl Iterator<Item = &'a CutCourse>, directory: &Directory) -> Self {
        let mut gates = Self::default();
        let mut lines: Option<Lines<'_>> = None;
        for course in courses {
            let Some(cut) = course.cut().filter(|_| course.stage() != Stage::Withdrawn) else { continue };
            let lines = lines.get_or_insert_with(|| Lines::of(directory));
            // A carried cut of another nation is about that nation's own tenants.
            let carried = course.made().is_some_and(|made| made.home.is_some());
            let gate = Arc::new(Gate::of(course, cut));
            for tenant in lines.covered(cut) {
                if !carried || tenant.nation() == course.id().nation() {
                    gates.by_tenant.entry(tenant.clone()).or_default().push(gate.clone());
                }
            }
            if let Scope::Nation(nation) = &cut.scope
                && (!carried || *nation == course.id().nation())
            {
                gates.by_nation[*nation as usize].push(gate);
            }
        }
        gates
    }

    fn over(&self, tenant: &TenantId) -> &[Arc<Gate>] {
        self.all_over(tenant).gates()
    }

    fn all_over(&self, tenant: &TenantId) -> &Over {
        self.by_tenant.get(tenant).unwrap_or_else(|| &self.by_nation[tenant.nation() as usize])
    }
}

/// The tenants of a directory by line of succession.
struct Lines<'a> {
    heirs: Heirs<'a>,
    directory: &'a Directory,
    by_canonical: HashMap<&'a TenantId, Vec<&'a TenantId>>,
}

impl<'a> Lines<'a> {
    fn of(directory: &'a Directory) -> Self {
        let heirs = Heirs::of(directory);
        let mut by_canonical: HashMap<_, Vec<_>> = HashMap::new();
        for tenant in directory.tenants() {
            by_canonical.entry(heirs.canonical(&tenant.id)).or_default().push(&tenant.id);
        }
        Self { heirs, directory, by_canonical }
    }

    /// Whom a cut covers: those that it names, by its plan or by its scope, and their lines.
    fn covered<'b>(&'b self, cut: &'b Cut) -> BTreeSet<&'b TenantId> {
        let mut named: BTreeSet<&TenantId> = cut.tenants.iter().collect();
        match &cut.scope {
            Scope::Tenant(tenant) => {
                named.insert(tenant);
            }
            scope => named.extend(
                self.directory
                    .tenants()
                    .filter(|tenant| scope.names(&tenant.id, Some(&tenant.supplier)))
                    .map(|tenant| &tenant.id),
            ),
        }
        let lines = named.iter().flat_map(|tenant| {
            self.by_canonical.get(self.heirs.canonical(tenant)).into_iter().flatten().copied()
        });
        let lines: Vec<_> = lines.collect();
        named.extend(lines);
        named
    }
}

impl Cuts {
    /// May this record go on?
    pub fn ask(&self, record: &Provenance) -> Answer {
        if let Some(answer) = self.ask_of_sender(record) {
            return answer;
        }
        let Some(to) = &record.destination else { return Answer::Open };
        let over = self.gates.all_over(to);
        if !over.may_close_to() {
            return Answer::Open;
        }
        let mut over = over.gates().iter().filter(|gate| gate.direction.closes_to());
        match over.find(|gate| !gate.lets_in(&record.origin)) {
            Some(gate) => Answer::DestinationCut(gate.id.clone()),
            None => Answer::Open,
        }
    }

    /// What the cuts of its sender say; none: go on.
    fn ask_of_sender(&self, record: &Provenance) -> Option<Answer> {
        let over = self.gates.all_over(&record.origin);
        let is_clean = over.is_suspect_to_none(record);
        if is_clean && !over.may_hold() {
            return None;
        }
        let mut held = None;
        for gate in over.gates().iter().filter(|gate| gate.direction.closes_from()) {
            match gate.from(record) {
                Some(answer @ Answer::Quarantine(_)) => return Some(answer),
                Some(answer) if is_clean => return Some(answer),
                Some(answer) => held = held.or(Some(answer)),
                None => {}
            }
        }
        held
    }

    /// The same as [`Cuts::ask`], by asking every cut.
    #[cfg(test)]
    pub(crate) fn ask_each(&self, record: &Provenance) -> Answer {
        let from = self.gates.over(&record.origin).iter().filter(|gate| gate.direction.closes_from());
        let said: Vec<_> = from.filter_map(|gate| gate.from(record)).collect();
        let quarantined = said.iter().find(|answer| matches!(answer, Answer::Quarantine(_)));
        if let Some(answer) = quarantined.or(said.first()) {
            return answer.clone();
        }
        let to = record.destination.iter().flat_map(|to| self.gates.over(to));
        let mut to = to.filter(|gate| gate.direction.closes_to());
        let closed = to.find(|gate| !gate.lets_in(&record.origin));
        closed.map_or(Answer::Open, |gate| Answer::DestinationCut(gate.id.clone()))
    }

    /// The cut that closes all that this tenant sends.
    pub fn covers_from(&self, tenant: &TenantId) -> Option<&CutId> {
        self.gates.over(tenant).iter().find(|gate| gate.closes_from()).map(|gate| &gate.id)
    }

    /// The cut that closes all that is sent to this tenant.
    pub fn covers_to(&self, tenant: &TenantId) -> Option<&CutId> {
        self.gates.over(tenant).iter().find(|gate| gate.closes_to()).map(|gate| &gate.id)
    }

    /// The cut for which this tenant has no business with us at all: its connections are severed, and no handshake of
    /// it succeeds.
    pub fn severs(&self, tenant: &TenantId) -> Option<&CutId> {
        let from = self.covers_from(tenant)?;
        self.covers_to(tenant).map(|_| from)
    }

    /// The cut whose restore made this credential an old one: it was not issued later, and neither that restore nor one
    /// that came after it named it.
    pub fn outdates(&self, tenant: &TenantId, fingerprint: &str, issued_at: Timestamp) -> Option<&CutId> {
        let issued_at = issued_at.as_microsecond();
        // Another nation's cut is about its border, not about how the tenant comes to its own cell.
        let own = |gate: &&Arc<Gate>| gate.id.nation() == tenant.nation() && gate.direction.closes_from();
        let gates = self.gates.over(tenant);
        let names = |gate: &&Arc<Gate>| gate.certificates.iter().any(|known| known == fingerprint);
        let named_at = gates.iter().filter(own).filter(names).filter_map(|gate| gate.opening).max();
        let old = |gate: &&Arc<Gate>| {
            gate.opening.is_some_and(|opening| issued_at <= opening.1 && named_at < Some(opening))
        };
        gates.iter().filter(own).find(old).map(|gate| &gate.id)
    }

    /// Whether this tenant came back from a cut, so that its older credentials are no more.
    pub fn has_past(&self, tenant: &TenantId) -> bool {
        self.gates.over(tenant).iter().any(|gate| gate.opening.is_some())
    }

    /// How many referrals a minute this tenant may send, and the cut that says so, while it is on its way back.
    pub fn paces_from(&self, tenant: &TenantId) -> Option<(u32, &CutId)> {
        self.paces(tenant, Direction::closes_from)
    }

    /// How many referrals a minute it may be handed, and the cut that says so, while it is on its way back.
    pub fn paces_to(&self, tenant: &TenantId) -> Option<(u32, &CutId)> {
        self.paces(tenant, Direction::closes_to)
    }

    fn paces(&self, tenant: &TenantId, way: impl Fn(Direction) -> bool) -> Option<(u32, &CutId)> {
        let gates = self.gates.over(tenant).iter().filter(|gate| way(gate.direction));
        gates.filter_map(|gate| Some((gate.per_minute?, &gate.id))).min_by_key(|(per_minute, _)| *per_minute)
    }

    /// Every tenant that a cut covers or covered and that is known by name.
    pub fn touched(&self) -> impl Iterator<Item = TenantId> {
        self.gates.by_tenant.keys().cloned().collect::<Vec<_>>().into_iter()
    }

    /// The cut for which these two exchange nothing, or only in one direction.
    pub fn is_off(&self, tenant: &TenantId, towards: &TenantId) -> Option<&CutId> {
        let over = self.gates.over(tenant).iter();
        over.clone().find(|gate| !gate.lets_in(towards)).map(|gate| &gate.id)
    }

    /// A cut that covers this tenant now: one that is closed, if there is one.
    pub fn covering(&self, tenant: &TenantId) -> Option<&CutId> {
        let over = || self.gates.over(tenant).iter().filter(|gate| gate.is_active);
        over().find(|gate| gate.is_closed).or_else(|| over().next()).map(|gate| &gate.id)
    }

    /// Whether some cut covers this tenant now, at whatever stage and in whatever direction.
    pub fn touches(&self, tenant: &TenantId) -> bool {
        self.gates.over(tenant).iter().any(|gate| gate.is_active)
    }
}
