//! One stream to the broker: credits, outcomes and the spool's report up; offers, hand-overs and notices down.
//!
//! An offer is held in memory and counts for nothing until its hand-over comes; then it is written to the inbox
//! and the broker hears *delivered*. Without its hand-over it is discarded with the stream. Frames of an older
//! claim than was seen for that shard are refused: their sender no longer decides.
//!
//! ```text
//! Offer ─> held ─ HandOver ─> intake ─> inbox (durable) ─> Delivered up ─> worker ─> final outcome up
//! ```

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::{Code, Lane, Reason, ReferralId};
use bulkhead_process::{Condition, Drain};
use bulkhead_transport::MAX_MESSAGE;
use bulkhead_wire::v1;
use bulkhead_wire::v1::delivery_client::DeliveryClient;
use bulkhead_wire::v1::outcome::Result as Answered;
use bulkhead_wire::v1::receive_request::Frame as Up;
use bulkhead_wire::v1::receive_response::Frame as Down;
use bulkhead_wire::{priority_from_wire, reason_to_wire, time_to_wire};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};
use tracing::{debug, error, info, warn};

use crate::backoff;
use crate::broker::Broker;
use crate::inbox::{Header, Inbox, Offered, Recalled, Taken, outcome};
use crate::presence::Presence;
use crate::rivals::Rivals;
use crate::services_off::ServicesOff;
use crate::spool::{Report, Spool, digest};
use crate::window::Window;

/// Frames that may wait to be sent. Full: whoever has one more waits.
const UP: usize = 64;
/// Hand-overs that may wait to be written. Full: reading waits.
const INTAKE: usize = 64;
/// Hand-overs that share one commit at most.
const GROUP: usize = 32;
/// The spool is reported this often at least, and not more often than the second.
const REPORT_EVERY: Duration = Duration::from_secs(30);
const REPORT_PAUSE: Duration = Duration::from_secs(1);
/// How long a stream may take to open.
const OPEN: Duration = Duration::from_secs(10);
/// How long is listened for why a stream ended.
const LAST_WORD: Duration = Duration::from_secs(1);
/// How long a stream must have lived for the next failure to be a first one.
const LIVED: Duration = Duration::from_secs(10);

/// Keeps a stream to the broker for as long as the sidecar runs.
pub(crate) struct Session {
    pub(crate) broker: Arc<Broker>,
    pub(crate) inbox: Inbox,
    pub(crate) presence: Presence,
    pub(crate) spool: Arc<Spool>,
    pub(crate) condition: Condition,
    pub(crate) rivals: Rivals,
    pub(crate) services_off: ServicesOff,
    pub(crate) tenant: String,
    pub(crate) software: String,
    pub(crate) inbox_id: String,
    pub(crate) size: u32,
    /// The newest claim seen of each shard.
    pub(crate) claims: HashMap<u32, u64>,
}

/// One stream.
struct Stream<'s> {
    session: &'s mut Session,
    up: mpsc::Sender<v1::ReceiveRequest>,
    intake: mpsc::Sender<Offered>,
    held: HashMap<ReferralId, v1::Offer>,
    /// Handed over and not written yet.
    writing: watch::Receiver<usize>,
    waiting: watch::Receiver<usize>,
    window: Window,
    taking: bool,
}

/// The stream is over: nobody reads what is sent.
struct HungUp;

