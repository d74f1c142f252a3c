//! What was sent, what was answered and what arrived, and whether the three fit together.
//!
//! A [`History`] is filled by whoever drives the system and judged at the end, when nothing moves any more.
//! It is pure: it knows no clock, no socket and no ids but those that it is told.
//!
//! ```text
//! Submit     one a message: its last definite answer, under which ids it may arrive, what the ledgers say
//! Reception  one for each time that a simulator took a message
//! crashes    when a process was known to be dead: between two receptions of one message lies at least one that its
//!            receiver's sidecar shared
//! outages    when so many brokers were dead that nothing could become durable
//! cuts       what was cut off when, and back when; old credentials that were tried
//! ```

mod check;
mod cut;
mod due;
mod outage;
mod wrong;

#[cfg(test)]
mod cut_tests;
#[cfg(test)]
mod due_tests;
#[cfg(test)]
mod outage_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bulkhead_model::State;
use jiff::Timestamp;

pub use cut::{CutStory, Life, OldCredential, Turn};
pub use due::Detour;
pub use outage::{Outage, Yes};
pub use wrong::Wrong;

/// What the sender's system was told last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is taken.
    Accepted,
    /// It is not, and never will be.
    Refused,
    /// Nobody knows: no answer came that was a yes or a no.
    Open,
}

/// What one ledger says of a referral.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose ledger.
    pub nation: String,
    /// The referral's state there.
    pub state: State,
    /// SHA-256 of the payload, hex.
    pub digest: String,
    /// It went although its sender had been told no, and the ledger says so.
    pub sent_after_all: bool,
}

/// One message that a sender's system sent, however often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submit {
    /// The sending tenant.
    pub from: String,
    /// The tenant that it is for.
    pub to: String,
    /// The message id as the sender's system wrote it.
    pub message_id: String,
    /// The case, as the sender's system wrote it. None: a case of its own.
    pub case: Option<String>,
    /// Its place among the messages of its case, counted by the sender.
    pub order: u64,
    /// SHA-256 of the bytes that were sent, hex.
    pub sha256: String,
    /// Whether the receiver's system must get these very bytes: no translation on the way.
    pub same_bytes: bool,
    /// The last definite answer.
    pub answer: Answer,
    /// How it was accepted, where that was noted.
    pub yes: Option<Yes>,
    /// Until when it is to be handed over.
    pub deadline: Option<Timestamp>,
    /// Where it went instead of to its receiver, in order.
    pub detours: Vec<Detour>,
    /// The message ids under which it may arrive: its own, or the one a translation gives it.
    pub arrives_as: Vec<String>,
    /// What each ledger that knows it says at the end, the sender's nation first, the receiver's last.
    pub ledgers: Vec<Entry>,
    /// When what happened to it, where that was asked for.
    pub life: Option<Life>,
}

/// One message that a simulator took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reception {
    /// Whose simulator.
    pub at: String,
    /// Its place among what that simulator took.
    pub sequence: u64,
    /// The message id as it arrived.
    pub message_id: String,
    /// The case as it arrived.
    pub case: Option<String>,
    /// SHA-256 of the bytes that arrived, hex.
    pub sha256: String,
    /// When it was kept.
    pub time: Timestamp,
    /// The receiver recognised it as one that it had.
    pub repeat: bool,
    /// A repeat with other bytes than before.
    pub changed: bool,
}

/// When a process was dead.
#[derive(Debug, Clone)]
struct Crash {
    /// The one whose sidecar it was; none: everybody's.
    of: Option<String>,
    dead_by: Timestamp,
}

/// Everything that happened.
#[derive(Debug, Clone, Default)]
pub struct History {
    submits: Vec<Submit>,
    receptions: Vec<Reception>,
    crashes: Vec<Crash>,
    outages: Vec<Outage>,
    cuts: Vec<CutStory>,
    credentials: Vec<OldCredential>,
}

/// What came out, when nothing was wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages sent.
    pub sent: usize,
    /// Of those, accepted.
    pub accepted: usize,
    /// Of those sent, refused for good.
    pub refused: usize,
    /// Accepted and received.
    pub received: usize,
    /// Repeats that a receiver recognised.
    pub repeats: usize,
    /// Accepted ones by the state in which they ended.
    pub states: BTreeMap<&'static str, usize>,
    /// Accepted ones by pair of nations, `england>wales`.
    pub pairs: BTreeMap<String, usize>,
}

impl History {
    /// Nothing has happened.
    pub fn new() -> Self {
        Self::default()
    }

    /// A message was sent, and this is what is known of it at the end.
    pub fn submitted(&mut self, submit: Submit) {
        self.submits.push(submit);
    }

    /// A simulator took a message.
    pub fn received(&mut self, reception: Reception) {
        self.receptions.push(reception);
    }

    /// By that time, everything was dead; what follows was started anew.
    pub fn crashed(&mut self, dead_by: Timestamp) {
        self.crashes.push(Crash { of: None, dead_by });
    }

    /// By that time the sidecar of that tenant was dead, and nothing else.
    pub fn sidecar_crashed(&mut self, tenant: &str, dead_by: Timestamp) {
        self.crashes.push(Crash { of: Some(tenant.to_owned()), dead_by });
    }

    /// For so long nothing could become durable.
    pub fn outage(&mut self, outage: Outage) {
        self.outages.push(outage);
    }

    /// A cut was made, and this became of it.
    pub fn cut(&mut self, cut: CutStory) {
        self.cuts.push(cut);
    }

    /// Somebody came with a credential of before a restore.
    pub fn came_with_old(&mut self, tried: OldCredential) {
        self.credentials.push(tried);
    }

    /// Everything that is wrong with it; nothing, and what came out, when all is well.
    ///
    /// # Errors
    /// What is wrong, one entry for each fault.
    pub fn check(&self) -> Result<Tally, Vec<Wrong>> {
        let wrong = check::all(self);
        if wrong.is_empty() { Ok(self.tally()) } else { Err(wrong) }
    }

    /// What came out, whether or not it is right.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally { sent: self.submits.len(), ..Tally::default() };
        let nation = |tenant: &str| tenant.split('/').next().unwrap_or_default().to_owned();
        for submit in &self.submits {
            match submit.answer {
                Answer::Accepted => tally.accepted += 1,
                Answer::Refused => tally.refused += 1,
                Answer::Open => {}
            }
            if submit.answer == Answer::Accepted {
                *tally
                    .pairs
                    .entry(format!("{}>{}", nation(&submit.from), nation(&submit.to)))
                    .or_default() += 1;
                let state = submit.ledgers.last().map_or("nowhere", |entry| entry.state.as_str());
                *tally.states.entry(state).or_default() += 1;
            }
        }
        tally.received = check::arrived(self);
        tally.repeats = self.receptions.iter().filter(|reception| reception.repeat).count();
        tally
    }
}

impl Submit {
    /// Where it is, in the ledger that has it.
    fn state(&self) -> Option<State> {
        self.ledgers.last().map(|entry| entry.state)
    }
}
