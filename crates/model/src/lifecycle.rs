//! Where a referral is in its life, and what each event does to it.
//!
//! Each variant holds what is true in that state. `apply` names every state, so a new one is met everywhere.

use crate::event::Place;
use crate::{Code, CutId, Event, Nation, Reason, State, TenantId};

/// An event that cannot happen in a state. The event is void.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event} cannot follow {state}", state = state.as_str())]
pub struct Illegal {
    /// The event's name.
    pub event: &'static str,
    /// The state that it met.
    pub state: State,
}

/// The one present state of a referral, with what is true in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Lifecycle {
    /// Durable, not yet decided.
    #[default]
    Accepted,
    /// Waits in the destination's compartment.
    Routed {
        /// The destination.
        to: TenantId,
        /// The record of `out`.
        bytes: Place,
    },
    /// Waits at the border, or is on its way over it.
    AtBorder {
        /// The other nation.
        nation: Nation,
        /// The far tenant.
        to: TenantId,
        /// The record of `border`.
        bytes: Place,
        /// An attempt was begun: from now on only the far nation's answer ends this.
        carrying: bool,
    },
    /// Another nation has it.
    Carried {
        /// Which.
        by: Nation,
        /// What it last reported.
        there: Option<There>,
    },
    /// Being handed over.
    Offered {
        /// The destination.
        to: TenantId,
        /// The record of `out`.
        bytes: Place,
        /// The newest offer.
        attempt: u32,
        /// It was diverted here: what is not taken waits as diverted again.
        diversion: Option<Diversion>,
        /// Another inbox has taken it before and may have passed it on: it is never open again.
        taken_by: Option<String>,
    },
    /// Durable in the receiving sidecar.
    Delivered {
        /// The destination.
        to: TenantId,
        /// The record of `out`.
        bytes: Place,
        /// The offer that was taken.
        attempt: u32,
        /// The inbox that has it.
        inbox: String,
        /// It was diverted here.
        diversion: Option<Diversion>,
    },
    /// Stored by the receiving system.
    Acknowledged {
        /// The destination.
        to: TenantId,
        /// Its own answer.
        answer: String,
    },
    /// Refused by the receiving system.
    Rejected {
        /// The destination; none when it was refused in a quarantine before one was known.
        to: Option<TenantId>,
        /// Why.
        reason: Reason,
    },
    /// Set aside: a person must look.
    Parked {
        /// The destination, when it was known.
        to: Option<TenantId>,
        /// The bytes, when they were routed.
        bytes: Option<Place>,
        /// Why.
        reason: Reason,
    },
    /// Set aside until a cut ends: not suspect, and it cannot go on.
    Held {
        /// What it was, and will be again: open.
        at: Box<Lifecycle>,
        /// The destination, when it was known.
        to: Option<TenantId>,
        /// The cut.
        cut: CutId,
        /// Why.
        reason: Reason,
    },
    /// Set aside until a release names it: its sender was under a cut.
    Quarantined {
        /// What it was, and will be again: open.
        at: Box<Lifecycle>,
        /// The destination, when it was known.
        to: Option<TenantId>,
        /// The cut.
        cut: CutId,
        /// Why.
        reason: Reason,
    },
    /// Handed over when a cut of the receiver came in force, and no answer that can be believed.
    Unknown {
        /// The offer.
        offer: Box<Lifecycle>,
        /// The cut.
        cut: CutId,
        /// Why.
        reason: Reason,
    },
    /// Given back, also by the nation that had it; not confirmed.
    ReturnPending {
        /// Whom it was for, when that was known: those who would have had it must know too.
        to: Option<TenantId>,
        /// Why.
        reason: Reason,
    },
    /// Given back and confirmed.
    Returned {
        /// Whom it was for, when that was known.
        to: Option<TenantId>,
        /// By whom.
        by: String,
    },
    /// Waits in the compartment of the fallback's host.
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
    /// Taken back.
    Cancelled {
        /// Why.
        reason: Reason,
    },
}

