//! Hands over what is in the inbox: one of a case at a time, a few cases at a time, each within its budget.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bulkhead_model::{Code, Reason};
use bulkhead_process::{Drain, telemetry};
use bulkhead_wire::v1::outcome::Result as Answered;
use bulkhead_wire::{reason_to_wire, v1};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{Instrument, error, info, info_span, warn};

use crate::config::InboxConfig;
use crate::inbox::{Header, Inbox};
use crate::presence::Presence;
use crate::{Delivery, LocalSystem, Outcome, backoff};

/// How long what was begun may keep a stopping sidecar from stopping.
const GRACE: Duration = Duration::from_secs(8);
/// How long the others may go first at most.
const LONGEST_AFTER_A_FALL: Duration = Duration::from_secs(10);
/// Omissions that an outcome names at most.
const MAX_OMISSIONS: usize = 64;

/// The worker between inbox and local system.
#[derive(Clone)]
pub(crate) struct HandOver {
    inbox: Inbox,
    system: Arc<dyn LocalSystem>,
    presence: Presence,
    config: InboxConfig,
    tenant: String,
    answered: Arc<AtomicU64>,
    falls: Arc<Mutex<HashMap<u64, Fall>>>,
}

/// A referral that found the local system down.
#[derive(Clone, Copy)]
struct Fall {
    /// How often in a row.
    times: u32,
    /// How many answers there had been.
    answered: u64,
}

impl HandOver {
    pub(crate) fn new(
        inbox: Inbox,
        system: Arc<dyn LocalSystem>,
        presence: Presence,
        config: InboxConfig,
        tenant: String,
    ) -> Self {
        Self { inbox, system, presence, config, tenant, answered: Arc::default(), falls: Arc::default() }
    }

