//! `Plan` and `Cut`: first what it would do; then closed here at once, kept, appended, read back, accounted for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bulkhead_model::{Code, Direction, Moment, OperatorId, Scope};
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
use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::caller::fact_text;
use super::command::words;
use super::{Shared, asking};
use crate::account::Said;
use crate::audit::Note;
use crate::authority::{Effect, Refused};
use crate::closings::Closing;
use crate::plan::Plan;

/// How long a node's pulse is waited for.
const ACKNOWLEDGED: Duration = Duration::from_secs(2);
/// A node whose pulse does not come back stops by itself after this: `LONGEST_LIMIT` of its lease.
const LEASE: SignedDuration = SignedDuration::from_secs(1);

/// News that may wait for a slow reader; the cut does not wait for it.
const NEWS: usize = 64;

/// Who commanded, if still there.
struct Listener(mpsc::Sender<Result<CutResponse, Status>>);

impl Listener {
    async fn tell(&self, news: News) {
        drop(self.0.send(Ok(CutResponse { news: Some(news) })).await);
    }

    async fn fail(&self, refusal: Refusal) {
        drop(self.0.send(Err(refusal.into())).await);
    }
}

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
        let tenants = asking(move || of.counted(&known, &ledger, now)).await?;
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
        let taken = match self.close(&fact, &header, taken_at) {
            Ok(is_pending) => {
                if !is_pending {
                    self.parts.neighbours.push(&fact, taken_at);
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
        tokio::spawn(async move { self.carry_through(fact, taken, begun, note, Listener(news)).await });
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
        listener: Listener,
    ) {
        let (is_pending, taken_at) = (taken.pending, taken.at);
        let after_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let in_force = CutInForce { node: self.parts.node.clone(), at: taken_at, after_us, answered: true };
        listener.tell(News::Taken(taken)).await;
        if !is_pending {
            listener.tell(News::InForce(in_force)).await;
        }
        let settled = match is_pending {
            true => self.scribe.settle(&fact, None).await,
            false => {
                let taken_at = taken_at.and_then(time_from_wire).unwrap_or_else(Timestamp::now);
                self.keep_and_append(Closing { fact: fact.clone(), taken_at, is_appended: false }).await
            }
        };
        let outcome = match settled {
            Ok(outcome) => outcome,
            Err(error) => {
                let detail = format!("closed on this node and not yet in the log: {error}");
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
        listener.tell(News::Logged(CutLogged { position: outcome.moment.position, at })).await;
        let id = match outcome.effect {
            Ok(Effect::Closed(id) | Effect::Pending(id)) => id,
            Ok(_) => return,
            Err(refused) => {
                listener.fail(Refusal::new(refused.code(), refused.to_string())).await;
                return;
            }
        };
        if !is_pending {
            self.acknowledged(outcome.moment, begun, &listener).await;
        }
        match self.account(&id).await {
            Ok(account) => listener.tell(News::Account(account)).await,
            Err(refusal) => listener.fail(refusal).await,
        }
    }

    /// Tells of each other node of the cell when its pulse shows that it knows the cut; of one whose pulse does not
    /// come, when its lease has run out.
    async fn acknowledged(&self, made: Moment, begun: Instant, listener: &Listener) {
        let mut pulses = self.parts.pulses.clone();
        let mut waiting: BTreeSet<String> = pulses
            .borrow_and_update()
            .alive()
            .map(|member| member.pulse.node.clone())
            .filter(|node| *node != self.parts.node)
            .collect();
        let end = tokio::time::Instant::now() + ACKNOWLEDGED;
        while !waiting.is_empty() {
            let known: Vec<String> = pulses
                .borrow_and_update()
                .all()
                .filter(|member| {
                    waiting.contains(&member.pulse.node) && member.pulse.position >= made.position
                })
                .map(|member| member.pulse.node.clone())
                .collect();
            for node in known {
                waiting.remove(&node);
                let after_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
                let at = Some(time_to_wire(Timestamp::now()));
                listener.tell(News::InForce(CutInForce { node, at, after_us, answered: true })).await;
            }
            if !waiting.is_empty() && tokio::time::timeout_at(end, pulses.changed()).await.is_err() {
                break;
            }
        }
        for node in waiting {
            let at = made.at.saturating_add(LEASE).unwrap_or(made.at);
            let at = Some(time_to_wire(at));
            listener.tell(News::InForce(CutInForce { node, at, after_us: 0, answered: false })).await;
        }
    }

    /// Keeps a closing on the disk while it is appended, neither waiting for the other, and hands it to the loop that
    /// appends it again until it is read back.
    async fn keep_and_append(&self, mut closing: Closing) -> Result<crate::Outcome, crate::Error> {
        let (kept, keeping) = (self.kept.clone(), closing.clone());
        let fact = closing.fact.clone();
        let on_disk = tokio::task::spawn_blocking(move || kept.keep(&keeping));
        let (on_disk, appended) =
            tokio::join!(on_disk, self.scribe.append(&fact, Some(closing.taken_at), None));
        if let Ok(Err(cause)) = on_disk {
            tracing::error!(%cause, "a closing cannot be kept on this node's disk; it is appended all the same");
        }
        closing.is_appended = appended.is_ok();
        // The loop ends only with the node, and then the disk has it.
        drop(self.closings.send(closing).await);
        self.scribe.read_back(&fact, 0).await
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
                let (kept, closing) = (self.kept.clone(), Closing { fact, taken_at, is_appended: true });
                let keeping = closing.clone();
                drop(tokio::task::spawn_blocking(move || kept.keep(&keeping)).await);
                drop(self.closings.send(closing).await);
                Ok(PushResponse { node: self.parts.node.clone() })
            }
            Err(refused) => Err(Refusal::new(refused.code(), refused.to_string())),
        }
    }
}
