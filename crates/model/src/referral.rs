//! One referral as its events make it, in whatever order their partitions are read.
//!
//! Custody has a number. The events of one number are written by one owner into one partition, so their
//! own order is the same for every reader; those of a later number wait until the change of custody that
//! leads to them has been read. So every ledger folds to the same state (architecture section 4).
//! What is cancelled or given back is its origin's again, which is a change of custody too: so a new
//! attempt of its sender starts from there.

use crate::{CutId, Event, Lifecycle, Numbered, State};

/// What an event did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It changed the referral.
    Counts,
    /// It waits for the change of custody that leads to it.
    Early,
    /// It changes nothing, for every reader alike.
    Void(String),
}

/// How many events may wait for a change of custody. More than any life has; the rest is void.
const EARLY: usize = 256;

/// The fold of one referral's events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Referral {
    /// Changes of custody so far.
    pub custody: u32,
    /// Its one present state.
    pub lifecycle: Lifecycle,
    /// The newest offer's attempt; 0 before the first.
    pub attempt: u32,
    /// Offers that were answered badly and count against the budget.
    pub spent: u32,
    /// Attempts of the sender that are taken back.
    pub withdrawn_up_to: u32,
    /// Its deadline passed before it was handed over.
    pub overdue: bool,
    /// How many events counted; numbers the reports to the nation that it came from.
    pub version: u64,
    /// The newest version that the nation it came from has confirmed.
    pub told: u64,
    /// The version with which it came into its present state; it numbers what its sender is told.
    pub state_since: u64,
    /// The newest of those that its sender's system was told of.
    pub sender_told: u64,
    /// Its sender was cut off after it was handed over, and its receiver could not give it up.
    pub not_recalled: bool,
    /// Its sender was cut off after it was handed over, and its receiver gave it up.
    pub recalled: bool,
    /// The newest cut that stood in its way.
    pub touched: Option<CutId>,
    /// What the target format could not carry, by name.
    pub omissions: Vec<String>,
    /// Events of later custody numbers, in the order in which they were read.
    pub early: Vec<Numbered>,
}

impl Referral {
    /// Reads one event that its partition's claims allow.
    pub fn apply(&mut self, numbered: Numbered) -> Verdict {
        match numbered.event {
            Event::Withdrawn { up_to } => return raise(&mut self.withdrawn_up_to, up_to),
            Event::Told { version } => return raise(&mut self.told, version),
            Event::SenderTold { version, .. } => return raise(&mut self.sender_told, version),
            _ => {}
        }
        if numbered.custody > self.custody {
            if self.early.len() >= EARLY {
                return Verdict::Void("too many events wait for a change of custody".into());
            }
            self.early.push(numbered);
            return Verdict::Early;
        }
        let verdict = self.apply_now(&numbered);
        self.apply_early();
        verdict
    }

    fn apply_early(&mut self) {
        while let Some(next) = self.early.iter().position(|early| early.custody <= self.custody) {
            let numbered = self.early.remove(next);
            self.apply_now(&numbered);
        }
    }

    fn apply_now(&mut self, numbered: &Numbered) -> Verdict {
        if numbered.custody < self.custody {
            return Verdict::Void(format!("custody {} has passed on", numbered.custody));
        }
        match &numbered.event {
            Event::Overdue if self.overdue => return Verdict::Void("it is overdue already".into()),
            Event::Overdue => {
                self.overdue = true;
                self.version += 1;
                return Verdict::Counts;
            }
            Event::NotRecalled { .. } if self.not_recalled => {
                return Verdict::Void("it is known that it was not recalled".into());
            }
            Event::NotRecalled { .. } => {
                self.not_recalled = true;
                self.note(&numbered.event);
                return Verdict::Counts;
            }
            Event::Offered { attempt } if *attempt <= self.attempt => {
                return Verdict::Void(format!("attempt {attempt} was offered already"));
            }
            _ => {}
        }
        let was_cancelled = matches!(self.lifecycle, Lifecycle::Cancelled { .. });
        match self.lifecycle.clone().apply(&numbered.event) {
            Ok(next) => {
                let was = std::mem::replace(&mut self.lifecycle, next).state();
                if was_cancelled {
                    self.begin_again();
                }
                self.note(&numbered.event);
                if self.lifecycle.state() != was {
                    self.state_since = self.version;
                }
                Verdict::Counts
            }
            Err(illegal) => Verdict::Void(illegal.to_string()),
        }
    }

