//! A broker that answers as a test tells it, over the real transport.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bulkhead_model::{Code, MessageId, ReferralId, TenantId};
use bulkhead_process::Drain;
use bulkhead_transport::{Acceptor, Config, Connections, Credentials, Limits, admit_all, server};
use bulkhead_wire::status::Refusal;
use bulkhead_wire::v1;
use bulkhead_wire::v1::delivery_server::{Delivery, DeliveryServer};
use bulkhead_wire::v1::ingest_server::{Ingest, IngestServer};
use bulkhead_wire::v1::receive_request::Frame as Up;
use bulkhead_wire::v1::receive_response::Frame as Down;
use bulkhead_wire::v1::referrals_server::{Referrals, ReferralsServer};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::world::{SOON, TENANT, eventually};

pub(crate) const NAME: &str = "wales.bulkhead.internal";

/// What the broker does with a submit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OnSubmit {
    Accept,
    Refuse(Code),
    /// Never answers.
    Silent,
    /// Takes it in and never answers.
    TakeSilently,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Submitted {
    pub(crate) message_id: String,
    pub(crate) attempt: u32,
    pub(crate) payload: Vec<u8>,
}

/// What the broker remembers; it outlives its node.
#[derive(Clone)]
pub(crate) struct Memory {
    shared: Arc<Shared>,
}

struct Shared {
    on_submit: Mutex<HashMap<String, OnSubmit>>,
    otherwise: Mutex<OnSubmit>,
    withdraws: Mutex<bool>,
    submitted: Mutex<Vec<Submitted>>,
    withdrawn: Mutex<Vec<(String, u32)>>,
    known: Mutex<HashMap<String, Vec<u8>>>,
    streams: mpsc::Sender<Stream>,
}

/// One delivery stream, from the broker's side.
pub(crate) struct Stream {
    pub(crate) up: Streaming<v1::ReceiveRequest>,
    pub(crate) down: mpsc::Sender<Result<v1::ReceiveResponse, Status>>,
}

pub(crate) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A node that listens.
pub(crate) struct Broker {
    pub(crate) address: SocketAddr,
    pub(crate) memory: Memory,
    connections: Connections,
    streams: mpsc::Receiver<Stream>,
    stop: Drain,
    serving: tokio::task::JoinHandle<()>,
    node: Credentials,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn issue(&self, uri: &str) -> Credentials {
        let mut params = CertificateParams::default();
        params.subject_alt_names =
            vec![SanType::URI(uri.try_into().unwrap()), SanType::DnsName(NAME.try_into().unwrap())];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Credentials {
            ca_pem: self.pem.clone(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        }
    }
}

impl Broker {
    pub(crate) async fn start(authority: &Authority) -> Self {
        let (streams, opened) = mpsc::channel(16);
        let memory = Memory {
            shared: Arc::new(Shared {
                on_submit: Mutex::default(),
                otherwise: Mutex::new(OnSubmit::Accept),
                withdraws: Mutex::new(true),
                submitted: Mutex::default(),
                withdrawn: Mutex::default(),
                known: Mutex::default(),
                streams,
            }),
        };
        let node = authority.issue("bulkhead://wales/cell/wales-1");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, stop, serving) = serve(listener, &node, &memory);
        Self { address, memory, connections, streams: opened, stop, serving, node }
    }

    /// The node goes away: the port is closed, its connections are cut.
    pub(crate) async fn stop(&mut self) {
        self.stop.start();
        self.serving.abort();
        let cut = async {
            loop {
                self.connections.sever(&format!("bulkhead://{TENANT}").parse().unwrap());
                if self.connections.total() == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, cut).await.expect("connections end");
        while self.streams.try_recv().is_ok() {}
    }

    /// The node is back, at the same address.
    pub(crate) async fn start_again(&mut self) {
        let listener =
            eventually("the port is free", async || TcpListener::bind(self.address).await.ok()).await;
        (self.connections, self.stop, self.serving) = serve(listener, &self.node, &self.memory);
    }

    /// The next stream that is opened, with its hello.
    pub(crate) async fn stream(&mut self) -> Stream {
        let opened = tokio::time::timeout(SOON, self.streams.recv()).await;
        opened.expect("a stream opens").unwrap()
    }
}

fn serve(
    listener: TcpListener,
    node: &Credentials,
    memory: &Memory,
) -> (Connections, Drain, tokio::task::JoinHandle<()>) {
    let (connections, stop) = (Connections::new(), Drain::new());
    let config = Config {
        node: "wales-1".to_owned(),
        credentials: node.clone(),
        policy: admit_all(),
        connections: connections.clone(),
        limits: Limits::default(),
    };
    let incoming = Acceptor::new(config).unwrap().listen(listener);
    let (ingest, delivery) = (IngestServer::new(memory.clone()), DeliveryServer::new(memory.clone()));
    let most = bulkhead_transport::MAX_MESSAGE;
    let router = server()
        .add_service(ingest.max_decoding_message_size(most))
        .add_service(delivery.max_decoding_message_size(most))
        .add_service(ReferralsServer::new(memory.clone()));
    let serving = tokio::spawn(async move { router.serve_with_incoming(incoming).await.unwrap() });
    (connections, stop, serving)
}

impl Memory {
    pub(crate) fn on_submit(&self, answer: OnSubmit) {
        *self.shared.otherwise.lock().unwrap() = answer;
    }

