//! From the local system to the broker. Written first, then asked, and answered within the patience.
//!
//! ```text
//! submit ─> shelf (durable) ─> cases ─> pump ─> Ingest.Submit ─> accepted | refused | nobody there: again
//!    └─ patience ends: routine, and the broker was there lately: promised (yes), goes on until answered
//!                      otherwise: struck (no), withdrawn until the broker has heard of it
//! ```
//!
//! The rules are those of the architecture, "The spool speaks for the broker only briefly".

mod book;
mod marks;
mod pump;
mod shelf;
mod tell;
mod withdraw;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bulkhead_model::{Code, Digest, Lane, Reason, TenantId};
use bulkhead_process::{Condition, Drain, Health};
use bulkhead_wire::envelope_from_wire;
use bulkhead_wire::status::Problem;
use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use self::book::{Book, Entry, Key, Stage};
use self::marks::{Accepted, Marks};
use self::shelf::{Found, Shelf};
use crate::broker::Broker;
use crate::config::SpoolConfig;
use crate::store::Store;
use crate::{Answer, Error, RefusedLater, Submission};

/// What a local system is told to wait when nothing better is known.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// How long those who wait are still waited for when the sidecar stops.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

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
    /// Something that was promised has been refused.
    refused: Notify,
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

/// What became of a submission before it could be sent.
enum Prepared {
    Spooled,
    /// The broker has it already.
    Repeat(Accepted),
    Not(Answer),
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

    /// Writes, asks, and answers within the patience.
    pub(crate) async fn submit(self: &Arc<Self>, submission: Submission, patience: Duration) -> Answer {
        let began = Instant::now();
        let answer = self.submit_now(submission, patience).await;
        let kind = match &answer {
            Answer::Accepted { .. } => "accepted",
            Answer::OnSpool => "on-spool",
            Answer::Refused { .. } => "refused",
            Answer::TryAgain { .. } => "try-again",
        };
        let labels = [("tenant", self.tenant.to_string()), ("answer", kind.to_owned())];
        metrics::counter!("bulkhead_sidecar_submissions_total", &labels).increment(1);
        metrics::histogram!("bulkhead_sidecar_submit_seconds", &labels).record(began.elapsed().as_secs_f64());
        answer
    }

