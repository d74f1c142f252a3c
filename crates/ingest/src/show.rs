//! A referral as senders, receivers and operators see it.

use bulkhead_ledger::{Row, Step};
use bulkhead_model::{Lifecycle, Service};
use bulkhead_wire::{address_to_wire, envelope_to_wire, reason_to_wire, state_to_wire, time_to_wire, v1};

use crate::lookup::Found;
use crate::recent::Fresh;

/// Its sender took it back, but it went on.
const SENT_AFTER_ALL: &str = "SENT_AFTER_ALL";

/// A found referral without its steps.
pub(crate) fn found(found: &Found) -> v1::Referral {
    match found {
        Found::Shown(row) => referral(row),
        Found::Fresh(fresh) => accepted(fresh),
    }
}

/// A referral of the ledger, without its steps.
pub(crate) fn referral(row: &Row) -> v1::Referral {
    let (facts, referral) = (&row.facts, &row.referral);
    let sent_after_all = referral.sent_after_all(facts.envelope.attempt);
    v1::Referral {
        referral_id: row.id.to_string(),
        tenant: facts.tenant.to_string(),
        envelope: Some(envelope_to_wire(&facts.envelope)),
        state: state_to_wire(referral.lifecycle.state()) as i32,
        reason: referral.lifecycle.reason().map(reason_to_wire),
        destination: destination(&referral.lifecycle),
        payload_bytes: facts.payload_bytes,
        digest: facts.digest.to_string(),
        accepted_at: Some(time_to_wire(facts.accepted_at)),
        updated_at: Some(time_to_wire(row.updated_at)),
        custody: referral.custody,
        overdue: referral.overdue,
        steps: vec![],
        omissions: referral.omissions.clone(),
        alerts: sent_after_all.then(|| SENT_AFTER_ALL.to_owned()).into_iter().collect(),
    }
}

/// Who has it or will get it: a tenant, or the nation that has it and has not said more.
fn destination(lifecycle: &Lifecycle) -> String {
    match (lifecycle.destination(), lifecycle) {
        (Some(tenant), _) => tenant.to_string(),
        (None, Lifecycle::Carried { by, .. }) => by.to_string(),
        (None, _) => String::new(),
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
