//! From the local system to the broker. Written first, then asked, and answered within the patience.
//!
//! ```text
//! submit ─> shelf (durable) ─> cases ─> pump ─> Ingest.Submit ─> accepted | refused | nobody there: again
//!    └─ patience ends: routine, and the broker was there lately: promised (yes), goes on until answered
//!                      otherwise: struck (no), withdrawn until the broker has heard of it
//! ```
//!
//! The rules are those of the architecture, "The spool speaks for the broker only briefly".

mod attend;
mod book;
mod marks;
mod notices;
mod pump;
mod shelf;
mod tell;
mod withdraw;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bulkhead_model::{Digest, Reason, TenantId};
use bulkhead_process::{Condition, Drain, Health};
use bulkhead_wire::status::Problem;
use bulkhead_wire::{envelope_from_wire, v1};
use jiff::Timestamp;
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use self::book::{Book, Entry, Key, Stage};
use self::marks::Marks;
use self::shelf::{Found, Shelf};
use crate::broker::Broker;
use crate::config::SpoolConfig;
use crate::store::Store;
use crate::{Answer, Error, RefusedLater};

/// The spool. It lives in an `Arc`, because what was begun goes on when its caller has gone.
pub(crate) struct Spool {
    config: SpoolConfig,
    tenant: TenantId,
    broker: Arc<Broker>,
    marks: Marks,
    shelf: Shelf,
    book: Mutex<Book>,
    /// Something may be sent.
    wake: Notify,
    /// Something is to be withdrawn.
    struck: Notify,
    /// Something that was acknowledged has been refused.
    refused: Notify,
    /// What the broker is to hear of its notices.
    taken: broadcast::Sender<v1::NoticeTaken>,
    report: watch::Sender<Report>,
    condition: Condition,
    drain: Drain,
    tasks: TaskTracker,
}

/// What is on the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Report {
    /// Referrals that the broker has not answered for.
    pub(crate) entries: u64,
    /// Their size.
    pub(crate) bytes: u64,
    /// The earliest deadline among them.
    pub(crate) next_due: Option<Timestamp>,
    /// Withdrawals not yet answered.
    pub(crate) withdrawals: u64,
}

impl Spool {
    /// Opens the spool in that directory and takes up what is left on it.
    pub(crate) async fn open(
        directory: &Path,
        config: SpoolConfig,
        tenant: TenantId,
        store: Store,
        broker: Arc<Broker>,
        health: &Health,
        drain: Drain,
    ) -> Result<Arc<Self>, Error> {
        let marks = Marks::new(store);
        let mut found = Vec::new();
        let keep = &mut |record: Found| found.push(Left::of(record));
        let shelf = Shelf::open(directory, config.max_payload_bytes, keep).await?;
        let spool = Arc::new(Self {
            book: Mutex::new(Book::new(config.in_flight)),
            config,
            tenant,
            broker,
            marks,
            shelf,
            wake: Notify::new(),
            struck: Notify::new(),
            refused: Notify::new(),
            taken: broadcast::Sender::new(notices::ANSWERS),
            report: watch::Sender::new(Report::default()),
            condition: health.condition("spool", "opening"),
            drain,
            tasks: TaskTracker::new(),
        });
        found.sort_by_key(|left| left.ticket);
        for left in found {
            spool.take_up(left).await?;
        }
        spool.count_withdrawals().await;
        spool.look();
        Ok(spool)
    }

    /// What was left on the spool when the sidecar stopped.
    async fn take_up(self: &Arc<Self>, left: Left) -> Result<(), Error> {
        self.book().used(left.ticket);
        let Some(envelope) = left.request.envelope.as_ref().and_then(|wire| envelope_from_wire(wire).ok())
        else {
            warn!("an entry of the spool cannot be read");
            self.shelf.done(left.slot);
            return Ok(());
        };
        let message_id = envelope.message_id.to_string();
        let known = self.marks.known(&message_id).await?;
        if known.is_done(envelope.attempt) || self.book().by_id(&message_id).is_some() {
            self.shelf.done(left.slot);
            return Ok(());
        }
        let promised = known.promised == envelope.attempt;
        let stage = if promised { Stage::Promised } else { Stage::Waiting };
        let entry = Entry {
            message_id,
            attempt: envelope.attempt,
            lane: envelope.lane(),
            digest: left.digest,
            bytes: left.bytes,
            deadline: envelope.deadline,
            spooled_at: left.at,
            stage,
            slot: Some(left.slot),
            // It may have been sent before the restart.
            tries: 1,
            request: None,
            last: None,
            answer: watch::Sender::new(promised.then_some(Answer::OnSpool)),
            durable: watch::Sender::new(true),
            cancel: CancellationToken::new(),
        };
        self.book().insert(left.ticket, Key::of(&envelope), entry);
        if stage == Stage::Waiting {
            // Nobody was told yes, so without an answer it ends as it would have ended.
            let (spool, due) = (self.clone(), Instant::now() + self.patience(crate::BARS_PATIENCE));
            self.tasks.spawn(async move { spool.wait(left.ticket, due, false).await });
        }
        Ok(())
    }

