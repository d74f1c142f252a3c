//! A cut and what is said about it afterwards: facts, each with its place in the log of the nation that made it.
//!
//! A fact here has been verified (signature, nonce, expiry) by whoever read it from the control log. What
//! several facts make of one cut is the fold of [`crate::CutCourse`]; what all cuts mean for a record is the
//! gate's answer.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use crate::{CutId, Directory, IdError, Nation, OperatorId, ReferralId, SupplierId, TenantId};

/// What is cut off.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// One environment.
    Tenant(TenantId),
    /// Every environment that runs a company's software.
    Supplier(SupplierId),
    /// Every environment of a nation.
    Nation(Nation),
}

impl Scope {
    /// More than one environment: a second person must confirm it.
    pub fn is_wide(&self) -> bool {
        match self {
            Scope::Tenant(_) => false,
            Scope::Supplier(_) | Scope::Nation(_) => true,
        }
    }

    /// Whether it names that tenant, of that supplier when the directory knows it.
    pub fn names(&self, tenant: &TenantId, supplier: Option<&SupplierId>) -> bool {
        match self {
            Scope::Tenant(named) => named == tenant,
            Scope::Supplier(named) => Some(named) == supplier,
            Scope::Nation(nation) => *nation == tenant.nation(),
        }
    }

    /// The tenants of the directory that it covers, with those that took over from one of them or were taken
    /// over by one.
    pub fn tenants(&self, directory: &Directory) -> Vec<TenantId> {
        let heirs = Heirs::of(directory);
        let named = directory.tenants().filter(|tenant| self.names(&tenant.id, Some(&tenant.supplier)));
        let roots: std::collections::BTreeSet<_> = named.map(|tenant| heirs.canonical(&tenant.id)).collect();
        let covered = directory.tenants().filter(|tenant| roots.contains(heirs.canonical(&tenant.id)));
        covered.map(|tenant| tenant.id.clone()).collect()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Tenant(tenant) => write!(f, "{tenant}"),
            Scope::Supplier(supplier) => write!(f, "supplier:{supplier}"),
            Scope::Nation(nation) => write!(f, "nation:{nation}"),
        }
    }
}

impl FromStr for Scope {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.split_once(':') {
            Some(("supplier", supplier)) => SupplierId::parse(supplier).map(Scope::Supplier),
            Some(("nation", nation)) => nation.parse().map(Scope::Nation),
            _ => TenantId::parse(text).map(Scope::Tenant),
        }
    }
}

/// Which way is closed, from the point of view of the tenant that is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// What it sends.
    From,
    /// What is sent to it.
    To,
    /// Both.
    Both,
}

impl Direction {
    /// As it is written in commands and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::From => "from",
            Direction::To => "to",
            Direction::Both => "both",
        }
    }

    /// Reads what `as_str` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Direction::From, Direction::To, Direction::Both].into_iter().find(|way| way.as_str() == text)
    }

    /// What it sends is closed.
    pub fn closes_from(self) -> bool {
        matches!(self, Direction::From | Direction::Both)
    }

    /// What is sent to it is closed.
    pub fn closes_to(self) -> bool {
        matches!(self, Direction::To | Direction::Both)
    }
}

/// A cut, as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Its name; the nation is its maker.
    pub id: CutId,
    /// Who made it.
    pub by: OperatorId,
    /// What is cut off.
    pub scope: Scope,
    /// Whom its plan named. They stay cut whatever the directory says later.
    pub tenants: Vec<TenantId>,
    /// Which way.
    pub direction: Direction,
    /// From when on what the tenant sent is suspect.
    pub since: Timestamp,
    /// What it sent before goes on.
    pub drain_clean: bool,
    /// Why.
    pub reason: String,
}

impl Cut {
    /// Whom it covers: those that its plan named, and those that its scope names in this directory.
    pub fn covered(&self, directory: &Directory) -> Vec<TenantId> {
        let mut tenants = self.scope.tenants(directory);
        let named = self.tenants.iter().filter(|tenant| !tenants.contains(tenant));
        let named: Vec<_> = named.cloned().collect();
        tenants.extend(named);
        tenants.sort();
        tenants
    }
}

/// A step of the way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Evidence is attached and the new credentials are named, by SHA-256 fingerprint in hex.
    Proposed {
        /// The certificates that the tenant will come back with.
        certificates: Vec<String>,
    },
    /// A second person agrees.
    Approved,
    /// Open towards a few.
    Canary {
        /// Who exchanges referrals with the tenant.
        with: Vec<TenantId>,
    },
    /// Open, at a bounded rate.
    Limited {
        /// Referrals a minute, each way.
        per_minute: u32,
    },
    /// Restored.
    Full,
    /// Closed again; the way back begins anew.
    Aborted,
}

