//! Sees one submission through: from the local system's bytes to what the local system is told.
//!
//! Each has a task of its own, which does not end with its caller: what was begun gets its answer, also when nobody
//! is there to hear it.

use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::{Code, Digest, Lane};
use bulkhead_wire::status::Problem;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::book::{Entry, Key, Stage};
use super::marks::{self, Accepted};
use super::{Spool, digest, try_for};
use crate::{Answer, Error, Submission};

/// What a local system is told to wait when nothing better is known.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// How long those who wait are still waited for when the sidecar stops.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// What became of a submission before it could be sent.
enum Prepared {
    Spooled,
    /// The broker has it already.
    Repeat(Accepted),
    Not(Answer),
}

impl Spool {
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
    pub(super) async fn wait(&self, ticket: u64, due: Instant, may_promise: bool) {
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

    /// The broker accepted this message id before: asks where it is now, and says what was known last when nobody can
    /// tell. It is never taken back.
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
            // A cut of either end, or a node that has not read of it yet, refuses what is new: this is not.
            Ok(Err(_)) | Err(_) => Answer::Accepted {
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
    pub(super) fn finish(&self, ticket: u64, answer: Answer) {
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
