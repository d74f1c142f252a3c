//! A local system that answers as a test tells it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bulkhead_format_bars::{Document, Limits, Problem, Syntax};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What is answered to one message.
#[derive(Debug, Clone)]
pub(super) enum Then {
    /// Its bundle, with ids of the system's own.
    Echo,
    Problem(Problem),
    /// That status, without a body and without the ids.
    Status(u16),
    /// Only after that time.
    After(Duration),
    /// Nothing: the connection is closed.
    Close,
}

/// A message that was posted.
#[derive(Debug, Clone)]
pub(super) struct Posted {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Posted {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

#[derive(Debug, Default)]
pub(super) struct Local {
    pub(super) posted: Mutex<Vec<Posted>>,
    script: Mutex<VecDeque<Then>>,
}

impl Local {
    pub(super) async fn start() -> (Arc<Self>, SocketAddr) {
        let local = Arc::new(Self::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = local.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let local = serving.clone();
                let service = service_fn(move |request| {
                    let local = local.clone();
                    async move { local.answer(request).await }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        (local, address)
    }

    pub(super) fn then(&self, answers: impl IntoIterator<Item = Then>) {
        self.script.lock().unwrap().extend(answers);
    }

    pub(super) fn last(&self) -> Posted {
        self.posted.lock().unwrap().last().unwrap().clone()
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, &'static str> {
        let (head, body) = request.into_parts();
        if head.method == Method::GET {
            return Ok(Response::new(Full::default()));
        }
        let body = body.collect().await.unwrap().to_bytes();
        let posted = Posted { path: head.uri.path().to_owned(), headers: head.headers, body };
        self.posted.lock().unwrap().push(posted.clone());
        let then = self.script.lock().unwrap().pop_front().unwrap_or(Then::Echo);
        let (status, body) = match then {
            Then::Echo => (200, echo(&posted)),
            Then::Problem(problem) => (problem.status(), problem.body("1", Syntax::Json)),
            Then::Status(status) => {
                return Ok(Response::builder().status(status).body(Full::default()).unwrap());
            }
            Then::After(time) => {
                tokio::time::sleep(time).await;
                (200, echo(&posted))
            }
            Then::Close => return Err("closed, as told"),
        };
        let mut response = Response::builder().status(status).header("content-type", "application/fhir+json");
        for name in ["x-request-id", "x-correlation-id"] {
            response = response.header(name, posted.header(name));
        }
        Ok(response.body(Full::new(Bytes::from(body))).unwrap())
    }
}

/// The bundle with the system's own ids: `own-` and the first digits of ours.
fn echo(posted: &Posted) -> Vec<u8> {
    let syntax = if posted.body.starts_with(b"<") { Syntax::Xml } else { Syntax::Json };
    let mut document = Document::read(&posted.body, syntax, &Limits::default()).unwrap();
    for entry in document.root_mut().all_mut("entry") {
        let url = entry.text("fullUrl").unwrap_or_default().replace("urn:uuid:", "");
        if let Some(resource) = entry.get_mut("resource") {
            resource.set_text("id", &format!("own-{}", &url[..8]));
        }
    }
    document.write_as(Syntax::Json).unwrap()
}
