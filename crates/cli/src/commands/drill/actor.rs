//! A synthetic tenant at work: it sends to its own service without pause, receives what comes, as a sidecar would, and
//! remembers when what happened.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bulkhead_model::TenantId;
use bulkhead_transport::MAX_MESSAGE;
use bulkhead_wire::v1::delivery_client::DeliveryClient;
use bulkhead_wire::v1::outcome::Result as Answered;
use bulkhead_wire::v1::receive_request::Frame as Up;
use bulkhead_wire::v1::receive_response::Frame as Down;
use bulkhead_wire::{status::Problem, v1};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::cell::Cell;
use crate::context::Context;
use crate::{Error, Global};

/// Between two referrals.
const PACE: Duration = Duration::from_millis(20);
/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before a stream that ended is opened again.
const AGAIN: Duration = Duration::from_millis(200);
/// Referrals that may be unanswered at the receiving end.
const WINDOW: u32 = 32;

/// One referral that was sent.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) at: Instant,
    pub(super) answered: Instant,
    /// Its id; none: it was refused, or nobody answered.
    pub(super) accepted: Option<String>,
    /// The reason of a refusal; empty: an outage.
    pub(super) refused: String,
}

/// All that was seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) sent: Vec<Sent>,
    /// When each was handed over first.
    pub(super) handed_over: HashMap<String, Instant>,
    /// Handed over more than once, and not marked as a possible duplicate.
    pub(super) doubled: u64,
    /// How often the stream was opened.
    pub(super) streams: u64,
}

impl Seen {
    pub(super) fn has_delivered(&self) -> bool {
        !self.handed_over.is_empty()
    }

    /// Those that were accepted and did not come.
    pub(super) fn missing(&self) -> BTreeSet<&str> {
        let accepted = self.sent.iter().filter_map(|sent| sent.accepted.as_deref());
        accepted.filter(|id| !self.handed_over.contains_key(*id)).collect()
    }

    pub(super) fn all_arrived(&self) -> bool {
        self.missing().is_empty()
    }
}

/// A tenant that sends and receives. Dropped, it stops.
pub(super) struct Actor {
    seen: Arc<Mutex<Seen>>,
    sending: watch::Sender<bool>,
    sender: JoinSet<()>,
    _receiver: JoinSet<()>,
}

impl Actor {
    /// Starts at once.
    pub(super) fn start(
        context: &Context,
        global: &Global,
        tenant: &TenantId,
        service: &str,
    ) -> Result<Self, Error> {
        let pair = &context.tenant(tenant)?.pair;
        let cell = Cell::open(context, context.cell(tenant.nation())?, pair, global)?;
        let seen = Arc::<Mutex<Seen>>::default();
        let (sending, sends) = watch::channel(true);
        let (mut sender, mut receiver) = (JoinSet::new(), JoinSet::new());
        sender.spawn(send(cell.clone(), service.to_owned(), seen.clone(), sends));
        receiver.spawn(receive(cell, seen.clone()));
        Ok(Self { seen, sending, sender, _receiver: receiver })
    }

