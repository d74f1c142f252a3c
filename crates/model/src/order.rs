//! What a person orders for referrals that are set aside. Whoever decides for each of them does it.

use crate::{CutId, Moment, OperatorId, ReferralId};

/// One order, as the control log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Where it lies.
    pub moment: Moment,
    /// Who.
    pub by: OperatorId,
    /// What.
    pub ordered: Ordered,
    /// For which.
    pub referrals: Vec<ReferralId>,
    /// Why, or how it was handled; free of patient data.
    pub note: String,
}

/// What is to become of a referral that is set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ordered {
    /// It is tried again.
    Release,
    /// It goes to the fallback.
    Divert,
    /// It goes back to its sender.
    Return,
    /// A person handled it by other means.
    Handled,
    /// It is quarantined by that cut and never goes on.
    Rejected(CutId),
}
