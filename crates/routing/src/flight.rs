//! One hand-over: the payload's frame, the event `offered` meanwhile, and the last frame only when that
//! event was read back as valid, and gate and lease have been asked once more at the moment at which it goes.

use bulkhead_ledger::Waiting;
use bulkhead_model::{Claim, Code, Event, Reason, ReferralId, TenantId, Verdict};
use bulkhead_process::telemetry;
use bulkhead_wire::record::Out;
use bulkhead_wire::{address_to_wire, claim_to_wire, envelope_to_wire, provenance, time_to_wire, v1};
use bytes::Bytes;
use tokio::sync::mpsc;
use tracing::{Instrument, info_span};

use crate::Error;
use crate::bytes_of;
use crate::fallback::diversion;
use crate::gate::aside;
use crate::journal::Decided;
use crate::last_frame::{LastFrame, NotNow, Queued};
use crate::layers::Layer;
use crate::owner::Shared;

/// The stream down to a sidecar. Bounded: a sidecar that does not read stops its own tenant's deliveries.
pub(crate) type Down = mpsc::Sender<Queued>;

/// How a hand-over ended on this side.
#[derive(Debug)]
pub(crate) enum Handed {
    /// The last frame is sent: the sidecar will answer.
    Over,
    /// Nothing counts as sent; the referral went another way or is set aside.
    Not,
}

/// One attempt to hand a referral over.
pub(crate) struct Flight {
    pub(crate) shared: Shared,
    pub(crate) claim: Claim,
    pub(crate) to: TenantId,
    pub(crate) waiting: Waiting,
    pub(crate) attempt: u32,
    pub(crate) possible_duplicate: bool,
    pub(crate) down: Down,
}

impl Flight {
    /// Hands over the bytes that the event names.
    pub(crate) async fn run(self, bytes: Option<Bytes>) -> Result<Handed, Error> {
        let out = match bytes_of::out(bytes, &self.waiting.row) {
            Ok(out) => out,
            Err(why) => return self.park(Reason::new(Code::Unreadable, why)).await,
        };
        let span = info_span!("deliver", referral = %self.waiting.id, to = %self.to, attempt = self.attempt);
        if let Some(traceparent) = &out.accepted.envelope.traceparent {
            telemetry::adopt(traceparent, &span);
        }
        self.offer(out).instrument(span).await
    }

    async fn offer(self, out: Out) -> Result<Handed, Error> {
        let asked = provenance(&out.accepted, Some(&self.to));
        let answer = self.shared.gate(Layer::Offer).ask(&asked);
        if let Some(event) = aside(answer, Some(&self.to)) {
            return self.set_aside(event).await;
        }
        let event = Event::Offered { attempt: self.attempt };
        let offered = self
            .shared
            .journal
            .write(&self.claim, Decided::new(self.waiting.id, self.waiting.custody, event));
        let frame = v1::receive_response::Frame::Offer(self.frame(out));
        let (sent, verdict) = tokio::join!(send(&self.down, frame), offered.read_back());
        if verdict? != Verdict::Counts {
            let reason = Reason::new(Code::NotOwner, "it went another way");
            recall(&self.down, self.waiting.id, &reason).await;
            return Ok(Handed::Not);
        }
        if !sent {
            return Ok(Handed::Not);
        }
        let last = v1::HandOver {
            referral_id: self.waiting.id.to_string(),
            attempt: self.attempt,
            claim: Some(claim_to_wire(&self.claim)),
        };
        let (shared, to) = (self.shared.clone(), self.to.clone());
        let (last, went) = LastFrame::new(last, move || {
            let answer = shared.gate(Layer::LastFrame).ask(&asked);
            aside(answer, Some(&to)).map_or(Ok(()), |event| Err(NotNow::Aside(event.into())))?;
            shared.parts.lease.check().map_err(NotNow::Unsure)
        });
        if self.down.send(Queued::Last(last)).await.is_err() {
            return Ok(Handed::Not);
        }
        match went.await {
            Ok(Ok(())) => {}
            Ok(Err(NotNow::Aside(event))) => return self.take_back(*event).await,
            Ok(Err(NotNow::Unsure(stale))) => return Err(stale.into()),
            // The stream ended with it in the queue.
            Err(_) => return Ok(Handed::Not),
        }
        metrics::counter!("bulkhead_offers_total", "nation" => self.shared.home().as_str(),
            "tenant" => self.to.to_string())
        .increment(1);
        Ok(Handed::Over)
    }

    async fn set_aside(self, event: Event) -> Result<Handed, Error> {
        let decided = Decided::new(self.waiting.id, self.waiting.custody, event);
        // A void one changes nothing: what was offered before is not safe to call set aside.
        self.shared.journal.write(&self.claim, decided).read_back().await?;
        Ok(Handed::Not)
    }

    /// The gate closed when it was offered and its last frame was not sent. One that may have been taken before stays
    /// as it is; any other was not taken, and is set aside.
    async fn take_back(self, event: Event) -> Result<Handed, Error> {
        let reason = Reason::new(Code::TenantCut, "the gate closed before its last frame");
        recall(&self.down, self.waiting.id, &reason).await;
        if self.possible_duplicate {
            return Ok(Handed::Not);
        }
        let cause = "the gate closed before its last frame".to_owned();
        let retry = Event::Retry { attempt: self.attempt, cause, spends_budget: false };
        let decided = Decided::new(self.waiting.id, self.waiting.custody, retry);
        self.shared.journal.write(&self.claim, decided).read_back().await?;
        self.set_aside(event).await
    }

    fn frame(&self, out: Out) -> v1::Offer {
        let accepted = out.accepted;
        let directory = self.shared.directory();
        let reply = accepted.envelope.reply_to.as_ref().and_then(|address| directory.resolve(address));
        let mut envelope = envelope_to_wire(&accepted.envelope);
        let traceparent = telemetry::inject();
        if !traceparent.is_empty() {
            envelope.traceparent = traceparent;
        }
        v1::Offer {
            referral_id: accepted.id.to_string(),
            attempt: self.attempt,
            tenant: accepted.tenant.to_string(),
            envelope: Some(envelope),
            digest: accepted.digest.to_string(),
            accepted_at: accepted.accepted_at.map(time_to_wire),
            possible_duplicate: self.possible_duplicate,
            claim: Some(claim_to_wire(&self.claim)),
            reply_addresses: reply
                .map(|s| s.identifiers.iter().map(address_to_wire).collect())
                .unwrap_or_default(),
            diverted: diversion(&self.waiting.row, &self.to, &directory),
            payload: accepted.payload.into_bytes(),
        }
    }

    async fn park(self, reason: Reason) -> Result<Handed, Error> {
        let decided = Decided::new(self.waiting.id, self.waiting.custody, Event::Parked { reason });
        self.shared.journal.write(&self.claim, decided).read_back().await?;
        Ok(Handed::Not)
    }
}

/// False when the stream is gone.
pub(crate) async fn send(down: &Down, frame: v1::receive_response::Frame) -> bool {
    down.send(Queued::Frame(Ok(v1::ReceiveResponse { frame: Some(frame) }))).await.is_ok()
}

async fn recall(down: &Down, id: ReferralId, reason: &Reason) {
    let recall = v1::Recall {
        referral_id: id.to_string(),
        reason: Some(bulkhead_wire::reason_to_wire(reason)),
        cut: String::new(),
    };
    send(down, v1::receive_response::Frame::Recall(recall)).await;
}
