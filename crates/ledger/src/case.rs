//! What a referral is kept in order with.

use bulkhead_model::{CaseId, CaseKey, Envelope, TenantId};

/// Between the parts of a service's key. No id may hold a control character, so parts cannot run together.
const UNIT: char = '\u{1f}';

/// The case that a referral of this sender belongs to.
///
/// The service is the key of the address as it was written, since a ledger has no directory. A referral without a
/// case id is a case of its own, told from a real case by the service part, so that no case id can collide with it.
pub fn case_key(tenant: &TenantId, envelope: &Envelope) -> CaseKey {
    let (system, value) = envelope.to.key();
    match &envelope.case_id {
        Some(case) => {
            CaseKey { tenant: tenant.clone(), service: format!("{system}{UNIT}{value}"), case: case.clone() }
        }
        None => CaseKey {
            tenant: tenant.clone(),
            service: format!("{system}{UNIT}{value}{UNIT}message"),
            case: CaseId::parse(envelope.message_id.as_str())
                .expect("a message id and a case id allow the same texts"),
        },
    }
}