impl Session {
    /// Dials the nodes in turn until `stopped`, which comes after the last hand-over of a drain.
    pub(crate) async fn run(mut self, stopped: Drain) {
        // Redirects are no failures, unless one follows upon another.
        let (mut node, mut failures, mut redirects) = (0, 0, 0);
        let (mut owner, mut asked): (Option<Channel>, Option<Duration>) = (None, None);
        while !stopped.is_started() {
            let began = Instant::now();
            // Safe to cancel: what the broker has not confirmed is repeated on the next stream.
            let ended = tokio::select! {
                biased;
                () = stopped.started() => break,
                ended = self.stream(owner.take().unwrap_or_else(|| self.broker.channel(node))) => ended,
            };
            self.broker.hung_up();
            self.connected(false);
            let cause = match &ended {
                Ok(()) => "the broker ended the stream".to_owned(),
                Err(status) => {
                    if status.code() == tonic::Code::Aborted {
                        self.rivals.displaced(Instant::now());
                    }
                    let problem = self.broker.stream_failed(status);
                    owner = problem.owner.and_then(|address| self.broker.channel_to(&address));
                    asked = problem.retry_after;
                    problem.message
                }
            };
            self.condition.unmet(format!("no stream to the broker: {cause}"));
            if began.elapsed() > LIVED {
                (failures, redirects) = (0, 0);
            }
            debug!(tenant = self.tenant, node, cause, "the stream to the broker ended");
            let asked = asked.take();
            let pause = if owner.is_some() {
                redirects += 1;
                if redirects == 1 { Duration::ZERO } else { backoff::broker(redirects) }
            } else {
                (failures, redirects) = (failures + 1, 0);
                node += 1;
                asked.map_or_else(|| backoff::broker(failures), backoff::asked)
            };
            tokio::select! {
                () = stopped.started() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.condition.unmet("stopped");
    }

    async fn stream(&mut self, node: Channel) -> Result<(), Status> {
        let (up, frames) = mpsc::channel(UP);
        let hello = v1::Hello { inbox_id: self.inbox_id.clone(), software: self.software.clone() };
        // The channel is new, so there is room.
        let _ = up.send(frame(Up::Hello(hello))).await;
        // From here on, so that no outcome falls between what is read from the store and what comes later.
        let (outcomes, taken) = (self.inbox.outcomes(), self.spool.notices_taken());
        let client = DeliveryClient::new(node);
        let mut client = client.max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(MAX_MESSAGE);
        let opening = client.receive(ReceiverStream::new(frames));
        let opened = tokio::time::timeout(OPEN, opening).await;
        let down = opened.map_err(|_| Status::unavailable("no answer in time"))??.into_inner();
        info!(tenant = self.tenant, "connected to the broker");
        self.broker.opened();
        self.services_off.begin_again();
        self.condition.met();
        self.connected(true);
        let (intake, offers) = mpsc::channel(INTAKE);
        let (written, writing) = watch::channel(0);
        tokio::spawn(take_in(self.inbox.clone(), offers, up.clone(), written));
        let (waiting, size) = (self.inbox.waiting(), self.size);
        let stream = Stream {
            session: self,
            up,
            intake,
            held: HashMap::new(),
            writing,
            waiting,
            window: Window::new(size),
            taking: true,
        };
        stream.run(down, outcomes, taken).await
    }

    fn connected(&self, connected: bool) {
        metrics::gauge!("bulkhead_sidecar_connected", "tenant" => self.tenant.clone())
            .set(f64::from(u8::from(connected)));
    }

    /// Whether a frame of this claim counts.
    async fn counts(&mut self, claim: Option<&v1::Claim>) -> bool {
        let Some(claim) = claim else { return false };
        let newest = self.claims.entry(claim.shard).or_default();
        if claim.number < *newest {
            warn!(tenant = self.tenant, shard = claim.shard, number = claim.number, "refused an old claim");
            return false;
        }
        if claim.number > *newest {
            *newest = claim.number;
            if let Err(error) = self.inbox.claimed(claim.shard, claim.number).await {
                error!(tenant = self.tenant, %error, "a claim cannot be written");
            }
        }
        true
    }
}

impl Stream<'_> {
    async fn run(
        mut self,
        mut down: Streaming<v1::ReceiveResponse>,
        mut outcomes: broadcast::Receiver<v1::Outcome>,
        mut taken: broadcast::Receiver<v1::NoticeTaken>,
    ) -> Result<(), Status> {
        let mut reports = self.session.spool.reports();
        let mut up = self.session.presence.changes();
        let mut tick = tokio::time::interval(REPORT_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reported = Instant::now();
        if self.repeat_outcomes().await.is_err() || self.grant().await.is_err() {
            return Ok(());
        }
        loop {
            let may_report = reported + REPORT_PAUSE;
            // All branches are safe to cancel.
            let went = tokio::select! {
                frame = down.next() => match frame {
                    None => return Ok(()),
                    Some(Err(status)) => return Err(status),
                    Some(Ok(response)) => self.frame(response).await,
                },
                outcome = outcomes.recv() => match outcome {
                    Ok(outcome) => self.send(Up::Outcome(outcome)).await,
                    Err(RecvError::Lagged(_)) => self.repeat_outcomes().await,
                    Err(RecvError::Closed) => Err(HungUp),
                },
                taken = taken.recv() => match taken {
                    Ok(taken) => self.send(Up::NoticeTaken(taken)).await,
                    // The broker asks again.
                    Err(RecvError::Lagged(_)) => Ok(()),
                    Err(RecvError::Closed) => Err(HungUp),
                },
                _ = tick.tick() => {
                    reported = Instant::now();
                    self.session.rivals.look(reported);
                    self.report(&mut reports).await
                }
                changed = changed_after(&mut reports, may_report) => {
                    reported = Instant::now();
                    if changed { self.report(&mut reports).await } else { Err(HungUp) }
                }
                _ = up.changed() => Ok(()),
                _ = self.waiting.changed() => Ok(()),
                _ = self.writing.changed() => Ok(()),
            };
            if went.is_err() || self.grant().await.is_err() {
                return last_word(&mut down).await;
            }
        }
    }

    async fn frame(&mut self, response: v1::ReceiveResponse) -> Result<(), HungUp> {
        self.session.broker.heard();
        match response.frame {
            Some(Down::Offer(offer)) => self.offered(offer).await,
            Some(Down::HandOver(hand_over)) => self.handed_over(hand_over).await,
            Some(Down::Recall(recall)) => self.recalled(recall).await,
            Some(Down::Settled(settled)) => self.settled(settled).await,
            Some(Down::Notice(notice)) => self.noticed(notice).await,
            Some(Down::ServiceNotice(notice)) => {
                self.session.services_off.hear(&self.session.tenant, notice);
                Ok(())
            }
            // A newer broker's frame, which an older sidecar need not know.
            None => Ok(()),
        }
    }

    async fn offered(&mut self, offer: v1::Offer) -> Result<(), HungUp> {
        let Ok(id) = ReferralId::parse(&offer.referral_id) else {
            warn!(tenant = self.session.tenant, "an offer without a referral id");
            return Ok(());
        };
        let priority = offer.envelope.as_ref().map_or(0, |envelope| envelope.priority);
        let granted = self.window.spend(Lane::of(priority_from_wire(priority)));
        if !self.session.counts(offer.claim.as_ref()).await {
            return Ok(());
        }
        if !granted && !self.held.contains_key(&id) {
            warn!(tenant = self.session.tenant, %id, "an offer beyond what was granted");
            let retry = v1::Retry { after_ms: 1000, cause: "no credit".to_owned(), spends_budget: false };
            return self.send(Up::Outcome(outcome(id, offer.attempt, Answered::Retry(retry)))).await;
        }
        self.held.insert(id, offer);
        Ok(())
    }

    async fn handed_over(&mut self, hand_over: v1::HandOver) -> Result<(), HungUp> {
        let Ok(id) = ReferralId::parse(&hand_over.referral_id) else { return Ok(()) };
        if !self.session.counts(hand_over.claim.as_ref()).await {
            return Ok(());
        }
        let same = |held: &v1::Offer| held.attempt == hand_over.attempt && held.claim == hand_over.claim;
        if !self.held.get(&id).is_some_and(same) {
            debug!(tenant = self.session.tenant, %id, "a hand-over of what is not held");
            return Ok(());
        }
        let Some(mut header) = self.held.remove(&id) else { return Ok(()) };
        let payload = std::mem::take(&mut header.payload);
        let digest = digest(&payload);
        let attempt = header.attempt;
        if !digest.to_string().eq_ignore_ascii_case(&header.digest) {
            error!(tenant = self.session.tenant, %id, "the payload does not have its digest");
            let reason = Reason::new(Code::DigestMismatch, "the payload does not have its digest");
            return self.refuse(id, attempt, &reason).await;
        }
        let Some(read) = Header::read(&header) else {
            let reason = Reason::new(Code::Unreadable, "the offer cannot be read");
            return self.refuse(id, attempt, &reason).await;
        };
        let (case, lane) = (read.case(id), read.envelope.lane());
        let offered = Offered { id, offer: attempt, digest, case, lane, header, payload };
        self.intake.send(offered).await.map_err(|_| HungUp)
    }

    /// Drops an offer whose last frame will not come; gives up what was taken in of a sender that was cut off since.
    async fn recalled(&mut self, recall: v1::Recall) -> Result<(), HungUp> {
        let Ok(id) = ReferralId::parse(&recall.referral_id) else { return Ok(()) };
        self.held.remove(&id);
        if recall.cut.is_empty() {
            return Ok(());
        }
        let (recalled, answer) = match self.session.inbox.recall(id).await {
            Ok(Recalled::GivenUp) => (true, "given up".to_owned()),
            Ok(Recalled::Had(words)) => (false, words),
            // Not here, or not written yet: the broker asks again.
            Ok(Recalled::Unknown) => return Ok(()),
            Err(error) => {
                error!(tenant = self.session.tenant, %error, "a recall cannot be seen to");
                return Ok(());
            }
        };
        warn!(tenant = self.session.tenant, %id, cut = recall.cut, recalled, answer, "recalled: its sender was cut off");
        let (referral_id, cut) = (recall.referral_id, recall.cut);
        self.send(Up::RecallAnswer(v1::RecallAnswer { referral_id, cut, recalled, answer })).await
    }

    async fn refuse(&self, id: ReferralId, attempt: u32, reason: &Reason) -> Result<(), HungUp> {
        let refused = v1::Refused { reason: Some(reason_to_wire(reason)) };
        self.send(Up::Outcome(outcome(id, attempt, Answered::Refused(refused)))).await
    }

    async fn settled(&self, settled: v1::OutcomeSettled) -> Result<(), HungUp> {
        if let Ok(id) = ReferralId::parse(&settled.referral_id) {
            let inbox = self.session.inbox.clone();
            let tenant = self.session.tenant.clone();
            // Nothing waits for it: at worst an outcome is said once more.
            tokio::spawn(async move {
                if let Err(error) = inbox.settle(id, settled.attempt, settled.r#final).await {
                    error!(tenant, %error, "a settled outcome cannot be written");
                }
            });
        }
        Ok(())
    }

    /// Something that the local system sent went wrong after the broker had accepted it.
    async fn noticed(&self, notice: v1::Notice) -> Result<(), HungUp> {
        match self.session.spool.noticed(notice).await {
            Some(taken) => self.send(Up::NoticeTaken(taken)).await,
            None => Ok(()),
        }
    }

    /// Grants what there is room for, or says that the local system is down.
    async fn grant(&mut self) -> Result<(), HungUp> {
        let taking = self.session.presence.is_up();
        let was_taking = std::mem::replace(&mut self.taking, taking);
        if !taking {
            self.window.void();
            if was_taking {
                return self.send(Up::Credit(v1::Credit { any: 0, emergency: 0, taking: false })).await;
            }
            return Ok(());
        }
        let queued = INTAKE - self.intake.capacity();
        let written = *self.writing.borrow_and_update() + *self.waiting.borrow_and_update();
        let held = self.held.len() + queued + written;
        metrics::gauge!("bulkhead_sidecar_inbox_waiting", "tenant" => self.session.tenant.clone())
            .set(*self.waiting.borrow() as f64);
        match self.window.grant(held) {
            Some(grant) => {
                let credit = v1::Credit { any: grant.any, emergency: grant.emergency, taking: true };
                self.send(Up::Credit(credit)).await
            }
            None => Ok(()),
        }
    }

    async fn repeat_outcomes(&self) -> Result<(), HungUp> {
        match self.session.inbox.unsettled().await {
            Ok(outcomes) => {
                for outcome in outcomes {
                    self.send(Up::Outcome(outcome)).await?;
                }
                Ok(())
            }
            Err(error) => {
                error!(tenant = self.session.tenant, %error, "outcomes cannot be read");
                Err(HungUp)
            }
        }
    }

    async fn report(&self, reports: &mut watch::Receiver<Report>) -> Result<(), HungUp> {
        let report = *reports.borrow_and_update();
        let next_due = report.next_due.map(time_to_wire);
        let (entries, withdrawals) = (report.entries, report.withdrawals);
        self.send(Up::Spool(v1::SpoolReport { entries, next_due, withdrawals })).await
    }

    async fn send(&self, up: Up) -> Result<(), HungUp> {
        self.up.send(frame(up)).await.map_err(|_| HungUp)
    }
}

/// Why nobody reads any more, if the broker says so: its side of the stream may end behind ours.
async fn last_word(down: &mut Streaming<v1::ReceiveResponse>) -> Result<(), Status> {
    let said = async {
        while let Some(frame) = down.next().await {
            frame?;
        }
        Ok(())
    };
    tokio::time::timeout(LAST_WORD, said).await.unwrap_or(Ok(()))
}

/// Waits for a change, but not before that time; false when there will be none.
async fn changed_after(reports: &mut watch::Receiver<Report>, earliest: Instant) -> bool {
    tokio::time::sleep_until(earliest).await;
    reports.changed().await.is_ok()
}

/// Writes what was handed over, several in one commit and in order, and says so. It ends with the stream, after
/// what came on it.
async fn take_in(
    inbox: Inbox,
    mut offers: mpsc::Receiver<Offered>,
    up: mpsc::Sender<v1::ReceiveRequest>,
    written: watch::Sender<usize>,
) {
    let mut group = Vec::new();
    while offers.recv_many(&mut group, GROUP).await > 0 {
        written.send_replace(group.len());
        let taken = inbox.take_in(group.clone()).await;
        let failed = taken.as_ref().err().map(ToString::to_string);
        if let Some(error) = failed {
            error!(error, "the inbox cannot be written");
        }
        let mut taken = taken.ok().map(Vec::into_iter);
        for offered in group.drain(..) {
            let say = async |answer| {
                // When the stream is over, all this is said again on the next one.
                let _ = up.send(frame(Up::Outcome(outcome(offered.id, offered.offer, answer)))).await;
            };
            let Some(taken) = taken.as_mut().and_then(Iterator::next) else {
                let cause = "the inbox cannot be written".to_owned();
                say(Answered::Retry(v1::Retry { after_ms: 5000, cause, spends_budget: false })).await;
                continue;
            };
            // Said before it can be handed over, so that its final outcome comes behind.
            say(Answered::Delivered(v1::Delivered { digest: offered.digest.to_string() })).await;
            match taken {
                Taken::Waits(ticket) => inbox.queue_up(ticket, offered.case.clone(), offered.lane),
                Taken::Known => {}
                Taken::Answered(answer) => say(answer).await,
            }
        }
        written.send_replace(0);
    }
}

fn frame(up: Up) -> v1::ReceiveRequest {
    v1::ReceiveRequest { frame: Some(up) }
}