    /// Hands over until the drain begins, then lets what was begun end.
    pub(crate) async fn run(self, drain: Drain) {
        let mut running = JoinSet::new();
        let mut up = self.presence.changes();
        loop {
            while !drain.is_started()
                && self.presence.is_up()
                && running.len() < self.config.parallel
                && let Some(ticket) = self.inbox.next()
            {
                let worker = self.clone();
                running.spawn(async move { worker.hand_over(ticket).await });
            }
            // All branches are safe to cancel.
            tokio::select! {
                () = drain.started() => break,
                () = self.inbox.changed() => {}
                _ = up.changed() => {}
                Some(_) = running.join_next() => {}
            }
        }
        let begun = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, begun).await.is_err() {
            warn!(tenant = self.tenant, "stopping with hand-overs unanswered; they are repeated");
        }
    }

    async fn hand_over(&self, ticket: u64) {
        let (delivery, tries) = match self.inbox.load(ticket).await {
            Ok(Some(loaded)) => loaded,
            Ok(None) => {
                error!(tenant = self.tenant, ticket, "an entry of the inbox cannot be read");
                return self
                    .finish(ticket, rejected(&Reason::new(Code::Unreadable, "lost in the inbox")), None)
                    .await;
            }
            Err(error) => {
                error!(tenant = self.tenant, %error, "the inbox cannot be read");
                return self.again(ticket, 0, tokio::time::sleep(Duration::from_secs(5))).await;
            }
        };
        let began = Instant::now();
        let outcome = self.attempt(delivery.clone()).await;
        let outcome = self.judge(ticket, outcome);
        let labels = [("tenant", self.tenant.clone()), ("outcome", name(&outcome).to_owned())];
        metrics::counter!("bulkhead_sidecar_hand_overs_total", &labels).increment(1);
        metrics::histogram!("bulkhead_sidecar_hand_over_seconds", &labels)
            .record(began.elapsed().as_secs_f64());
        self.settle(ticket, &delivery, tries, outcome).await;
    }

    /// One attempt, in a task of its own: neither its time nor its panic is ours.
    async fn attempt(&self, delivery: Delivery) -> Outcome {
        let system = self.system.clone();
        let span = info_span!("local_hand_over", referral = %delivery.id, attempt = delivery.attempt);
        if let Some(parent) = &delivery.envelope.traceparent {
            telemetry::adopt(parent, &span);
        }
        let mut task = tokio::spawn(async move { system.hand_over(&delivery).await }.instrument(span));
        match tokio::time::timeout(self.config.hand_over_timeout, &mut task).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => retry("the adapter failed"),
            Err(_) => {
                task.abort();
                retry("the local system did not answer in time")
            }
        }
    }

    /// A referral that finds the local system down, while others were answered since it last did, is itself what
    /// brings it down: then it spends its budget like any bad answer, and does not hold up the others for ever.
    fn judge(&self, ticket: u64, outcome: Outcome) -> Outcome {
        let mut falls = self.falls.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Outcome::Down { cause } => {
                let now = self.answered.load(Ordering::Relaxed);
                let before = falls.get(&ticket).copied();
                let times = before.map_or(1, |fall| fall.times + 1);
                falls.insert(ticket, Fall { times, answered: now });
                match before {
                    Some(fall) if fall.answered < now => {
                        let cause = format!("{cause}, for this referral only");
                        Outcome::Retry { after: Duration::ZERO, cause }
                    }
                    Some(_) | None => Outcome::Down { cause },
                }
            }
            answer => {
                falls.remove(&ticket);
                self.answered.fetch_add(1, Ordering::Relaxed);
                self.presence.answered();
                answer
            }
        }
    }

    async fn settle(&self, ticket: u64, delivery: &Delivery, tries: u32, outcome: Outcome) {
        let referral = delivery.id;
        match outcome {
            Outcome::Delivered(mut receipt) => {
                receipt.omissions.truncate(MAX_OMISSIONS);
                info!(tenant = self.tenant, %referral, answer = receipt.answer, "handed over");
                let answer = v1::Acknowledged {
                    answer: receipt.answer,
                    omissions: receipt.omissions,
                    repeat: receipt.repeat,
                };
                self.finish(ticket, Answered::Acknowledged(answer), None).await;
            }
            Outcome::Refused(reason) => {
                warn!(tenant = self.tenant, %referral, %reason, "the local system refused a referral");
                self.finish(ticket, rejected(&reason), None).await;
            }
            Outcome::Down { cause } => {
                self.presence.went_down(cause);
                let pause = self.after_a_fall(ticket);
                self.again(ticket, tries, pause).await;
            }
            Outcome::Retry { cause, .. } if tries + 1 >= self.config.budget => {
                let tries = tries + 1;
                warn!(tenant = self.tenant, %referral, tries, cause, "set aside: its budget is spent");
                let reason = Reason::new(Code::BudgetSpent, cause);
                let answer = v1::Exhausted { reason: Some(reason_to_wire(&reason)), tries };
                let header = case_of(delivery);
                self.finish(ticket, Answered::Exhausted(answer), Some(&header)).await;
            }
            Outcome::Retry { after, cause } => {
                info!(tenant = self.tenant, %referral, tries = tries + 1, cause, "to be tried again");
                let (first, longest) = self.config.retry;
                let pause = backoff::pause(first, longest, tries).max(after);
                self.again(ticket, tries + 1, tokio::time::sleep(pause)).await;
            }
        }
    }

    async fn finish(&self, ticket: u64, answer: Answered, hold: Option<&bulkhead_model::CaseKey>) {
        self.falls.lock().unwrap_or_else(PoisonError::into_inner).remove(&ticket);
        let mut tries = 0;
        // Without its record the outcome would be lost, and the referral handed over again: so this goes on.
        while let Err(error) = self.inbox.finish(ticket, answer.clone(), hold).await {
            error!(tenant = self.tenant, %error, "an outcome cannot be written");
            tokio::time::sleep(backoff::broker(tries)).await;
            tries += 1;
        }
    }

    /// One that finds the local system down again lets the others go first when it is up: it may be this one that
    /// it does not bear, and only the others' answers can show that.
    fn after_a_fall(&self, ticket: u64) -> impl Future<Output = ()> + Send + 'static {
        let falls = self.falls.lock().unwrap_or_else(PoisonError::into_inner);
        let times = falls.get(&ticket).map_or(1, |fall| fall.times);
        let first = self.config.retry.0;
        let pause = (times > 1).then(|| backoff::pause(first, LONGEST_AFTER_A_FALL.max(first), times - 2));
        let presence = self.presence.clone();
        async move {
            presence.up().await;
            tokio::time::sleep(pause.unwrap_or_default()).await;
        }
    }

    async fn again(&self, ticket: u64, tries: u32, pause: impl Future<Output = ()> + Send + 'static) {
        if let Err(error) = self.inbox.again(ticket, tries, pause).await {
            error!(tenant = self.tenant, %error, "a try cannot be counted");
        }
    }
}

fn case_of(delivery: &Delivery) -> bulkhead_model::CaseKey {
    Header::case_of(&delivery.tenant, &delivery.envelope, delivery.id)
}

fn retry(cause: &str) -> Outcome {
    Outcome::Retry { after: Duration::ZERO, cause: cause.to_owned() }
}

fn rejected(reason: &Reason) -> Answered {
    Answered::Rejected(v1::Rejected { reason: Some(reason_to_wire(reason)) })
}

fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered(_) => "delivered",
        Outcome::Retry { .. } => "retry",
        Outcome::Refused(_) => "refused",
        Outcome::Down { .. } => "down",
    }
}