    pub(super) fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }

    /// Waits until the last that it sent is answered. It receives on.
    pub(super) async fn stop_sending(&mut self) {
        self.sending.send_replace(false);
        while self.sender.join_next().await.is_some() {}
    }

    /// It stops, and says what it saw.
    pub(super) fn stop(self) -> Seen {
        self.seen()
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    // Each change is one step; a panic leaves whole values.
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One after the other, so that the last accepted and the first refused are told apart to a few milliseconds.
async fn send(cell: Cell, service: String, seen: Arc<Mutex<Seen>>, sends: watch::Receiver<bool>) {
    for node in 0.. {
        let Some(mut client) = cell.ingest(node) else { return };
        loop {
            if !*sends.borrow() {
                return;
            }
            let at = Instant::now();
            let answer = tokio::time::timeout(PATIENCE, client.submit(referral(&service))).await;
            let answer = answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")));
            let (accepted, refused) = match answer {
                Ok(answer) => (Some(answer.into_inner().referral_id), String::new()),
                Err(status) => {
                    let code = Problem::from(&status).code.map(|code| code.to_string());
                    (None, code.unwrap_or_default())
                }
            };
            let is_outage = accepted.is_none() && refused.is_empty();
            lock(&seen).sent.push(Sent { at, answered: Instant::now(), accepted, refused });
            tokio::time::sleep(PACE).await;
            if is_outage {
                break;
            }
        }
    }
}

fn referral(service: &str) -> v1::SubmitRequest {
    let envelope = v1::Envelope {
        message_id: uuid::Uuid::new_v4().to_string(),
        attempt: 1,
        to: Some(v1::ServiceAddress { system: String::new(), value: service.to_owned() }),
        kind: v1::Kind::Request as i32,
        // Urgent ones would be given back to a sender that cannot be told.
        priority: v1::Priority::Routine as i32,
        content_type: "text/plain".into(),
        spooled_at: Some(super::now()),
        ..Default::default()
    };
    v1::SubmitRequest { envelope: Some(envelope), payload: "a drill: there is no patient".into() }
}

/// Like a sidecar: what it has, it has, and says so again on every stream until the broker knows it.
async fn receive(cell: Cell, seen: Arc<Mutex<Seen>>) {
    let inbox_id = uuid::Uuid::new_v4().to_string();
    let mut unsettled: HashMap<String, u32> = HashMap::new();
    for node in 0.. {
        let Some(channel) = cell.channel(node) else { return };
        let client = DeliveryClient::new(channel);
        let mut client = client.max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(MAX_MESSAGE);
        let (up, frames) = mpsc::channel(64);
        let hello = v1::Hello { inbox_id: inbox_id.clone(), software: "bulkhead drill".into() };
        // The channel is new, so there is room.
        let _ = up.send(frame(Up::Hello(hello))).await;
        if let Ok(Ok(down)) =
            tokio::time::timeout(PATIENCE, client.receive(ReceiverStream::new(frames))).await
        {
            lock(&seen).streams += 1;
            stream(down.into_inner(), up, &seen, &mut unsettled).await;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn stream(
    mut down: tonic::Streaming<v1::ReceiveResponse>,
    up: mpsc::Sender<v1::ReceiveRequest>,
    seen: &Mutex<Seen>,
    unsettled: &mut HashMap<String, u32>,
) {
    let mut offered: HashMap<String, v1::Offer> = HashMap::new();
    let credit = |any: u32| frame(Up::Credit(v1::Credit { any, emergency: 0, taking: true }));
    let mut say: Vec<v1::ReceiveRequest> = vec![credit(WINDOW)];
    say.extend(unsettled.iter().map(|(id, attempt)| acknowledged(id, *attempt)));
    loop {
        for frame in say.drain(..) {
            if up.send(frame).await.is_err() {
                return;
            }
        }
        let Ok(Some(response)) = down.message().await else { return };
        match response.frame {
            Some(Down::Offer(offer)) => {
                offered.insert(offer.referral_id.clone(), offer);
            }
            Some(Down::HandOver(last)) => {
                let Some(offer) = offered.remove(&last.referral_id) else { continue };
                let mut seen = lock(seen);
                let before = seen.handed_over.get(&last.referral_id).copied();
                seen.doubled += u64::from(before.is_some() && !offer.possible_duplicate);
                seen.handed_over.entry(last.referral_id.clone()).or_insert_with(Instant::now);
                drop(seen);
                unsettled.insert(last.referral_id.clone(), last.attempt);
                let delivered = Answered::Delivered(v1::Delivered { digest: offer.digest });
                say.push(outcome(&last.referral_id, last.attempt, delivered));
                say.push(acknowledged(&last.referral_id, last.attempt));
                say.push(credit(1));
            }
            Some(Down::Recall(recall)) => {
                let had = lock(seen).handed_over.contains_key(&recall.referral_id);
                if offered.remove(&recall.referral_id).is_some() {
                    say.push(credit(1));
                }
                if !recall.cut.is_empty() && had {
                    let answer = "acknowledged, a drill".to_owned();
                    let (referral_id, cut) = (recall.referral_id, recall.cut);
                    say.push(frame(Up::RecallAnswer(v1::RecallAnswer {
                        referral_id,
                        cut,
                        recalled: false,
                        answer,
                    })));
                }
            }
            Some(Down::Settled(settled)) => {
                if settled.r#final {
                    unsettled.remove(&settled.referral_id);
                }
            }
            Some(Down::Notice(notice)) => {
                let (referral_id, version) = (notice.referral_id, notice.version);
                let answer = "a drill".to_owned();
                say.push(frame(Up::NoticeTaken(v1::NoticeTaken {
                    referral_id,
                    version,
                    told: true,
                    answer,
                })));
            }
            Some(Down::ServiceNotice(_)) | None => {}
        }
    }
}

fn acknowledged(id: &str, attempt: u32) -> v1::ReceiveRequest {
    let answer = v1::Acknowledged { answer: "a drill".into(), omissions: vec![], repeat: false };
    outcome(id, attempt, Answered::Acknowledged(answer))
}

fn outcome(id: &str, attempt: u32, result: Answered) -> v1::ReceiveRequest {
    frame(Up::Outcome(v1::Outcome { referral_id: id.to_owned(), attempt, result: Some(result) }))
}

fn frame(up: Up) -> v1::ReceiveRequest {
    v1::ReceiveRequest { frame: Some(up) }
}
