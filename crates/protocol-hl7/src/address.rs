//! Whom a message addresses, and where answers to it go.

use bulkhead_format_hl7::Referral;
use bulkhead_model::ServiceAddress;
use bulkhead_translation::tables::codes;

use crate::Config;

/// The service that a referral is for: an identifier of the provider referred to (PRD-7 of the PRD whose role is
/// `RT`), else what the table of addresses has for MSH-6.
pub(crate) fn to(referral: &Referral<'_>, config: &Config) -> Option<ServiceAddress> {
    provider(referral, "RT", config).or_else(|| facility(referral, config))
}

/// The service that refers, as an answer would address it: what its provider's PRD-7 (`RP`) says.
pub(crate) fn from(referral: &Referral<'_>, config: &Config) -> Option<ServiceAddress> {
    provider(referral, "RP", config).filter(|address| codes::is_of_organization(address.system()))
}

/// The table comes first, then an identifier of a service or an organisation, then any that has a system.
fn provider(referral: &Referral<'_>, role: &str, config: &Config) -> Option<ServiceAddress> {
    let with_role = || referral.providers().filter(|provider| provider.has_role(role));
    let ids: Vec<(String, String)> = with_role().flat_map(|provider| provider.identifiers()).collect();
    let listed = ids.iter().find_map(|(value, system)| {
        let written = if system.is_empty() { value.clone() } else { format!("{value}^{system}") };
        config.addresses.get(&written).cloned()
    });
    let stated: Vec<_> = ids.iter().filter_map(|(value, system)| stated(value, system, config)).collect();
    let of_organization = |address: &&ServiceAddress| codes::is_of_organization(address.system());
    listed.or_else(|| stated.iter().find(of_organization).or(stated.first()).cloned())
}

fn stated(value: &str, system: &str, config: &Config) -> Option<ServiceAddress> {
    let known = config.systems.get(system).cloned();
    let system = known.unwrap_or_else(|| codes::identifier_system(system));
    if system.is_empty() {
        return None;
    }
    ServiceAddress::parse(&system, config.retired.get(value).map_or(value, String::as_str)).ok()
}

/// MSH-6 whole, its name, or its universal id, as it is written or under its present code.
fn facility(referral: &Referral<'_>, config: &Config) -> Option<ServiceAddress> {
    let whole = referral.message().header().field(6).text().into_owned();
    let parts = referral.receiving_facility();
    let names = [whole, parts.namespace, parts.universal_id];
    names.iter().filter(|name| !name.is_empty()).find_map(|name| {
        let now = config.retired.get(name).unwrap_or(name);
        config.addresses.get(name).or_else(|| config.addresses.get(now)).cloned()
    })
}