    async fn submit_now(self: &Arc<Self>, submission: Submission, patience: Duration) -> Answer {
        let due = Instant::now() + patience;
        let limit = self.config.max_payload_bytes;
        if submission.payload.len() > limit {
            let text =
                format!("the payload has {} bytes; the sidecar takes {limit}", submission.payload.len());
            return refused(Code::PayloadTooLarge, text, "payload");
        }
        let mut answers = match self.begin(submission, due) {
            Ok(answers) => answers,
            Err(answer) => return answer,
        };
        // A repeat of what was promised waits for the broker's own answer, but is not told less than before.
        let own = answers.wait_for(|answer| !matches!(answer, None | Some(Answer::OnSpool)));
        match timeout_at(due, own).await {
            Ok(Ok(answer)) => return answer.clone().unwrap_or_else(lost),
            Ok(Err(_)) => return lost(),
            Err(_) => {}
        }
        // The patience's end is decided in one place, and durably, so this may take a moment longer.
        match answers.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone().unwrap_or_else(lost),
            Err(_) => lost(),
        }
    }

    /// Puts a submission in the book, or joins the one that is there.
    fn begin(
        self: &Arc<Self>,
        submission: Submission,
        due: Instant,
    ) -> Result<watch::Receiver<Option<Answer>>, Answer> {
        if self.drain.is_started() {
            return Err(try_again("the sidecar is stopping"));
        }
        let digest = digest(&submission.payload);
        let message_id = submission.envelope.message_id.to_string();
        let bytes = submission.payload.len() as u64;
        let mut book = self.book();
        if let Some(entry) = book.by_id(&message_id) {
            if entry.digest != digest {
                return Err(conflict());
            }
            return Ok(entry.answer.subscribe());
        }
        if book.entries.len() >= self.config.max_entries || book.bytes() + bytes > self.config.max_bytes {
            return Err(try_again("the spool is full"));
        }
        let (answer, answers) = watch::channel(None);
        let ticket = book.ticket();
        let entry = Entry {
            message_id,
            attempt: 0,
            lane: submission.envelope.lane(),
            digest,
            bytes,
            deadline: submission.envelope.deadline,
            spooled_at: Timestamp::now(),
            stage: Stage::Waiting,
            slot: None,
            tries: 0,
            request: None,
            last: None,
            answer,
            durable: watch::Sender::new(false),
            cancel: CancellationToken::new(),
        };
        book.insert(ticket, Key::of(&submission.envelope), entry);
        drop(book);
        let spool = self.clone();
        self.tasks.spawn(async move { spool.attend(ticket, submission, digest, due).await });
        Ok(answers)
    }

    /// Sees a submission through to its answer. It does not end with the caller.
    async fn attend(self: Arc<Self>, ticket: u64, submission: Submission, digest: Digest, due: Instant) {
        match timeout_at(due, self.prepare(ticket, &submission, digest)).await {
            Ok(Prepared::Spooled) => self.wait(ticket, due, true).await,
            Ok(Prepared::Repeat(accepted)) => self.repeat(ticket, &submission, accepted, due).await,
            Ok(Prepared::Not(answer)) => self.finish(ticket, answer),
            Err(_) => self.patience_over(ticket, false).await,
        }
    }

    /// Numbers the attempt and makes it durable.
    async fn prepare(&self, ticket: u64, submission: &Submission, digest: Digest) -> Prepared {
        let message_id = submission.envelope.message_id.as_str();
        let known = match self.marks.known(message_id).await {
            Ok(known) => known,
            Err(error) => return Prepared::Not(broken(&error)),
        };
        if let Some(accepted) = known.accepted {
            if accepted.digest != digest {
                return Prepared::Not(conflict());
            }
            return Prepared::Repeat(accepted);
        }
        let attempt = known.struck + 1;
        let request = marks::request(submission, attempt);
        let lane = submission.envelope.lane();
        self.entry(ticket, |entry| {
            entry.attempt = attempt;
            entry.request = Some(request.clone());
        });
        match self.shelf.append(lane, ticket, &request).await {
            Ok(slot) => {
                let there = self.entry(ticket, |entry| {
                    entry.slot = Some(slot);
                    entry.durable.send_replace(true);
                });
                if there.is_none() {
                    self.shelf.done(slot);
                }
                self.look();
                self.wake.notify_one();
                Prepared::Spooled
            }
            Err(error) => {
                // It may land all the same: then it is found struck.
                if let Err(error) = self.marks.strike(message_id, attempt, false, None).await {
                    error!(%error, "an attempt could not be struck");
                }
                Prepared::Not(broken(&error))
            }
        }
    }

    /// Waits for the answer until the patience ends.
    async fn wait(&self, ticket: u64, due: Instant, may_promise: bool) {
        let Some(mut answers) = self.entry(ticket, |entry| entry.answer.subscribe()) else { return };
        let patience = async {
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = async { self.drain.started().await; tokio::time::sleep(LAST_PATIENCE).await } => {}
            }
        };
        // Both branches are safe to cancel. Closed means answered and gone.
        tokio::select! {
            biased;
            _ = async { answers.wait_for(Option::is_some).await.is_ok() } => {}
            () = patience => self.patience_over(ticket, may_promise).await,
        }
    }

    /// The broker accepted this message id before: asks where it is now. It is never taken back.
    async fn repeat(&self, ticket: u64, submission: &Submission, accepted: Accepted, due: Instant) {
        // Nothing of its case needs to wait for it.
        self.entry(ticket, |entry| entry.cancel.cancel());
        self.book().cases.done(ticket);
        let request = marks::request(submission, accepted.attempt);
        let mut tries = 0;
        let asked = async {
            loop {
                let left = due.saturating_duration_since(Instant::now());
                match self.broker.submit(request.clone(), try_for(left, tries)).await {
                    Err(problem) if !problem.is_refusal() => {
                        tokio::time::sleep(crate::backoff::broker(tries)).await;
                        tries += 1;
                    }
                    answer => return answer,
                }
            }
        };
        let answer = match timeout_at(due, asked).await {
            Ok(Ok(response)) => {
                let answer = self.accepted(&submission.envelope.message_id, response, true);
                if let Answer::Accepted { state, .. } = &answer {
                    let row = Accepted { state: *state, ..accepted };
                    self.note(
                        "an accepted referral",
                        self.marks.accept(submission.envelope.message_id.as_str(), row).await,
                    );
                }
                answer
            }
            Ok(Err(problem)) => Answer::Refused { problem },
            Err(_) => Answer::Accepted {
                id: accepted.referral,
                duplicate: true,
                state: accepted.state,
                reason: None,
            },
        };
        self.finish(ticket, answer);
    }

    /// Nobody waits longer: yes on the spool's strength, or no.
    async fn patience_over(&self, ticket: u64, may_promise: bool) {
        let silence = self.broker.silence();
        let lately = silence.is_some_and(|silence| silence <= self.config.speaks_for);
        let decided = self.entry(ticket, |entry| {
            if entry.stage != Stage::Waiting {
                return None;
            }
            let overloaded =
                entry.last.as_ref().is_some_and(|problem| problem.code == Some(Code::QuotaExceeded));
            let promise =
                may_promise && entry.slot.is_some() && entry.lane == Lane::ALL[2] && lately && !overloaded;
            entry.stage = if promise { Stage::Promised } else { Stage::Striking };
            if !promise {
                entry.cancel.cancel();
            }
            Some((promise, entry.message_id.clone(), entry.attempt))
        });
        match decided.flatten() {
            Some((true, message_id, attempt)) => self.promise(ticket, &message_id, attempt).await,
            Some((false, message_id, attempt)) => self.say_no(ticket, &message_id, attempt).await,
            None => {}
        }
    }

    async fn promise(&self, ticket: u64, message_id: &str, attempt: u32) {
        if let Err(error) = self.marks.promise(message_id, attempt).await {
            error!(%error, "a promise could not be written");
            self.entry(ticket, |entry| {
                entry.stage = Stage::Striking;
                entry.cancel.cancel();
            });
            return self.say_no(ticket, message_id, attempt).await;
        }
        // The broker may have answered meanwhile; then those who wait get that answer.
        self.entry(ticket, |entry| {
            if entry.stage == Stage::Promised {
                entry.request = None;
                entry.answer.send_replace(Some(Answer::OnSpool));
            }
        });
    }

    async fn say_no(&self, ticket: u64, message_id: &str, attempt: u32) {
        let (sent, last) =
            self.entry(ticket, |entry| (entry.tries > 0, entry.last.clone())).unwrap_or((true, None));
        if attempt > 0 {
            self.note("a strike", self.marks.strike(message_id, attempt, sent, None).await);
            if sent {
                self.count_withdrawals().await;
                self.struck.notify_one();
            }
        }
        let cause = last.as_ref().map_or("the broker has not answered", |problem| problem.message.as_str());
        let after = last.as_ref().and_then(|problem| problem.retry_after).unwrap_or(TRY_AGAIN);
        self.finish(ticket, Answer::TryAgain { after, cause: cause.to_owned() });
    }

    /// Tells those who wait, and forgets the entry.
    fn finish(&self, ticket: u64, answer: Answer) {
        let entry = self.book().remove(ticket);
        if let Some(entry) = entry {
            if let Some(slot) = entry.slot {
                self.shelf.done(slot);
            }
            entry.cancel.cancel();
            entry.answer.send_replace(Some(answer));
        }
        self.look();
        self.wake.notify_one();
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

    /// What was promised and then refused.
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

fn refused(code: Code, message: impl Into<String>, field: &str) -> Answer {
    let refusal = bulkhead_wire::status::Refusal::new(code, message).field(field);
    Answer::Refused { problem: Problem::from(&refusal.to_wire()) }
}

fn conflict() -> Answer {
    let text = "this message id was used before with other bytes; use a new one";
    refused(Code::ConflictingDuplicate, text, "message_id")
}

fn try_again(cause: &str) -> Answer {
    Answer::TryAgain { after: TRY_AGAIN, cause: cause.to_owned() }
}

/// Only when a task has panicked.
fn lost() -> Answer {
    try_again("the sidecar has lost this submission")
}

fn broken(error: &Error) -> Answer {
    error!(%error, "the spool cannot be written");
    try_again("the spool cannot be written")
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