impl Step {
    /// As it is written in commands and JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Step::Proposed { .. } => "proposed",
            Step::Approved => "approved",
            Step::Canary { .. } => "canary",
            Step::Limited { .. } => "limited",
            Step::Full => "full",
            Step::Aborted => "aborted",
        }
    }
}

/// What is said about a cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// It is made.
    Made(Box<Cut>),
    /// A second person stands by it.
    Confirmed,
    /// It was a mistake. In force when two have said so.
    Withdrawn,
    /// A step of the way back.
    Step(Step),
    /// That referral was looked at and may go on.
    Released(ReferralId),
}

/// SHA-256 of the signed bytes of a fact: what two copies of it have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FactId(pub [u8; 32]);

/// A place in a nation's control log, and the time at which the log took what lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Moment {
    /// The offset.
    pub position: u64,
    /// The log's append time.
    pub at: Timestamp,
}

/// Where a fact lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// In the control log of the cell that reads it.
    pub here: Moment,
    /// In the maker's own log, when it was carried from there.
    pub home: Option<Moment>,
}

impl Stamp {
    /// A fact of the nation whose log it lies in.
    pub fn here(position: u64, at: Timestamp) -> Self {
        Self { here: Moment { position, at }, home: None }
    }

    /// By what it is judged: a carried fact by its home time and place.
    pub fn judged(&self) -> Moment {
        self.home.unwrap_or(self.here)
    }
}

/// One fact about one cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutFact {
    /// The same for every copy.
    pub fact: FactId,
    /// Which cut.
    pub cut: CutId,
    /// Whose key signed it.
    pub by: OperatorId,
    /// What it says.
    pub word: Word,
}

/// Who took over from whom: all of one line are one for a cut.
pub(crate) struct Heirs<'a>(std::collections::HashMap<&'a TenantId, &'a TenantId>);

impl<'a> Heirs<'a> {
    pub(crate) fn of(directory: &'a Directory) -> Self {
        let taken_over = |tenant: &'a crate::Tenant| Some((&tenant.id, tenant.successor_of.as_ref()?));
        Self(directory.tenants().filter_map(taken_over).collect())
    }

    /// The first of its line; of a line that bites its own tail, whoever is met first when all are read in order.
    pub(crate) fn canonical<'b>(&self, tenant: &'b TenantId) -> &'b TenantId
    where
        'a: 'b,
    {
        let (mut first, mut least) = (tenant, tenant);
        for _ in 0..=self.0.len() {
            let Some(before) = self.0.get(first) else { return first };
            first = before;
            least = least.min(first);
        }
        least
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::tests::{supplier, tenant};

    #[test]
    fn a_scope_is_read_as_it_is_written() {
        for text in ["wales/wast-111", "supplier:meridian", "nation:northern-ireland"] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
        for text in ["", "wales", "supplier:", "supplier:Meridian", "nation:france", "service:wales/x"] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }

    #[test]
    fn directions_are_the_tenants() {
        let check = |text: &str, expected: (bool, bool)| {
            let way = Direction::parse(text).unwrap();
            assert_eq!((way.closes_from(), way.closes_to()), expected, "{text}");
            assert_eq!(way.as_str(), text);
        };
        check("from", (true, false));
        check("to", (false, true));
        check("both", (true, true));
        assert_eq!(Direction::parse("FROM"), None);
    }

    #[test]
    fn r8_a_scope_covers_those_who_took_over() {
        let mut heir = tenant("england/b");
        heir.successor_of = Some(TenantId::parse("england/a").unwrap());
        let mut second = tenant("england/c");
        second.successor_of = Some(TenantId::parse("england/b").unwrap());
        let tenants = vec![tenant("england/a"), heir, second, tenant("wales/d")];
        let directory = Directory::new(vec![supplier()], tenants, vec![], vec![]).unwrap();
        let check = |scope: &str, expected: &[&str]| {
            let covered = scope.parse::<Scope>().unwrap().tenants(&directory);
            assert_eq!(covered.iter().map(TenantId::as_str).collect::<Vec<_>>(), expected, "{scope}");
        };
        for scope in ["england/a", "england/b", "england/c"] {
            check(scope, &["england/a", "england/b", "england/c"]);
        }
        check("wales/d", &["wales/d"]);
        check("nation:wales", &["wales/d"]);
        check("supplier:meridian", &["england/a", "england/b", "england/c", "wales/d"]);
        check("supplier:other", &[]);
    }
}