/// Why a referral is with a fallback, kept while it is handed over there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diversion {
    /// The fallback service.
    pub service: String,
    /// Why.
    pub reason: Reason,
}

/// What the nation that has a referral last reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct There {
    /// Its state there.
    pub state: State,
    /// Why.
    pub reason: Option<Reason>,
    /// Who has it there.
    pub destination: Option<TenantId>,
    /// The report's number.
    pub sequence: u64,
}

impl Lifecycle {
    /// The name of the state. A carried referral shows what the nation that has it last reported.
    pub fn state(&self) -> State {
        match self {
            Lifecycle::Accepted => State::Accepted,
            Lifecycle::Routed { .. } | Lifecycle::AtBorder { .. } => State::Routed,
            Lifecycle::Carried { there: None, .. } => State::Carried,
            Lifecycle::Carried { there: Some(there), .. } => match there.state {
                State::Accepted | State::Routed => State::Carried,
                state => state,
            },
            Lifecycle::Offered { .. } => State::Offered,
            Lifecycle::Delivered { .. } => State::Delivered,
            Lifecycle::Acknowledged { .. } => State::Acknowledged,
            Lifecycle::Rejected { .. } => State::Rejected,
            Lifecycle::Parked { .. } => State::Parked,
            Lifecycle::Held { .. } => State::Held,
            Lifecycle::Quarantined { .. } => State::Quarantined,
            Lifecycle::Unknown { .. } => State::Unknown,
            Lifecycle::ReturnPending { .. } => State::ReturnPending,
            Lifecycle::Returned { .. } => State::Returned,
            Lifecycle::Diverted { .. } => State::Diverted,
            Lifecycle::Cancelled { .. } => State::Cancelled,
        }
    }

