//! One message to the sidecar and its answer, on a connection of its own.

use std::net::SocketAddr;

use bulkhead_format_bars::headers::{CORRELATION_ID, REQUEST_ID, content_type};
use bulkhead_format_bars::peer::issues;
use bulkhead_format_bars::{Answer as BarsAnswer, Document, IdMap, Limits, Verdict};
use bulkhead_format_hl7::mllp::encode;
use bulkhead_format_hl7::{AckCode, Answer, Framer, Match, Message, Rules};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Outcome, Ready};
use crate::system::System;

const PATH: &str = "/FHIR/R4/$process-message";
/// The most of an answer that is read, and that is shown.
const MOST_READ: usize = 6 * 1024 * 1024;
const MOST_SHOWN: usize = 16 * 1024;

/// What came back.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) outcome: Outcome,
    pub(super) answer: String,
    pub(super) detail: String,
}

impl Answered {
    /// There was no answer.
    pub(super) fn none(why: &str) -> Self {
        Self { outcome: Outcome::Unanswered, answer: String::new(), detail: why.to_owned() }
    }
}

/// Why there was no answer, in words.
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Over HTTP.
pub(super) async fn bars(system: &System, sidecar: SocketAddr, ready: &Ready) -> Answered {
    match post(sidecar, ready).await {
        Ok(response) => read_bars(system, ready, &response),
        Err(error) => Answered::none(&error.to_string()),
    }
}

async fn post(sidecar: SocketAddr, ready: &Ready) -> Result<Response<Bytes>, Failed> {
    let stream = TcpStream::connect(sidecar).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut request = Request::post(PATH).header(HOST, sidecar.to_string());
    for (name, value) in &ready.headers {
        request = request.header(*name, value);
    }
    let sent = async {
        let body = Full::new(Bytes::copy_from_slice(&ready.bytes));
        let (head, body) = sender.send_request(request.body(body)?).await?.into_parts();
        let body = Limited::new(body, MOST_READ).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    };
    let answered = sent.await;
    connection.abort();
    answered
}

fn read_bars(system: &System, ready: &Ready, response: &Response<Bytes>) -> Answered {
    let header = |name: &str| response.headers().get(name).map(|value| value.as_bytes());
    let sent = |name: &str| {
        ready.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_bytes())
    };
    let syntax = header(CONTENT_TYPE.as_str()).and_then(|value| content_type(value).ok());
    let body = syntax.and_then(|syntax| Document::read(response.body(), syntax, &Limits::default()).ok());
    let ids_echoed = [REQUEST_ID, CORRELATION_ID].iter().all(|name| header(name) == sent(name));
    let status = response.status().as_u16();
    let outcome = match (BarsAnswer { status, ids_echoed, body: body.as_ref() }.verdict()) {
        Verdict::Delivered => Outcome::Accepted,
        Verdict::Duplicate => Outcome::Duplicate,
        Verdict::Retry(_) => Outcome::Retry,
        Verdict::Refused(_) => Outcome::Refused,
    };
    if let (Outcome::Accepted, Some(Ok(map))) = (outcome, body.as_ref().map(IdMap::from_answer)) {
        system.learn(&ready.case, map);
    }
    let issues = body.as_ref().and_then(issues).unwrap_or_default();
    let answer = issues.iter().fold(status.to_string(), |answer, (code, issue)| {
        let code = code.map(|code| format!(" {code}")).unwrap_or_default();
        let issue = issue.map(|issue| format!(" {}", issue.code())).unwrap_or_default();
        answer + &code + &issue
    });
    // A bundle is the sender's own and speaks of a patient.
    let shown = body.is_some_and(|body| body.resource_type() == "OperationOutcome");
    let detail = if shown { show(response.body()) } else { String::new() };
    Answered { outcome, answer, detail }
}

/// Over MLLP.
pub(super) async fn mllp(sidecar: SocketAddr, ready: &Ready) -> Answered {
    ask(sidecar, ready).await.unwrap_or_else(|error| Answered::none(&error.to_string()))
}

async fn ask(sidecar: SocketAddr, ready: &Ready) -> Result<Answered, Failed> {
    let mut stream = TcpStream::connect(sidecar).await?;
    stream.write_all(&encode(&ready.bytes)?).await?;
    let (mut framer, mut buffer) = (Framer::default(), vec![0; 4096]);
    loop {
        while let Some(payload) = framer.next_frame() {
            let message = Message::parse_with(payload.clone(), &Rules::any_version())?;
            let answer = Answer::parse(&message)?;
            // The answer to something else is passed over.
            if answer.matches(&ready.message_id, None) != Match::No {
                return Ok(read_mllp(&answer, &payload));
            }
        }
        match stream.read(&mut buffer).await? {
            0 => return Err("closed without an answer".into()),
            read => framer.push(&buffer[..read])?,
        }
    }
}

fn read_mllp(answer: &Answer, payload: &[u8]) -> Answered {
    let outcome = match answer.code {
        None | Some(AckCode::ApplicationAccept | AckCode::CommitAccept) => Outcome::Accepted,
        Some(AckCode::ApplicationError | AckCode::CommitError) => Outcome::Retry,
        Some(AckCode::ApplicationReject | AckCode::CommitReject) => Outcome::Refused,
    };
    let code = answer.code.map_or("RRI", AckCode::as_str);
    Answered { outcome, answer: code.to_owned(), detail: show(payload) }
}

fn show(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(MOST_SHOWN)]).into_owned()
}
