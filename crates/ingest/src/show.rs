//! A referral as senders, receivers and operators see it.

use bulkhead_ledger::{Step, referral_to_wire};
use bulkhead_model::Service;
use bulkhead_wire::{address_to_wire, envelope_to_wire, state_to_wire, time_to_wire, v1};

use crate::lookup::Found;
use crate::recent::Fresh;

/// A found referral without its steps.
pub(crate) fn found(found: &Found) -> v1::Referral {
    match found {
        Found::Shown(row) => referral_to_wire(row),
        Found::Fresh(fresh) => accepted(fresh),
    }
}

/// A referral that was accepted a moment ago.
fn accepted(fresh: &Fresh) -> v1::Referral {
    let accepted_at = Some(time_to_wire(fresh.accepted_at));
    v1::Referral {
        referral_id: fresh.id.to_string(),
        tenant: fresh.tenant.to_string(),
        envelope: Some(envelope_to_wire(&fresh.envelope)),
        state: state_to_wire(fresh.state) as i32,
        payload_bytes: fresh.payload_bytes,
        digest: fresh.digest.to_string(),
        accepted_at,
        updated_at: accepted_at,
        ..Default::default()
    }
}

/// One event.
pub(crate) fn step(step: &Step) -> v1::Step {
    v1::Step {
        at: Some(time_to_wire(step.at)),
        node: step.node.clone(),
        event: step.event.clone(),
        detail: step.detail.clone(),
        counts: step.counts,
    }
}

/// What a sender must know of a service before it submits.
pub(crate) fn service(service: &Service) -> v1::ResolveServiceResponse {
    v1::ResolveServiceResponse {
        service_id: service.id.to_string(),
        tenant: service.host.to_string(),
        protocol: service.protocol.as_str().to_owned(),
        version: service.version.clone(),
        max_bytes: service.max_bytes.unwrap_or(0) as u64,
        identifiers: service.identifiers.iter().map(address_to_wire).collect(),
    }
}
