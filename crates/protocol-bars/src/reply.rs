//! What is answered over HTTP: a document or an OperationOutcome, with the ids of the request.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bulkhead_format_bars::headers::{CORRELATION_ID, REQUEST_ID};
use bulkhead_format_bars::outcome::{ErrorKind, IssueType};
use bulkhead_format_bars::{Document, Problem, Syntax};
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use uuid::Uuid;

/// The longest id that is given back: longer ones are no ids.
const LONGEST_ID: usize = 128;
/// Added by the Welsh service.
const OPERATION_ID: HeaderName = HeaderName::from_static("x-operation-id");

/// A problem, and when to try again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) problem: Problem,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) allow: Option<&'static str>,
}

impl Refusal {
    /// The same, to be tried again after that time.
    pub(crate) fn after(self, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..self }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem, retry_after: None, allow: None }
    }
}

/// An answer to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    syntax: Syntax,
    body: Vec<u8>,
    retry_after: Option<Duration>,
    allow: Option<&'static str>,
}

impl Reply {
    /// 200 with a document.
    pub(crate) fn document(document: &Document, syntax: Syntax) -> Self {
        match document.write_as(syntax) {
            Ok(body) => Self { status: 200, syntax, body, retry_after: None, allow: None },
            // Only JSON can say what a document from JSON holds beyond XML.
            Err(_) if syntax == Syntax::Xml => Self::document(document, Syntax::Json),
            Err(_) => {
                let text = "the answer cannot be written";
                let problem = Problem::rec(ErrorKind::ServerError, IssueType::Exception, text);
                Self::refusal(&problem.into(), syntax)
            }
        }
    }

    /// A refusal.
    pub(crate) fn refusal(refusal: &Refusal, syntax: Syntax) -> Self {
        let Refusal { problem, retry_after, allow } = refusal;
        let body = problem.body(&Uuid::new_v4().to_string(), syntax);
        Self { status: problem.status(), syntax, body, retry_after: *retry_after, allow: *allow }
    }

    /// The response to a request with those headers: its ids come back as they were, whatever is answered.
    pub(crate) fn response(self, request: &HeaderMap, operation_id: bool) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static(match self.syntax {
                Syntax::Json => "application/fhir+json; charset=utf-8",
                Syntax::Xml => "application/fhir+xml; charset=utf-8",
            }),
        );
        for name in [REQUEST_ID, CORRELATION_ID] {
            let value = request.get(name).filter(|value| value.len() <= LONGEST_ID);
            if let (Some(value), Ok(name)) = (value, HeaderName::try_from(name)) {
                headers.insert(name, value.clone());
            }
        }
        if let Some(after) = self.retry_after {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if let (true, Ok(id)) = (operation_id, HeaderValue::try_from(Uuid::new_v4().to_string())) {
            headers.insert(OPERATION_ID, id);
        }
        response
    }
}

/// The syntax of an answer to a request whose headers may be wrong: what it accepts, or what it came in.
pub(crate) fn syntax_of(headers: &HeaderMap) -> Syntax {
    let names_xml = |name: HeaderName| {
        let value = headers.get(name).map(|value| value.as_bytes().to_ascii_lowercase());
        value
            .filter(|value| !value.starts_with(b"*"))
            .map(|value| value.windows(3).any(|three| three == b"xml"))
    };
    match names_xml(http::header::ACCEPT).or_else(|| names_xml(CONTENT_TYPE)) {
        Some(true) => Syntax::Xml,
        _ => Syntax::Json,
    }
}
