//! The compartment's loop towards one sidecar: what waits, lane by lane, as far as credits reach.
//!
//! What waits and in which order is the ledger's answer (an event counts, its case's former referral is
//! settled); the bytes come from the log. Several are in flight, one at a time per case.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bulkhead_ledger::{Row, Waiting};
use bulkhead_log::Topic;
use bulkhead_model::{
    Claim, Code, Cuts, Digest, Event, Lane, Lifecycle, Priority, Reason, ReferralId, TenantId, Verdict,
};
use bulkhead_process::Drain;
use bulkhead_wire::{time_from_wire, topics, v1};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tonic::Streaming;
use tracing::{info, warn};

use crate::Error;
use crate::flight::{Down, Flight, Handed, send};
use crate::gate::provenance_of;
use crate::journal::Decided;
use crate::layers::Layer;
use crate::notices::{self, Notices};
use crate::owner::Shared;
use crate::recalls::Recalls;
use crate::service_notices::ServiceNotices;
use crate::settle::{self, settle};
use crate::source::Source;

/// How long an append of a former stream may be on its way: longer than a log takes to say that it does not know.
const FORMER: Duration = Duration::from_secs(15);

/// A delivery whose outcome is not final.
#[derive(Clone, Copy)]
struct Open {
    custody: u32,
    digest: Digest,
    spent: u32,
    delivered: bool,
}

/// Something that ended while the loop went on.
enum Ended {
    Flight(ReferralId, Handed),
    Cancelled(ReferralId),
    NotSent(ReferralId),
    Recorded(ReferralId),
    Settled { id: ReferralId, attempt: u32, is_final: bool, counts: bool, retry_after: Option<Duration> },
    Nothing,
}

/// The hand-over to one connected sidecar.
pub(crate) struct HandOver {
    shared: Shared,
    tenant: TenantId,
    claim: Claim,
    down: Down,
    inbox: String,
    any: u32,
    emergency: u32,
    taking: bool,
    sources: HashMap<u32, Source>,
    open: HashMap<ReferralId, Open>,
    not_before: HashMap<ReferralId, Instant>,
    again: Vec<Waiting>,
    /// Until then, what a former stream had under way may still become an offer.
    former_until: Instant,
    /// The cuts by which something was kept back when that was looked at last.
    kept_back_by: Option<Arc<Cuts>>,
    notices: Notices,
    service_notices: ServiceNotices,
    recalls: Recalls,
    work: FuturesUnordered<BoxFuture<'static, Result<Ended, Error>>>,
}

impl HandOver {
    pub(crate) fn new(shared: Shared, tenant: TenantId, claim: Claim, down: Down) -> Self {
        Self {
            recalls: Recalls::new(shared.clone(), tenant.clone(), claim.clone()),
            service_notices: ServiceNotices::new(shared.clone(), tenant.clone(), down.clone()),
            notices: Notices::new(shared.clone(), tenant.clone(), claim.clone(), down.clone()),
            shared,
            tenant,
            claim,
            down,
            inbox: String::new(),
            any: 0,
            emergency: 0,
            taking: false,
            sources: HashMap::new(),
            open: HashMap::new(),
            not_before: HashMap::new(),
            again: Vec::new(),
            former_until: Instant::now() + FORMER,
            kept_back_by: None,
            work: FuturesUnordered::new(),
        }
    }

    /// Runs until the stream ends, a newer one takes its place or the node drains.
    pub(crate) async fn run(mut self, up: &mut Streaming<v1::ReceiveRequest>, drain: Drain) {
        let tenant = self.tenant.clone();
        let ended = tokio::select! {
            () = drain.started() => Ok(()),
            ended = self.serve(up) => ended,
        };
        if let Err(error) = ended {
            warn!(%tenant, %error, "hand-over to this tenant ended");
        }
        if !drain.is_started() {
            self.shared.board.update(&tenant, |seen| (seen.connected, seen.taking) = (false, false));
        }
    }

    async fn serve(&mut self, up: &mut Streaming<v1::ReceiveRequest>) -> Result<(), Error> {
        let changed = self.shared.parts.ledger.newly_waiting(&self.tenant);
        let mut tick = interval(notices::TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let woken = changed.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            self.pump().await?;
            let next_retry = self.not_before.values().min().copied();
            tokio::select! {
                frame = up.message() => match frame {
                    Ok(Some(frame)) => self.frame(frame).await?,
                    Ok(None) | Err(_) => return Ok(()),
                },
                Some(ended) = self.work.next() => self.ended(ended?),
                () = &mut woken => {}
                _ = tick.tick() => self.tell()?,
                () = async { sleep_until(next_retry.unwrap_or_else(Instant::now)).await }, if next_retry.is_some() => {
                    let now = Instant::now();
                    self.not_before.retain(|_, until| *until > now);
                }
            }
        }
    }

