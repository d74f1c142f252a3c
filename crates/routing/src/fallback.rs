//! Who takes over a referral of the ledger now.

use bulkhead_ledger::Row;
use bulkhead_model::{Cuts, Directory, ServiceId, Wanted, fallback};
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
    let wanted = Wanted { kind: row.facts.envelope.kind, priority, at: Timestamp::now() };
    fallback(&provenance_of(row), service, &wanted, shared.home(), directory, cuts).map(|service| &service.id)
}
