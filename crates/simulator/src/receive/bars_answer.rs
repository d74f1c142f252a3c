//! What a BaRS receiver answers: the request's bundle with ids of its own, or an OperationOutcome.

use bulkhead_format_bars::bundle::id_of;
use bulkhead_format_bars::headers::{CORRELATION_ID, REQUEST_ID};
use bulkhead_format_bars::{BarsMessage, Document, Problem, Syntax, WriteError, service_request};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use jiff::Timestamp;

use crate::system::System;

/// Added by the Welsh service.
const OPERATION_ID: &str = "X-Operation-Id";

/// An answer that is to be sent.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) syntax: Syntax,
    pub(crate) body: Vec<u8>,
    pub(crate) allow: Option<&'static str>,
}

impl Reply {
    /// 200 with a document.
    pub(crate) fn ok(document: &Document, syntax: Syntax) -> Result<Self, WriteError> {
        Ok(Self { status: 200, syntax, body: document.write_as(syntax)?, allow: None })
    }

    /// A refusal.
    pub(crate) fn problem(problem: &Problem, syntax: Syntax) -> Self {
        let body = problem.body(&uuid::Uuid::new_v4().to_string(), syntax);
        Self { status: problem.status(), syntax, body, allow: None }
    }

    /// The response, with the ids of the request given back as they came.
    pub(crate) fn response(self, request: &HeaderMap, wales: bool) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or_default();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static(match self.syntax {
                Syntax::Json => "application/fhir+json; charset=utf-8",
                Syntax::Xml => "application/fhir+xml; charset=utf-8",
            }),
        );
        for name in [REQUEST_ID, CORRELATION_ID] {
            if let (Some(value), Ok(name)) = (request.get(name), HeaderName::try_from(name)) {
                headers.insert(name, value.clone());
            }
        }
        if let Some(allow) = self.allow {
            headers.insert(hyper::header::ALLOW, HeaderValue::from_static(allow));
        }
        let operation = HeaderValue::try_from(uuid::Uuid::new_v4().to_string());
        if let (true, Ok(operation), Ok(name)) = (wales, operation, HeaderName::try_from(OPERATION_ID)) {
            headers.insert(name, operation);
        }
        response
    }
}

/// The bundle with this system's ids on every resource. Ids that it gave before stay as they are; `fullUrl`s
/// and references stay the sender's.
pub(crate) fn echo(system: &System, request: &Document) -> Document {
    let mark = system.own_mark();
    let mut answer = request.clone();
    for entry in answer.root_mut().all_mut("entry") {
        let url = entry.text("fullUrl").and_then(id_of).map(str::to_owned);
        let Some(resource) = entry.get_mut("resource").filter(|node| node.resource_type().is_some()) else {
            continue;
        };
        let theirs = resource.text("id").map(str::to_owned);
        if theirs.as_ref().is_some_and(|id| id.starts_with(&mark)) {
            continue;
        }
        if let Some(known_as) = url.or(theirs) {
            resource.set_text("id", &system.own_id(&known_as.to_ascii_lowercase()));
        }
    }
    answer
}

/// The id that this system gave, or gives, to the ServiceRequest of a message.
pub(crate) fn request_id(system: &System, message: &BarsMessage) -> String {
    let theirs = &message.request.id;
    if theirs.starts_with(&system.own_mark()) {
        return theirs.clone();
    }
    let url = message.request.full_url.as_deref().and_then(id_of);
    system.own_id(&url.unwrap_or(theirs).to_ascii_lowercase())
}

/// What reading a ServiceRequest answers, given the latest message about it.
pub(crate) fn service_request(
    system: &System,
    document: &Document,
    message: &BarsMessage,
    changed: Timestamp,
    syntax: Syntax,
) -> Result<Document, Problem> {
    let status = super::bars_read::status(message);
    let mut found = service_request::read_body(
        &echo(system, document),
        &echoed(system, message),
        status,
        changed,
        syntax,
    )?;
    found.root_mut().set_text("id", &request_id(system, message));
    Ok(found)
}

/// The message, speaking of the ServiceRequest by this system's id.
fn echoed(system: &System, message: &BarsMessage) -> BarsMessage {
    let mut echoed = message.clone();
    echoed.request.id = request_id(system, message);
    echoed
}
