//! Following the control log from its start: what this node knows of authority, and up to where.
//!
//! A record that cannot be read changes nothing: what was in force stays in force, and somebody is told
//! loudly. A node that guessed would be worse than one that is behind.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bulkhead_log::{Entry, Log, Partition, Reader, ReaderLimits, Start, Topic, TopicSpec};
use bulkhead_model::{Cuts, Directory, FactId, Moment, Nation, Pulses};
use bulkhead_process::Drain;
use bulkhead_wire::fact::{SignedFact, hex};
use bulkhead_wire::topics;
use tokio::sync::watch;
use tracing::{error, info};

use crate::Error;
use crate::audit::{Audit, Note};
use crate::authority::{Copy, Judged};
use crate::book::Book;
use crate::fact::{Fact, Unheard};
use crate::known::Known;
use crate::refusals::Refusals;

/// The loop that follows `control.<nation>`. [`Following`] is its handle.
pub struct Follower {
    log: Arc<dyn Log>,
    nation: Nation,
    book: Book,
    pulses: watch::Sender<Arc<Pulses>>,
    position: Arc<AtomicU64>,
    caught_up: watch::Sender<bool>,
    known: Option<Known>,
    refusals: Arc<OnceLock<Refusals>>,
}

/// What the control log says, as it changes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Following {
    /// The newest directory that could be read; empty before the first.
    pub directory: watch::Receiver<Arc<Directory>>,
    /// The cuts; their position is the newest control offset that this node has understood.
    pub cuts: watch::Receiver<Arc<Cuts>>,
    /// The newest pulse of each node.
    pub pulses: watch::Receiver<Arc<Pulses>>,
    position: Arc<AtomicU64>,
    /// All that is known of authority, for the service that answers operators.
    pub book: Book,
    caught_up: watch::Receiver<bool>,
    refusals: Arc<OnceLock<Refusals>>,
}

impl Following {
    /// The newest record of the control log that this node has heard, of any kind.
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    /// From now on what the log brings and is refused is in that audit file: whoever forges a command in the log leaves
    /// a trace on every node that reads it. What was read before was noted then.
    pub fn note_refusals(&self, audit: Audit) {
        // Set once: there is one audit file.
        drop(self.refusals.set(Refusals::new(audit)));
    }

