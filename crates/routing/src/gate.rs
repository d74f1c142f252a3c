//! The gate's answer as an event: what an owner writes about a referral that may not go on.

use bulkhead_ledger::Row;
use bulkhead_model::{Answer, Code, CutId, Event, Provenance, Reason, TenantId};

/// What the gate needs to know about a referral of the ledger, on its way to wherever it is going.
pub(crate) fn provenance_of(row: &Row) -> Provenance {
    let facts = &row.facts;
    Provenance {
        id: row.id,
        origin: facts.tenant.clone(),
        destination: row.referral.lifecycle.destination().cloned(),
        accepted_at: Some(facts.accepted_at),
        admitted_at: facts.admitted_at,
        spooled_at: facts.envelope.spooled_at,
        epochs: facts.epochs.clone(),
    }
}

/// Sets aside what the gate does not let through; none when it is open.
pub(crate) fn aside(answer: Answer, to: Option<&TenantId>) -> Option<Event> {
    let to = to.cloned();
    Some(match answer {
        Answer::Open => return None,
        Answer::Hold(cut) => Event::Held { to, reason: sender_is_cut(&cut), cut },
        Answer::Quarantine(cut) => Event::Quarantined { to, reason: sent_under(&cut), cut },
        Answer::DestinationCut(cut) => Event::Held { to, reason: receiver_is_cut(&cut), cut },
    })
}

pub(crate) fn sender_is_cut(cut: &CutId) -> Reason {
    Reason::new(Code::TenantCut, format!("the sender is cut off by {cut}"))
}

pub(crate) fn sent_under(cut: &CutId) -> Reason {
    Reason::new(Code::TenantCut, format!("sent while the sender was under the cut {cut}"))
}

pub(crate) fn receiver_is_cut(cut: &CutId) -> Reason {
    Reason::new(Code::DestinationCut, format!("the receiver is cut off by {cut}"))
}