    pub(crate) fn on_submit_of(&self, message_id: &str, answer: OnSubmit) {
        self.shared.on_submit.lock().unwrap().insert(message_id.to_owned(), answer);
    }

    pub(crate) fn answers_withdrawals(&self, answers: bool) {
        *self.shared.withdraws.lock().unwrap() = answers;
    }

    pub(crate) fn submitted(&self) -> Vec<Submitted> {
        self.shared.submitted.lock().unwrap().clone()
    }

    pub(crate) fn attempts(&self, message_id: &str) -> Vec<u32> {
        let mut attempts: Vec<u32> = self
            .submitted()
            .into_iter()
            .filter(|submitted| submitted.message_id == message_id)
            .map(|submitted| submitted.attempt)
            .collect();
        attempts.dedup();
        attempts
    }

    pub(crate) fn withdrawn(&self) -> Vec<(String, u32)> {
        self.shared.withdrawn.lock().unwrap().clone()
    }
}

#[tonic::async_trait]
impl Ingest for Memory {
    async fn submit(
        &self,
        request: Request<v1::SubmitRequest>,
    ) -> Result<Response<v1::SubmitResponse>, Status> {
        let request = request.into_inner();
        let envelope = request.envelope.unwrap();
        let id = envelope.message_id.clone();
        self.shared.submitted.lock().unwrap().push(Submitted {
            message_id: id.clone(),
            attempt: envelope.attempt,
            payload: request.payload.to_vec(),
        });
        let told = self.shared.on_submit.lock().unwrap().get(&id).copied();
        let told = told.unwrap_or(*self.shared.otherwise.lock().unwrap());
        let take = || self.shared.known.lock().unwrap().insert(id.clone(), request.payload.to_vec());
        let duplicate = match told {
            OnSubmit::Accept => take().is_some(),
            OnSubmit::Refuse(code) => return Err(Refusal::new(code, "as told").into()),
            OnSubmit::Silent => return std::future::pending().await,
            OnSubmit::TakeSilently => {
                take();
                return std::future::pending().await;
            }
        };
        let tenant = TenantId::parse(TENANT).unwrap();
        let referral = ReferralId::derive(&tenant, &MessageId::parse(&id).unwrap());
        Ok(Response::new(v1::SubmitResponse {
            referral_id: referral.to_string(),
            state: v1::State::Accepted as i32,
            duplicate,
            accepted_at: None,
            reason: None,
        }))
    }

    type SubmitStreamStream = ReceiverStream<Result<v1::SubmitStreamResponse, Status>>;

    async fn submit_stream(
        &self,
        _: Request<Streaming<v1::SubmitStreamRequest>>,
    ) -> Result<Response<Self::SubmitStreamStream>, Status> {
        Err(Status::unimplemented("not used"))
    }

    async fn withdraw(
        &self,
        request: Request<v1::WithdrawRequest>,
    ) -> Result<Response<v1::WithdrawResponse>, Status> {
        if !*self.shared.withdraws.lock().unwrap() {
            return Err(Status::unavailable("as told"));
        }
        let v1::WithdrawRequest { message_id, up_to_attempt } = request.into_inner();
        self.shared.withdrawn.lock().unwrap().push((message_id, up_to_attempt));
        Ok(Response::new(v1::WithdrawResponse { referral_id: String::new(), sent_after_all: false }))
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
        let _ = self.shared.streams.try_send(Stream { up: request.into_inner(), down });
        Ok(Response::new(ReceiverStream::new(frames)))
    }
}

/// Knows one service, `2000011147`, and the referrals that were submitted.
#[tonic::async_trait]
impl Referrals for Memory {
    async fn get_referral(
        &self,
        request: Request<v1::GetReferralRequest>,
    ) -> Result<Response<v1::GetReferralResponse>, Status> {
        let id = request.into_inner().id;
        if !self.shared.known.lock().unwrap().contains_key(&id) {
            return Err(Status::not_found("no such referral"));
        }
        let tenant = TenantId::parse(TENANT).unwrap();
        let referral = v1::Referral {
            referral_id: ReferralId::derive(&tenant, &MessageId::parse(&id).unwrap()).to_string(),
            tenant: TENANT.to_owned(),
            envelope: Some(v1::Envelope { message_id: id, ..v1::Envelope::default() }),
            state: v1::State::Delivered as i32,
            ..v1::Referral::default()
        };
        Ok(Response::new(v1::GetReferralResponse { referrals: vec![referral] }))
    }

