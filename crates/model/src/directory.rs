//! Who is who: suppliers, tenants, services, grants, fallbacks, operators of all nations.
//!
//! A directory that exists is whole: every service has its host, every grant its tenant, every fallback its service.

use std::collections::{BTreeMap, HashMap};

use crate::{Nation, OperatorId, ServiceAddress, ServiceId, SupplierId, TakesOver, TenantId};

/// The company whose software tenants run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supplier {
    /// Its id.
    pub id: SupplierId,
    /// For screens.
    pub name: String,
}

/// What a tenant may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// Largest payload in bytes.
    pub payload_bytes: usize,
    /// Calls a second, and as many again in a burst.
    pub calls_per_second: u32,
    /// Bytes received and not yet durable, over all its calls.
    pub unread_bytes: usize,
    /// Connections at a time.
    pub connections: usize,
    /// What its referrals that are not settled may weigh in one nation: their payloads, and 1 KiB each.
    pub unsettled_bytes: u64,
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            payload_bytes: 5 << 20,
            calls_per_second: 2_000,
            unread_bytes: 64 << 20,
            connections: 64,
            unsettled_bytes: 32 << 30,
        }
    }
}

/// One environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Whose software it runs.
    pub supplier: SupplierId,
    /// The tenant whose work it has taken over: a cut of one covers the other.
    pub successor_of: Option<TenantId>,
    /// SHA-256 fingerprints (hex) of certificates that are no longer its own.
    pub revoked: Vec<String>,
    /// What it may use.
    pub quota: Quota,
    /// It exists for drills alone: no patient is behind anything that it sends.
    pub synthetic: bool,
}

/// What a service's system speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// BaRS as in England.
    Bars,
    /// BaRS as the Welsh e-referrals service has it.
    BarsWales,
    /// HL7 v2 REF over MLLP.
    Hl7v2,
}

impl Protocol {
    /// As it is written in the directory.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Bars => "bars",
            Protocol::BarsWales => "bars-wales",
            Protocol::Hl7v2 => "hl7v2",
        }
    }

    /// Reads what `as_str` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Protocol::Bars, Protocol::BarsWales, Protocol::Hl7v2].into_iter().find(|p| p.as_str() == text)
    }
}

/// What the custodian does when a deadline passes before hand-over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OnDeadline {
    /// Alerts and keeps trying.
    Alert,
    /// Gives it back, so that a human phones.
    #[default]
    Return,
    /// Sends it to the agreed fallback; without one, gives it back.
    Divert,
}

/// An address that a referral is sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// The tenant that hosts it.
    pub host: TenantId,
    /// Every identifier by which the four nations' protocols may address it.
    pub identifiers: Vec<ServiceAddress>,
    /// What its system speaks.
    pub protocol: Protocol,
    /// The version of that protocol.
    pub version: String,
    /// Largest document that its system takes, in bytes; none: no limit of its own.
    pub max_bytes: Option<usize>,
    /// Who may send to it; none: every tenant of the directory.
    pub grants: Option<Vec<TenantId>>,
    /// What happens when a deadline passes before hand-over.
    pub on_deadline: OnDeadline,
    /// The service that is to take over, hosted in the same nation. It does so on its own host's word alone.
    pub fallback: Option<ServiceId>,
    /// For whom it takes over itself, as its host has accepted.
    pub takes_over: Vec<TakesOver>,
}

impl Service {
    /// Whether that tenant may send to it.
    pub fn takes_from(&self, tenant: &TenantId) -> bool {
        self.grants.as_ref().is_none_or(|grants| grants.contains(tenant))
    }
}

/// A person with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Nation and name.
    pub id: OperatorId,
    /// Ed25519 public key, hex.
    pub public_key: String,
    /// The supplier that it works for, if it does: it approves no restore of that supplier's tenants.
    pub supplier: Option<SupplierId>,
    /// How many cuts it may make in an hour before a second person must agree.
    pub cuts_per_hour: u32,
}

impl Operator {
    /// The budget of one whose directory does not say.
    pub const CUTS_PER_HOUR: u32 = 3;
}

