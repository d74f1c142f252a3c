//! A tenant that takes what is for it, wherever its owner is, and notes when each hand-over was complete.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use bulkhead_transport::{MAX_MESSAGE, STREAM_WINDOW};
use bulkhead_wire::time_from_wire;
use bulkhead_wire::v1;
use bulkhead_wire::v1::delivery_client::DeliveryClient;
use bulkhead_wire::v1::outcome::Result as Answer;
use bulkhead_wire::v1::receive_request::Frame as Up;
use bulkhead_wire::v1::receive_response::Frame as Down;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use super::Live;

/// Between two attempts to open a stream.
const AGAIN: Duration = Duration::from_millis(20);
/// Offers that may be open at a time.
const CREDITS: u32 = 64;
/// Bytes under way to one that reads slowly: about two documents.
const LITTLE: u32 = 4 << 10;

/// A hand-over whose last frame has come.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    /// Who sent it.
    pub(crate) from: String,
    /// Which node handed it over.
    pub(crate) node: usize,
    /// When the log took it.
    pub(crate) accepted_at: Timestamp,
    /// When the last frame was here.
    pub(crate) at: Timestamp,
    pub(crate) possible_duplicate: bool,
}

/// What its stream has met.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) taken: Vec<Taken>,
    /// When the newest offer was begun.
    pub(crate) last_offer: Option<Timestamp>,
    /// Streams that ended.
    pub(crate) ended: u64,
    /// At which node the newest stream is.
    pub(crate) node: Option<usize>,
}

/// A tenant that takes. Dropped, it stops.
pub(crate) struct Receiving {
    seen: Arc<Mutex<Seen>>,
    _running: JoinSet<()>,
}

impl Receiving {
    /// Begins; `pause` after each document that is read. One that pauses has little under way, so that what it has
    /// not read waits at the node and not in its own memory.
    pub(crate) fn start(live: &Live, tenant: &str, pause: Option<Duration>) -> Result<Self> {
        let seen = Arc::<Mutex<Seen>>::default();
        let mut running = JoinSet::new();
        let window = if pause.is_some() { LITTLE } else { STREAM_WINDOW };
        let channels = live.channels(tenant, window)?;
        let stream = Stream { inbox: tenant.to_owned(), channels, pause, seen: seen.clone() };
        running.spawn(stream.run());
        Ok(Self { seen, _running: running })
    }

    /// What was met since the last time that this was asked.
    pub(crate) fn take(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Stream {
    inbox: String,
    channels: Vec<Channel>,
    pause: Option<Duration>,
    seen: Arc<Mutex<Seen>>,
}

impl Stream {
    async fn run(self) {
        let mut was_open = false;
        loop {
            for (node, channel) in self.channels.iter().enumerate() {
                if self.once(node, channel.clone()).await.unwrap_or(false) {
                    was_open = true;
                    self.note(|seen| seen.ended += 1);
                }
            }
            tokio::time::sleep(if was_open { AGAIN } else { AGAIN * 5 }).await;
        }
    }

    /// Whether it was open at all.
    async fn once(&self, node: usize, channel: Channel) -> Result<bool> {
        let mut client = DeliveryClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        let (up, frames) = mpsc::channel(256);
        let hello = v1::Hello { inbox_id: self.inbox.clone(), software: "bench".into() };
        send(&up, Up::Hello(hello)).await?;
        send(&up, Up::Credit(v1::Credit { any: CREDITS, emergency: 1, taking: true })).await?;
        let mut down = client.receive(ReceiverStream::new(frames)).await?.into_inner();
        self.note(|seen| seen.node = Some(node));
        let mut offers = HashMap::new();
        while let Ok(Some(response)) = down.message().await {
            // Small frames cost it nothing: hundreds of them may be in its hands.
            let pause = self.pause.filter(|_| matches!(response.frame, Some(Down::Offer(_))));
            match response.frame {
                Some(Down::Offer(offer)) => {
                    self.note(|seen| seen.last_offer = Some(Timestamp::now()));
                    offers.insert(offer.referral_id.clone(), offer);
                }
                Some(Down::HandOver(last)) => self.take(node, &up, &mut offers, last).await?,
                _ => {}
            }
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
        }
        Ok(true)
    }

    async fn take(
        &self,
        node: usize,
        up: &mpsc::Sender<v1::ReceiveRequest>,
        offers: &mut HashMap<String, v1::Offer>,
        last: v1::HandOver,
    ) -> Result<()> {
        let at = Timestamp::now();
        let Some(offer) = offers.remove(&last.referral_id) else { return Ok(()) };
        let accepted_at = offer.accepted_at.and_then(time_from_wire).unwrap_or(at);
        self.note(|seen| {
            seen.taken.push(Taken {
                from: offer.tenant,
                node,
                accepted_at,
                at,
                possible_duplicate: offer.possible_duplicate,
            });
        });
        let outcome = |result| v1::Outcome {
            referral_id: last.referral_id.clone(),
            attempt: last.attempt,
            result: Some(result),
        };
        send(up, Up::Outcome(outcome(Answer::Delivered(v1::Delivered { digest: offer.digest })))).await?;
        let stored = v1::Acknowledged { answer: "AA".into(), omissions: vec![], repeat: false };
        send(up, Up::Outcome(outcome(Answer::Acknowledged(stored)))).await?;
        send(up, Up::Credit(v1::Credit { any: 1, emergency: 0, taking: true })).await
    }

    fn note(&self, note: impl FnOnce(&mut Seen)) {
        note(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

async fn send(up: &mpsc::Sender<v1::ReceiveRequest>, frame: Up) -> Result<()> {
    up.send(v1::ReceiveRequest { frame: Some(frame) }).await.context("the stream ended")
}
