//! What can happen to a referral. Each event is one decision of the owner who had custody.

use jiff::Timestamp;

use crate::{CutId, Nation, Reason, State, TenantId};

/// Where bytes lie in the log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Topic name.
    pub topic: String,
    /// Partition of the topic.
    pub partition: u32,
    /// Offset in the partition.
    pub offset: u64,
}

/// One decision about one referral.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Custody passes to the destination; the bytes wait in its compartment.
    Routed {
        /// The tenant that hosts the service.
        to: TenantId,
        /// The record of `out`.
        bytes: Place,
    },
    /// The bytes wait at the border; custody stays.
    ToBorder {
        /// The other nation.
        nation: Nation,
        /// The far tenant that hosts the service.
        to: TenantId,
        /// The record of `border`.
        bytes: Place,
    },
    /// Written before the first frame to the other nation.
    Carrying {
        /// The other nation.
        nation: Nation,
    },
    /// The far nation has it: custody passes.
    Carried {
        /// The nation that has it.
        nation: Nation,
    },
    /// The far door refused it: this attempt never goes there.
    BorderRefused {
        /// The nation that refused.
        nation: Nation,
        /// The cut for which it did: then it waits for that cut to end.
        cut: Option<CutId>,
        /// Why.
        reason: Reason,
    },
    /// Written before the last frame.
    Offered {
        /// From 1, rises with each offer.
        attempt: u32,
    },
    /// Durable in the receiving sidecar.
    Delivered {
        /// The offer that was taken.
        attempt: u32,
        /// The inbox that has it.
        inbox: String,
    },
    /// Not taken this time.
    Retry {
        /// The offer that was not taken.
        attempt: u32,
        /// Why.
        cause: String,
        /// Whether it counts against the referral's budget.
        spends_budget: bool,
    },
    /// Stored by the receiving system.
    Acknowledged {
        /// The local system's own answer.
        answer: String,
        /// What the target format could not carry, by name.
        omissions: Vec<String>,
    },
    /// Refused by the receiving system.
    Rejected {
        /// Why.
        reason: Reason,
    },
    /// Set aside: a person must look.
    Parked {
        /// Why.
        reason: Reason,
    },
    /// Set aside until a cut ends.
    Held {
        /// The destination, when it is known.
        to: Option<TenantId>,
        /// The cut.
        cut: CutId,
        /// Why.
        reason: Reason,
    },
    /// Set aside until a release names it.
    Quarantined {
        /// The destination, when it is known.
        to: Option<TenantId>,
        /// The cut.
        cut: CutId,
        /// Why.
        reason: Reason,
    },
    /// It goes on from where it was set aside.
    Resumed {
        /// What let it, for example a cut's end or a person.
        by: String,
    },
    /// It was handed over to a tenant that was then cut off; its outcome is not known.
    Unknown {
        /// The cut.
        cut: CutId,
        /// Why.
        reason: Reason,
    },
    /// The receiving sidecar gave it up before its system had it: it is in quarantine.
    Recalled {
        /// The cut of its sender.
        cut: CutId,
        /// Why.
        reason: Reason,
    },
    /// Beside the lifecycle: it could not be recalled, its receiver's system has it.
    NotRecalled {
        /// The cut of its sender.
        cut: CutId,
        /// What the receiving sidecar said.
        answer: String,
    },
    /// Its deadline has passed and it was not handed over.
    Overdue,
    /// Given back; not confirmed yet.
    ReturnPending {
        /// Whom it was for, when it is decided only now; what was known before stays.
        to: Option<TenantId>,
        /// Why.
        reason: Reason,
    },
    /// Given back and confirmed.
    Returned {
        /// Who confirmed it.
        by: String,
    },
    /// Custody passes to the host of the agreed fallback.
    Diverted {
        /// The fallback's host.
        to: TenantId,
        /// The fallback service.
        service: String,
        /// The record of the fallback's `out`.
        bytes: Place,
        /// Why.
        reason: Reason,
    },
    /// Taken back before it was handed over.
    Cancelled {
        /// Why.
        reason: Reason,
    },
    /// Beside the lifecycle: attempts up to n are taken back by the origin.
    Withdrawn {
        /// The last attempt that is taken back.
        up_to: u32,
    },
    /// Beside the lifecycle: the nation that it came from has confirmed what it was told.
    Told {
        /// The version of the referral that it knows.
        version: u64,
    },
    /// Beside the lifecycle: the sender's system was told, in its own protocol, that it went wrong.
    SenderTold {
        /// The version with which it came into the state that it was told of.
        version: u64,
        /// The system's own answer.
        answer: String,
    },
    /// From the nation that has it.
    Reported {
        /// Its state there.
        state: State,
        /// Why, when there is a reason.
        reason: Option<Reason>,
        /// Who has it there.
        destination: Option<TenantId>,
        /// Rises with each report.
        sequence: u64,
        /// When it was decided there.
        at: Timestamp,
        /// What the target format could not carry, by name.
        omissions: Vec<String>,
    },
}