    /// Why it is in that state, when there is a reason.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Lifecycle::Rejected { reason, .. }
            | Lifecycle::Parked { reason, .. }
            | Lifecycle::Held { reason, .. }
            | Lifecycle::Quarantined { reason, .. }
            | Lifecycle::Unknown { reason, .. }
            | Lifecycle::ReturnPending { reason, .. }
            | Lifecycle::Diverted { reason, .. }
            | Lifecycle::Cancelled { reason } => Some(reason),
            Lifecycle::Carried { there, .. } => there.as_ref().and_then(|there| there.reason.as_ref()),
            Lifecycle::Accepted
            | Lifecycle::Routed { .. }
            | Lifecycle::AtBorder { .. }
            | Lifecycle::Offered { .. }
            | Lifecycle::Delivered { .. }
            | Lifecycle::Acknowledged { .. }
            | Lifecycle::Returned { .. } => None,
        }
    }

    /// The tenant that has it or will get it, or whom it was for when it was given back; when one is known.
    pub fn destination(&self) -> Option<&TenantId> {
        match self {
            Lifecycle::Routed { to, .. }
            | Lifecycle::AtBorder { to, .. }
            | Lifecycle::Offered { to, .. }
            | Lifecycle::Delivered { to, .. }
            | Lifecycle::Acknowledged { to, .. }
            | Lifecycle::Diverted { to, .. } => Some(to),
            Lifecycle::Rejected { to, .. }
            | Lifecycle::Parked { to, .. }
            | Lifecycle::Held { to, .. }
            | Lifecycle::Quarantined { to, .. }
            | Lifecycle::ReturnPending { to, .. }
            | Lifecycle::Returned { to, .. } => to.as_ref(),
            Lifecycle::Unknown { offer, .. } => offer.destination(),
            Lifecycle::Carried { there, .. } => there.as_ref().and_then(|there| there.destination.as_ref()),
            Lifecycle::Accepted | Lifecycle::Cancelled { .. } => None,
        }
    }

    /// Nobody has it but its sender: whoever comes after it in its case does not follow it.
    pub fn is_given_back(&self) -> bool {
        matches!(self, Lifecycle::ReturnPending { .. } | Lifecycle::Returned { .. })
    }

    /// Where its bytes wait to be handed over, when they do.
    pub fn bytes(&self) -> Option<&Place> {
        match self {
            Lifecycle::Routed { bytes, .. }
            | Lifecycle::AtBorder { bytes, .. }
            | Lifecycle::Offered { bytes, .. }
            | Lifecycle::Delivered { bytes, .. }
            | Lifecycle::Diverted { bytes, .. } => Some(bytes),
            Lifecycle::Parked { bytes, .. } => bytes.as_ref(),
            Lifecycle::Held { at, .. } | Lifecycle::Quarantined { at, .. } => at.bytes(),
            Lifecycle::Unknown { offer, .. } => offer.bytes(),
            Lifecycle::Accepted
            | Lifecycle::Carried { .. }
            | Lifecycle::Acknowledged { .. }
            | Lifecycle::Rejected { .. }
            | Lifecycle::ReturnPending { .. }
            | Lifecycle::Returned { .. }
            | Lifecycle::Cancelled { .. } => None,
        }
    }

    /// Not handed over yet and free to be diverted, returned or taken back by whoever has custody.
    pub fn is_open(&self) -> bool {
        match self {
            Lifecycle::Accepted | Lifecycle::Routed { .. } | Lifecycle::Diverted { .. } => true,
            Lifecycle::AtBorder { carrying, .. } => !carrying,
            Lifecycle::Held { at, .. } => at.is_open(),
            Lifecycle::Carried { .. }
            | Lifecycle::Offered { .. }
            | Lifecycle::Delivered { .. }
            | Lifecycle::Acknowledged { .. }
            | Lifecycle::Rejected { .. }
            | Lifecycle::Parked { .. }
            | Lifecycle::Quarantined { .. }
            | Lifecycle::Unknown { .. }
            | Lifecycle::ReturnPending { .. }
            | Lifecycle::Returned { .. }
            | Lifecycle::Cancelled { .. } => false,
        }
    }

    /// An attempt to carry it over a border was begun, and the far nation has not answered: only its answer ends that.
    pub fn is_carrying(&self) -> bool {
        match self {
            Lifecycle::AtBorder { carrying, .. } => *carrying,
            Lifecycle::Held { at, .. } | Lifecycle::Quarantined { at, .. } => at.is_carrying(),
            _ => false,
        }
    }

    /// The nation that has it, or that may have it because an attempt to carry it there was begun: nobody else can say
    /// how it fares.
    pub fn carried_to(&self) -> Option<Nation> {
        match self {
            Lifecycle::AtBorder { nation, carrying: true, .. } | Lifecycle::Carried { by: nation, .. } => {
                Some(*nation)
            }
            Lifecycle::Held { at, .. } | Lifecycle::Quarantined { at, .. } => at.carried_to(),
            Lifecycle::AtBorder { carrying: false, .. }
            | Lifecycle::Accepted
            | Lifecycle::Routed { .. }
            | Lifecycle::Diverted { .. }
            | Lifecycle::Offered { .. }
            | Lifecycle::Delivered { .. }
            | Lifecycle::Acknowledged { .. }
            | Lifecycle::Rejected { .. }
            | Lifecycle::Parked { .. }
            | Lifecycle::Unknown { .. }
            | Lifecycle::ReturnPending { .. }
            | Lifecycle::Returned { .. }
            | Lifecycle::Cancelled { .. } => None,
        }
    }

    /// The cut for which it is set aside or its outcome not known.
    pub fn cut(&self) -> Option<&CutId> {
        match self {
            Lifecycle::Held { cut, .. }
            | Lifecycle::Quarantined { cut, .. }
            | Lifecycle::Unknown { cut, .. } => Some(cut),
            _ => None,
        }
    }

    /// The state after `event`, or why that event cannot happen here.
    ///
    /// # Errors
    /// [`Illegal`] when it cannot; the state is then as it was.
    pub fn apply(self, event: &Event) -> Result<Self, Illegal> {
        use Lifecycle as L;
        let illegal = Illegal { event: event.name(), state: self.state() };
        if self.is_open()
            && let Some(next) = self.elsewhere(event)
        {
            return Ok(next);
        }
        if let Some(next) = self.aside(event) {
            return Ok(next);
        }
        match (self, event) {
            (L::Accepted | L::Cancelled { .. }, Event::Routed { to, bytes }) => {
                Ok(L::Routed { to: to.clone(), bytes: bytes.clone() })
            }
            (L::Accepted | L::Cancelled { .. }, Event::ToBorder { nation, to, bytes }) => {
                Ok(L::AtBorder { nation: *nation, to: to.clone(), bytes: bytes.clone(), carrying: false })
            }
            (L::AtBorder { nation, to, bytes, .. }, Event::Carrying { nation: far }) if nation == *far => {
                Ok(L::AtBorder { nation, to, bytes, carrying: true })
            }
            (L::AtBorder { nation, carrying: true, .. }, Event::Carried { nation: far })
                if nation == *far =>
            {
                Ok(L::Carried { by: nation, there: None })
            }
            // Its bytes at the border are of no use any more: it is decided anew when a person lets it go on.
            (
                L::AtBorder { nation, to, carrying: true, .. },
                Event::BorderRefused { nation: far, cut: None, reason },
            ) if nation == *far => Ok(L::Parked { to: Some(to), bytes: None, reason: reason.clone() }),
            (
                L::AtBorder { nation, to, bytes, carrying: true },
                Event::BorderRefused { nation: far, cut: Some(cut), reason },
            ) if nation == *far => Ok(L::Held {
                to: Some(to.clone()),
                at: Box::new(L::AtBorder { nation, to, bytes, carrying: false }),
                cut: cut.clone(),
                reason: reason.clone(),
            }),
            (
                L::Carried { by, there },
                Event::Reported { state: State::ReturnPending, reason, destination, sequence, .. },
            ) if there.as_ref().is_none_or(|last| last.sequence < *sequence) => Ok(L::ReturnPending {
                to: destination.clone().or_else(|| there.and_then(|last| last.destination)),
                reason: reason.clone().unwrap_or_else(|| {
                    Reason::new(Code::BorderRefused, format!("given back by {by} without a reason"))
                }),
            }),
            (
                L::Carried { by, there },
                Event::Reported { state, reason, destination, sequence, at: _, omissions: _ },
            ) if there.as_ref().is_none_or(|last| last.sequence < *sequence) => Ok(L::Carried {
                by,
                there: Some(There {
                    state: *state,
                    reason: reason.clone(),
                    destination: destination.clone(),
                    sequence: *sequence,
                }),
            }),
            (L::Routed { to, bytes }, Event::Offered { attempt }) => {
                Ok(L::Offered { to, bytes, attempt: *attempt, diversion: None, taken_by: None })
            }
            (L::Diverted { to, service, bytes, reason }, Event::Offered { attempt }) => {
                let diversion = Some(Diversion { service, reason });
                Ok(L::Offered { to, bytes, attempt: *attempt, diversion, taken_by: None })
            }
            (L::Offered { to, bytes, attempt, diversion, taken_by }, event) => {
                Self::after_offer(to, bytes, attempt, (diversion, taken_by), event).ok_or(illegal)
            }
            (L::Delivered { to, bytes, attempt, inbox, diversion }, event) => {
                Self::after_delivery(to, bytes, attempt, (diversion, inbox), event).ok_or(illegal)
            }
            (L::ReturnPending { to, .. }, Event::Returned { by }) => Ok(L::Returned { to, by: by.clone() }),
            (L::Unknown { offer, .. }, event) => match *offer {
                L::Offered { to, bytes, attempt, diversion, taken_by } => {
                    Self::after_offer(to, bytes, attempt, (diversion, taken_by), event).ok_or(illegal)
                }
                _ => Err(illegal),
            },
            (
                L::Accepted
                | L::Routed { .. }
                | L::Diverted { .. }
                | L::AtBorder { .. }
                | L::Carried { .. }
                | L::Acknowledged { .. }
                | L::Rejected { .. }
                | L::Parked { .. }
                | L::Held { .. }
                | L::Quarantined { .. }
                | L::ReturnPending { .. }
                | L::Returned { .. }
                | L::Cancelled { .. },
                _,
            ) => Err(illegal),
        }
    }

    /// What may happen to any referral that is not handed over and not on its way to another nation.
    fn elsewhere(&self, event: &Event) -> Option<Self> {
        match event {
            Event::Parked { reason } => Some(Lifecycle::Parked {
                to: self.destination().cloned(),
                bytes: self.bytes().cloned(),
                reason: reason.clone(),
            }),
            Event::Cancelled { reason } => Some(Lifecycle::Cancelled { reason: reason.clone() }),
            Event::ReturnPending { to, reason } => Some(self.given_back(to.as_ref(), reason)),
            Event::Diverted { to, service, bytes, reason } => Some(Lifecycle::Diverted {
                to: to.clone(),
                service: service.clone(),
                bytes: bytes.clone(),
                reason: reason.clone(),
            }),
            _ => None,
        }
    }

    /// Given back by whoever decides; whom it was for is what the event says, or else who was to get it.
    pub(crate) fn given_back(&self, to: Option<&TenantId>, reason: &Reason) -> Self {
        Lifecycle::ReturnPending { to: to.or(self.destination()).cloned(), reason: reason.clone() }
    }

    fn after_offer(
        to: TenantId,
        bytes: Place,
        offered: u32,
        (diversion, taken_by): (Option<Diversion>, Option<String>),
        event: &Event,
    ) -> Option<Self> {
        match event {
            Event::Offered { attempt } if *attempt > offered => {
                Some(Lifecycle::Offered { to, bytes, attempt: *attempt, diversion, taken_by })
            }
            Event::Delivered { attempt, inbox } if *attempt <= offered => {
                Some(Lifecycle::Delivered { to, bytes, attempt: *attempt, inbox: inbox.clone(), diversion })
            }
            Event::Retry { attempt, .. } if *attempt == offered => Some(match (taken_by, diversion) {
                (Some(inbox), diversion) => {
                    Lifecycle::Delivered { to, bytes, attempt: offered, inbox, diversion }
                }
                (None, None) => Lifecycle::Routed { to, bytes },
                (None, Some(Diversion { service, reason })) => {
                    Lifecycle::Diverted { to, service, bytes, reason }
                }
            }),
            Event::Parked { reason } => {
                Some(Lifecycle::Parked { to: Some(to), bytes: Some(bytes), reason: reason.clone() })
            }
            _ => None,
        }
    }

    fn after_delivery(
        to: TenantId,
        bytes: Place,
        taken: u32,
        (diversion, inbox): (Option<Diversion>, String),
        event: &Event,
    ) -> Option<Self> {
        match event {
            Event::Acknowledged { answer, .. } => {
                Some(Lifecycle::Acknowledged { to, answer: answer.clone() })
            }
            Event::Rejected { reason } => Some(Lifecycle::Rejected { to: Some(to), reason: reason.clone() }),
            Event::Parked { reason } => {
                Some(Lifecycle::Parked { to: Some(to), bytes: Some(bytes), reason: reason.clone() })
            }
            Event::Offered { attempt } if *attempt > taken => {
                let taken_by = Some(inbox);
                Some(Lifecycle::Offered { to, bytes, attempt: *attempt, diversion, taken_by })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "lifecycle_tests.rs"]
mod tests;