/// What does not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The same id twice.
    #[error("{0} appears twice")]
    Twice(String),
    /// A reference to something that is not there.
    #[error("{from} names {to}, which is not in the directory")]
    Missing {
        /// What refers.
        from: String,
        /// What is missing.
        to: String,
    },
    /// Two services with one address.
    #[error("{first} and {second} have the same identifier")]
    SameAddress {
        /// One.
        first: ServiceId,
        /// The other.
        second: ServiceId,
    },
    /// A fallback in another nation: custody could not pass to it.
    #[error("the fallback of {0} is in another nation")]
    FarFallback(ServiceId),
    /// A service takes over for one that names another fallback, or none.
    #[error("{service} takes over from {from}, which does not name it as its fallback")]
    NotItsFallback {
        /// Who takes over.
        service: ServiceId,
        /// For whom.
        from: ServiceId,
    },
}

/// Suppliers, tenants, services and operators of all nations.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    suppliers: BTreeMap<SupplierId, Supplier>,
    tenants: BTreeMap<TenantId, Tenant>,
    services: BTreeMap<ServiceId, Service>,
    operators: BTreeMap<OperatorId, Operator>,
    addresses: HashMap<(String, String), ServiceId>,
}

impl Directory {
    /// Checks that everything fits together.
    ///
    /// # Errors
    /// The first thing that does not.
    pub fn new(
        suppliers: Vec<Supplier>,
        tenants: Vec<Tenant>,
        services: Vec<Service>,
        operators: Vec<Operator>,
    ) -> Result<Self, DirectoryError> {
        let mut directory = Self::default();
        for supplier in suppliers {
            let id = supplier.id.clone();
            once(directory.suppliers.insert(id.clone(), supplier).is_none(), &id)?;
        }
        for tenant in tenants {
            let id = tenant.id.clone();
            present(directory.suppliers.contains_key(&tenant.supplier), &id, &tenant.supplier)?;
            once(directory.tenants.insert(id.clone(), tenant).is_none(), &id)?;
        }
        for tenant in directory.tenants.values() {
            if let Some(before) = &tenant.successor_of {
                present(directory.tenants.contains_key(before), &tenant.id, before)?;
            }
        }
        for service in services {
            directory.add_service(service)?;
        }
        for service in directory.services.values() {
            directory.check_fallback(service)?;
            directory.check_takes_over(service)?;
        }
        for operator in operators {
            let id = operator.id.clone();
            if let Some(supplier) = &operator.supplier {
                present(directory.suppliers.contains_key(supplier), &id, supplier)?;
            }
            once(directory.operators.insert(id.clone(), operator).is_none(), &id)?;
        }
        Ok(directory)
    }

    fn add_service(&mut self, service: Service) -> Result<(), DirectoryError> {
        let id = service.id.clone();
        present(self.tenants.contains_key(&service.host), &id, &service.host)?;
        for tenant in service.grants.iter().flatten() {
            present(self.tenants.contains_key(tenant), &id, tenant)?;
        }
        for address in &service.identifiers {
            if let Some(other) = self.addresses.insert(address.key(), id.clone())
                && other != id
            {
                return Err(DirectoryError::SameAddress { first: other, second: id });
            }
        }
        once(self.services.insert(id.clone(), service).is_none(), &id)
    }

    fn check_fallback(&self, service: &Service) -> Result<(), DirectoryError> {
        let Some(fallback) = &service.fallback else { return Ok(()) };
        let host = self.services.get(fallback).map(|fallback| &fallback.host);
        present(host.is_some(), &service.id, fallback)?;
        if host.is_some_and(|host| host.nation() != service.host.nation()) {
            return Err(DirectoryError::FarFallback(service.id.clone()));
        }
        Ok(())
    }

    fn check_takes_over(&self, service: &Service) -> Result<(), DirectoryError> {
        for word in &service.takes_over {
            let from = self.services.get(&word.from);
            present(from.is_some(), &service.id, &word.from)?;
            if from.is_some_and(|from| from.fallback.as_ref() != Some(&service.id)) {
                let (service, from) = (service.id.clone(), word.from.clone());
                return Err(DirectoryError::NotItsFallback { service, from });
            }
        }
        Ok(())
    }

    /// The tenant of that id.
    pub fn tenant(&self, id: &TenantId) -> Option<&Tenant> {
        self.tenants.get(id)
    }

    /// Every tenant.
    pub fn tenants(&self) -> impl Iterator<Item = &Tenant> {
        self.tenants.values()
    }

    /// Every tenant of that nation.
    pub fn tenants_of(&self, nation: Nation) -> impl Iterator<Item = &Tenant> {
        self.tenants.values().filter(move |tenant| tenant.id.nation() == nation)
    }

