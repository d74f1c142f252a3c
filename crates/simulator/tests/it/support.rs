//! Plain clients and listeners, which share nothing with the simulator but the wire.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bulkhead_format_bars::{Identifier, SampleReferral, SampleService, Syntax};
use bulkhead_simulator::{Behaviour, Config, Handle, Mllp, Protocol, Simulator};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const DOS: &str = "https://fhir.nhs.uk/Id/dos-service-id";

pub(crate) fn bars() -> Protocol {
    Protocol::Bars { syntax: Syntax::Json }
}

pub(crate) fn hl7() -> Protocol {
    Protocol::Mllp(Mllp::new("2.4", "GPOOH", "DALRIADA"))
}

pub(crate) fn config(tenant: &str, protocol: Protocol) -> Config {
    let mut config = Config::new(tenant.parse().unwrap(), protocol);
    config.services = vec![Identifier::dos("2000099222")];
    config
}

pub(crate) async fn start(tenant: &str, protocol: Protocol) -> Handle {
    Simulator::start(config(tenant, protocol)).await.unwrap()
}

pub(crate) async fn start_kept(tenant: &str, protocol: Protocol, journal: &Path) -> Handle {
    let config = Config { journal: Some(journal.to_owned()), ..config(tenant, protocol) };
    Simulator::start(config).await.unwrap()
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }
}

pub(crate) type Headers = Vec<(&'static str, String)>;

pub(crate) async fn try_http(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &Headers,
    body: impl Into<Bytes>,
) -> Result<Answer, Box<dyn std::error::Error>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(TcpStream::connect(address).await?)).await?;
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", "simulator");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let (head, body) = sender.send_request(request.body(Full::new(body.into()))?).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
}

pub(crate) async fn http(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &Headers,
    body: impl Into<Bytes>,
) -> Answer {
    try_http(address, method, path, headers, body).await.unwrap()
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    http(address, "GET", path, &Vec::new(), "").await
}

pub(crate) async fn received(handle: &Handle) -> Vec<Value> {
    get(handle.http(), "/received").await.json().as_array().unwrap().clone()
}

pub(crate) async fn behave(handle: &Handle, behaviour: Behaviour) {
    let body = serde_json::to_vec(&behaviour).unwrap();
    assert_eq!(http(handle.http(), "PUT", "/behaviour", &Vec::new(), body).await.status, 200);
}

/// A BaRS referral as a sidecar would send it: headers and body.
pub(crate) fn referral(seed: u64, syntax: Syntax) -> (Headers, Vec<u8>) {
    let sample = sample(seed);
    let mut headers = sample.headers(syntax).encode();
    headers.push(("use-context", "a1t10|referral|servicerequest-request|new".to_owned()));
    (headers, sample.build(syntax).write().unwrap())
}

pub(crate) fn sample(seed: u64) -> SampleReferral {
    let source = SampleService::new("7", "NZ111", "Source");
    let to = SampleService::new("2000099222", "NZ222", "Destination");
    SampleReferral::new(seed).sized(20_000).between(source, to)
}

pub(crate) fn set(headers: &mut Headers, name: &'static str, value: &str) {
    let place = headers.iter().position(|(known, _)| known.eq_ignore_ascii_case(name));
    let place = place.unwrap_or(headers.len());
    headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    if !value.is_empty() {
        headers.insert(place, (name, value.to_owned()));
    }
}

pub(crate) async fn post(handle: &Handle, headers: &Headers, body: &[u8]) -> Answer {
    http(handle.listen(), "POST", "/FHIR/R4/$process-message", headers, body.to_vec()).await
}

/// An MLLP connection.
pub(crate) struct Line(TcpStream);

impl Line {
    pub(crate) async fn to(handle: &Handle) -> Self {
        Self(TcpStream::connect(handle.listen()).await.unwrap())
    }

    pub(crate) async fn send(&mut self, message: &str) {
        self.0.write_all(format!("\x0B{message}\x1C\r").as_bytes()).await.unwrap();
    }

    /// The next frame, its segments apart; empty when the peer closes.
    pub(crate) async fn answer(&mut self) -> Vec<String> {
        let mut frame = Vec::new();
        loop {
            match self.0.read_u8().await {
                Ok(byte) => frame.push(byte),
                Err(_) => return Vec::new(),
            }
            if let Some(payload) = frame.strip_suffix(b"\x1C\r") {
                let text = String::from_utf8_lossy(payload.strip_prefix(b"\x0B").unwrap()).into_owned();
                return text.split_terminator('\r').map(str::to_owned).collect();
            }
        }
    }

    /// MSA of the answer to a message.
    pub(crate) async fn ask(&mut self, message: &str) -> String {
        self.send(message).await;
        self.answer().await.get(1).cloned().unwrap_or_default()
    }

    pub(crate) async fn is_quiet(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(150), self.0.read_u8()).await.is_err()
    }
}

/// A REF of that event and id about a case.
pub(crate) fn message(event: &str, id: &str, case: &str, ends: &str) -> String {
    format!(
        "MSH|^~\\&|APP|FAC|GPOOH|DALRIADA|20260801231500||REF^{event}^REF_I12|{id}|P|2.4{ends}\r\
         RF1|P|S||||{case}^APP\rPRD|RP|||||||7^{DOS}\rPRD|RT||||||2000099222^{DOS}\r\
         PID|1||3200123451^^^HSC^NH||O'Neill^Patrick\rNTE|1||Please call\r"
    )
}

/// A listener that takes one HTTP request, answers, and gives back what came: head and body.
pub(crate) async fn http_once(
    answer: &'static str,
) -> (SocketAddr, tokio::task::JoinHandle<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let taken = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = Vec::new();
        let head = loop {
            read.push(stream.read_u8().await.unwrap());
            if read.ends_with(b"\r\n\r\n") {
                break String::from_utf8(read).unwrap().to_ascii_lowercase();
            }
        };
        let length = head.split("content-length: ").nth(1).unwrap().split('\r').next().unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        let (status, body_of_answer) = answer.split_once('\n').unwrap();
        let ids = ["x-request-id", "x-correlation-id"].map(|name| header(&head, name));
        let text = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/fhir+json\r\nx-request-id: {}\r\n\
             x-correlation-id: {}\r\ncontent-length: {}\r\n\r\n{body_of_answer}",
            ids[0],
            ids[1],
            body_of_answer.len()
        );
        stream.write_all(text.as_bytes()).await.unwrap();
        let _ = stream.read_u8().await;
        (head, body)
    });
    (address, taken)
}

pub(crate) fn header(head: &str, name: &str) -> String {
    let line = head.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap_or_default();
    line.split_once(": ").map(|(_, value)| value.to_owned()).unwrap_or_default()
}

/// A listener that takes one MLLP frame, answers `MSA` with that code, and gives back the payload.
pub(crate) async fn mllp_once(code: &'static str) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let taken = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut line = Line(stream);
        let segments = line.answer().await;
        let id = segments[0].split('|').nth(9).unwrap().to_owned();
        if code.is_empty() {
            return segments.join("\r");
        }
        // An answer to something else comes first.
        for id in ["OTHER", &id] {
            line.send(&format!("MSH|^~\\&|||||20260801||ACK|A1|P|2.4\rMSA|{code}|{id}\r")).await;
        }
        let _ = line.answer().await;
        segments.join("\r")
    });
    (address, taken)
}
