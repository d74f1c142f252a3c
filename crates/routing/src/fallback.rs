//! Who takes over a referral of the ledger now, and what is said of that when it is handed over.

use bulkhead_ledger::Row;
use bulkhead_model::{Cuts, Directory, Lifecycle, Reason, ServiceId, TenantId, Wanted, fallback};
use bulkhead_wire::{address_to_wire, reason_to_wire, v1};
use jiff::Timestamp;

use crate::gate::provenance_of;
use crate::owner::Shared;

/// The service that takes it over, if one has agreed to, for such a referral and at this time. One that is cut off is
/// none.
pub(crate) fn taking_over<'a>(
    shared: &Shared,
    row: &Row,
    directory: &'a Directory,
    cuts: &Cuts,
) -> Option<&'a ServiceId> {
    let service = directory.resolve(&row.facts.envelope.to)?;
    // A more urgent one of its case has lifted it.
    let priority = row.effective_lane.priority();
    let (kind, bytes) = (row.facts.envelope.kind, row.facts.payload_bytes);
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let wanted = Wanted { kind, priority, bytes, at: Timestamp::now() };
    fallback(&provenance_of(row), service, &wanted, shared.home(), directory, cuts).map(|service| &service.id)
}

/// That a referral which is handed to `to` was for another service; none when it was for one of its own.
///
/// A later one of a case follows the first without a diversion of its own: where it was for a service of another
/// tenant whose fallback is hosted here, it is that one that takes it.
pub(crate) fn diversion(row: &Row, to: &TenantId, directory: &Directory) -> Option<v1::Diversion> {
    let asked = directory.resolve(&row.facts.envelope.to)?;
    let (service, reason) = match decided(&row.referral.lifecycle) {
        Some((service, reason)) => (ServiceId::parse(service).ok()?, Some(reason)),
        None if asked.host == *to => return None,
        None => (asked.fallback.clone()?, None),
    };
    let service = directory.service(&service).filter(|service| service.host == *to)?;
    Some(v1::Diversion {
        from: asked.id.to_string(),
        to: service.id.to_string(),
        to_addresses: service.identifiers.iter().map(address_to_wire).collect(),
        reason: reason.map(reason_to_wire),
    })
}

/// The fallback that was decided on, and why.
fn decided(lifecycle: &Lifecycle) -> Option<(&str, &Reason)> {
    match lifecycle {
        Lifecycle::Diverted { service, reason, .. } => Some((service, reason)),
        Lifecycle::Offered { diversion, .. } | Lifecycle::Delivered { diversion, .. } => {
            diversion.as_ref().map(|diversion| (diversion.service.as_str(), &diversion.reason))
        }
        Lifecycle::Unknown { offer, .. } => decided(offer),
        Lifecycle::Held { at, .. } | Lifecycle::Quarantined { at, .. } => decided(at),
        Lifecycle::Accepted
        | Lifecycle::Routed { .. }
        | Lifecycle::AtBorder { .. }
        | Lifecycle::Carried { .. }
        | Lifecycle::Acknowledged { .. }
        | Lifecycle::Rejected { .. }
        | Lifecycle::Parked { .. }
        | Lifecycle::ReturnPending { .. }
        | Lifecycle::Returned { .. }
        | Lifecycle::Cancelled { .. } => None,
    }
}
