//! What can be wrong with a history.

use std::fmt;

use bulkhead_model::State;
use jiff::Timestamp;

/// One fault, with the ids by which it can be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// Accepted, and no ledger knows it.
    Vanished {
        /// The message.
        message_id: String,
    },
    /// A ledger says *acknowledged*, and the receiver never took it.
    NeverArrived {
        /// The message.
        message_id: String,
        /// Who should have it.
        to: String,
    },
    /// Accepted, and still on its way when nothing moves any more.
    Stuck {
        /// The message.
        message_id: String,
        /// Where it stopped.
        state: State,
    },
    /// Taken by somebody whom it is not for.
    Astray {
        /// The message.
        message_id: String,
        /// Whom it is for.
        to: String,
        /// Who took it.
        at: String,
    },
    /// Taken again as if it were new.
    Twice {
        /// The message.
        message_id: String,
        /// Who took it.
        at: String,
    },
    /// Taken under two ids.
    UnderTwoIds {
        /// The message.
        message_id: String,
        /// The ids under which it came.
        ids: Vec<String>,
    },
    /// Taken under an id that belongs to nothing that was sent.
    Stranger {
        /// The id under which it came.
        message_id: String,
        /// Its case.
        case: Option<String>,
        /// Who took it.
        at: String,
    },
    /// Repeated although nothing had crashed since the time before.
    NeedlessRepeat {
        /// The message.
        message_id: String,
        /// Who took it.
        at: String,
    },
    /// Repeated with other bytes.
    RepeatChanged {
        /// The message.
        message_id: String,
        /// Who took it.
        at: String,
    },
    /// Two messages of a case were taken in the wrong order.
    OutOfOrder {
        /// The case.
        case: String,
        /// Sent first.
        first: String,
        /// Sent later, taken earlier.
        later: String,
    },
    /// Other bytes arrived than were sent, and nothing was to be translated.
    BytesDiffer {
        /// The message.
        message_id: String,
        /// What was sent.
        sent: String,
        /// What arrived.
        arrived: String,
    },
    /// A ledger's digest is not that of what was sent.
    DigestDiffers {
        /// The message.
        message_id: String,
        /// Whose ledger.
        nation: String,
    },
    /// Two nations say different things of it.
    LedgersDisagree {
        /// The message.
        message_id: String,
        /// Each nation with its state.
        said: Vec<(String, State)>,
    },
    /// Its sender was told no, and it was received, and nothing says so.
    ReceivedThoughRefused {
        /// The message.
        message_id: String,
        /// Who took it.
        at: String,
    },
    /// The sender never got a definite answer, however often it asked.
    NeverAnswered {
        /// The message.
        message_id: String,
    },
    /// Given back or diverted before its deadline, and no cut of its receiver was a reason to.
    NotDue {
        /// The message.
        message_id: String,
        /// To whom it was diverted; none: it was given back.
        to: Option<String>,
        /// When.
        at: Timestamp,
    },
    /// The broker said that it has it when it could not be durable.
    AcceptedInOutage {
        /// The message.
        message_id: String,
        /// When its sender was told.
        at: Timestamp,
    },
    /// Accepted from a tenant that had been cut off for longer than anything takes.
    AcceptedWhileCut {
        /// The message.
        message_id: String,
        /// The cut.
        cut: String,
        /// When the log took it.
        at: Timestamp,
    },
    /// A hand-over to a tenant that was cut off began.
    OfferedToCut {
        /// The message.
        message_id: String,
        /// The cut.
        cut: String,
        /// When.
        at: Timestamp,
    },
    /// Of what a cut tenant sent, something was handed over that the cut kept.
    SuspectHandedOver {
        /// The message.
        message_id: String,
        /// The cut.
        cut: String,
        /// When.
        at: Timestamp,
    },
    /// Every cut is over, and it is still kept for one.
    StuckAfterCut {
        /// The message.
        message_id: String,
        /// Where.
        state: State,
    },
    /// In quarantine, and no cut could call it suspect, or each has released it.
    NeedlesslyQuarantined {
        /// The message.
        message_id: String,
    },
    /// The sender is told another state than the one it is in.
    ToldOtherwise {
        /// The message.
        message_id: String,
        /// What the sender is told.
        told: State,
        /// What it is.
        state: State,
    },
    /// A credential of before a restore opened a session.
    OldCredentialLetIn {
        /// Whose.
        tenant: String,
        /// Which.
        fingerprint: String,
        /// What was said.
        words: String,
    },
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Vanished { message_id } => write!(f, "{message_id} was accepted and no ledger knows it"),
            Wrong::NeverArrived { message_id, to } => {
                write!(f, "{message_id} is acknowledged and {to} never took it")
            }
            Wrong::Stuck { message_id, state } => write!(f, "{message_id} stays {}", state.as_str()),
            Wrong::Astray { message_id, to, at } => write!(f, "{message_id} is for {to} and {at} took it"),
            Wrong::Twice { message_id, at } => write!(f, "{at} took {message_id} twice as if it were new"),
            Wrong::UnderTwoIds { message_id, ids } => {
                write!(f, "{message_id} was taken under several ids: {}", ids.join(", "))
            }
            Wrong::Stranger { message_id, case, at } => {
                write!(f, "{at} took {message_id} (case {case:?}), which nobody sent")
            }
            Wrong::NeedlessRepeat { message_id, at } => {
                write!(f, "{message_id} was repeated to {at} and nothing had crashed")
            }
            Wrong::RepeatChanged { message_id, at } => {
                write!(f, "{message_id} was repeated to {at} with other bytes")
            }
            Wrong::OutOfOrder { case, first, later } => {
                write!(f, "case {case}: {later} was taken before {first}, which was sent first")
            }
            Wrong::BytesDiffer { message_id, sent, arrived } => {
                write!(f, "{message_id} was sent as {sent} and arrived as {arrived}")
            }
            Wrong::DigestDiffers { message_id, nation } => {
                write!(f, "{message_id} has another digest in the ledger of {nation}")
            }
            Wrong::LedgersDisagree { message_id, said } => {
                let said: Vec<_> =
                    said.iter().map(|(nation, state)| format!("{nation} {}", state.as_str())).collect();
                write!(f, "{message_id}: {}", said.join(", "))
            }
            Wrong::ReceivedThoughRefused { message_id, at } => {
                write!(f, "the sender of {message_id} was told no and {at} took it")
            }
            Wrong::NeverAnswered { message_id } => write!(f, "{message_id} never had a definite answer"),
            Wrong::NotDue { message_id, to: None, at } => {
                write!(f, "{message_id} was given back at {at}, and nothing was due")
            }
            Wrong::NotDue { message_id, to: Some(to), at } => {
                write!(f, "{message_id} was diverted to {to} at {at}, and nothing was due")
            }
            Wrong::AcceptedInOutage { message_id, at } => {
                write!(f, "{message_id} was accepted at {at}, while nothing could become durable")
            }
            Wrong::AcceptedWhileCut { message_id, cut, at } => {
                write!(f, "{message_id} was accepted at {at}, while its sender was cut off by {cut}")
            }
            Wrong::OfferedToCut { message_id, cut, at } => {
                write!(
                    f,
                    "a hand-over of {message_id} began at {at}, while its receiver was cut off by {cut}"
                )
            }
            Wrong::SuspectHandedOver { message_id, cut, at } => {
                write!(f, "{message_id} is kept by {cut}, and a hand-over of it began at {at}")
            }
            Wrong::StuckAfterCut { message_id, state } => {
                write!(f, "{message_id} stays {} though every cut is over", state.as_str())
            }
            Wrong::NeedlesslyQuarantined { message_id } => {
                write!(f, "{message_id} is in quarantine and no cut makes it suspect")
            }
            Wrong::ToldOtherwise { message_id, told, state } => {
                write!(f, "the sender of {message_id} is told {} and it is {}", told.as_str(), state.as_str())
            }
            Wrong::OldCredentialLetIn { tenant, fingerprint, words } => {
                write!(f, "{tenant} came in with its old credential {fingerprint}: {words}")
            }
        }
    }
}
