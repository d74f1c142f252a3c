//! A tenant that sends without pause, on so many streams, and begins each again when it ends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use bulkhead_transport::MAX_MESSAGE;
use bulkhead_wire::v1::ingest_client::IngestClient;
use bulkhead_wire::v1::{State, SubmitStreamRequest, submit_stream_response::Answer};
use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use super::Live;
use crate::sender::referral;

/// One answer.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    /// Which node gave it.
    pub(crate) node: usize,
    /// When it was here.
    pub(crate) at: Timestamp,
    pub(crate) took: Duration,
    /// It went in and is open; otherwise it was refused or set aside.
    pub(crate) is_open: bool,
}

/// What its streams have met.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) answers: Vec<Answered>,
    /// Streams that ended before they were told to.
    pub(crate) ended: u64,
}

impl Seen {
    /// How many went in and are open.
    pub(crate) fn open(&self) -> usize {
        self.answers.iter().filter(|answer| answer.is_open).count()
    }
}

/// A tenant at work. Dropped, it stops.
pub(crate) struct Sending {
    seen: Arc<Mutex<Seen>>,
    _streams: JoinSet<()>,
}

/// What is sent.
#[derive(Clone)]
pub(crate) struct Load {
    /// To this service.
    pub(crate) to: String,
    pub(crate) document: Bytes,
    /// Between two referrals of a stream; none: the next goes as soon as there is an answer.
    pub(crate) pause: Option<Duration>,
    /// Between two attempts to open a stream.
    pub(crate) again: Duration,
}

/// As a sender that is in a hurry tries again.
pub(crate) const AGAIN: Duration = Duration::from_millis(20);

impl Sending {
    /// Begins on so many streams, each a connection of its own, the first at the first node.
    pub(crate) fn start(live: &Live, tenant: &str, streams: usize, load: &Load) -> Result<Self> {
        let seen = Arc::<Mutex<Seen>>::default();
        let mut running = JoinSet::new();
        for number in 0..streams {
            let node = number % live.nodes.len();
            let stream =
                Stream { channel: live.channel(tenant, node)?, node, load: load.clone(), seen: seen.clone() };
            running.spawn(stream.run());
        }
        Ok(Self { seen, _streams: running })
    }

    /// What was met since the last time that this was asked.
    pub(crate) fn take(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Stream {
    channel: Channel,
    node: usize,
    load: Load,
    seen: Arc<Mutex<Seen>>,
}

impl Stream {
    async fn run(self) {
        loop {
            // However it ends, it is begun again.
            let _ = self.once().await;
            self.note(|seen| seen.ended += 1);
            tokio::time::sleep(self.load.again).await;
        }
    }

    async fn once(&self) -> Result<()> {
        let mut client = IngestClient::new(self.channel.clone()).max_encoding_message_size(MAX_MESSAGE);
        let (requests, outgoing) = mpsc::channel(1);
        let mut answers = client.submit_stream(ReceiverStream::new(outgoing)).await?.into_inner();
        loop {
            let begin = Instant::now();
            requests
                .send(SubmitStreamRequest { submit: Some(referral(&self.load.to, &self.load.document)) })
                .await?;
            let Some(answer) = answers.message().await? else { return Ok(()) };
            let is_open = matches!(
                &answer.answer,
                Some(Answer::Accepted(accepted)) if accepted.state == State::Accepted as i32
            );
            let answered = Answered { node: self.node, at: Timestamp::now(), took: begin.elapsed(), is_open };
            self.note(|seen| seen.answers.push(answered));
            if let Some(pause) = self.load.pause {
                tokio::time::sleep_until(begin + pause).await;
            }
        }
    }

    fn note(&self, note: impl FnOnce(&mut Seen)) {
        note(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
