//! Setting aside for a cut, and what ends that: a part of the lifecycle's fold.
//!
//! What is set aside remembers what it was. A referral is held or quarantined only while it is open, so what may have
//! been handed over is never called safe; that becomes unknown, or is recalled from the sidecar that has it.

use crate::{Event, Lifecycle};

impl Lifecycle {
    /// The state after an event about setting aside; none when that event cannot happen here.
    pub(crate) fn aside(&self, event: &Event) -> Option<Self> {
        match event {
            Event::Carried { .. } | Event::BorderRefused { .. } => self.answered_abroad(event),
            Event::Held { to, cut, reason }
                if (self.is_open() || self.is_carrying()) && self.cut().is_none() =>
            {
                Some(Lifecycle::Held {
                    at: Box::new(self.clone()),
                    to: to.clone().or_else(|| self.destination().cloned()),
                    cut: cut.clone(),
                    reason: reason.clone(),
                })
            }
            Event::Quarantined { to, cut, reason }
                if self.is_open() || self.is_carrying() && !matches!(self, Lifecycle::Quarantined { .. }) =>
            {
                Some(Lifecycle::Quarantined {
                    at: Box::new(self.underneath().clone()),
                    to: to.clone().or_else(|| self.destination().cloned()),
                    cut: cut.clone(),
                    reason: reason.clone(),
                })
            }
            Event::Unknown { cut, reason } if matches!(self, Lifecycle::Offered { .. }) => {
                Some(Lifecycle::Unknown {
                    offer: Box::new(self.clone()),
                    cut: cut.clone(),
                    reason: reason.clone(),
                })
            }
            Event::Recalled { cut, reason } => Some(Lifecycle::Quarantined {
                at: Box::new(self.before_offer()?),
                to: self.destination().cloned(),
                cut: cut.clone(),
                reason: reason.clone(),
            }),
            Event::Resumed { .. } => self.resumed(),
            Event::Routed { .. } | Event::ToBorder { .. } if self.waits_undecided() => {
                Lifecycle::Accepted.apply(event).ok()
            }
            // What another nation may have is neither refused nor given back here before that nation has answered.
            Event::Rejected { .. } | Event::Returned { .. } if self.is_carrying() => None,
            Event::Rejected { reason } => match self {
                Lifecycle::Quarantined { to, .. } => {
                    Some(Lifecycle::Rejected { to: to.clone(), reason: reason.clone() })
                }
                _ => None,
            },
            // Handled by other means. What is suspect ends with that too: it closes, and opens nothing.
            Event::Returned { by } => match self {
                Lifecycle::Held { .. }
                | Lifecycle::Quarantined { .. }
                | Lifecycle::Parked { .. }
                | Lifecycle::Unknown { .. } => {
                    Some(Lifecycle::Returned { to: self.destination().cloned(), by: by.clone() })
                }
                _ => None,
            },
            Event::ReturnPending { to, reason } if matches!(self, Lifecycle::Parked { .. }) => {
                Some(self.given_back(to.as_ref(), reason))
            }
            _ => None,
        }
    }

    /// What it was before it was set aside for a cut.
    pub fn underneath(&self) -> &Lifecycle {
        match self {
            Lifecycle::Held { at, .. } | Lifecycle::Quarantined { at, .. } => at,
            other => other,
        }
    }

    /// Set aside before anybody decided where it goes: the origin's owner decides when it goes on.
    pub fn waits_undecided(&self) -> bool {
        match self {
            Lifecycle::Held { at, .. } | Lifecycle::Quarantined { at, .. } => **at == Lifecycle::Accepted,
            Lifecycle::Parked { bytes, .. } => bytes.is_none(),
            _ => false,
        }
    }

    /// The far nation's answer about one that was set aside while it was being carried there: it has it, or it stays
    /// set aside as one that was never sent.
    fn answered_abroad(&self, event: &Event) -> Option<Self> {
        let (Lifecycle::Held { at, .. } | Lifecycle::Quarantined { at, .. }) = self else { return None };
        let Lifecycle::AtBorder { nation, to, bytes, carrying: true } = at.as_ref() else { return None };
        let back = || {
            Box::new(Lifecycle::AtBorder {
                nation: *nation,
                to: to.clone(),
                bytes: bytes.clone(),
                carrying: false,
            })
        };
        match (event, self.clone()) {
            (Event::Carried { nation: far }, _) if far == nation => (**at).clone().apply(event).ok(),
            (Event::BorderRefused { nation: far, .. }, Lifecycle::Held { to, cut, reason, .. })
                if far == nation =>
            {
                Some(Lifecycle::Held { at: back(), to, cut, reason })
            }
            (Event::BorderRefused { nation: far, .. }, Lifecycle::Quarantined { to, cut, reason, .. })
                if far == nation =>
            {
                Some(Lifecycle::Quarantined { at: back(), to, cut, reason })
            }
            _ => None,
        }
    }

    fn resumed(&self) -> Option<Self> {
        match self {
            Lifecycle::Held { at, .. } | Lifecycle::Quarantined { at, .. } => Some((**at).clone()),
            Lifecycle::Parked { to: Some(to), bytes: Some(bytes), .. } => {
                Some(Lifecycle::Routed { to: to.clone(), bytes: bytes.clone() })
            }
            _ => None,
        }
    }

    /// Where it waited when it was offered, for one that its receiver has given up again.
    fn before_offer(&self) -> Option<Self> {
        let (to, bytes, diversion) = match self {
            Lifecycle::Offered { to, bytes, diversion, .. }
            | Lifecycle::Delivered { to, bytes, diversion, .. } => (to, bytes, diversion),
            Lifecycle::Unknown { offer, .. } => return offer.before_offer(),
            _ => return None,
        };
        let (to, bytes) = (to.clone(), bytes.clone());
        Some(match diversion.clone() {
            None => Lifecycle::Routed { to, bytes },
            Some(diversion) => {
                Lifecycle::Diverted { to, service: diversion.service, bytes, reason: diversion.reason }
            }
        })
    }
}

#[cfg(test)]
#[path = "aside_tests.rs"]
mod tests;