    async fn frame(&mut self, request: v1::ReceiveRequest) -> Result<(), Error> {
        use v1::receive_request::Frame;
        match request.frame {
            Some(Frame::Hello(hello)) => self.hello(hello),
            Some(Frame::Credit(credit)) => {
                self.credit(&credit);
                Ok(())
            }
            Some(Frame::Outcome(outcome)) => self.outcome(&outcome),
            Some(Frame::Spool(report)) => {
                let next_due = report.next_due.and_then(time_from_wire);
                self.shared.board.update(&self.tenant, |seen| {
                    (seen.spooled, seen.next_due) = (report.entries + report.withdrawals, next_due);
                });
                Ok(())
            }
            Some(Frame::NoticeTaken(taken)) => self.notice_taken(&taken),
            Some(Frame::RecallAnswer(answer)) => self.recall_answered(&answer),
            None => Ok(()),
        }
    }

    /// What was on its way when the former stream ended is offered again, and what lies unanswered in
    /// another inbox than this one.
    pub(crate) fn hello(&mut self, hello: v1::Hello) -> Result<(), Error> {
        info!(tenant = %self.tenant, software = %hello.software, "sidecar connected");
        self.inbox = hello.inbox_id;
        self.shared.board.update(&self.tenant, |seen| seen.connected = true);
        self.take_up_former_offers()
    }

    /// What former streams have left unsettled. One that was ended had perhaps enqueued that it offers something, and
    /// the ledger has read it only since; and what a cut kept back may go on when cuts change.
    fn take_up_former_offers(&mut self) -> Result<(), Error> {
        let cuts = self.shared.gate(Layer::Offer);
        let may_go_on = self.kept_back_by.take_if(|by| !by.says_the_same(&cuts)).is_some();
        if !may_go_on && Instant::now() > self.former_until {
            return Ok(());
        }
        let ledger = &self.shared.parts.ledger;
        let mut left = ledger.unanswered(&self.tenant, &self.inbox)?;
        left.extend(ledger.offered_to(&self.tenant)?);
        for waiting in left {
            if !cuts.ask(&provenance_of(&waiting.row)).is_open() {
                self.kept_back_by = Some(cuts.clone());
                continue;
            }
            let is_known = self.open.contains_key(&waiting.id)
                || self.not_before.contains_key(&waiting.id)
                || self.again.iter().any(|again| again.id == waiting.id);
            if !is_known {
                self.again.push(waiting);
            }
        }
        Ok(())
    }

    /// Tells the sidecar what went wrong with what its system sent; needs no credit.
    fn tell(&mut self) -> Result<(), Error> {
        if self.inbox.is_empty() {
            return Ok(());
        }
        self.take_up_former_offers()?;
        self.service_notices.say()?;
        for recall in self.recalls.due()? {
            let (down, frame) = (self.down.clone(), v1::receive_response::Frame::Recall(recall));
            self.work.push(Box::pin(async move {
                send(&down, frame).await;
                Ok(Ended::Nothing)
            }));
        }
        for notice in self.notices.due()? {
            let id = notice.id();
            self.work.push(Box::pin(async move {
                Ok(if notice.send().await? { Ended::Nothing } else { Ended::NotSent(id) })
            }));
        }
        Ok(())
    }

    fn recall_answered(&mut self, answer: &v1::RecallAnswer) -> Result<(), Error> {
        if let Some(written) = self.recalls.answered(answer)? {
            self.work.push(Box::pin(async move { written.read_back().await.map(|_| Ended::Nothing) }));
        }
        Ok(())
    }

    fn notice_taken(&mut self, taken: &v1::NoticeTaken) -> Result<(), Error> {
        if let Some((id, written)) = self.notices.taken(taken)? {
            self.work.push(Box::pin(async move {
                for written in written {
                    written.read_back().await?;
                }
                Ok(Ended::Recorded(id))
            }));
        }
        Ok(())
    }

    fn credit(&mut self, credit: &v1::Credit) {
        self.taking = credit.taking;
        if credit.taking {
            self.any = self.any.saturating_add(credit.any);
            self.emergency = self.emergency.saturating_add(credit.emergency);
        } else {
            (self.any, self.emergency) = (0, 0);
        }
        self.shared.board.update(&self.tenant, |seen| seen.taking = credit.taking);
    }

