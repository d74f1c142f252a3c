//! A broker that answers as a test tells it, over the real transport.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bulkhead_model::{Code, MessageId, ReferralId, TenantId};
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

use crate::world::{SOON, TENANT};

pub(crate) const NAME: &str = "cell.bulkhead.internal";

/// What the broker does with a submit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OnSubmit {
    Accept,
    Refuse(Code),
    /// Never answers.
    Silent,
}

/// What the broker remembers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Memory {
    shared: Arc<Shared>,
}

struct Shared {
    on_submit: Mutex<OnSubmit>,
    submitted: Mutex<Vec<(v1::Envelope, Vec<u8>)>>,
    states: Mutex<HashMap<String, v1::State>>,
    streams: mpsc::Sender<Stream>,
}

/// One delivery stream, from the broker's side.
pub(crate) struct Stream {
    up: Streaming<v1::ReceiveRequest>,
    down: mpsc::Sender<Result<v1::ReceiveResponse, Status>>,
}

/// A node that listens.
pub(crate) struct Broker {
    pub(crate) address: SocketAddr,
    pub(crate) memory: Memory,
    streams: mpsc::Receiver<Stream>,
    authority: Authority,
}

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn issue(&self, uri: &str) -> Credentials {
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
    pub(crate) async fn start() -> Self {
        let (streams, opened) = mpsc::channel(16);
        let shared = Shared {
            on_submit: Mutex::new(OnSubmit::Accept),
            submitted: Mutex::default(),
            states: Mutex::default(),
            streams,
        };
        let memory = Memory { shared: Arc::new(shared) };
        let authority = Authority::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = Config {
            node: "ni-1".to_owned(),
            credentials: authority.issue("bulkhead://northern-ireland/cell/ni-1"),
            policy: admit_all(),
            connections: Connections::new(),
            limits: Limits::default(),
        };
        let incoming = Acceptor::new(config).unwrap().listen(listener);
        let most = bulkhead_transport::MAX_MESSAGE;
        let router = server()
            .add_service(IngestServer::new(memory.clone()).max_decoding_message_size(most))
            .add_service(ReferralsServer::new(memory.clone()))
            .add_service(DeliveryServer::new(memory.clone()).max_decoding_message_size(most));
        tokio::spawn(async move { router.serve_with_incoming(incoming).await });
        Self { address, memory, streams: opened, authority }
    }

    pub(crate) fn credentials(&self) -> Credentials {
        self.authority.issue(&format!("bulkhead://{TENANT}"))
    }

    /// The next stream that is opened.
    pub(crate) async fn stream(&mut self) -> Stream {
        tokio::time::timeout(SOON, self.streams.recv()).await.expect("a stream opens").unwrap()
    }
}

impl Memory {
    pub(crate) fn on_submit(&self, answer: OnSubmit) {
        *self.shared.on_submit.lock().unwrap() = answer;
    }

    pub(crate) fn submitted(&self) -> Vec<(v1::Envelope, Vec<u8>)> {
        self.shared.submitted.lock().unwrap().clone()
    }

    /// From now on the referral of that message id is in this state.
    pub(crate) fn becomes(&self, message_id: &str, state: v1::State) {
        self.shared.states.lock().unwrap().insert(message_id.to_owned(), state);
    }

