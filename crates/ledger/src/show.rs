//! A referral as the services show it.

use bulkhead_model::Lifecycle;
use bulkhead_wire::{envelope_to_wire, reason_to_wire, state_to_wire, time_to_wire, v1};

use crate::Row;

/// Its sender took it back, but it went on.
const SENT_AFTER_ALL: &str = "SENT_AFTER_ALL";

/// A referral of the ledger, without its steps.
pub fn referral_to_wire(row: &Row) -> v1::Referral {
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
        cut: referral.lifecycle.cut().map(ToString::to_string).unwrap_or_default(),
        next: String::new(),
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
