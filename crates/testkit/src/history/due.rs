//! What may leave its way: nothing is diverted or given back before its deadline, unless its receiver is cut off.

use jiff::Timestamp;

use super::{History, Submit, Turn, Wrong};

/// Where a referral went instead of to its receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detour {
    /// When its custodian decided so.
    pub at: Timestamp,
    /// The fallback; none: it was given back to its sender.
    pub to: Option<String>,
}

/// Each at its time.
pub(super) fn detours(history: &History, submit: &Submit, wrong: &mut Vec<Wrong>) {
    for Detour { at, to } in &submit.detours {
        let is_late = submit.deadline.is_some_and(|deadline| deadline <= *at);
        if !is_late && !was_cut_off_by(history, &submit.to, *at) {
            wrong.push(Wrong::NotDue { message_id: submit.message_id.clone(), to: to.clone(), at: *at });
        }
    }
}

/// Whether its fallback may have it.
pub(super) fn was_diverted_to(submit: &Submit, at: &str) -> bool {
    submit.detours.iter().any(|detour| detour.to.as_deref() == Some(at))
}

fn was_cut_off_by(history: &History, receiver: &str, by: Timestamp) -> bool {
    let of_receiver = history.cuts.iter().filter(|cut| cut.to && cut.tenant == receiver);
    of_receiver.flat_map(|cut| &cut.turns).any(|turn| match turn {
        Turn::Closed { at, .. } => *at <= by,
        Turn::Open { .. } | Turn::Withdrawn { .. } => false,
    })
}
