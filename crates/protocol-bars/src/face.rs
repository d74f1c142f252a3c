//! The HTTP server for the local system: bounded in connections, requests, bytes and time.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bulkhead_adapter::{Error, KitHandle};
use bulkhead_format_bars::Problem;
use bulkhead_format_bars::outcome::{ErrorKind, IssueType, Party};
use bulkhead_model::{Code, TenantId};
use bulkhead_process::Drain;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use crate::broker::Broker;
use crate::process::{Processor, UnderWay};
use crate::reply::{Refusal, Reply, syntax_of};
use crate::routes::Route;
use crate::{Config, answer, pages, requests};

/// What of a body that is too long is read on, so that its sender reads our answer and not a reset.
const DISCARD: usize = 64 << 20;
/// How long requests that were begun may take when the sidecar stops.
const GRACE: Duration = Duration::from_secs(8);
/// How long a connection may be silent between requests, and the head of a request may take.
const IDLE: Duration = Duration::from_secs(75);
/// How long to wait when the operating system has no connection for us.
const PAUSE: Duration = Duration::from_millis(50);

/// What a face is started with.
#[derive(Debug, Clone)]
pub struct FaceConfig {
    /// The local system.
    pub bars: Config,
    /// Whose system it is.
    pub tenant: TenantId,
    /// The largest message.
    pub max_bytes: usize,
}

/// The server. It stops when the drain begins.
#[derive(Debug)]
pub struct Face {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

/// What every request needs.
struct Desk {
    processor: Arc<Processor>,
    requests: Arc<Semaphore>,
    host: String,
}

impl Face {
    /// Opens the port and serves it.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(config: FaceConfig, kit: KitHandle, drain: Drain) -> Result<Self, Error> {
        Self::serve(config, Broker::Kit(kit), drain).await
    }

    pub(crate) async fn serve(config: FaceConfig, broker: Broker, drain: Drain) -> Result<Self, Error> {
        let FaceConfig { bars, tenant, max_bytes } = config;
        let failed = |source| Error::Listen { address: bars.listen.to_string(), source };
        let listener = TcpListener::bind(bars.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        info!(%tenant, %address, protocol = bars.dialect.protocol.as_str(), "listening for the local system");
        let requests = Arc::new(Semaphore::new(bars.in_flight));
        let processor = Processor { config: bars, tenant, broker, max_bytes, under_way: UnderWay::default() };
        let desk = Arc::new(Desk { processor: Arc::new(processor), requests, host: address.to_string() });
        Ok(Self { address, serving: tokio::spawn(run(listener, desk, drain)) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it has stopped after a drain.
    pub async fn stopped(self) {
        if self.serving.await.is_err() {
            warn!(address = %self.address, "the server has failed");
        }
    }
}

/// Takes connections until the drain begins, then lets what was begun end.
async fn run(listener: TcpListener, desk: Arc<Desk>, drain: Drain) {
    let most = desk.processor.config.max_connections;
    let mut connections = JoinSet::new();
    loop {
        // All branches are safe to cancel.
        tokio::select! {
            () = drain.started() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept(), if connections.len() < most => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, desk.clone(), drain.clone()));
                }
                Err(error) => {
                    warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
    drop(listener);
    let begun = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, begun).await.is_err() {
        warn!("stopping with requests unanswered; their senders will send them again");
    }
}

async fn serve(stream: TcpStream, desk: Arc<Desk>, drain: Drain) {
    // Without it a small answer may wait for the peer's acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let desk = desk.clone();
        async move { Ok::<_, Infallible>(desk.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = drain.started() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        debug!(%error, "a connection of the local system ended");
    }
}

impl Desk {
    /// The response to a request. Whatever it says, it carries the ids of the request.
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let dialect = &self.processor.config.dialect;
        let syntax = dialect.syntax.unwrap_or_else(|| syntax_of(&head.headers));
        let route = Route::of(&head.method, head.uri.path());
        let query = head.uri.query().unwrap_or_default();
        let reads = dialect.reads_service_requests;
        let reply = match route {
            Route::ProcessMessage => self.process(&head.headers, body).await,
            Route::Metadata => Ok(pages::metadata(&self.processor, &self.host, syntax)),
            Route::MessageDefinition => {
                Ok(pages::definitions(&self.processor, &self.host, query, syntax).await)
            }
            Route::Read(id) if reads => requests::read(&self.processor, &id, syntax).await,
            Route::Search if reads => requests::search(&self.processor, query, syntax).await,
            Route::Read(_) | Route::Search | Route::NotImplemented => Err(self.not_implemented()),
            Route::WrongVerb(allow) => Err(wrong_verb(allow)),
            Route::NotFound => {
                let text = "there is no such path";
                Err(Problem::rec(ErrorKind::NotFound, IssueType::NotFound, text).into())
            }
        };
        let reply = reply.unwrap_or_else(|refusal| Reply::refusal(&refusal, syntax));
        reply.response(&head.headers, dialect.operation_id)
    }

    async fn process(&self, headers: &HeaderMap, body: Incoming) -> Result<Reply, Refusal> {
        let Ok(permit) = self.requests.clone().try_acquire_owned() else {
            let text = "too many messages at a time";
            let problem = Problem::rec(ErrorKind::TooManyRequests, IssueType::Throttled, text);
            return Err(Refusal::from(problem).after(Duration::from_secs(1)));
        };
        let read = read(headers, body, self.processor.max_bytes);
        let Ok(read) = timeout(self.processor.config.read_timeout, read).await else {
            let text = "the message did not arrive in time";
            return Err(Problem::rec(ErrorKind::Timeout, IssueType::Timeout, text).into());
        };
        Ok(self.processor.process(headers.clone(), read?, permit).await)
    }

    fn not_implemented(&self) -> Refusal {
        let party = self.processor.config.dialect.missing_blame;
        let text = "this is not implemented here";
        Problem::new(party, ErrorKind::NotImplemented, IssueType::NotSupported, text).into()
    }
}

fn wrong_verb(allow: &'static str) -> Refusal {
    let text = "this method is not allowed here";
    let problem = Problem::new(Party::Rec, ErrorKind::MethodNotAllowed, IssueType::NotSupported, text);
    Refusal { allow: Some(allow), ..problem.into() }
}

/// The bytes of a body, up to the limit. The rest of a longer one is thrown away, up to another limit.
async fn read(headers: &HeaderMap, mut body: Incoming, most: usize) -> Result<Bytes, Refusal> {
    let stated =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if stated.is_some_and(|stated| stated > DISCARD) {
        return Err(answer::refused(Some(Code::PayloadTooLarge)));
    }
    let mut taken = BytesMut::with_capacity(stated.unwrap_or_default().min(most));
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        let ended = |_| {
            let text = "the body ended too early";
            Refusal::from(Problem::rec(ErrorKind::BadRequest, IssueType::Structure, text))
        };
        let frame = frame.map_err(ended)?;
        let Some(data) = frame.data_ref() else { continue };
        seen += data.len();
        if seen > DISCARD {
            break;
        }
        if seen <= most {
            taken.extend_from_slice(data);
        }
    }
    if seen > most { Err(answer::refused(Some(Code::PayloadTooLarge))) } else { Ok(taken.freeze()) }
}
