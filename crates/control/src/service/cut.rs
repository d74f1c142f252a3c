//! `Plan` and `Cut`: first what it would do; then closed here at once, kept, appended, read back, accounted for.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bulkhead_model::{Code, Direction, OperatorId, Scope};
use bulkhead_wire::fact::{Command, Header, SignedFact, cut_id};
use bulkhead_wire::status::Refusal;
use bulkhead_wire::v1::cut_response::News;
use bulkhead_wire::v1::{
    self, CutInForce, CutLogged, CutResponse, CutTaken, PlanRequest, PlanResponse, PushRequest, PushResponse,
};
use bulkhead_wire::{time_from_wire, time_to_wire, topics};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::caller::fact_text;
use super::command::words;
use super::proof::Listener;
use super::{Shared, asking};
use crate::Error;
use crate::account::Said;
use crate::audit::Note;
use crate::authority::{Effect, Outcome, Refused};
use crate::closings::Closing;
use crate::neighbours::Pushed;
use crate::plan::Plan;

/// How long the log is waited for before it is told where the cut is in force without it.
const PATIENCE: Duration = Duration::from_secs(1);
/// News that may wait for a slow reader; the cut does not wait for it.
const NEWS: usize = 64;

impl Shared {
    pub(super) async fn plan(
        &self,
        operator: &OperatorId,
        request: PlanRequest,
    ) -> Result<PlanResponse, Refusal> {
        let invalid = |field: &str, why: &str| Refusal::new(Code::InvalidEnvelope, why).field(field);
        let scope: Scope = request.scope.parse().map_err(|error| {
            let why = format!("{error}; write nation/name, supplier:NAME or nation:NAME");
            Refusal::new(Code::ScopeUnknown, why).field("scope")
        })?;
        let direction = match request.direction.as_str() {
            "" => Direction::Both,
            text => Direction::parse(text).ok_or_else(|| invalid("direction", "it is from, to or both"))?,
        };
        let now = Timestamp::now();
        let since = match request.since {
            None => now,
            Some(at) => time_from_wire(at).ok_or_else(|| invalid("since", "it is out of range"))?,
        };
        let (directory, cuts, budget_left) = self.parts.book.ask(|authority| {
            let left = authority.budget_left(operator, now);
            (authority.directory().clone(), authority.cuts().clone(), left)
        });
        let plan = Plan::of(&directory, scope, direction, since, request.drain_clean)?;
        plan.check_not_cut(&cuts, &directory)?;
        let (ledger, of, known) = (self.parts.ledger.clone(), plan.clone(), directory.clone());
        let mut tenants = asking(move || of.counted(&known, &ledger, now)).await?;
        for (told, tenant) in tenants.iter_mut().zip(&plan.tenants) {
            told.border_only = tenant.nation() != self.parts.nation;
        }
        Ok(PlanResponse {
            plan: Bytes::copy_from_slice(&plan.digest()),
            now: Some(time_to_wire(now)),
            position: cuts.position,
            since: Some(time_to_wire(plan.since)),
            scope: plan.scope.to_string(),
            direction: direction.as_str().to_owned(),
            tenants,
            not_covered: plan.not_covered(&directory).iter().map(ToString::to_string).collect(),
            last_path: plan.last_path(&directory, now).iter().map(|service| service.id.to_string()).collect(),
            wide: plan.scope.is_wide(),
            budget_left,
            foreign: plan.is_foreign(self.parts.nation),
        })
    }