    /// Every supplier.
    pub fn suppliers(&self) -> impl Iterator<Item = &Supplier> {
        self.suppliers.values()
    }

    /// The operator of that id.
    pub fn operator(&self, id: &OperatorId) -> Option<&Operator> {
        self.operators.get(id)
    }

    /// Every operator.
    pub fn operators(&self) -> impl Iterator<Item = &Operator> {
        self.operators.values()
    }

    /// Every service.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// The service of that id.
    pub fn service(&self, id: &ServiceId) -> Option<&Service> {
        self.services.get(id)
    }

    /// The service that an address means: a service id when it has no system, else by any of its identifiers.
    pub fn resolve(&self, address: &ServiceAddress) -> Option<&Service> {
        if address.system().is_empty() {
            return ServiceId::parse(address.value()).ok().and_then(|id| self.services.get(&id));
        }
        self.addresses.get(&address.key()).and_then(|id| self.services.get(id))
    }
}

fn once(first: bool, id: &impl ToString) -> Result<(), DirectoryError> {
    if first { Ok(()) } else { Err(DirectoryError::Twice(id.to_string())) }
}

fn present(found: bool, from: &impl ToString, to: &impl ToString) -> Result<(), DirectoryError> {
    if found { Ok(()) } else { Err(DirectoryError::Missing { from: from.to_string(), to: to.to_string() }) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn service(id: &str, host: &str, dos: &str) -> Service {
        Service {
            id: ServiceId::parse(id).unwrap(),
            host: TenantId::parse(host).unwrap(),
            identifiers: vec![ServiceAddress::parse("https://fhir.nhs.uk/Id/dos-service-id", dos).unwrap()],
            protocol: Protocol::Bars,
            version: "1".into(),
            max_bytes: None,
            grants: None,
            on_deadline: OnDeadline::Return,
            fallback: None,
            takes_over: vec![],
        }
    }

    /// All of it, always.
    pub(crate) fn takes_over(from: &str) -> TakesOver {
        TakesOver { from: ServiceId::parse(from).unwrap(), kinds: None, priorities: None, hours: None }
    }

    pub(crate) fn tenant(id: &str) -> Tenant {
        Tenant {
            id: TenantId::parse(id).unwrap(),
            supplier: SupplierId::parse("meridian").unwrap(),
            successor_of: None,
            revoked: vec![],
            quota: Quota::default(),
            synthetic: false,
        }
    }

    pub(crate) fn supplier() -> Supplier {
        Supplier { id: SupplierId::parse("meridian").unwrap(), name: "Meridian".into() }
    }

    pub(crate) fn directory(services: Vec<Service>) -> Result<Directory, DirectoryError> {
        let tenants = vec![tenant("england/a"), tenant("england/b"), tenant("wales/c")];
        Directory::new(vec![supplier()], tenants, services, vec![])
    }

    #[test]
    fn an_address_is_found_however_it_is_spelt() {
        let directory = directory(vec![service("england/s", "england/a", "2000011147")]).unwrap();
        let spelt = ServiceAddress::parse("http://fhir.nhs.uk/id/dos-service-id", "2000011147").unwrap();
        assert_eq!(directory.resolve(&spelt).map(|s| s.host.as_str()), Some("england/a"));
        let by_id = ServiceAddress::parse("", "england/s").unwrap();
        assert!(directory.resolve(&by_id).is_some());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let twice = vec![service("england/s", "england/a", "1"), service("england/t", "england/b", "1")];
        assert!(matches!(directory(twice), Err(DirectoryError::SameAddress { .. })));
        let homeless = vec![service("england/s", "england/x", "1")];
        assert!(matches!(directory(homeless), Err(DirectoryError::Missing { .. })));
        let mut far = service("england/s", "england/a", "1");
        far.fallback = ServiceId::parse("wales/f").ok();
        assert!(matches!(
            directory(vec![far, service("wales/f", "wales/c", "2")]),
            Err(DirectoryError::FarFallback(_))
        ));
        let mut unasked = service("england/f", "england/b", "3");
        unasked.takes_over = vec![takes_over("england/s")];
        let services = vec![service("england/s", "england/a", "1"), unasked.clone()];
        assert!(matches!(directory(services), Err(DirectoryError::NotItsFallback { .. })));
        assert!(matches!(directory(vec![unasked]), Err(DirectoryError::Missing { .. })));
    }
}
