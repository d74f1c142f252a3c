//! Sends what is on the spool: several at a time, one of a case, most urgent first, until each is answered.

use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::{Code, MessageId, ReferralId, State};
use bulkhead_wire::status::Problem;
use bulkhead_wire::{reason_from_wire, state_from_wire, v1};
use jiff::Timestamp;
use tokio::task::JoinSet;
use tracing::error;

use super::book::Stage;
use super::marks::{Accepted, Refusal};
use super::{Spool, reason, say_late, try_for};
use crate::Answer;
use crate::backoff;

/// How long those who wait may keep a stopping sidecar from stopping.
const GRACE: Duration = Duration::from_secs(8);

/// What one try came to.
enum Tried {
    Accepted(v1::SubmitResponse, v1::SubmitRequest),
    Refused(Problem, v1::SubmitRequest),
    Absent(Problem),
    /// Nobody wants to know any more.
    Gone,
}

impl Spool {
    /// Sends until the drain has begun and nobody waits for an answer.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut sending = JoinSet::new();
        let stopping = async {
            self.drain.started().await;
            let answered = async {
                while !self.book().is_answered() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            // What is still on the spool then is taken up at the next start.
            let _ = tokio::time::timeout(GRACE, answered).await;
        };
        tokio::pin!(stopping);
        loop {
            while let Some(ticket) = { self.book().take() } {
                let spool = self.clone();
                sending.spawn(async move { spool.send(ticket).await });
            }
            // All branches are safe to cancel.
            tokio::select! {
                () = &mut stopping => break,
                () = self.wake.notified() => {}
                Some(_) = sending.join_next() => {}
            }
        }
        sending.shutdown().await;
    }

    async fn send(self: Arc<Self>, ticket: u64) {
        let tried = self.try_once(ticket).await;
        self.book().landed();
        match tried {
            Tried::Accepted(response, request) => self.settle_accepted(ticket, response, &request).await,
            Tried::Refused(problem, request) => self.settle_refused(ticket, problem, request).await,
            Tried::Absent(problem) => self.again_later(ticket, problem),
            // Whoever made it go has taken it out, or will.
            Tried::Gone => {}
        }
        self.wake.notify_one();
    }

