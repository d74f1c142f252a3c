//! What a referral says, whichever format it came in: the view of format-bars and what that has no room for.

use bulkhead_format_bars::ReferralView;

use crate::answer::ClinicalDecision;

/// What a message does to its case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Act {
    /// A new request.
    #[default]
    Request,
    /// A change of an earlier one.
    Update,
    /// An earlier one is taken back.
    Cancel,
    /// A clinical answer.
    Response(ClinicalDecision),
}

/// A referral, read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    /// What it does.
    pub(crate) act: Act,
    /// A request to validate a triage rather than a transfer of care.
    pub(crate) validation: bool,
    /// What it says.
    pub(crate) view: ReferralView,
    /// Of each patient identifier in the view: who assigned it and of which type, where a system does not say it.
    pub(crate) numbers: Vec<Assigned>,
    /// FHIR's priority code, where one is stated (RF1-2, `ServiceRequest.priority`).
    pub(crate) priority: Option<String>,
}

/// Who assigned an identifier, and of which type it is: CX-4.1 and CX-5.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Assigned {
    /// The assigner's local name.
    pub(crate) by: Option<String>,
    /// The type of table 0203, such as `MR`.
    pub(crate) kind: Option<String>,
}
