//! One delivery stream, from the broker's side.

use std::time::Duration;

use bulkhead_wire::v1::receive_request::Frame as Up;
use bulkhead_wire::v1::receive_response::Frame as Down;
use bulkhead_wire::v1::{self, outcome};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::SOON;

/// How long is waited for what must not come.
const A_WHILE: Duration = Duration::from_millis(300);

/// Dropped, it ends.
#[derive(Debug)]
pub struct Stream {
    up: Streaming<v1::ReceiveRequest>,
    down: mpsc::Sender<Result<v1::ReceiveResponse, Status>>,
}

impl Stream {
    pub(super) fn new(
        up: Streaming<v1::ReceiveRequest>,
        down: mpsc::Sender<Result<v1::ReceiveResponse, Status>>,
    ) -> Self {
        Self { up, down }
    }

    /// The next frame.
    pub async fn next(&mut self) -> Up {
        let next = tokio::time::timeout(SOON, self.up.message()).await;
        next.expect("a frame comes").unwrap().expect("the stream is open").frame.unwrap()
    }

    /// The next frame that is wanted; others are passed over.
    async fn next_of<T>(&mut self, wanted: impl Fn(Up) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.next().await) {
                return found;
            }
        }
    }

    /// The next outcome.
    pub async fn outcome(&mut self) -> v1::Outcome {
        let outcome = |frame| if let Up::Outcome(outcome) = frame { Some(outcome) } else { None };
        self.next_of(outcome).await
    }

    /// The next answer of the local system; what only says that a referral is in the inbox is passed over.
    pub async fn answer(&mut self) -> outcome::Result {
        loop {
            let result = self.outcome().await.result.unwrap();
            if !matches!(result, outcome::Result::Delivered(_)) {
                return result;
            }
        }
    }

    /// The next credit.
    pub async fn credit(&mut self) -> v1::Credit {
        self.next_of(|frame| if let Up::Credit(credit) = frame { Some(credit) } else { None }).await
    }

    /// The next report of the spool.
    pub async fn report(&mut self) -> v1::SpoolReport {
        self.next_of(|frame| if let Up::Spool(report) = frame { Some(report) } else { None }).await
    }

    /// The next answer to a notice.
    pub async fn notice_taken(&mut self) -> v1::NoticeTaken {
        self.next_of(|frame| if let Up::NoticeTaken(taken) = frame { Some(taken) } else { None }).await
    }

    /// Recalls for a cut and hears whether it was given up; what else comes is passed over.
    pub async fn recall(&mut self, offer: &v1::Offer, cut: &str) -> v1::RecallAnswer {
        let (referral_id, cut) = (offer.referral_id.clone(), cut.to_owned());
        self.send(Down::Recall(v1::Recall { referral_id, reason: None, cut })).await;
        self.next_of(|frame| if let Up::RecallAnswer(answer) = frame { Some(answer) } else { None }).await
    }

    /// No answer to a notice comes for a while.
    pub async fn no_notice_taken(&mut self) {
        let taken = tokio::time::timeout(A_WHILE, self.notice_taken()).await;
        assert!(taken.is_err(), "an answer that nobody gave: {taken:?}");
    }

    /// No outcome comes for a while.
    pub async fn no_outcome(&mut self) {
        let outcome = tokio::time::timeout(A_WHILE, self.outcome()).await;
        assert!(outcome.is_err(), "an outcome that nobody wants: {outcome:?}");
    }

    /// Another stream takes the place of this one.
    pub async fn displace(mut self) {
        // It fails when the sidecar is gone already.
        let _ = self.down.send(Err(Status::aborted("another stream took the place of this one"))).await;
        let ended = async { while let Ok(Some(_)) = self.up.message().await {} };
        tokio::time::timeout(SOON, ended).await.expect("the sidecar ends its stream");
    }

    /// Sends a frame.
    pub async fn send(&self, frame: Down) {
        self.down.send(Ok(v1::ReceiveResponse { frame: Some(frame) })).await.unwrap();
    }

    /// Offers and hands over.
    pub async fn deliver(&self, offer: &v1::Offer) {
        self.send(Down::Offer(offer.clone())).await;
        self.hand_over(offer).await;
    }

    /// The last frame of what was offered.
    pub async fn hand_over(&self, offer: &v1::Offer) {
        let hand_over = v1::HandOver {
            referral_id: offer.referral_id.clone(),
            attempt: offer.attempt,
            claim: offer.claim.clone(),
        };
        self.send(Down::HandOver(hand_over)).await;
    }

    /// Says that an outcome is recorded.
    pub async fn settle(&self, outcome: &v1::Outcome, is_final: bool) {
        let settled = v1::OutcomeSettled {
            referral_id: outcome.referral_id.clone(),
            attempt: outcome.attempt,
            r#final: is_final,
        };
        self.send(Down::Settled(settled)).await;
    }

    /// Says what became of a referral of this tenant; whether its system was told.
    pub async fn tell(&mut self, notice: v1::Notice) -> bool {
        self.send(Down::Notice(notice)).await;
        self.notice_taken().await.told
    }

    /// Offers, hands over, and waits for the local system's answer.
    pub async fn deliver_and_hear(&mut self, offer: &v1::Offer) -> outcome::Result {
        self.deliver(offer).await;
        self.answer().await
    }
}