impl Event {
    /// The event's name, as traces show it.
    pub fn name(&self) -> &'static str {
        match self {
            Event::Routed { .. } => "routed",
            Event::ToBorder { .. } => "to-border",
            Event::Carrying { .. } => "carrying",
            Event::Carried { .. } => "carried",
            Event::BorderRefused { .. } => "border-refused",
            Event::Offered { .. } => "offered",
            Event::Delivered { .. } => "delivered",
            Event::Retry { .. } => "retry",
            Event::Acknowledged { .. } => "acknowledged",
            Event::Rejected { .. } => "rejected",
            Event::Parked { .. } => "parked",
            Event::Held { .. } => "held",
            Event::Quarantined { .. } => "quarantined",
            Event::Resumed { .. } => "resumed",
            Event::Unknown { .. } => "unknown",
            Event::Recalled { .. } => "recalled",
            Event::NotRecalled { .. } => "not-recalled",
            Event::Overdue => "overdue",
            Event::ReturnPending { .. } => "return-pending",
            Event::Returned { .. } => "returned",
            Event::Diverted { .. } => "diverted",
            Event::Cancelled { .. } => "cancelled",
            Event::Withdrawn { .. } => "withdrawn",
            Event::Told { .. } => "told",
            Event::SenderTold { .. } => "sender-told",
            Event::Reported { .. } => "reported",
        }
    }

    /// The cut whose doing it is.
    pub fn cut(&self) -> Option<CutId> {
        match self {
            Event::Held { cut, .. }
            | Event::Quarantined { cut, .. }
            | Event::Unknown { cut, .. }
            | Event::Recalled { cut, .. }
            | Event::NotRecalled { cut, .. } => Some(cut.clone()),
            Event::Diverted { reason, .. } | Event::ReturnPending { reason, .. } => reason.cut(),
            Event::Reported { reason, .. } => reason.as_ref().and_then(Reason::cut),
            _ => None,
        }
    }

    /// What it says, in words.
    pub fn detail(&self) -> String {
        match self {
            Event::Routed { to, .. } => format!("to {to}"),
            Event::ToBorder { nation, to, .. } => format!("for {to}, at the border to {nation}"),
            Event::Carrying { nation } | Event::Carried { nation } => format!("to {nation}"),
            Event::BorderRefused { nation, reason, .. } => format!("by {nation}: {reason}"),
            Event::Offered { attempt } => format!("attempt {attempt}"),
            Event::Delivered { attempt, .. } => {
                format!("on attempt {attempt}, durable in the receiving sidecar")
            }
            Event::Retry { attempt, cause, spends_budget } => {
                format!(
                    "attempt {attempt}: {cause}{}",
                    if *spends_budget { "" } else { " (no budget spent)" }
                )
            }
            Event::Acknowledged { answer, omissions } => {
                let left_out = match omissions.len() {
                    0 => String::new(),
                    n => format!("; {n} items not carried: {}", omissions.join(", ")),
                };
                format!("stored by the receiving system ({answer}), not yet seen by a clinician{left_out}")
            }
            Event::Rejected { reason } | Event::Parked { reason } | Event::ReturnPending { reason, .. } => {
                reason.to_string()
            }
            Event::Held { reason, .. }
            | Event::Quarantined { reason, .. }
            | Event::Unknown { reason, .. }
            | Event::Recalled { reason, .. } => reason.to_string(),
            Event::Resumed { by } => format!("by {by}"),
            Event::NotRecalled { cut, answer } => {
                format!("its sender was cut off by {cut}, and its receiver has it ({answer})")
            }
            Event::Overdue => "its deadline has passed".into(),
            Event::Returned { by } => format!("confirmed by {by}"),
            Event::Diverted { to, service, reason, .. } => format!("to {service} of {to}: {reason}"),
            Event::Cancelled { reason } => reason.to_string(),
            Event::Withdrawn { up_to } => format!("attempts up to {up_to} taken back"),
            Event::Told { .. } => "the nation that it came from knows".into(),
            Event::SenderTold { answer, .. } => format!("its sender's system knows ({answer})"),
            Event::Reported { state, reason, destination, .. } => {
                let there = destination.as_ref().map(|to| format!(" at {to}")).unwrap_or_default();
                let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                format!("{}{there}{why}", state.as_str())
            }
        }
    }
}

/// An event with the custody number that its author held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    /// Rises with each change of custody.
    pub custody: u32,
    /// What was decided.
    pub event: Event,
}
