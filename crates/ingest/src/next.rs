//! Who decides what next: about a cut, and about a referral that waits for one or for a person. In words, with the
//! command to type; the words say nothing that only one nation could know.

use bulkhead_ledger::Row;
use bulkhead_model::{CutCourse, CutId, Cuts, Lifecycle, Stage};

/// About a cut that covers something, or keeps something although it covers nothing any more.
pub(crate) fn about_cut(course: &CutCourse) -> String {
    let (id, nation) = (course.id(), course.id().nation());
    match course.stage() {
        Stage::InForce => format!(
            "an operator of {nation} proposes the way back, `bulkhead restore {id} propose`; one that was a mistake \
             two of them withdraw within 60 min, `bulkhead cuts withdraw {id}`"
        ),
        Stage::Proposed => format!(
            "a second operator of {nation} reads the proposal and approves it, `bulkhead restore {id} approve`, or \
             breaks it off, `bulkhead restore {id} abort`"
        ),
        Stage::Approved => format!(
            "an operator of {nation} opens it towards a few, `bulkhead restore {id} advance canary --with TENANT`"
        ),
        Stage::Canary => format!(
            "an operator of {nation} looks at what the few exchange, then `bulkhead restore {id} advance limited` or \
             `abort`"
        ),
        Stage::Limited => format!(
            "an operator of {nation} looks at what comes, then `bulkhead restore {id} advance full` or `abort`"
        ),
        Stage::Restored => {
            format!("operators of {nation} see to what is left in quarantine, `bulkhead quarantine list`")
        }
        Stage::Withdrawn => "what it kept goes on by itself".into(),
        Stage::Unmade => "it is not known what it closes".into(),
    }
}

/// About a cut that closes nothing before a second person confirms it.
pub(crate) fn about_pending(id: &CutId) -> String {
    let nation = id.nation();
    format!("a second operator of {nation} confirms it, `bulkhead cuts confirm {id}`, and then it closes")
}

/// About a referral; empty when nobody has to decide anything.
pub(crate) fn about_referral(row: &Row, cuts: &Cuts) -> String {
    let id = row.id;
    let lifecycle = &row.referral.lifecycle;
    let what_cut = |cut: &CutId| match cuts.course(cut) {
        Some(course) => match course.cut() {
            Some(made) => format!("the cut {cut} of {} ({})", made.scope, course.stage().as_str()),
            None => format!("the cut {cut}"),
        },
        None => format!("the cut {cut}"),
    };
    match lifecycle {
        Lifecycle::Held { cut, .. } => {
            let ended = cuts.course(cut).is_some_and(|course| !course.stage().is_active());
            let overdue = row.facts.envelope.deadline.is_some_and(|due| due <= jiff::Timestamp::now());
            match (ended, overdue) {
                (true, true) => format!(
                    "{} has ended and its deadline has passed: an operator says whether it still goes, \
                     `bulkhead held release {id}`, or `held return`, `held mark-handled`",
                    what_cut(cut)
                ),
                (true, false) => format!("{} has ended: it goes on by itself", what_cut(cut)),
                (false, _) => format!(
                    "it goes on when {} ends, which only operators of {} decide; until then an operator may send it \
                     elsewhere or give it back, `bulkhead held divert|return|mark-handled {id}`",
                    what_cut(cut),
                    cut.nation()
                ),
            }
        }
        Lifecycle::Quarantined { cut, .. } => format!(
            "it is suspect under {}, also after the restore: two operators of {} release it, `bulkhead quarantine \
             release --cut {cut} {id}`, or one rejects it, `bulkhead quarantine reject --cut {cut} {id}`",
            what_cut(cut),
            cut.nation()
        ),
        Lifecycle::Unknown { cut, .. } => format!(
            "its receiver may have it: {} came before its answer. A person phones the receiver; its own answer counts \
             when it is back",
            what_cut(cut)
        ),
        Lifecycle::ReturnPending { .. } => format!(
            "a person phones its sender and sees that somebody has it, then `bulkhead held mark-handled {id}`"
        ),
        Lifecycle::Parked { .. } => {
            format!("an operator reads the reason and decides, `bulkhead held release|return|mark-handled {id}`")
        }
        _ if row.referral.not_recalled => {
            "its sender was cut off and its receiver has it all the same: a person tells the receiver not to trust it"
                .into()
        }
        Lifecycle::Accepted
        | Lifecycle::Routed { .. }
        | Lifecycle::AtBorder { .. }
        | Lifecycle::Carried { .. }
        | Lifecycle::Offered { .. }
        | Lifecycle::Delivered { .. }
        | Lifecycle::Acknowledged { .. }
        | Lifecycle::Rejected { .. }
        | Lifecycle::Returned { .. }
        | Lifecycle::Diverted { .. }
        | Lifecycle::Cancelled { .. } => String::new(),
    }
}