    async fn try_once(&self, ticket: u64) -> Tried {
        let Some((cancel, mut durable)) =
            self.entry(ticket, |entry| (entry.cancel.clone(), entry.durable.subscribe()))
        else {
            return Tried::Gone;
        };
        // Safe to cancel: an outcome that is not heard is an unknown one, and is withdrawn.
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Tried::Gone,
            durable = durable.wait_for(|durable| *durable) => if durable.is_err() { return Tried::Gone },
        }
        tokio::select! {
            biased;
            () = cancel.cancelled() => Tried::Gone,
            tried = self.ask(ticket) => tried,
        }
    }

    async fn ask(&self, ticket: u64) -> Tried {
        let Some((message_id, attempt, slot, kept, tries)) = self.entry(ticket, |entry| {
            entry.tries += 1;
            let tries = entry.tries - 1;
            (entry.message_id.clone(), entry.attempt, entry.slot, entry.request.clone(), tries)
        }) else {
            return Tried::Gone;
        };
        let request = match (kept, slot) {
            (Some(request), _) => request,
            (None, Some(slot)) => match self.shelf.read(slot).await {
                Ok(Some(request)) => request,
                Ok(None) => return Tried::Absent(local("the spool does not hold it")),
                Err(error) => return Tried::Absent(local(&error.to_string())),
            },
            (None, None) => return Tried::Gone,
        };
        // A new attempt goes only when the former ones are surely taken back: otherwise the broker might answer
        // it with what it is about to take back.
        if attempt > 1
            && let Err(problem) = self.withdraw_first(&message_id).await
        {
            return Tried::Absent(problem);
        }
        let within = try_for(self.patience(crate::BARS_PATIENCE), tries);
        match self.broker.submit(request.clone(), within).await {
            Ok(response) => Tried::Accepted(response, request),
            Err(problem) if problem.is_refusal() => Tried::Refused(problem, request),
            Err(problem) => Tried::Absent(problem),
        }
    }

    /// Moves the entry on, and says whether the local system was told yes already; `None` when somebody else
    /// decides about it.
    fn decide(&self, ticket: u64) -> Option<bool> {
        self.entry(ticket, |entry| match entry.stage {
            Stage::Waiting | Stage::Promised => {
                entry.stage = Stage::Settling;
                Some(entry.answer.borrow().is_some())
            }
            Stage::Settling | Stage::Striking => None,
        })?
    }

    async fn settle_accepted(&self, ticket: u64, response: v1::SubmitResponse, request: &v1::SubmitRequest) {
        let Some(promised) = self.decide(ticket) else { return };
        let Some((attempt, digest, spooled_at)) =
            self.entry(ticket, |entry| (entry.attempt, entry.digest, entry.spooled_at))
        else {
            return;
        };
        let message_id = request.envelope.as_ref().map_or("", |envelope| &envelope.message_id);
        let Ok(id) = MessageId::parse(message_id) else { return };
        let answer = self.accepted(&id, response, false);
        if let Answer::Accepted { id: referral, state, .. } = &answer {
            let row = Accepted { attempt, digest, referral: *referral, state: *state };
            self.note("an accepted referral", self.marks.accept(message_id, row).await);
        }
        if promised {
            say_late(&self.tenant, message_id, age(spooled_at));
        }
        self.finish(ticket, answer);
    }

    /// The broker's yes, as the local system hears it.
    pub(super) fn accepted(
        &self,
        message_id: &MessageId,
        response: v1::SubmitResponse,
        known: bool,
    ) -> Answer {
        let id = ReferralId::parse(&response.referral_id)
            .unwrap_or_else(|_| ReferralId::derive(&self.tenant, message_id));
        Answer::Accepted {
            id,
            duplicate: response.duplicate || known,
            state: state_from_wire(response.state).unwrap_or(State::Accepted),
            reason: response.reason.map(reason_from_wire),
        }
    }

    async fn settle_refused(&self, ticket: u64, problem: Problem, request: v1::SubmitRequest) {
        let Some(promised) = self.decide(ticket) else { return };
        let Some((message_id, attempt, spooled_at)) =
            self.entry(ticket, |entry| (entry.message_id.clone(), entry.attempt, entry.spooled_at))
        else {
            return;
        };
        let refusal = promised.then(|| {
            let (reason, refused_at) = (reason(&problem), Timestamp::now());
            Refusal { submit: request, reason, spooled_at, refused_at }
        });
        // A conflict is about bytes that were never this referral's; the first of that id is well and stays.
        let withdraw = problem.code != Some(Code::ConflictingDuplicate);
        let struck = self.marks.strike(&message_id, attempt, withdraw, refusal).await;
        self.note("a strike", struck);
        if withdraw {
            self.count_withdrawals().await;
            self.struck.notify_one();
        }
        if promised {
            metrics::counter!("bulkhead_sidecar_refused_later_total", "tenant" => self.tenant.to_string())
                .increment(1);
            error!(
                tenant = %self.tenant, message_id, reason = %reason(&problem).code,
                "a referral that the local system was told is sent has been refused"
            );
            self.refused.notify_one();
        }
        self.finish(ticket, Answer::Refused { problem });
    }

    fn again_later(self: &Arc<Self>, ticket: u64, problem: Problem) {
        let tries = self.entry(ticket, |entry| {
            entry.last = Some(problem.clone());
            entry.tries
        });
        let Some(tries) = tries else { return };
        let asked = problem.retry_after.unwrap_or_default().min(Duration::from_secs(30));
        let pause = backoff::broker(tries.saturating_sub(1)).max(asked);
        let spool = self.clone();
        // Not tracked: a pause is no work that a stop should wait for.
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            spool.book().cases.again(ticket);
            spool.wake.notify_one();
        });
    }
}

fn local(message: &str) -> Problem {
    let grpc = tonic::Code::Internal as i32;
    Problem { code: None, grpc, message: message.to_owned(), field: None, retry_after: None, owner: None }
}

fn age(since: Timestamp) -> Duration {
    Duration::try_from(Timestamp::now().duration_since(since)).unwrap_or_default()
}