    /// Starts what may be started now.
    async fn pump(&mut self) -> Result<(), Error> {
        if self.inbox.is_empty() {
            return Ok(());
        }
        while let Some(waiting) = self.again.pop() {
            let lane = waiting.row.effective_lane;
            if self.pace_left() == 0 || !self.spend(lane) {
                self.again.push(waiting);
                return Ok(());
            }
            self.start(waiting, true).await?;
        }
        for lane in Lane::ALL {
            let room = self.room(lane);
            if room == 0 {
                continue;
            }
            let skip: HashSet<ReferralId> = self.open.keys().chain(self.not_before.keys()).copied().collect();
            for waiting in self.shared.parts.ledger.waiting_out(&self.tenant, lane, &skip, room)? {
                if self.spend(lane) {
                    let seen_before = waiting.attempt > 0;
                    self.start(waiting, seen_before).await?;
                }
            }
        }
        Ok(())
    }

    fn room(&self, lane: Lane) -> usize {
        let credits = self.any + if lane.priority() == Priority::Emergency { self.emergency } else { 0 };
        let window = self.shared.config.delivery_window.saturating_sub(self.open.len());
        (credits as usize).min(window).min(self.pace_left())
    }

    /// As many as may be handed now to one on its way back from a cut; the rest waits, and is looked at in each turn.
    fn pace_left(&self) -> usize {
        self.shared.paces.left(&self.shared.cuts(), &self.tenant).unwrap_or(usize::MAX)
    }

    fn spend(&mut self, lane: Lane) -> bool {
        if self.any > 0 {
            self.any -= 1;
            return true;
        }
        if lane.priority() == Priority::Emergency && self.emergency > 0 {
            self.emergency -= 1;
            return true;
        }
        false
    }

    async fn start(&mut self, waiting: Waiting, possible_duplicate: bool) -> Result<(), Error> {
        let id = waiting.id;
        if self.taken_back(&waiting)? {
            self.any += 1;
            return Ok(());
        }
        self.shared.paces.take(&self.shared.cuts(), &self.tenant);
        let bytes = self.fetch(&waiting).await?;
        let open = Open {
            custody: waiting.custody,
            digest: waiting.row.facts.digest,
            spent: waiting.spent,
            delivered: false,
        };
        self.open.insert(id, open);
        let flight = Flight {
            shared: self.shared.clone(),
            claim: self.claim.clone(),
            to: self.tenant.clone(),
            attempt: waiting.attempt + 1,
            waiting,
            possible_duplicate,
            down: self.down.clone(),
        };
        self.work.push(Box::pin(async move { Ok(Ended::Flight(id, flight.run(bytes).await?)) }));
        Ok(())
    }

    /// A referral that its sender took back, or that a cancel of its case has overtaken, is not handed over; nor is one
    /// that ended after it was asked what waits.
    fn taken_back(&mut self, waiting: &Waiting) -> Result<bool, Error> {
        let Some(row) = self.shared.parts.ledger.get(&waiting.id)? else { return Ok(false) };
        if waiting.attempt > 0 || row.referral.attempt > 0 {
            return Ok(false);
        }
        if !row.referral.lifecycle.is_open() {
            return Ok(true);
        }
        if waiting.withdrawn {
            self.cancel(waiting.id, waiting.custody, "its sender was told no");
            return Ok(true);
        }
        let Some(cancel) = self.shared.parts.ledger.cancel_behind(&waiting.id)? else { return Ok(false) };
        let Some(behind) = self.shared.parts.ledger.get(&cancel)? else { return Ok(false) };
        let here = matches!(&behind.referral.lifecycle,
            Lifecycle::Routed { to, .. } | Lifecycle::Diverted { to, .. } if *to == self.tenant);
        if here {
            self.cancel(waiting.id, waiting.custody, "its cancel came before it was handed over");
            self.cancel(cancel, behind.referral.custody, "the request that it cancels was never handed over");
        }
        Ok(here)
    }

    fn cancel(&mut self, id: ReferralId, custody: u32, text: &str) {
        let event = Event::Cancelled { reason: Reason::new(Code::Withdrawn, text) };
        let written = self.shared.journal.write(&self.claim, Decided::new(id, custody, event));
        let aside = Open { custody, digest: Digest::new([0; 32]), spent: 0, delivered: false };
        self.open.insert(id, aside);
        self.work.push(Box::pin(async move {
            written.read_back().await?;
            Ok(Ended::Cancelled(id))
        }));
    }

    async fn fetch(&mut self, waiting: &Waiting) -> Result<Option<Bytes>, Error> {
        let place = &waiting.bytes;
        if let Some(value) = self.shared.fresh.take(place) {
            return Ok(Some(value));
        }
        if !self.sources.contains_key(&place.partition) {
            let partition = Topic::new(&topics::outward(&self.tenant))?.partition(place.partition);
            self.sources.insert(place.partition, Source::new(self.shared.parts.log.clone(), partition));
        }
        match self.sources.get_mut(&place.partition) {
            Some(source) => source.fetch(place.offset).await,
            None => Ok(None),
        }
    }

