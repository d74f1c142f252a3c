//! What was said about a cut, in the order of the log, for people who read the account of it.

use bulkhead_model::{FactId, Moment, OperatorId};

/// All that was said about one cut.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// In order.
    pub entries: Vec<TimelineEntry>,
    /// The newest proposal of a restore.
    pub proposal: Option<Proposal>,
}

/// One fact that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEntry {
    /// Where it lies, as it is judged.
    pub moment: Moment,
    /// Who said it.
    pub by: OperatorId,
    /// What, as commands name it.
    pub what: String,
    /// In words.
    pub detail: String,
    /// The node that brought it into the log of this cell.
    pub node: String,
}

/// A proposal of a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// An approval names it.
    pub fact: FactId,
    /// Where it lies.
    pub moment: Moment,
    /// Its author.
    pub by: OperatorId,
    /// What was found.
    pub evidence: String,
    /// Fingerprints of the new certificates.
    pub certificates: Vec<String>,
    /// The new inbox.
    pub inbox: String,
}