    /// A new attempt of its sender has a deadline and a budget of its own.
    fn begin_again(&mut self) {
        self.overdue = false;
        self.spent = 0;
    }

    fn note(&mut self, event: &Event) {
        self.version += 1;
        self.touched = event.cut().or_else(|| self.touched.take());
        match event {
            Event::Routed { .. }
            | Event::Carried { .. }
            | Event::Diverted { .. }
            | Event::Cancelled { .. }
            | Event::ReturnPending { .. } => self.custody += 1,
            Event::Offered { attempt } => self.attempt = *attempt,
            Event::Recalled { .. } => self.recalled = true,
            Event::Retry { spends_budget: true, .. } => self.spent += 1,
            Event::Acknowledged { omissions, .. } => self.omissions.clone_from(omissions),
            Event::Reported { omissions, .. } if !omissions.is_empty() => {
                self.omissions.clone_from(omissions)
            }
            _ => {}
        }
    }

    /// Its sender took back every attempt up to this one, and it ended so where it began: a later attempt begins it anew.
    /// `accepted`: the attempt that is on record. One that ended because a cancel overtook it never begins again, nor
    /// does one that ended in another nation.
    pub fn begins_anew_after(&self, accepted: u32) -> Option<u32> {
        let ended_here = matches!(self.lifecycle, Lifecycle::Cancelled { .. });
        (ended_here && self.withdrawn_up_to >= accepted).then_some(self.withdrawn_up_to)
    }

    /// Its sender was told no and has not tried again, but it went on and may have been taken: a person must know.
    pub fn sent_after_all(&self, attempt: u32) -> bool {
        let went_on = self.attempt > 0 || matches!(self.lifecycle, Lifecycle::Carried { .. });
        let came_back = match self.lifecycle.state() {
            State::Rejected | State::ReturnPending | State::Returned | State::Cancelled => true,
            State::Accepted
            | State::Routed
            | State::Carried
            | State::Offered
            | State::Delivered
            | State::Acknowledged
            | State::Held
            | State::Parked
            | State::Quarantined
            | State::Diverted
            | State::Unknown => false,
        };
        self.withdrawn_up_to >= attempt && went_on && !came_back
    }

    /// It went wrong after its sender was told *accepted*, and the sender's system has not heard of it. One whose
    /// sender was told no meanwhile brings no news, unless it was given back: that is to be confirmed.
    pub fn sender_must_hear(&self, attempt: u32) -> bool {
        let went_wrong = match self.lifecycle.state() {
            State::ReturnPending => true,
            State::Rejected | State::Parked => self.withdrawn_up_to < attempt,
            State::Accepted
            | State::Routed
            | State::Carried
            | State::Offered
            | State::Delivered
            | State::Acknowledged
            | State::Held
            | State::Quarantined
            | State::Returned
            | State::Diverted
            | State::Cancelled
            | State::Unknown => false,
        };
        went_wrong && self.state_since > self.sender_told
    }
}

/// A fact beside the lifecycle: the highest counts, in whatever order they are read.
fn raise<T: Ord>(mark: &mut T, to: T) -> Verdict {
    if to <= *mark {
        return Verdict::Void("that was recorded already".into());
    }
    *mark = to;
    Verdict::Counts
}

#[cfg(test)]
#[path = "referral_tests.rs"]
mod tests;
