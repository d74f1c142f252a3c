//! NHS Pathways dispositions: how soon, and in which lane.
//!
//! No complete list is public. These rows are those of the UEC slot mapping (contact and speak to primary care),
//! the Directory of Services documentation (repeat prescriptions) and CodeSystem triage-outcome-dx-codes of the
//! BaRS guide. A code that is not here is kept as it is, blocks nothing, and counts as urgent.

use bulkhead_model::Priority;
use bulkhead_model::Priority::{Emergency, Routine, Urgent};

/// One code: the lane that it asks for, and within how many minutes from triage, where that is a span.
pub type Disposition = (&'static str, Priority, Option<u32>);

/// The known codes.
#[rustfmt::skip]
pub const DISPOSITIONS: &[Disposition] = &[
    // Emergency treatment centre within 1 hour; ambulance of category 3; immediate call back.
    ("Dx02", Emergency, Some(60)), ("Dx0122", Urgent, None), ("Dx335", Emergency, None),
    // Contact primary care.
    ("Dx05", Urgent, Some(120)), ("Dx06", Urgent, Some(360)), ("Dx07", Urgent, Some(720)), ("Dx08", Urgent, Some(1440)),
    ("Dx75", Routine, None), ("Dx09", Routine, None), ("Dx10", Routine, None),
    // Speak to primary care. Dx115 is the next working day: days, but its own word is not "routine".
    ("Dx11", Urgent, Some(60)), ("Dx12", Urgent, Some(120)), ("Dx13", Urgent, Some(360)), ("Dx14", Urgent, Some(720)),
    ("Dx15", Urgent, Some(1440)), ("Dx115", Urgent, None), ("Dx117", Urgent, Some(60)),
    // Repeat prescriptions.
    ("Dx85", Urgent, Some(120)), ("Dx80", Urgent, Some(360)), ("Dx86", Urgent, Some(720)), ("Dx87", Urgent, Some(1440)),
];

/// Ambulance categories (CodeSystem arp-priority-codes): 1 life-threatening and 2 emergency, then 3 to 5.
pub const AMBULANCE: &[(&str, Priority)] =
    &[("C1", Emergency), ("C2", Emergency), ("C3", Urgent), ("C4", Urgent), ("C5", Urgent)];

/// The row of a code, in whichever case it is written.
pub fn disposition(code: &str) -> Option<&'static Disposition> {
    DISPOSITIONS.iter().find(|row| row.0.eq_ignore_ascii_case(code.trim()))
}
