//! What a cut would do, before it is made. Its digest covers what the operator decides on (scope, tenants, services,
//! direction, since), never counts, which change while somebody reads.

use std::collections::BTreeSet;

use bulkhead_ledger::Ledger;
use bulkhead_model::{Code, CutCourse, Cuts, Direction, Directory, Nation, Scope, Service, State, TenantId};
use bulkhead_wire::status::Refusal;
use bulkhead_wire::v1::{PlannedFallback, PlannedTenant};
use jiff::Timestamp;
use ring::digest::{SHA256, digest};

const DOMAIN: &str = "bulkhead.v1.Plan\n";

/// Tenants of the same suppliers as these that are none of these.
pub(crate) fn not_covered(covered: &[TenantId], directory: &Directory) -> Vec<TenantId> {
    let supplier = |tenant: &TenantId| directory.tenant(tenant).map(|known| &known.supplier);
    let suppliers: BTreeSet<_> = covered.iter().filter_map(supplier).collect();
    let others = directory.tenants().filter(|tenant| suppliers.contains(&tenant.supplier));
    others.map(|tenant| tenant.id.clone()).filter(|tenant| !covered.contains(tenant)).collect()
}

/// A cut that might be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) scope: Scope,
    pub(crate) direction: Direction,
    pub(crate) since: Timestamp,
    pub(crate) drain_clean: bool,
    /// Whom it covers, in order.
    pub(crate) tenants: Vec<TenantId>,
    /// Their services, in order.
    pub(crate) services: Vec<String>,
}

impl Plan {
    /// What that cut would cover.
    ///
    /// # Errors
    /// When there is nothing of that name.
    pub(crate) fn of(
        directory: &Directory,
        scope: Scope,
        direction: Direction,
        since: Timestamp,
        drain_clean: bool,
    ) -> Result<Self, Refusal> {
        let tenants = scope.tenants(directory);
        if tenants.is_empty() {
            let unknown = format!("the directory has nothing that {scope} names");
            return Err(Refusal::new(Code::ScopeUnknown, unknown).field("scope"));
        }
        let hosted = directory.services().filter(|service| tenants.contains(&service.host));
        let services = hosted.map(|service| service.id.to_string()).collect();
        // Milliseconds are what is signed.
        let since = Timestamp::from_millisecond(since.as_millisecond()).unwrap_or(since);
        Ok(Self { scope, direction, since, drain_clean, tenants, services })
    }