    /// How long a local system waits.
    pub(crate) fn patience(&self, by_protocol: Duration) -> Duration {
        self.config.patience.unwrap_or(by_protocol)
    }

    /// What is on the spool, as it changes.
    pub(crate) fn reports(&self) -> watch::Receiver<Report> {
        self.report.subscribe()
    }

    /// What was acknowledged and then refused.
    pub(crate) async fn refused_later(&self) -> Result<Vec<RefusedLater>, Error> {
        self.marks.refused_later().await
    }

    /// Gives back room, drops what is old, looks at deadlines.
    pub(crate) async fn keep_house(&self, remember: Duration) {
        self.look();
        let trimmed = self.shelf.trim().await;
        self.note("trimming", trimmed);
        let oldest = self.book().oldest();
        self.note("forgetting", self.marks.forget(remember, oldest).await);
    }

    /// Waits for what was begun, then lets go of the files.
    pub(crate) async fn close(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.shelf.close().await;
    }

    /// Shows what is on the spool; deadlines pass without anything happening, so this is also called in between.
    pub(crate) fn look(&self) {
        let report = self.book().report();
        let tenant = self.tenant.to_string();
        metrics::gauge!("bulkhead_sidecar_spool_entries", "tenant" => tenant.clone())
            .set(report.entries as f64);
        metrics::gauge!("bulkhead_sidecar_spool_bytes", "tenant" => tenant.clone()).set(report.bytes as f64);
        metrics::gauge!("bulkhead_sidecar_withdrawals", "tenant" => tenant.clone())
            .set(report.withdrawals as f64);
        let next_due = report.next_due.map_or(0.0, |due| due.as_second() as f64);
        metrics::gauge!("bulkhead_sidecar_spool_next_due_timestamp_seconds", "tenant" => tenant)
            .set(next_due);
        if report.bytes >= self.config.max_bytes || report.entries >= self.config.max_entries as u64 {
            self.condition.unmet("it is full: the local system is told to try again");
        } else if let Some(due) = report.next_due.filter(|due| *due <= Timestamp::now()) {
            self.condition.unmet(format!("a deadline passed at {due} and the broker has not answered"));
        } else {
            self.condition.met();
        }
        self.report.send_if_modified(|before| std::mem::replace(before, report) != report);
    }

    async fn count_withdrawals(&self) {
        if let Ok(count) = self.marks.withdrawals_left().await {
            self.book().withdrawals = count;
        }
        self.look();
    }

    fn entry<T>(&self, ticket: u64, use_it: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        self.book().entries.get_mut(&ticket).map(use_it)
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A failure of the files that changes no answer, but must be seen.
    fn note(&self, what: &str, result: Result<(), Error>) {
        if let Err(error) = result {
            error!(%error, tenant = %self.tenant, "{what} could not be written");
        }
    }
}

/// What was found on the spool at the start, without its payload.
struct Left {
    slot: shelf::Slot,
    ticket: u64,
    at: Timestamp,
    digest: Digest,
    bytes: u64,
    request: bulkhead_wire::v1::SubmitRequest,
}

impl Left {
    fn of(found: Found) -> Self {
        let Found { slot, ticket, at, mut request } = found;
        let payload = std::mem::take(&mut request.payload);
        Self { slot, ticket, at, digest: digest(&payload), bytes: payload.len() as u64, request }
    }
}

/// How long one try may take: half of what is left, so that another node can be asked; more later.
fn try_for(left: Duration, tries: u32) -> Duration {
    let least = Duration::from_secs(1).saturating_mul(1 << tries.min(6));
    (left / 2).max(least).min(Duration::from_secs(60))
}

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    let mut digest = [0; 32];
    digest.copy_from_slice(hash.as_ref());
    Digest::new(digest)
}

/// The reason of a refusal, for the record.
fn reason(problem: &Problem) -> Reason {
    match problem.code {
        Some(code) => Reason::new(code, problem.message.clone()),
        None => Reason { code: format!("GRPC_{}", problem.grpc), text: problem.message.clone() },
    }
}

/// Logs what an operator should see of an answer that came late.
fn say_late(tenant: &TenantId, message_id: &str, waited: Duration) {
    info!(%tenant, message_id, seconds = waited.as_secs(), "the broker has answered for what was promised");
}
