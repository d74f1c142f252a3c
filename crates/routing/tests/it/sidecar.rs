//! A sidecar played by hand: every frame is the test's to send and to see.

use std::time::Duration;

use bulkhead_transport::{Dialer, STREAM_WINDOW};
use bulkhead_wire::v1::{self, delivery_client::DeliveryClient, outcome, receive_request, receive_response};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::cell::{Cell, Keys, server_name};

pub(crate) struct Sidecar {
    up: mpsc::Sender<v1::ReceiveRequest>,
    down: Streaming<v1::ReceiveResponse>,
    offers: Vec<v1::Offer>,
}

impl Sidecar {
    /// Connects with that inbox and grants nothing yet.
    pub(crate) async fn connect(keys: &Keys, cell: &Cell, tenant: &str, inbox: &str) -> Self {
        Self::connect_narrow(keys, cell, tenant, inbox, STREAM_WINDOW).await
    }

    /// The same, with so many bytes under way: what it does not read waits at the node.
    pub(crate) async fn connect_narrow(
        keys: &Keys,
        cell: &Cell,
        tenant: &str,
        inbox: &str,
        window: u32,
    ) -> Self {
        let keys = keys.issue(&format!("bulkhead://{tenant}"), None);
        let dialer = Dialer::new(&keys).unwrap().with_window(window);
        for _ in 0..200 {
            let channel = dialer.channel(&cell.address, &server_name(cell.nation)).unwrap();
            let (up, frames) = mpsc::channel(64);
            let hello = v1::Hello { inbox_id: inbox.into(), software: "test".into() };
            up.send(frame(receive_request::Frame::Hello(hello))).await.unwrap();
            match DeliveryClient::new(channel).receive(ReceiverStream::new(frames)).await {
                Ok(response) => return Self { up, down: response.into_inner(), offers: Vec::new() },
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        panic!("no node took {tenant}'s stream");
    }

    /// A stream, unless it is refused.
    pub(crate) async fn try_connect(keys: &Keys, cell: &Cell, tenant: &str, inbox: &str) -> Option<Self> {
        let dialer = Dialer::new(&keys.issue(&format!("bulkhead://{tenant}"), None)).unwrap();
        let channel = dialer.channel(&cell.address, &server_name(cell.nation)).unwrap();
        let (up, frames) = mpsc::channel(64);
        let hello = v1::Hello { inbox_id: inbox.into(), software: "test".into() };
        up.send(frame(receive_request::Frame::Hello(hello))).await.unwrap();
        let response = DeliveryClient::new(channel).receive(ReceiverStream::new(frames)).await.ok()?;
        Some(Self { up, down: response.into_inner(), offers: Vec::new() })
    }

    /// Opens a stream and says nothing.
    pub(crate) async fn silent(keys: &Keys, cell: &Cell, tenant: &str) -> Self {
        let dialer = Dialer::new(&keys.issue(&format!("bulkhead://{tenant}"), None)).unwrap();
        let channel = dialer.channel(&cell.address, &server_name(cell.nation)).unwrap();
        let (up, frames) = mpsc::channel(64);
        let response = DeliveryClient::new(channel).receive(ReceiverStream::new(frames)).await.unwrap();
        Self { up, down: response.into_inner(), offers: Vec::new() }
    }

    /// How the other end ends the stream; frames before that are passed over.
    pub(crate) async fn ended(self) -> Status {
        self.until_end().await.1
    }

    /// The frames that still come, and how the other end ends the stream.
    pub(crate) async fn until_end(mut self) -> (Vec<receive_response::Frame>, Status) {
        let mut frames = Vec::new();
        loop {
            let next = tokio::time::timeout(Duration::from_secs(10), self.down.message());
            match next.await.expect("an end in time") {
                Ok(Some(response)) => frames.extend(response.frame),
                Ok(None) => panic!("the stream ended without a word"),
                Err(status) => return (frames, status),
            }
        }
    }

    pub(crate) async fn spooled(&self, entries: u64, withdrawals: u64) {
        let report = v1::SpoolReport { entries, withdrawals, next_due: None };
        self.up.send(frame(receive_request::Frame::Spool(report))).await.unwrap();
    }

    pub(crate) async fn grant(&self, any: u32, emergency: u32) {
        let credit = v1::Credit { any, emergency, taking: true };
        self.up.send(frame(receive_request::Frame::Credit(credit))).await.unwrap();
    }

    /// As `grant`, on a stream that may have ended.
    pub(crate) async fn try_grant(&self, any: u32) {
        let credit = v1::Credit { any, emergency: 1, taking: true };
        self.up.send(frame(receive_request::Frame::Credit(credit))).await.ok();
    }

    pub(crate) async fn frame(&mut self) -> receive_response::Frame {
        let next = async {
            loop {
                if let Some(frame) = self.down.message().await.unwrap().unwrap().frame {
                    return frame;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), next).await.expect("a frame in time")
    }

    /// The next referral with its last frame; settlements in between are passed over.
    pub(crate) async fn handed_over(&mut self) -> v1::Offer {
        loop {
            match self.frame().await {
                receive_response::Frame::Offer(offer) => self.offers.push(offer),
                receive_response::Frame::HandOver(last) => {
                    let at = self
                        .offers
                        .iter()
                        .position(|o| o.referral_id == last.referral_id)
                        .expect("its offer came first");
                    return self.offers.remove(at);
                }
                receive_response::Frame::Recall(recall) => {
                    self.offers.retain(|o| o.referral_id != recall.referral_id)
                }
                receive_response::Frame::Settled(_)
                | receive_response::Frame::Notice(_)
                | receive_response::Frame::ServiceNotice(_) => {}
            }
        }
    }

    /// The next frame, or how the stream ended.
    pub(crate) async fn next(&mut self) -> Result<Option<v1::ReceiveResponse>, tonic::Status> {
        let next = tokio::time::timeout(Duration::from_secs(10), self.down.message());
        next.await.expect("a frame in time")
    }

    /// Offers may come, but none of them counts.
    pub(crate) async fn no_last_frame(&mut self) {
        let wait = Duration::from_millis(400);
        while let Ok(Ok(Some(frame))) = tokio::time::timeout(wait, self.down.message()).await {
            let last = matches!(frame.frame, Some(receive_response::Frame::HandOver(_)));
            assert!(!last, "a hand-over: {frame:?}");
        }
    }

    /// The next last frame, without looking for its offer.
    pub(crate) async fn last_frame(&mut self) -> v1::HandOver {
        loop {
            if let receive_response::Frame::HandOver(last) = self.frame().await {
                return last;
            }
        }
    }

    /// The referrals whose last frame comes until nothing has come for a while, or the stream has ended.
    pub(crate) async fn all_handed_over(&mut self) -> Vec<String> {
        let wait = Duration::from_millis(700);
        let mut handed_over = Vec::new();
        while let Ok(Ok(Some(response))) = tokio::time::timeout(wait, self.down.message()).await {
            if let Some(receive_response::Frame::HandOver(last)) = response.frame {
                handed_over.push(last.referral_id);
            }
        }
        handed_over
    }

    pub(crate) async fn recall_answered(&self, recall: &v1::Recall, recalled: bool) {
        let answer = v1::RecallAnswer {
            referral_id: recall.referral_id.clone(),
            cut: recall.cut.clone(),
            recalled,
            answer: "test".into(),
        };
        self.up.send(frame(receive_request::Frame::RecallAnswer(answer))).await.unwrap();
    }

    /// As `acknowledged`, on a stream that may have ended.
    pub(crate) async fn try_acknowledged(&self, offer: &v1::Offer) {
        let delivered = outcome::Result::Delivered(v1::Delivered { digest: offer.digest.clone() });
        let outcome = v1::Outcome {
            referral_id: offer.referral_id.clone(),
            attempt: offer.attempt,
            result: Some(delivered),
        };
        self.up.send(frame(receive_request::Frame::Outcome(outcome))).await.ok();
    }

    pub(crate) async fn nothing_comes(&mut self) {
        let next = tokio::time::timeout(Duration::from_millis(400), self.down.message()).await;
        if let Ok(Ok(Some(frame))) = next
            && !matches!(
                frame.frame,
                Some(receive_response::Frame::Settled(_) | receive_response::Frame::ServiceNotice(_))
            )
        {
            panic!("something came: {frame:?}");
        }
    }

    pub(crate) async fn answer(&self, offer: &v1::Offer, result: outcome::Result) {
        let outcome = v1::Outcome {
            referral_id: offer.referral_id.clone(),
            attempt: offer.attempt,
            result: Some(result),
        };
        self.up.send(frame(receive_request::Frame::Outcome(outcome))).await.unwrap();
    }

    pub(crate) async fn delivered(&self, offer: &v1::Offer) {
        let delivered = v1::Delivered { digest: offer.digest.clone() };
        self.answer(offer, outcome::Result::Delivered(delivered)).await;
    }

    pub(crate) async fn acknowledged(&self, offer: &v1::Offer) {
        self.delivered(offer).await;
        let acknowledged =
            v1::Acknowledged { answer: "AA".into(), omissions: vec!["NTE".into()], repeat: false };
        self.answer(offer, outcome::Result::Acknowledged(acknowledged)).await;
    }

    pub(crate) async fn rejected(&self, offer: &v1::Offer) {
        self.delivered(offer).await;
        let reason = v1::Reason { code: "RECEIVER_REFUSED".into(), text: "AR".into() };
        self.answer(offer, outcome::Result::Rejected(v1::Rejected { reason: Some(reason) })).await;
    }

    /// The next notice; other frames are passed over.
    pub(crate) async fn noticed(&mut self) -> v1::Notice {
        loop {
            if let receive_response::Frame::Notice(notice) = self.frame().await {
                return notice;
            }
        }
    }

    /// The next notice about another's service; other frames are passed over.
    pub(crate) async fn service_noticed(&mut self) -> v1::ServiceNotice {
        loop {
            if let receive_response::Frame::ServiceNotice(notice) = self.frame().await {
                return notice;
            }
        }
    }

    pub(crate) async fn notice_taken(&self, notice: &v1::Notice, told: bool) {
        let taken = v1::NoticeTaken {
            referral_id: notice.referral_id.clone(),
            version: notice.version,
            told,
            answer: "AR".into(),
        };
        self.up.send(frame(receive_request::Frame::NoticeTaken(taken))).await.unwrap();
    }

    /// Not now: again after so many milliseconds.
    pub(crate) async fn retry_after(&self, offer: &v1::Offer, after_ms: u32) {
        let retry = v1::Retry { after_ms, cause: "busy".into(), spends_budget: false };
        self.answer(offer, outcome::Result::Retry(retry)).await;
    }

    pub(crate) async fn retry(&self, offer: &v1::Offer, spends_budget: bool) {
        let retry = v1::Retry { after_ms: 20, cause: "busy".into(), spends_budget };
        self.answer(offer, outcome::Result::Retry(retry)).await;
    }
}

fn frame(frame: receive_request::Frame) -> v1::ReceiveRequest {
    v1::ReceiveRequest { frame: Some(frame) }
}
