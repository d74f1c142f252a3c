//! How fast does a cell accept? Each answer means durable.

use std::sync::Arc;

use anyhow::{Result, bail};
use bulkhead_wire::v1::ingest_client::IngestClient;
use bulkhead_wire::v1::{SubmitStreamRequest, submit_stream_response::Answer};
use bytes::Bytes;
use futures::future::try_join_all;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use crate::sender::referral;
use crate::spread::Spread;

/// A cell's door, and whom referrals are for.
pub(crate) struct Door<'a> {
    pub(crate) client: IngestClient<Channel>,
    pub(crate) to: &'a str,
}

impl Door<'_> {
    /// `at_once` callers, each submitting one at a time.
    pub(crate) async fn unary(&self, document: &Bytes, count: usize, at_once: usize) -> Result<Spread> {
        let begin = Instant::now();
        let callers = (0..at_once).map(|_| async {
            let (mut client, mut took) = (self.client.clone(), Vec::new());
            for _ in 0..count / at_once {
                let (request, begin) = (referral(self.to, document), Instant::now());
                client.submit(request).await?;
                took.push(begin.elapsed());
            }
            Ok::<_, anyhow::Error>(took)
        });
        let took = try_join_all(callers).await?.concat();
        Ok(Spread::new(took, begin.elapsed()))
    }

    /// One stream with so many unanswered.
    pub(crate) async fn stream(&self, document: &Bytes, count: usize, in_flight: usize) -> Result<Spread> {
        let (requests, outgoing) = mpsc::channel(1);
        let mut answers =
            self.client.clone().submit_stream(ReceiverStream::new(outgoing)).await?.into_inner();
        let room = Arc::new(Semaphore::new(in_flight));
        let begin = Instant::now();
        let writer = async {
            for _ in 0..count {
                room.acquire().await?.forget();
                let submit = Some(referral(self.to, document));
                requests.send(SubmitStreamRequest { submit }).await?;
            }
            Ok::<_, anyhow::Error>(())
        };
        let reader = async {
            let mut took = Vec::with_capacity(count);
            while took.len() < count {
                let Some(answer) = answers.message().await? else { bail!("the stream ended") };
                if let Some(Answer::Refused(refusal)) = answer.answer {
                    bail!("refused: {}", refusal.message);
                }
                took.push(begin.elapsed());
                room.add_permits(1);
            }
            Ok(took)
        };
        let ((), took) = tokio::try_join!(writer, reader)?;
        Ok(Spread::new(took, begin.elapsed()))
    }
}