    type WatchReferralStream = ReceiverStream<Result<v1::WatchReferralResponse, Status>>;

    async fn watch_referral(
        &self,
        _: Request<v1::WatchReferralRequest>,
    ) -> Result<Response<Self::WatchReferralStream>, Status> {
        Err(Status::unimplemented("not used"))
    }

    async fn list_referrals(
        &self,
        _: Request<v1::ListReferralsRequest>,
    ) -> Result<Response<v1::ListReferralsResponse>, Status> {
        Err(Status::unimplemented("not used"))
    }

    type WatchEventsStream = ReceiverStream<Result<v1::WatchEventsResponse, Status>>;

    async fn watch_events(
        &self,
        _: Request<v1::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        Err(Status::unimplemented("not used"))
    }

    async fn resolve_service(
        &self,
        request: Request<v1::ResolveServiceRequest>,
    ) -> Result<Response<v1::ResolveServiceResponse>, Status> {
        let address = request.into_inner().address.unwrap();
        if address.value != "2000011147" {
            return Err(Refusal::new(Code::ServiceUnknown, "as told").into());
        }
        Ok(Response::new(v1::ResolveServiceResponse {
            service_id: "england/ooh-riverside".to_owned(),
            tenant: "england/ooh-riverside".to_owned(),
            protocol: "bars".to_owned(),
            version: "1.0".to_owned(),
            max_bytes: 0,
            identifiers: vec![address],
        }))
    }

    async fn get_status(
        &self,
        _: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        Err(Status::unimplemented("not used"))
    }
}

impl Stream {
    pub(crate) async fn next(&mut self) -> Up {
        let next = tokio::time::timeout(SOON, self.up.message()).await;
        next.expect("a frame comes").unwrap().expect("the stream is open").frame.unwrap()
    }

    /// The next outcome; other frames are passed over.
    pub(crate) async fn outcome(&mut self) -> v1::Outcome {
        loop {
            if let Up::Outcome(outcome) = self.next().await {
                return outcome;
            }
        }
    }

    /// The next credit; other frames are passed over.
    pub(crate) async fn credit(&mut self) -> v1::Credit {
        loop {
            if let Up::Credit(credit) = self.next().await {
                return credit;
            }
        }
    }

    /// The next report of the spool; other frames are passed over.
    pub(crate) async fn report(&mut self) -> v1::SpoolReport {
        loop {
            if let Up::Spool(report) = self.next().await {
                return report;
            }
        }
    }

    /// The next answer to a notice; other frames are passed over.
    pub(crate) async fn notice_taken(&mut self) -> v1::NoticeTaken {
        loop {
            if let Up::NoticeTaken(taken) = self.next().await {
                return taken;
            }
        }
    }

    /// No answer to a notice comes for a while.
    pub(crate) async fn no_notice_taken(&mut self) {
        let taken = tokio::time::timeout(Duration::from_millis(300), self.notice_taken()).await;
        assert!(taken.is_err(), "an answer that nobody gave: {taken:?}");
    }

    /// No outcome comes for a while.
    pub(crate) async fn no_outcome(&mut self) {
        let outcome = tokio::time::timeout(Duration::from_millis(300), self.outcome()).await;
        assert!(outcome.is_err(), "an outcome that nobody wants: {outcome:?}");
    }

    pub(crate) async fn send(&self, frame: Down) {
        self.down.send(Ok(v1::ReceiveResponse { frame: Some(frame) })).await.unwrap();
    }

    /// Offers and hands over.
    pub(crate) async fn deliver(&self, offer: &v1::Offer) {
        self.send(Down::Offer(offer.clone())).await;
        self.hand_over(offer).await;
    }

    pub(crate) async fn hand_over(&self, offer: &v1::Offer) {
        let hand_over = v1::HandOver {
            referral_id: offer.referral_id.clone(),
            attempt: offer.attempt,
            claim: offer.claim.clone(),
        };
        self.send(Down::HandOver(hand_over)).await;
    }

    pub(crate) async fn settle(&self, outcome: &v1::Outcome, is_final: bool) {
        let settled = v1::OutcomeSettled {
            referral_id: outcome.referral_id.clone(),
            attempt: outcome.attempt,
            r#final: is_final,
        };
        self.send(Down::Settled(settled)).await;
    }
}