    /// SHA-256 of all that is decided.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let tenants: Vec<_> = self.tenants.iter().map(TenantId::as_str).collect();
        let text = format!(
            "{DOMAIN}scope {}\ndirection {}\nsince {}\ndrain-clean {}\ntenants {}\nservices {}\n",
            self.scope,
            self.direction.as_str(),
            self.since.as_millisecond(),
            self.drain_clean,
            tenants.join(" "),
            self.services.join(" "),
        );
        let digest = digest(&SHA256, text.as_bytes());
        digest.as_ref().try_into().expect("a SHA-256 has 32 bytes")
    }

    /// Tenants of the same suppliers that it leaves alone.
    pub(crate) fn not_covered(&self, directory: &Directory) -> Vec<TenantId> {
        not_covered(&self.tenants, directory)
    }

    /// Services that nobody would take referrals for now.
    pub(crate) fn last_path<'a>(&self, directory: &'a Directory, now: Timestamp) -> Vec<&'a Service> {
        if !self.direction.closes_to() {
            return vec![];
        }
        let is_covered = |service: &&Service| self.tenants.contains(&service.host);
        let has_path = |service: &Service| {
            let agreed = directory.agreed(service);
            agreed.is_some_and(|(fallback, words)| {
                !self.tenants.contains(&fallback.host) && words.iter().any(|word| word.is_open(now))
            })
        };
        directory.services().filter(is_covered).filter(|service| !has_path(service)).collect()
    }

    /// It is about other nations' tenants only: what is closed is this nation's border to them.
    pub(crate) fn is_foreign(&self, home: Nation) -> bool {
        self.tenants.iter().all(|tenant| tenant.nation() != home)
    }

    /// Every tenant is cut off already, in that direction and as far back.
    ///
    /// # Errors
    /// When that is so, with the cut that covers them.
    pub(crate) fn check_not_cut(&self, cuts: &Cuts, directory: &Directory) -> Result<(), Refusal> {
        let covers = |course: &&CutCourse| {
            course.cut().is_some_and(|cut| {
                // Another nation's word counts here for its own tenants alone.
                let carried = course.made().is_some_and(|made| made.home.is_some());
                let heard =
                    !carried || self.tenants.iter().all(|tenant| tenant.nation() == course.id().nation());
                let covered = cut.scope.tenants(directory);
                let same_way = (!self.direction.closes_from() || cut.direction.closes_from())
                    && (!self.direction.closes_to() || cut.direction.closes_to());
                course.stage().is_closed()
                    && heard
                    && same_way
                    && cut.since <= self.since
                    && self
                        .tenants
                        .iter()
                        .all(|tenant| covered.contains(tenant) || cut.tenants.contains(tenant))
            })
        };
        match cuts.active().find(covers) {
            Some(course) => Err(Refusal::new(
                Code::AlreadyCut,
                format!(
                    "{} is cut off already, by {}, as far back as {}",
                    self.scope,
                    course.id(),
                    self.since
                ),
            )),
            None => Ok(()),
        }
    }

    /// Each tenant with its counts of now.
    pub(crate) fn counted(
        &self,
        directory: &Directory,
        ledger: &Ledger,
        now: Timestamp,
    ) -> Result<Vec<PlannedTenant>, bulkhead_ledger::Error> {
        self.tenants.iter().map(|tenant| self.one(tenant, directory, ledger, now)).collect()
    }

    fn one(
        &self,
        tenant: &TenantId,
        directory: &Directory,
        ledger: &Ledger,
        now: Timestamp,
    ) -> Result<PlannedTenant, bulkhead_ledger::Error> {
        let [open_from, open_to, urgent] = ledger.open_counts(tenant)?;
        let suspect = self.since..Timestamp::MAX;
        let sent: Vec<(State, u64)> = ledger.sent_in(tenant, &suspect)?;
        let services: Vec<&Service> =
            directory.services().filter(|service| service.host == *tenant).collect();
        let named: Vec<_> =
            services.iter().filter_map(|service| self.fallback(service, directory, now)).collect();
        Ok(PlannedTenant {
            tenant: tenant.to_string(),
            supplier: directory.tenant(tenant).map(|known| known.supplier.to_string()).unwrap_or_default(),
            services: services.iter().map(|service| service.id.to_string()).collect(),
            open_from,
            open_to,
            urgent,
            suspect: sent.iter().map(|(_, count)| count).sum(),
            handed_over: ledger.recalls(tenant, &suspect)?.iter().map(|(_, count)| count).sum(),
            border_only: false,
            synthetic: directory.tenant(tenant).is_some_and(|known| known.synthetic),
            fallbacks: named.iter().filter(|one| one.open).map(|one| one.service.clone()).collect(),
            named_fallbacks: named,
        })
    }

    /// The fallback that a service names, and whether it would take anything now.
    fn fallback(&self, service: &Service, directory: &Directory, now: Timestamp) -> Option<PlannedFallback> {
        let named = directory.service(service.fallback.as_ref()?)?;
        let words = directory.agreed(service).map(|(_, words)| words).unwrap_or_default();
        let terms: Vec<_> = words.iter().map(ToString::to_string).collect();
        Some(PlannedFallback {
            service: named.id.to_string(),
            instead_of: service.id.to_string(),
            accepted: !words.is_empty(),
            terms: terms.join(" or "),
            open: !self.tenants.contains(&named.host) && words.iter().any(|word| word.is_open(now)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service of `england/a` whose fallback is at `england/b`, which says `word` of it.
    fn directory(word: &str) -> Directory {
        let tenant = |id: &str| format!("[[tenants]]\nid = \"{id}\"\nsupplier = \"m\"\n");
        let service = |id: &str, host: &str, more: &str| {
            format!(
                "[[services]]\nid = \"{id}\"\nhost = \"{host}\"\nprotocol = \"bars\"\nversion = \"1\"\n{more}\n"
            )
        };
        let text = [
            "[[suppliers]]\nid = \"m\"\n".to_owned(),
            tenant("england/a"),
            tenant("england/b"),
            service("england/s", "england/a", "fallback = \"england/f\""),
            service("england/f", "england/b", &format!("takes_over = [{word}]")),
        ];
        crate::parse_directory("d.toml", &text.concat()).unwrap()
    }

    #[test]
    fn a_path_is_left_when_its_hosts_word_covers_this_hour_and_the_cut_leaves_it_alone() {
        let check = |word: &str, scope: &str, at: &str, left: bool, terms: &str| {
            let (directory, now) = (directory(word), at.parse().unwrap());
            let plan = Plan::of(&directory, scope.parse().unwrap(), Direction::Both, now, false).unwrap();
            let service = directory.services().find(|service| service.id.as_str() == "england/s").unwrap();
            let fallback = plan.fallback(service, &directory, now).unwrap();
            let last: Vec<_> = plan.last_path(&directory, now).iter().map(|s| s.id.as_str()).collect();
            assert_eq!(!last.contains(&"england/s"), left, "{word} at {at}");
            assert_eq!((fallback.open, fallback.accepted, &*fallback.terms), (left, !word.is_empty(), terms));
        };
        let (by_day, by_night) = ("2026-01-05T12:00:00Z", "2026-01-05T20:00:00Z");
        let night = "{ from = \"england/s\", hours = [\"mon-fri 18:30-08:00\"] }";
        check("", "england/a", by_night, false, "");
        check("{ from = \"england/s\" }", "england/a", by_day, true, "all, always");
        check("{ from = \"england/s\" }", "supplier:m", by_day, false, "all, always");
        check(night, "england/a", by_day, false, "mon-fri 18:30-08:00");
        check(night, "england/a", by_night, true, "mon-fri 18:30-08:00");
    }
}