    /// Waits until everything is known that the log held when following began. Safe to cancel. Never ends
    /// when the follower stopped before.
    pub async fn caught_up(&mut self) {
        if self.caught_up.wait_for(|caught_up| *caught_up).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Follower {
    /// A follower that has not read anything.
    pub fn new(log: Arc<dyn Log>, nation: Nation) -> (Self, Following) {
        let book = Book::new(nation);
        let (pulses, pulses_seen) = watch::channel(Arc::default());
        let (caught_up, caught_up_seen) = watch::channel(false);
        let position = Arc::new(AtomicU64::new(0));
        let following = Following {
            directory: book.directory(),
            cuts: book.cuts(),
            pulses: pulses_seen,
            position: position.clone(),
            book: book.clone(),
            caught_up: caught_up_seen,
            refusals: Arc::default(),
        };
        let refusals = following.refusals.clone();
        (Self { log, nation, book, pulses, position, caught_up, known: None, refusals }, following)
    }

    /// It remembers in that directory what it has known, and follows no log that lacks it.
    ///
    /// # Errors
    /// When that cannot be read or written.
    pub fn remembering(self, directory: &Path) -> Result<Self, Error> {
        Ok(Self { known: Some(Known::open(directory).map_err(Error::Known)?), ..self })
    }

    /// Follows until the drain begins.
    ///
    /// # Errors
    /// When the log cannot be read on, or is not the one that this node has known. The process should end: a node that
    /// hears nothing may not act.
    pub async fn run(mut self, drain: Drain) -> Result<(), Error> {
        let control = Control::open(&*self.log, self.nation).await?;
        let end = control.end(&*self.log).await?;
        let mut reader = control.read(&*self.log).await?;
        let mut next = 0;
        loop {
            if next >= end && !*self.caught_up.borrow() {
                self.check_known(&control, end)?;
                self.caught_up.send_replace(true);
            }
            let entries = tokio::select! {
                biased;
                () = drain.started() => return Ok(()),
                // Safe to cancel: a call that is dropped has read nothing.
                read = reader.next() => read.map_err(|cause| control.failed(cause))?,
            };
            for entry in &entries {
                let signed = self.hear(entry);
                if let (Some(known), Some((fact, counts))) = (&mut self.known, signed) {
                    known.read(entry.offset, fact, counts);
                }
                self.position.store(entry.offset, Ordering::Relaxed);
                next = entry.offset + 1;
            }
        }
    }

    fn check_known(&mut self, control: &Control, end: u64) -> Result<(), Error> {
        let Some(lacking) = self.known.as_mut().and_then(|known| known.check().err()) else { return Ok(()) };
        let topic = control.partition().topic.to_string();
        Err(Error::OldLog {
            topic,
            end,
            known: lacking.known,
            missing: lacking.missing,
            first: lacking.first,
        })
    }

    /// Of what somebody signed: which, and whether it counts here.
    fn hear(&self, entry: &Entry) -> Option<(FactId, bool)> {
        let read = Fact::read(entry);
        let signed = match &read {
            Ok(Fact::Signed(copy)) => Some(copy.fact.clone()),
            _ => None,
        };
        let heard = match read {
            Ok(Fact::Pulse(pulse)) => {
                self.book.pulsed(&pulse, entry.at);
                // Five a second of each node: no fact of authority, and no new position of what is cut.
                self.pulses.send_modify(|pulses| Arc::make_mut(pulses).hear(pulse, entry.at));
                Ok(())
            }
            read => {
                let heard = read.and_then(|fact| self.follow(entry, fact));
                // Also past what cannot be read; for others the book knows it with what follows from them.
                self.book.at(entry.offset);
                heard
            }
        };
        let labels = [
            ("nation", self.nation.as_str()),
            ("outcome", if heard.is_ok() { "followed" } else { "unreadable" }),
        ];
        metrics::counter!("bulkhead_control_records_total", &labels).increment(1);
        if let Err(why) = heard {
            error!(
                nation = %self.nation, place = %entry.pointer(), %why,
                "a record of the control log changes nothing on this node"
            );
            self.note(entry, signed.as_ref(), &why);
        }
        let signed = signed.map(|fact| fact.id());
        signed.map(|fact| (fact, self.book.ask(|authority| authority.counts_at(&fact, entry.offset))))
    }

    fn note(&self, entry: &Entry, signed: Option<&SignedFact>, why: &Unheard) {
        let Some(refusals) = self.refusals.get() else { return };
        let header = signed.and_then(|fact| fact.header().ok());
        let fact = signed.map(|fact| hex(&fact.id().0)).unwrap_or_default();
        let about = if fact.is_empty() { entry.pointer().to_string() } else { fact.clone() };
        let code = match why {
            Unheard::Refused(refused) => refused.code().to_string(),
            _ => String::new(),
        };
        let note = Note {
            // As it says itself: nothing of it is believed.
            who: header.as_ref().map(|header| header.operator.to_string()).unwrap_or_default(),
            command: "record".into(),
            subject: header.and_then(|header| Some(header.scope.scope()?.to_string())).unwrap_or_default(),
            fact,
            code,
            detail: format!("a record of the control log changes nothing: {why}"),
            position: entry.offset,
            ..Note::default()
        };
        refusals.note(about, note);
    }

    fn follow(&self, entry: &Entry, fact: Fact) -> Result<(), Unheard> {
        match fact {
            Fact::Directory(text) => {
                let directory = text.parse(&entry.pointer().to_string())?;
                let (tenants, services) = (directory.tenants().count(), directory.services().count());
                self.book.hear_unsigned(directory, &text.0)?;
                info!(nation = %self.nation, position = entry.offset, tenants, services, "the directory is in force");
            }
            Fact::Signed(copy) => self.hear_signed(&copy)?,
            Fact::Anomaly(seen) => {
                let here = Moment { position: entry.offset, at: entry.at };
                if let Some(effect) = self.book.hear_anomaly(&seen, here) {
                    error!(nation = %self.nation, position = entry.offset, by = %seen.by, what = %seen.what, ?effect,
                        "a restore is broken off: it is closed again");
                }
            }
            Fact::Pulse(_) => {}
        }
        Ok(())
    }

    fn hear_signed(&self, copy: &Copy) -> Result<(), Unheard> {
        let fact = bulkhead_wire::fact::hex(&copy.fact.id().0);
        match self.book.hear(copy) {
            Judged::Counts(effect) => {
                info!(nation = %self.nation, position = copy.here.position, fact, ?effect, "a signed fact counts");
                Ok(())
            }
            Judged::Repeat => Ok(()),
            Judged::Refused(refused) => Err(refused.into()),
        }
    }
}

/// The one partition of `control.<nation>`.
pub(crate) struct Control {
    partition: Partition,
}

impl Control {
    /// Makes the topic where it does not exist yet.
    pub(crate) async fn open(log: &dyn Log, nation: Nation) -> Result<Self, Error> {
        let name = topics::control(nation);
        let failed = |cause| Error::Log { topic: name.clone(), cause };
        let topic = Topic::new(&name).map_err(failed)?;
        let spec = TopicSpec { topic: topic.clone(), partitions: 1, compacted: true };
        log.ensure(&[spec]).await.map_err(failed)?;
        Ok(Self { partition: topic.partition(0) })
    }

    pub(crate) fn partition(&self) -> &Partition {
        &self.partition
    }

    pub(crate) fn failed(&self, cause: bulkhead_log::Error) -> Error {
        Error::Log { topic: self.partition.topic.to_string(), cause }
    }

    /// The offset that the next record will have; 0 when there is nothing to read.
    pub(crate) async fn end(&self, log: &dyn Log) -> Result<u64, Error> {
        let kept = log.bounds(&self.partition).await.map_err(|cause| self.failed(cause))?;
        Ok(if kept.is_empty() { 0 } else { kept.end })
    }

    /// Everything, from the start.
    pub(crate) async fn read(&self, log: &dyn Log) -> Result<Box<dyn Reader>, Error> {
        let start = Start { partition: self.partition.clone(), offset: 0 };
        log.reader(vec![start], ReaderLimits::default()).await.map_err(|cause| self.failed(cause))
    }
}