    fn referral(message_id: &str) -> ReferralId {
        ReferralId::derive(&TenantId::parse(TENANT).unwrap(), &MessageId::parse(message_id).unwrap())
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
        let told = *self.shared.on_submit.lock().unwrap();
        let known = self.submitted().into_iter().find(|(known, _)| known.message_id == id);
        match told {
            OnSubmit::Accept => {}
            OnSubmit::Refuse(code) => return Err(Refusal::new(code, "about Zebedee").into()),
            OnSubmit::Silent => return std::future::pending().await,
        }
        if known.as_ref().is_some_and(|(_, payload)| *payload != request.payload) {
            return Err(Refusal::new(Code::ConflictingDuplicate, "other bytes").into());
        }
        if known.is_none() {
            self.shared.submitted.lock().unwrap().push((envelope, request.payload.to_vec()));
        }
        let state = self.shared.states.lock().unwrap().get(&id).copied().unwrap_or(v1::State::Accepted);
        Ok(Response::new(v1::SubmitResponse {
            referral_id: Memory::referral(&id).to_string(),
            state: state as i32,
            duplicate: known.is_some(),
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
        _: Request<v1::WithdrawRequest>,
    ) -> Result<Response<v1::WithdrawResponse>, Status> {
        Ok(Response::new(v1::WithdrawResponse { referral_id: String::new(), sent_after_all: false }))
    }
}

type Frames<T> = ReceiverStream<Result<T, Status>>;

#[tonic::async_trait]
impl Referrals for Memory {
    async fn get_referral(
        &self,
        request: Request<v1::GetReferralRequest>,
    ) -> Result<Response<v1::GetReferralResponse>, Status> {
        let id = request.into_inner().id;
        let state = self.shared.states.lock().unwrap().get(&id).copied().unwrap_or(v1::State::Routed);
        let found = self.submitted().into_iter().find(|(envelope, _)| envelope.message_id == id);
        let Some((envelope, _)) = found else { return Err(Status::not_found("unknown")) };
        let referral = v1::Referral {
            referral_id: Memory::referral(&id).to_string(),
            tenant: TENANT.to_owned(),
            envelope: Some(envelope),
            state: state as i32,
            ..v1::Referral::default()
        };
        Ok(Response::new(v1::GetReferralResponse { referrals: vec![referral] }))
    }

    /// A table of four: `GONE` is nobody, `RYE` a BaRS system in England, `NWRI` one in Wales, `GP` this very tenant;
    /// all else takes HL7 v2.4 in the same nation.
    async fn resolve_service(
        &self,
        request: Request<v1::ResolveServiceRequest>,
    ) -> Result<Response<v1::ResolveServiceResponse>, Status> {
        let address = request.into_inner().address.unwrap();
        let (tenant, protocol, version) = match address.value.as_str() {
            "GONE" => return Err(Refusal::new(Code::ServiceUnknown, "no service: Zebedee").into()),
            "RYE" => ("england/nhs111-north", "bars", "1.4.0"),
            "NWRI" => ("wales/wast-111", "bars-wales", "1.2.0"),
            "GP" => (TENANT, "hl7v2", "2.4"),
            _ => ("northern-ireland/ooh-dalriada", "hl7v2", "2.4"),
        };
        Ok(Response::new(v1::ResolveServiceResponse {
            service_id: format!("{tenant}-service"),
            tenant: tenant.to_owned(),
            protocol: protocol.to_owned(),
            version: version.to_owned(),
            max_bytes: 3_000_000,
            identifiers: vec![address],
        }))
    }

    type WatchReferralStream = Frames<v1::WatchReferralResponse>;
    type WatchEventsStream = Frames<v1::WatchEventsResponse>;

    async fn watch_referral(
        &self,
        _: Request<v1::WatchReferralRequest>,
    ) -> Result<Response<Self::WatchReferralStream>, Status> {
        Err(Status::unimplemented("not used"))
    }

    async fn watch_events(
        &self,
        _: Request<v1::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        Err(Status::unimplemented("not used"))
    }

    async fn list_referrals(
        &self,
        _: Request<v1::ListReferralsRequest>,
    ) -> Result<Response<v1::ListReferralsResponse>, Status> {
        Err(Status::unimplemented("not used"))
    }

    async fn get_status(
        &self,
        _: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        Err(Status::unimplemented("not used"))
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

impl Stream {
    /// Offers, hands over, and waits for what came of it in the end.
    pub(crate) async fn deliver(&mut self, offer: v1::Offer) -> v1::outcome::Result {
        self.send_off(offer).await;
        self.outcome().await
    }

    /// Offers and hands over.
    pub(crate) async fn send_off(&mut self, offer: v1::Offer) {
        let hand_over = v1::HandOver {
            referral_id: offer.referral_id.clone(),
            attempt: offer.attempt,
            claim: offer.claim.clone(),
        };
        for frame in [Down::Offer(offer), Down::HandOver(hand_over)] {
            self.down.send(Ok(v1::ReceiveResponse { frame: Some(frame) })).await.unwrap();
        }
    }

    /// Says what became of a referral of this tenant; whether its system was told.
    pub(crate) async fn tell(&mut self, notice: v1::Notice) -> bool {
        self.down.send(Ok(v1::ReceiveResponse { frame: Some(Down::Notice(notice)) })).await.unwrap();
        loop {
            let next = tokio::time::timeout(SOON, self.up.message()).await.expect("a frame comes");
            if let Some(Up::NoticeTaken(taken)) = next.unwrap().unwrap().frame {
                return taken.told;
            }
        }
    }

    /// The next outcome of the local system; what only says that it is in the inbox is passed over.
    pub(crate) async fn outcome(&mut self) -> v1::outcome::Result {
        loop {
            let next = tokio::time::timeout(SOON, self.up.message()).await.expect("a frame comes");
            let Some(Up::Outcome(outcome)) = next.unwrap().unwrap().frame else { continue };
            let result = outcome.result.unwrap();
            if !matches!(result, v1::outcome::Result::Delivered(_)) {
                return result;
            }
        }
    }
}
