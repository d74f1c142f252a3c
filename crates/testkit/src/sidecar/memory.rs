//! What the broker remembers, and how it answers what is submitted. It outlives its node.

use std::collections::HashMap;
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bulkhead_model::{Code, MessageId, ReferralId, TenantId};
use bulkhead_wire::status::Refusal;
use bulkhead_wire::v1::delivery_server::Delivery;
use bulkhead_wire::v1::ingest_server::Ingest;
use bulkhead_wire::v1::{self, State};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::Stream;
use super::services::Services;

/// What a refusal says; the name is a patient's whom no answer of a sidecar may name.
pub const REFUSAL: &str = "about Zebedee";

/// What the broker does with a submit.
#[derive(Debug, Clone, Copy)]
pub enum OnSubmit {
    /// Takes it in and says so.
    Accept,
    /// Says no.
    Refuse(Code),
    /// Never answers.
    Silent,
    /// Takes it in and never answers.
    TakeSilently,
}

/// One submit as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Submitted {
    /// Its envelope.
    pub envelope: v1::Envelope,
    /// Its payload.
    pub payload: Bytes,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Memory {
    tenant: TenantId,
    told: Arc<Mutex<Told>>,
    streams: mpsc::Sender<Stream>,
}

/// What it was told, by sidecars and by the test.
struct Told {
    otherwise: OnSubmit,
    on_submit: HashMap<String, OnSubmit>,
    answers_withdrawals: bool,
    submitted: Vec<Submitted>,
    taken: Vec<Submitted>,
    withdrawn: Vec<(String, u32)>,
    states: HashMap<String, State>,
    services: Services,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

impl Memory {
    pub(super) fn new(tenant: TenantId, streams: mpsc::Sender<Stream>) -> Self {
        let told = Told {
            otherwise: OnSubmit::Accept,
            on_submit: HashMap::new(),
            answers_withdrawals: true,
            submitted: Vec::new(),
            taken: Vec::new(),
            withdrawn: Vec::new(),
            states: HashMap::new(),
            services: Services::default(),
        };
        Self { tenant, told: Arc::new(Mutex::new(told)), streams }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it answers from now on.
    pub fn on_submit(&self, answer: OnSubmit) {
        self.told().otherwise = answer;
    }

    /// How it answers that message id from now on.
    pub fn on_submit_of(&self, message_id: &str, answer: OnSubmit) {
        self.told().on_submit.insert(message_id.to_owned(), answer);
    }

    /// Whether withdrawals are answered.
    pub fn answers_withdrawals(&self, answers: bool) {
        self.told().answers_withdrawals = answers;
    }

    /// From now on the referral of that message id is in this state.
    pub fn becomes(&self, message_id: &str, state: State) {
        self.told().states.insert(message_id.to_owned(), state);
    }

    /// Changes which services it knows.
    pub fn services<T>(&self, change: impl FnOnce(&mut Services) -> T) -> T {
        change(&mut self.told().services)
    }

    /// Everything that came, whatever was answered.
    pub fn submitted(&self) -> Vec<Submitted> {
        self.told().submitted.clone()
    }

    /// What was taken in, each message once.
    pub fn taken(&self) -> Vec<Submitted> {
        self.told().taken.clone()
    }

    /// The attempts at which a message came, without repeats of one.
    pub fn attempts(&self, message_id: &str) -> Vec<u32> {
        let of_it = |one: &&Submitted| one.envelope.message_id == message_id;
        let mut attempts: Vec<u32> =
            self.told().submitted.iter().filter(of_it).map(|one| one.envelope.attempt).collect();
        attempts.dedup();
        attempts
    }

    /// What was withdrawn, each up to which attempt.
    pub fn withdrawn(&self) -> Vec<(String, u32)> {
        self.told().withdrawn.clone()
    }

    /// What it knows of a message that was taken in.
    pub(super) fn referral(&self, message_id: &str) -> Option<v1::Referral> {
        let told = self.told();
        let taken = told.taken.iter().find(|one| one.envelope.message_id == message_id)?;
        Some(v1::Referral {
            referral_id: self.id(message_id),
            tenant: self.tenant.to_string(),
            envelope: Some(taken.envelope.clone()),
            state: told.states.get(message_id).copied().unwrap_or(State::Routed) as i32,
            ..v1::Referral::default()
        })
    }

    fn id(&self, message_id: &str) -> String {
        ReferralId::derive(&self.tenant, &MessageId::parse(message_id).unwrap()).to_string()
    }

    /// Whether it was there before; with other bytes it is a conflict.
    fn take(&self, submitted: Submitted) -> Result<bool, Status> {
        let mut told = self.told();
        let id = &submitted.envelope.message_id;
        match told.taken.iter().find(|one| one.envelope.message_id == *id) {
            Some(known) if known.payload != submitted.payload => {
                Err(Refusal::new(Code::ConflictingDuplicate, "other bytes").into())
            }
            Some(_) => Ok(true),
            None => {
                told.taken.push(submitted);
                Ok(false)
            }
        }
    }
}

#[tonic::async_trait]
impl Ingest for Memory {
    async fn submit(
        &self,
        request: Request<v1::SubmitRequest>,
    ) -> Result<Response<v1::SubmitResponse>, Status> {
        let v1::SubmitRequest { envelope, payload } = request.into_inner();
        let submitted = Submitted { envelope: envelope.unwrap(), payload };
        let id = submitted.envelope.message_id.clone();
        let answer = {
            let mut told = self.told();
            told.submitted.push(submitted.clone());
            told.on_submit.get(&id).copied().unwrap_or(told.otherwise)
        };
        let duplicate = match answer {
            OnSubmit::Accept => self.take(submitted)?,
            OnSubmit::Refuse(code) => return Err(Refusal::new(code, REFUSAL).into()),
            OnSubmit::Silent => return pending().await,
            OnSubmit::TakeSilently => {
                self.take(submitted)?;
                return pending().await;
            }
        };
        let state = self.told().states.get(&id).copied().unwrap_or(State::Accepted) as i32;
        let response =
            v1::SubmitResponse { referral_id: self.id(&id), state, duplicate, ..Default::default() };
        Ok(Response::new(response))
    }

    type SubmitStreamStream = ReceiverStream<Result<v1::SubmitStreamResponse, Status>>;

    async fn submit_stream(
        &self,
        _: Request<Streaming<v1::SubmitStreamRequest>>,
    ) -> Result<Response<Self::SubmitStreamStream>, Status> {
        Err(Status::unimplemented("sidecars submit one by one"))
    }

    async fn withdraw(
        &self,
        request: Request<v1::WithdrawRequest>,
    ) -> Result<Response<v1::WithdrawResponse>, Status> {
        let v1::WithdrawRequest { message_id, up_to_attempt } = request.into_inner();
        let mut told = self.told();
        if !told.answers_withdrawals {
            return Err(Status::unavailable("as told"));
        }
        told.withdrawn.push((message_id, up_to_attempt));
        Ok(Response::new(v1::WithdrawResponse::default()))
    }
}

#[tonic::async_trait]
impl Delivery for Memory {
    type ReceiveStream = ReceiverStream<Result<v1::ReceiveResponse, Status>>;

    async fn receive(
        &self,
        request: Request<Streaming<v1::ReceiveRequest>>,
    ) -> Result<Response<Self::ReceiveStream>, Status> {
        let (down, frames) = mpsc::channel(64);
        // A test that looks at no streams has no use for more than there is room for.
        let _ = self.streams.try_send(Stream::new(request.into_inner(), down));
        Ok(Response::new(ReceiverStream::new(frames)))
    }
}
