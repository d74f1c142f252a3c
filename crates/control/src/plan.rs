//! What a cut would do, before it is made. Its digest covers what the operator decides on (scope, tenants, services,
//! direction, since), never counts, which change while somebody reads.

use std::collections::BTreeSet;

use bulkhead_ledger::Ledger;
use bulkhead_model::{Code, CutCourse, Cuts, Direction, Directory, Nation, Scope, Service, State, TenantId};
use bulkhead_wire::status::Refusal;
use bulkhead_wire::v1::PlannedTenant;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};

const DOMAIN: &str = "bulkhead.v1.Plan\n";

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
        let supplier = |tenant: &TenantId| directory.tenant(tenant).map(|known| &known.supplier);
        let suppliers: BTreeSet<_> = self.tenants.iter().filter_map(supplier).collect();
        let others = directory.tenants().filter(|tenant| suppliers.contains(&tenant.supplier));
        others.map(|tenant| tenant.id.clone()).filter(|tenant| !self.tenants.contains(tenant)).collect()
    }

    /// Services that nobody would take referrals for any more.
    pub(crate) fn last_path<'a>(&self, directory: &'a Directory) -> Vec<&'a Service> {
        if !self.direction.closes_to() {
            return vec![];
        }
        let is_covered = |service: &&Service| self.tenants.contains(&service.host);
        let has_path = |service: &Service| {
            let fallback =
                service.fallback.as_ref().and_then(|fallback| directory.service(&fallback.service));
            fallback.is_some_and(|fallback| !self.tenants.contains(&fallback.host))
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
    ) -> Result<Vec<PlannedTenant>, bulkhead_ledger::Error> {
        self.tenants.iter().map(|tenant| self.one(tenant, directory, ledger)).collect()
    }

    fn one(
        &self,
        tenant: &TenantId,
        directory: &Directory,
        ledger: &Ledger,
    ) -> Result<PlannedTenant, bulkhead_ledger::Error> {
        let [open_from, open_to, urgent] = ledger.open_counts(tenant)?;
        let suspect = self.since..Timestamp::MAX;
        let sent: Vec<(State, u64)> = ledger.sent_in(tenant, &suspect)?;
        let services: Vec<&Service> =
            directory.services().filter(|service| service.host == *tenant).collect();
        let fallbacks = services.iter().filter_map(|service| service.fallback.as_ref());
        Ok(PlannedTenant {
            tenant: tenant.to_string(),
            supplier: directory.tenant(tenant).map(|known| known.supplier.to_string()).unwrap_or_default(),
            services: services.iter().map(|service| service.id.to_string()).collect(),
            open_from,
            open_to,
            urgent,
            suspect: sent.iter().map(|(_, count)| count).sum(),
            handed_over: ledger.recalls(tenant, &suspect)?.iter().map(|(_, count)| count).sum(),
            synthetic: directory.tenant(tenant).is_some_and(|known| known.synthetic),
            fallbacks: fallbacks.map(|fallback| fallback.service.to_string()).collect(),
        })
    }
}