    /// Closes at once what was planned, and tells what follows. Nothing here waits for the audit, the disk or the
    /// log before it is closed.
    pub(super) async fn cut(
        self: Arc<Self>,
        caller: &OperatorId,
        fact: Option<v1::SignedFact>,
    ) -> Result<BoxStream<'static, Result<CutResponse, Status>>, Refusal> {
        let (fact, header) = self.signed(caller, fact)?;
        let begun = Instant::now();
        let note = Note {
            phase: "intent",
            who: caller.to_string(),
            command: "cut".into(),
            subject: super::caller::subject(&header, None),
            fact: fact_text(&fact),
            detail: words(&fact),
            ..Note::default()
        };
        self.parts.audit.note(note.clone());
        let taken_at = Timestamp::now();
        let mut pushed = Pushed::default();
        let taken = match self.close(&fact, &header, taken_at) {
            Ok(is_pending) => {
                if !is_pending {
                    pushed = self.parts.neighbours.push(&fact, taken_at);
                }
                CutTaken {
                    cut_id: cut_id(header.nation, &fact.id()).to_string(),
                    fact: Bytes::copy_from_slice(&fact.id().0),
                    node: self.parts.node.clone(),
                    at: Some(time_to_wire(taken_at)),
                    pending: is_pending,
                }
            }
            Err(refusal) => {
                self.note_refusal(caller, "cut", note.subject, note.fact, &refusal);
                return Err(refusal);
            }
        };
        let (news, told) = mpsc::channel(NEWS);
        // Nobody may be listening any more: the cut goes on all the same.
        tokio::spawn(async move {
            self.carry_through(fact, taken, begun, note, pushed, Listener(news)).await;
        });
        Ok(ReceiverStream::new(told).boxed())
    }

    /// Closes it on this node. True: it waits for a second person instead.
    fn close(&self, fact: &SignedFact, header: &Header, taken_at: Timestamp) -> Result<bool, Refusal> {
        let invalid = |why: &str| Refusal::new(Code::SignatureInvalid, why).field("fact");
        let Ok(Command::Cut { direction, since, drain_clean, plan, tenants, .. }) = fact.command() else {
            return Err(invalid("this is no cut that this release can read"));
        };
        let scope = header.scope.scope().ok_or_else(|| invalid("a cut names a scope"))?;
        let (directory, cuts) =
            self.parts.book.ask(|authority| (authority.directory().clone(), authority.cuts().clone()));
        let planned = Plan::of(&directory, scope.clone(), direction, since, drain_clean)?;
        if planned.digest() != plan || planned.tenants != tenants {
            let changed = format!("the plan for {scope} is not the one that was shown: look at it again");
            return Err(Refusal::new(Code::PlanChanged, changed));
        }
        planned.check_not_cut(&cuts, &directory)?;
        match self.parts.book.close_early(fact, taken_at) {
            Ok(_) => Ok(false),
            Err(Refused::Budget) => Ok(true),
            Err(refused) => Err(Refusal::new(refused.code(), refused.to_string())),
        }
    }

    async fn carry_through(
        self: Arc<Self>,
        fact: SignedFact,
        taken: CutTaken,
        begun: Instant,
        note: Note,
        pushed: Pushed,
        listener: Listener,
    ) {
        let (is_pending, at) = (taken.pending, taken.at);
        let taken_at = at.and_then(time_from_wire).unwrap_or_else(Timestamp::now);
        let after_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let in_force = CutInForce { node: self.parts.node.clone(), at, after_us, answered: true };
        listener.tell(News::Taken(taken)).await;
        if !is_pending {
            listener.tell(News::InForce(in_force)).await;
        }
        let settled = match is_pending {
            true => self.scribe.settle(&fact, None).await,
            false => self.settle_closing(fact, taken_at, begun, pushed, &listener).await,
        };
        let outcome = match settled {
            Ok(outcome) => outcome,
            Err(error) => {
                let closed = if is_pending { "it closes nothing" } else { "closed on this node" };
                let detail = format!("{closed} and not yet in the log: {error}");
                self.parts.audit.note(Note {
                    phase: "outcome",
                    code: "LOG_UNAVAILABLE".into(),
                    detail,
                    ..note
                });
                listener.fail(super::unavailable(&error)).await;
                return;
            }
        };
        let (code, detail) = match &outcome.effect {
            Ok(effect) => (String::new(), effect.to_string()),
            Err(refused) => (refused.code().to_string(), refused.to_string()),
        };
        self.parts.audit.note(Note {
            phase: "outcome",
            code,
            detail,
            position: outcome.moment.position,
            ..note
        });
        let at = Some(time_to_wire(outcome.moment.at));
        let pending = outcome.effect.as_ref().is_ok_and(Effect::is_pending);
        listener.tell(News::Logged(CutLogged { position: outcome.moment.position, at, pending })).await;
        let id = match outcome.effect {
            Ok(Effect::Closed(id) | Effect::Pending(id)) => id,
            Ok(_) => return,
            Err(refused) => {
                listener.fail(Refusal::new(refused.code(), refused.to_string())).await;
                return;
            }
        };
        if !pending {
            self.acknowledged(outcome.moment, begun, &listener).await;
        }
        match self.account(&id).await {
            Ok(account) => listener.tell(News::Account(account)).await,
            Err(refusal) => listener.fail(refusal).await,
        }
    }

    /// Brings a closing into the log. While the log is away, who commanded hears where it is in force all the same.
    async fn settle_closing(
        &self,
        fact: SignedFact,
        taken_at: Timestamp,
        begun: Instant,
        pushed: Pushed,
        listener: &Listener,
    ) -> Result<Outcome, Error> {
        let before = self.heard_of_others();
        let settling = self.keep_and_append(fact, taken_at);
        let mut settling = pin!(settling);
        let in_time = tokio::time::timeout(PATIENCE, &mut settling).await;
        match in_time {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(error)) => {
                self.without_log(before, pushed, taken_at, begun, listener).await;
                Err(error)
            }
            Err(_) => {
                let (settled, ()) =
                    tokio::join!(settling, self.without_log(before, pushed, taken_at, begun, listener));
                settled
            }
        }
    }

    /// Keeps a closing on the disk while it is appended, neither waiting for the other, and hands it to the loop that
    /// appends it again until it is read back.
    async fn keep_and_append(&self, fact: SignedFact, taken_at: Timestamp) -> Result<Outcome, Error> {
        let closing = Closing::taken(fact.clone(), taken_at);
        let (kept, keeping) = (self.kept.clone(), closing.clone());
        let on_disk = tokio::task::spawn_blocking(move || kept.keep(&keeping));
        let (on_disk, appended) = tokio::join!(on_disk, self.scribe.append(&fact, Some(taken_at), None));
        if let Ok(Err(cause)) = on_disk {
            tracing::error!(%cause, "a closing cannot be kept on this node's disk; it is appended all the same");
        }
        let closing = match &appended {
            Ok(appended) => closing.at(appended.offset),
            Err(_) => closing,
        };
        // The loop ends only with the node, and then the disk has it.
        drop(self.closings.send(closing).await);
        self.scribe.read_back(&fact, appended?.offset).await
    }

    pub(super) async fn account(&self, id: &bulkhead_model::CutId) -> Result<v1::CutAccount, Refusal> {
        let said = self.parts.book.ask(|authority| Said::of(authority, id));
        let said = said.ok_or_else(|| Refusal::new(Code::ScopeUnknown, format!("there is no cut {id}")))?;
        let made = self.parts.book.ask(|authority| authority.cuts().course(id)?.made());
        let said = said.enforced(self.parts.book.enforced(id), made.map(|made| made.here.at));
        let mut undecided = 0;
        for tenant in said.tenants() {
            // A topic that is not there yet holds nothing.
            undecided += self.parts.ledger.in_undecided(&topics::inward(tenant)).await.unwrap_or_default();
        }
        let ledger = self.parts.ledger.clone();
        asking(move || said.counted(&ledger, undecided)).await
    }

    /// A closing that a peer took. It is closed here at once and kept; the peer appends it, and so does this node when
    /// it is not read back soon.
    pub(super) async fn pushed(&self, request: PushRequest) -> Result<PushResponse, Refusal> {
        let invalid = |why: &str| Refusal::new(Code::SignatureInvalid, why);
        let fact = SignedFact::from_wire(request.fact.ok_or_else(|| invalid("there is no signed fact"))?);
        let taken_at = request.taken_at.and_then(time_from_wire).unwrap_or_else(Timestamp::now);
        match self.parts.book.close_early(&fact, taken_at) {
            Ok(_) => {
                let (kept, closing) = (self.kept.clone(), Closing::taken(fact, taken_at).by_another());
                let keeping = closing.clone();
                drop(tokio::task::spawn_blocking(move || kept.keep(&keeping)).await);
                drop(self.closings.send(closing).await);
                Ok(PushResponse { node: self.parts.node.clone() })
            }
            Err(refused) => Err(Refusal::new(refused.code(), refused.to_string())),
        }
    }
}
