//! The face and the client together with a stub of the kit and a local system that answers as told.

mod bad_input;
mod face;
mod hand_over;
mod local;
mod privacy;
mod reads;
mod translated;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_adapter::Delivery;
use bulkhead_format_bars::{Document, Identifier, Limits, RequestHeaders, SampleReferral, Syntax};
use bulkhead_model::{
    Digest, Envelope, Kind, MessageId, Payload, Priority, ReferralId, ServiceAddress, TenantId,
};
use bulkhead_process::Drain;
use bulkhead_translation::profiles;
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;

use crate::broker::Broker;
use crate::broker::stub::{Stub, TENANT};
use crate::{Config, Dialect, Face, FaceConfig, ServiceSettings, Settings};

const SENDER: &str = "2000099111";
const RECEIVER: &str = "2000099222";
const LIMIT: usize = 256 * 1024;

/// A face in front of a stub.
struct World {
    stub: Arc<Stub>,
    face: Face,
    drain: Drain,
}

/// What came back.
struct Response {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Response {
    fn document(&self, syntax: Syntax) -> Document {
        Document::read(&self.body, syntax, &Limits::default()).unwrap()
    }

    /// Status, code and issue of an OperationOutcome.
    fn words(&self) -> String {
        let syntax = if self.body.starts_with(b"<") { Syntax::Xml } else { Syntax::Json };
        let document = self.document(syntax);
        assert_eq!(document.resource_type(), "OperationOutcome");
        let text = |path| document.root().path_text(path).unwrap_or_default();
        format!("{} {} {}", self.status, text("issue.details.coding.code"), text("issue.code"))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

fn settings(base: SocketAddr) -> Settings {
    let mut settings = Settings::new("127.0.0.1:0".parse().unwrap(), format!("http://{base}/FHIR/R4"));
    settings.services = vec![ServiceSettings {
        system: Identifier::dos(SENDER).system,
        value: SENDER.to_owned(),
        use_cases: vec!["A1T10".to_owned()],
    }];
    settings.connect_timeout = Duration::from_millis(500);
    settings.answer_timeout = Duration::from_millis(500);
    settings
}

fn england(settings: &Settings) -> Config {
    Config::from_settings(settings, Dialect::england(profiles::england_bars())).unwrap()
}

fn wales(settings: &Settings) -> Config {
    Config::from_settings(settings, Dialect::wales(profiles::wales_bars())).unwrap()
}

fn nowhere() -> SocketAddr {
    "127.0.0.1:1".parse().unwrap()
}

impl World {
    async fn start() -> Self {
        Self::with(england(&settings(nowhere()))).await
    }

    async fn with(bars: Config) -> Self {
        let (stub, drain) = (Stub::new(), Drain::new());
        stub.host(&Identifier::dos(SENDER), TENANT, "bars", "1.4.0");
        stub.host(&Identifier::dos(RECEIVER), "england/ooh-riverside", "bars", "1.4.0");
        let config = FaceConfig { bars, tenant: TenantId::parse(TENANT).unwrap(), max_bytes: LIMIT };
        let face = Face::serve(config, Broker::Stub(stub.clone()), drain.clone()).await.unwrap();
        Self { stub, face, drain }
    }

    async fn stop(self) {
        self.drain.start();
        self.face.stopped().await;
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, String)],
        body: impl Into<Bytes>,
    ) -> Response {
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let mut request =
            Request::builder().method(method).uri(format!("http://{}{path}", self.face.address()));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = client.request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Response { status: head.status.as_u16(), headers: head.headers, body }
    }

    async fn post(&self, headers: &[(&'static str, String)], body: impl Into<Bytes>) -> Response {
        self.send(Method::POST, "/FHIR/R4/$process-message", headers, body).await
    }

    async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }
}

fn sample(seed: u64) -> SampleReferral {
    SampleReferral::new(seed).sized(8 * 1024)
}

/// Headers and bytes of a sample.
fn message(sample: &SampleReferral, syntax: Syntax) -> (Vec<(&'static str, String)>, Vec<u8>) {
    (sample.headers(syntax).encode(), sample.build(syntax).write().unwrap())
}

/// The same headers with another message id.
fn again(headers: RequestHeaders, id: u128) -> Vec<(&'static str, String)> {
    let mut headers = headers;
    headers.ids.request = uuid::Uuid::from_u128(id).into();
    headers.encode()
}

/// A delivery of those bytes from another tenant.
fn delivery(kind: Kind, message_id: &str, case: &str, content_type: &str, payload: Vec<u8>) -> Delivery {
    let tenant = TenantId::parse("england/ooh-riverside").unwrap();
    let message_id = MessageId::parse(message_id).unwrap();
    let address = |value| ServiceAddress::parse(&Identifier::dos(value).system, value).unwrap();
    Delivery {
        id: ReferralId::derive(&tenant, &message_id),
        tenant,
        envelope: Envelope {
            message_id,
            attempt: 1,
            to: address(SENDER),
            reply_to: Some(address(RECEIVER)),
            kind,
            case_id: bulkhead_model::CaseId::parse(case).ok(),
            priority: Priority::Urgent,
            deadline: None,
            content_type: content_type.to_owned(),
            in_response_to: None,
            traceparent: None,
            flags: Vec::new(),
            spooled_at: None,
        },
        digest: Digest::new([0; 32]),
        payload: Payload::new(payload.into()),
        accepted_at: Timestamp::from_second(1_767_607_200).unwrap(),
        possible_duplicate: false,
        attempt: 1,
        reply_addresses: vec![address(RECEIVER)],
        diverted: None,
    }
}

/// A sample from the other tenant to ours.
fn inward(seed: u64) -> SampleReferral {
    let sample = sample(seed);
    let (source, destination) = (sample.source.clone(), sample.destination.clone());
    sample.between(destination, source)
}
