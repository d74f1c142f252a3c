//! What is on the spool, as far as it is in memory: no payloads but those that somebody is waiting for.

use std::collections::{BTreeSet, HashMap};

use bulkhead_model::{Digest, Envelope, Lane};
use bulkhead_wire::v1;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Report;
use super::shelf::Slot;
use crate::Answer;
use crate::cases::Cases;

/// Emergency submits that may be under way beyond the bound.
const FOR_EMERGENCIES: usize = 2;

/// Where an entry is. Whoever moves it on from `Waiting` or `Promised` decides about it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The local system waits for its answer.
    Waiting,
    /// The local system was told yes on the spool's strength.
    Promised,
    /// The broker has answered; that is being written down.
    Settling,
    /// Nobody waits longer: it is being struck.
    Striking,
}

/// Case and service addressed; one without a case is on its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Case { service: (String, String), case: String },
    Alone(String),
}

impl Key {
    pub(super) fn of(envelope: &Envelope) -> Self {
        match &envelope.case_id {
            Some(case) => Self::Case { service: envelope.to.key(), case: case.to_string() },
            None => Self::Alone(envelope.message_id.to_string()),
        }
    }
}

/// One referral on the spool.
pub(super) struct Entry {
    pub(super) message_id: String,
    pub(super) attempt: u32,
    pub(super) lane: Lane,
    pub(super) digest: Digest,
    pub(super) bytes: u64,
    pub(super) deadline: Option<Timestamp>,
    pub(super) spooled_at: Timestamp,
    pub(super) stage: Stage,
    /// Where its bytes are, once they are durable.
    pub(super) slot: Option<Slot>,
    /// How often it was sent.
    pub(super) tries: u32,
    /// What to send, while somebody waits.
    pub(super) request: Option<v1::SubmitRequest>,
    /// Why the last try brought no answer.
    pub(super) last: Option<bulkhead_wire::status::Problem>,
    /// What to tell those who wait.
    pub(super) answer: watch::Sender<Option<Answer>>,
    /// Whether it may be sent.
    pub(super) durable: watch::Sender<bool>,
    /// Ends a submit that nobody waits for any longer.
    pub(super) cancel: CancellationToken,
}

/// All of them.
pub(super) struct Book {
    pub(super) entries: HashMap<u64, Entry>,
    by_id: HashMap<String, u64>,
    pub(super) cases: Cases<Key>,
    due: BTreeSet<(Timestamp, u64)>,
    bytes: u64,
    next_ticket: u64,
    in_flight: usize,
    max_in_flight: usize,
    pub(super) withdrawals: u64,
}

impl Book {
    pub(super) fn new(max_in_flight: usize) -> Self {
        Self {
            entries: HashMap::new(),
            by_id: HashMap::new(),
            cases: Cases::new(),
            due: BTreeSet::new(),
            bytes: 0,
            next_ticket: 1,
            in_flight: 0,
            max_in_flight,
            withdrawals: 0,
        }
    }

    /// A ticket that comes after all others.
    pub(super) fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket - 1
    }

    /// Tickets up to this one are in use.
    pub(super) fn used(&mut self, ticket: u64) {
        self.next_ticket = self.next_ticket.max(ticket + 1);
    }

    pub(super) fn insert(&mut self, ticket: u64, key: Key, entry: Entry) {
        self.by_id.insert(entry.message_id.clone(), ticket);
        self.cases.push(key, ticket, entry.lane);
        self.bytes += entry.bytes;
        if let Some(deadline) = entry.deadline {
            self.due.insert((deadline, ticket));
        }
        self.entries.insert(ticket, entry);
    }

    pub(super) fn remove(&mut self, ticket: u64) -> Option<Entry> {
        self.cases.done(ticket);
        let entry = self.entries.remove(&ticket)?;
        if self.by_id.get(&entry.message_id) == Some(&ticket) {
            self.by_id.remove(&entry.message_id);
        }
        self.bytes -= entry.bytes;
        if let Some(deadline) = entry.deadline {
            self.due.remove(&(deadline, ticket));
        }
        Some(entry)
    }

    pub(super) fn by_id(&self, message_id: &str) -> Option<&Entry> {
        self.entries.get(self.by_id.get(message_id)?)
    }

    /// The next that is to be sent, if there is room to send.
    pub(super) fn take(&mut self) -> Option<u64> {
        let least = match self.in_flight {
            few if few < self.max_in_flight => Lane::ALL[2],
            more if more < self.max_in_flight + FOR_EMERGENCIES => Lane::ALL[0],
            _ => return None,
        };
        let ticket = self.cases.take(least)?;
        self.in_flight += 1;
        Some(ticket)
    }

    /// A submit has ended.
    pub(super) fn landed(&mut self) {
        self.in_flight -= 1;
    }

    /// Whether nobody waits for an answer.
    pub(super) fn is_answered(&self) -> bool {
        self.entries.values().all(|entry| entry.stage == Stage::Promised)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn report(&self) -> Report {
        Report {
            entries: self.entries.len() as u64,
            bytes: self.bytes,
            next_due: self.due.first().map(|(due, _)| *due),
            withdrawals: self.withdrawals,
        }
    }

    /// When the oldest was written.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.entries.values().map(|entry| entry.spooled_at).min()
    }
}
