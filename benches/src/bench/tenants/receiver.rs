//! A tenant that takes everything at once, without an inbox of its own: two thousand of them fit into one process.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result};
use bulkhead_transport::MAX_MESSAGE;
use bulkhead_wire::v1;
use bulkhead_wire::v1::delivery_client::DeliveryClient;
use bulkhead_wire::v1::ingest_client::IngestClient;
use bulkhead_wire::v1::outcome::Result as Answered;
use bulkhead_wire::v1::receive_request::Frame as Up;
use bulkhead_wire::v1::receive_response::Frame as Down;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Streaming};

/// How long a cell may take until it decides for a tenant.
const PATIENCE: Duration = Duration::from_secs(120);
/// Offers that may be open at a time.
const CREDITS: u32 = 16;

/// A referral whose last frame has come.
pub(super) struct Taken {
    pub(super) id: String,
    pub(super) at: Instant,
}

/// A connected tenant.
pub(super) struct Receiver {
    pub(super) tenant: String,
    channel: Channel,
}

impl Receiver {
    /// Connects, as soon as the cell decides for this tenant, and keeps a stream for as long as the process runs.
    pub(super) async fn connect(
        tenant: String,
        channel: Channel,
        told: mpsc::UnboundedSender<Taken>,
    ) -> Result<Self> {
        let mut client = DeliveryClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE);
        let give_up = Instant::now() + PATIENCE;
        loop {
            let (up, frames) = mpsc::channel(64);
            let hello = v1::Hello { inbox_id: tenant.clone(), software: "bench".into() };
            send(&up, Up::Hello(hello)).await?;
            send(&up, Up::Credit(v1::Credit { any: CREDITS, emergency: 1, taking: true })).await?;
            match client.receive(ReceiverStream::new(frames)).await {
                Ok(stream) => {
                    tokio::spawn(receive(up, stream.into_inner(), told));
                    return Ok(Self { tenant, channel });
                }
                Err(status) if status.code() == Code::Unavailable && Instant::now() < give_up => {
                    sleep(Duration::from_millis(200)).await;
                }
                Err(status) => return Err(status.into()),
            }
        }
    }

    /// To submit, on the same connection.
    pub(super) fn client(&self) -> IngestClient<Channel> {
        IngestClient::new(self.channel.clone()).max_encoding_message_size(MAX_MESSAGE)
    }
}

async fn send(up: &mpsc::Sender<v1::ReceiveRequest>, frame: Up) -> Result<()> {
    up.send(v1::ReceiveRequest { frame: Some(frame) }).await.context("the stream ended")
}

async fn receive(
    up: mpsc::Sender<v1::ReceiveRequest>,
    mut down: Streaming<v1::ReceiveResponse>,
    told: mpsc::UnboundedSender<Taken>,
) -> Result<()> {
    let mut digests = HashMap::new();
    while let Some(response) = down.message().await? {
        match response.frame {
            Some(Down::Offer(offer)) => {
                digests.insert(offer.referral_id, offer.digest);
            }
            Some(Down::HandOver(last)) => {
                let at = Instant::now();
                let digest = digests.remove(&last.referral_id).unwrap_or_default();
                told.send(Taken { id: last.referral_id.clone(), at })?;
                let outcome = |result| v1::Outcome {
                    referral_id: last.referral_id.clone(),
                    attempt: last.attempt,
                    result: Some(result),
                };
                send(&up, Up::Outcome(outcome(Answered::Delivered(v1::Delivered { digest })))).await?;
                let stored = v1::Acknowledged { answer: "AA".into(), omissions: vec![], repeat: false };
                send(&up, Up::Outcome(outcome(Answered::Acknowledged(stored)))).await?;
                send(&up, Up::Credit(v1::Credit { any: 1, emergency: 0, taking: true })).await?;
            }
            _ => {}
        }
    }
    Ok(())
}