    fn outcome(&mut self, outcome: &v1::Outcome) -> Result<(), Error> {
        let Ok(id) = ReferralId::parse(&outcome.referral_id) else { return Ok(()) };
        // What a cut tenant says of what it got is a claim and no fact: its sidecar says it again when it is back.
        if self.shared.gate(Layer::Streams).covers_from(&self.tenant).is_some() {
            return Ok(());
        }
        let Some(open) = self.known(id)? else {
            self.settled_before(id, outcome);
            return Ok(());
        };
        let facts = settle::Facts {
            digest: open.digest,
            inbox: &self.inbox,
            spent: open.spent,
            budget: self.shared.config.delivery_budget,
        };
        let Some(settlement) = settle(outcome, &facts) else { return Ok(()) };
        let (custody, attempt) = (open.custody, outcome.attempt);
        let unsaid_delivery = !open.delivered
            && matches!(settlement.event, Event::Acknowledged { .. } | Event::Rejected { .. });
        if unsaid_delivery {
            let event = Event::Delivered { attempt, inbox: self.inbox.clone() };
            let written = self.shared.journal.write(&self.claim, Decided::new(id, custody, event));
            self.work.push(Box::pin(async move { written.read_back().await.map(|_| Ended::Nothing) }));
        }
        if let Some(open) = self.open.get_mut(&id) {
            open.delivered |= unsaid_delivery || matches!(settlement.event, Event::Delivered { .. });
        }
        let written = self.shared.journal.write(&self.claim, Decided::new(id, custody, settlement.event));
        self.work.push(Box::pin(async move {
            let counts = written.read_back().await? == Verdict::Counts;
            let (is_final, retry_after) = (settlement.is_final, settlement.retry_after);
            Ok(Ended::Settled { id, attempt, is_final, counts, retry_after })
        }));
        Ok(())
    }

    /// The open delivery that an outcome speaks of; one of a former stream is taken up again.
    fn known(&mut self, id: ReferralId) -> Result<Option<Open>, Error> {
        if !self.open.contains_key(&id) {
            let row = self.shared.parts.ledger.get(&id)?;
            let is_here = |row: &Row| row.referral.lifecycle.destination() == Some(&self.tenant);
            let Some(row) = row.filter(is_here) else { return Ok(None) };
            let delivered = match &row.referral.lifecycle {
                Lifecycle::Offered { .. } | Lifecycle::Unknown { .. } => false,
                Lifecycle::Delivered { .. } => true,
                _ => return Ok(None),
            };
            let open = Open {
                custody: row.referral.custody,
                digest: row.facts.digest,
                spent: row.referral.spent,
                delivered,
            };
            self.again.retain(|waiting| waiting.id != id);
            self.open.insert(id, open);
        }
        Ok(self.open.get(&id).copied())
    }

    /// An outcome that is a repeat: the sidecar need not say it again.
    fn settled_before(&mut self, id: ReferralId, outcome: &v1::Outcome) {
        self.say_settled(id, outcome.attempt, true);
    }

    /// As work, never in the loop itself: the flights in `work` may have been given the next room on the stream,
    /// and while the loop waits for room behind them nobody polls them.
    fn say_settled(&mut self, id: ReferralId, attempt: u32, is_final: bool) {
        let down = self.down.clone();
        self.work.push(Box::pin(async move {
            send(&down, settled_frame(id, attempt, is_final)).await;
            Ok(Ended::Nothing)
        }));
    }

    fn ended(&mut self, ended: Ended) {
        match ended {
            Ended::Flight(id, Handed::Not) => {
                self.open.remove(&id);
                // A cut may have stood in its way; which, the next look says.
                self.kept_back_by.get_or_insert_default();
                self.any = self.any.saturating_add(u32::from(self.taking));
            }
            Ended::Settled { id, attempt, is_final, counts, retry_after } => {
                if is_final || retry_after.is_some() || !counts {
                    self.open.remove(&id);
                }
                if let Some(after) = retry_after.filter(|_| counts) {
                    self.not_before.insert(id, Instant::now() + after);
                }
                // Void because another decides now: the sidecar says it again to that one.
                if counts || self.shared.journal.decides(&self.claim) {
                    self.say_settled(id, attempt, is_final);
                }
            }
            Ended::Cancelled(id) => {
                self.open.remove(&id);
            }
            Ended::NotSent(id) => self.notices.not_sent(id),
            Ended::Recorded(id) => self.notices.recorded(id),
            Ended::Flight(_, Handed::Over) | Ended::Nothing => {}
        }
    }
}

fn settled_frame(id: ReferralId, attempt: u32, is_final: bool) -> v1::receive_response::Frame {
    v1::receive_response::Frame::Settled(v1::OutcomeSettled {
        referral_id: id.to_string(),
        attempt,
        r#final: is_final,
    })
}
