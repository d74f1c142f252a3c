//! Posts to the local system: kept connections, and a bound on everything.

use std::time::Duration;

use bulkhead_format_bars::headers::{CORRELATION_ID, REQUEST_ID, content_type};
use bulkhead_format_bars::{Document, HeaderId, Ids, Limits, Syntax};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

use crate::Config;

/// The largest answer that is read: an echo is as large as its request.
const MOST_ANSWER: usize = 8 << 20;
/// Connections that are kept for later.
const KEPT: usize = 8;
/// How long they are kept: shorter than most servers keep theirs.
const KEPT_FOR: Duration = Duration::from_secs(20);

/// What the local system answered.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    headers: HeaderMap,
    body: Option<Bytes>,
}

/// Why there is no answer, in words for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Nobody is there.
    Down(String),
    /// Somebody is, and does not answer in time.
    Slow(String),
}

/// A client of the local system.
#[derive(Debug)]
pub(crate) struct Client {
    http: legacy::Client<HttpConnector, Full<Bytes>>,
    base: Uri,
    patience: Duration,
}

impl Client {
    pub(crate) fn new(config: &Config) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(config.connect_timeout));
        connector.set_nodelay(true);
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEPT_FOR)
            .pool_max_idle_per_host(KEPT)
            .build(connector);
        Self { http, base: config.base.clone(), patience: config.answer_timeout }
    }

    /// Posts a message.
    pub(crate) async fn post(&self, headers: &[(&str, String)], body: Bytes) -> Result<Heard, Silence> {
        let mut request = Request::builder().method(Method::POST).uri(self.at("$process-message"));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        self.send(request.body(Full::new(body))).await
    }

    /// Asks for the CapabilityStatement: any answer shows that somebody is there.
    pub(crate) async fn metadata(&self) -> Result<Heard, Silence> {
        let request = Request::builder().uri(self.at("metadata")).header(ACCEPT, Syntax::Json.media_type());
        self.send(request.body(Full::default())).await
    }

    fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.base.to_string().trim_end_matches('/'))
    }

    async fn send(&self, request: http::Result<Request<Full<Bytes>>>) -> Result<Heard, Silence> {
        let request = request.map_err(|_| Silence::Slow("the request cannot be written".to_owned()))?;
        let work = async {
            let response = self.http.request(request).await.map_err(|error| nobody(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MOST_ANSWER).collect().await.ok();
            Ok(Heard {
                status: head.status.as_u16(),
                headers: head.headers,
                body: body.map(|b| b.to_bytes()),
            })
        };
        match timeout(self.patience, work).await {
            Ok(heard) => heard,
            Err(_) => Err(Silence::Slow(format!("no answer in {} s", self.patience.as_secs_f32()))),
        }
    }
}

/// Connection refused, or closed without an answer.
fn nobody(error: &legacy::Error) -> Silence {
    let what = if error.is_connect() { "no connection" } else { "closed without an answer" };
    let mut source = std::error::Error::source(error);
    let mut kind = None;
    while let Some(error) = source {
        kind = kind.or_else(|| error.downcast_ref::<std::io::Error>().map(std::io::Error::kind));
        source = error.source();
    }
    Silence::Down(kind.map_or_else(|| what.to_owned(), |kind| format!("{what}: {kind}")))
}

impl Heard {
    /// Whether both ids came back.
    pub(crate) fn echoes(&self, ids: &Ids) -> bool {
        let is = |name: &str, id: &HeaderId| {
            let text = self.headers.get(name).and_then(|value| value.to_str().ok());
            text.and_then(HeaderId::parse).is_some_and(|echoed| echoed.uuid() == id.uuid())
        };
        is(REQUEST_ID, &ids.request) && is(CORRELATION_ID, &ids.correlation)
    }

    /// The body, if it is a FHIR document.
    pub(crate) fn document(&self) -> Option<Document> {
        let body = self.body.as_ref()?;
        let stated = self.headers.get(CONTENT_TYPE).and_then(|value| content_type(value.as_bytes()).ok());
        let guessed = || if body.trim_ascii_start().starts_with(b"<") { Syntax::Xml } else { Syntax::Json };
        let limits = Limits { bytes: MOST_ANSWER, ..Limits::default() };
        Document::read(body, stated.unwrap_or_else(guessed), &limits).ok()
    }

    /// When it wants to be asked again.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse::<u64>().ok()?;
        Some(Duration::from_secs(seconds.min(600)))
    }
}
