//! Appending signed facts to the control log, and waiting until this node has read them back.

use std::sync::Arc;
use std::time::Duration;

use bulkhead_log::{Appended, Log, Partition, Record};
use bulkhead_model::{Moment, Nation};
use bulkhead_wire::fact::SignedFact;
use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};

use crate::Error;
use crate::authority::Outcome;
use crate::book::Book;
use crate::fact::{Seen, anomaly_record, signed_record};
use crate::follow::Control;

/// How long a fact may take to be read back before the caller is told that nobody knows.
const READ_BACK: Duration = Duration::from_secs(10);

/// Writes to one nation's control log. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Scribe {
    log: Arc<dyn Log>,
    partition: Partition,
    book: Book,
    node: String,
    random: SystemRandom,
}

impl Scribe {
    pub(crate) async fn open(
        log: Arc<dyn Log>,
        nation: Nation,
        book: Book,
        node: &str,
    ) -> Result<Self, Error> {
        let control = Control::open(&*log, nation).await?;
        let partition = control.partition().clone();
        Ok(Self { log, partition, book, node: node.to_owned(), random: SystemRandom::new() })
    }

    pub(crate) fn book(&self) -> &Book {
        &self.book
    }

    /// Appends one copy.
    pub(crate) async fn append(
        &self,
        fact: &SignedFact,
        taken_at: Option<Timestamp>,
        home: Option<(Nation, Moment)>,
    ) -> Result<Appended, Error> {
        let mut number = [0; 8];
        // Without randomness two copies may share a key, and then one of them may be compacted away.
        let _ = self.random.fill(&mut number);
        self.write(signed_record(fact, &self.node, Timestamp::now(), taken_at, home, number)).await
    }

    async fn write(&self, record: Record) -> Result<Appended, Error> {
        let appended = self.log.append(&self.partition, record).await;
        appended.map_err(|cause| Error::Log { topic: self.partition.topic.to_string(), cause })
    }

    /// Appends what another nation's cell broke off, and waits until this node has it.
    pub(crate) async fn settle_abort(&self, seen: &Seen) -> Result<(), Error> {
        let appended = self.write(anomaly_record(seen, Timestamp::now())).await?;
        let mut cuts = self.book.cuts();
        let read = cuts.wait_for(|cuts| cuts.position >= appended.offset);
        match tokio::time::timeout(READ_BACK, read).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(self.not_read_back(appended.offset)),
        }
    }

    /// Appends one copy and says what became of the fact.
    pub(crate) async fn settle(
        &self,
        fact: &SignedFact,
        home: Option<(Nation, Moment)>,
    ) -> Result<Outcome, Error> {
        let appended = self.append(fact, None, home).await?;
        self.read_back(fact, appended.offset).await
    }

    /// Waits until this node has read that offset, and says what became of the fact.
    pub(crate) async fn read_back(&self, fact: &SignedFact, offset: u64) -> Result<Outcome, Error> {
        let id = fact.id();
        let mut cuts = self.book.cuts();
        let known = async {
            loop {
                // In this order: what is heard between the two wakes whoever waits below.
                let is_past = cuts.borrow_and_update().position >= offset;
                let outcome = self.book.ask(|authority| authority.outcome(&id).cloned());
                match outcome {
                    Some(outcome) if is_past || outcome.effect.is_ok() => return Some(outcome),
                    Some(_) | None => {}
                }
                if cuts.changed().await.is_err() {
                    return None;
                }
            }
        };
        let outcome = tokio::time::timeout(READ_BACK, known).await.ok().flatten();
        outcome.ok_or_else(|| self.not_read_back(offset))
    }

    fn not_read_back(&self, offset: u64) -> Error {
        Error::NotReadBack { topic: self.partition.topic.to_string(), offset, waited: READ_BACK }
    }
}

#[cfg(test)]
#[path = "scribe_tests.rs"]
mod tests;
