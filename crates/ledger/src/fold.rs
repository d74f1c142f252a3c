//! One referral as its events make it, the same for every ledger.
//!
//! Custody gives the order: the events of one custody number lie in one partition, and those of a later number follow
//! from a change of custody in an earlier one. So events are always folded in the order of [`Key`], whatever the
//! order in which they were read. One that comes in that order is added to the fold; any other makes it fold anew.

use std::sync::Arc;

use bulkhead_model::{Event, Numbered, Place, Referral, Verdict};
use bulkhead_wire::{Author, EventRecord, Facts, ReadEvent};
use jiff::Timestamp;

use crate::Step;

/// Where an event stands in its referral's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The custody number that its author held.
    pub(crate) custody: u32,
    /// Its partition of events.
    pub(crate) partition: u32,
    /// Its offset there.
    pub(crate) offset: u64,
}

/// An event about one referral, as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Decided {
    /// Its place in the life.
    pub(crate) key: Key,
    /// The claims of its partition allow it.
    pub(crate) stands: bool,
    /// Who and when.
    pub(crate) author: Author,
    /// What.
    pub(crate) event: Event,
    /// The facts, if it has them.
    pub(crate) facts: Option<Box<Facts>>,
    /// The record of `in` that it settles.
    pub(crate) source: Option<Place>,
}

impl Decided {
    /// From the bytes of a record; `None` when it is not a decision.
    pub(crate) fn read(bytes: Vec<u8>, partition: u32, offset: u64, stands: bool) -> Option<Self> {
        let read = ReadEvent::decode(bytes.into()).ok()?;
        let EventRecord::Decision { numbered, facts, source, .. } = read.record else { return None };
        let key = Key { custody: numbered.custody, partition, offset };
        Some(Self { key, stands, author: read.author, event: numbered.event, facts, source })
    }

    /// As a trace shows it.
    pub(crate) fn step(&self, verdict: &Verdict) -> Step {
        let detail = self.event.detail();
        Step {
            at: self.author.at,
            node: self.author.claim.node.clone(),
            event: self.event.name().to_owned(),
            detail: match verdict {
                Verdict::Counts => detail,
                Verdict::Early => format!("{detail} (waits for a change of custody)"),
                Verdict::Void(why) => format!("{detail} (void: {why})"),
            },
            counts: *verdict == Verdict::Counts,
        }
    }

    /// Whether it touches no lifecycle: then it has no place in the order of custody.
    pub(crate) fn is_note(&self) -> bool {
        matches!(self.event, Event::Withdrawn { .. } | Event::Told { .. } | Event::SenderTold { .. })
    }

    /// Whether the record of `in` that it names needs nothing more. News that was known already settles its record;
    /// a decision that came to nothing does not.
    pub(crate) fn settles(&self, verdict: &Verdict) -> bool {
        match (verdict, &self.event) {
            (Verdict::Counts | Verdict::Early, _)
            | (
                Verdict::Void(_),
                Event::Withdrawn { .. }
                | Event::Told { .. }
                | Event::SenderTold { .. }
                | Event::Reported { .. },
            ) => true,
            (Verdict::Void(_), _) => false,
        }
    }
}

/// The newest facts of a referral and where they came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    /// The facts.
    pub(crate) facts: Arc<Facts>,
    /// The event that brought them.
    pub(crate) key: Key,
    /// The record of `in` that it settled.
    pub(crate) source: Option<Place>,
}

/// The fold of one referral's events, with what the ledger keeps beside it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Life {
    /// The model's fold.
    pub(crate) referral: Referral,
    /// The newest facts, once there are any.
    pub(crate) known: Option<Known>,
    /// The clock of the last event that changed its state.
    pub(crate) since: Timestamp,
    /// Those that wait for a change of custody.
    pub(crate) early: Vec<Key>,
    top: Option<Key>,
}

impl Life {
    /// Folds events that are in order, and judges each.
    pub(crate) fn of(decided: &[Decided]) -> (Self, Vec<Verdict>) {
        let mut life = Self::default();
        let verdicts = decided.iter().map(|decided| life.add(decided)).collect();
        (life, verdicts)
    }

    /// Whether an event of that key may be added; otherwise all must be folded anew.
    pub(crate) fn takes(&self, key: Key) -> bool {
        self.top.is_none_or(|top| top < key)
    }

    /// Adds the next event.
    pub(crate) fn add(&mut self, decided: &Decided) -> Verdict {
        if !decided.stands {
            return void_claim(&decided.author);
        }
        self.top = Some(decided.key);
        let numbered = Numbered { custody: decided.key.custody, event: decided.event.clone() };
        let verdict = self.referral.apply(numbered);
        match verdict {
            Verdict::Counts => self.note(decided),
            Verdict::Early => self.early.push(decided.key),
            Verdict::Void(_) => {}
        }
        verdict
    }

    fn note(&mut self, decided: &Decided) {
        if !matches!(
            decided.event,
            Event::Overdue
                | Event::NotRecalled { .. }
                | Event::Withdrawn { .. }
                | Event::Told { .. }
                | Event::SenderTold { .. }
        ) {
            self.since = decided.author.at;
        }
        let newer = self.known.as_ref().is_none_or(|known| known.key.custody < decided.key.custody);
        if let Some(facts) = decided.facts.as_ref().filter(|_| newer) {
            self.known = Some(Known {
                facts: Arc::new(Facts::clone(facts)),
                key: decided.key,
                source: decided.source.clone(),
            });
        }
    }
}

/// The verdict on an event whose claim was not in force where it lies.
pub(crate) fn void_claim(author: &Author) -> Verdict {
    let claim = &author.claim;
    Verdict::Void(format!("claim {} of {} was not in force", claim.number, claim.node))
}
