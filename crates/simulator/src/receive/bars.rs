//! BaRS over HTTP, received.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_format_bars::capability::{Capability, Definition};
use bulkhead_format_bars::headers::{ACCEPT, content_type};
use bulkhead_format_bars::outcome::{ErrorKind, IssueType};
use bulkhead_format_bars::{Ids, Limits, Party, Problem, Profile, Syntax};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::bars_answer::{self, Reply, request_id};
use super::bars_read::{self, profile_of};
use crate::behaviour::{Answer, Behaviour};
use crate::journal::{Arrival, Kind, case_key, message_key, request_key};
use crate::system::System;

/// Under any of these, and at the root, the same is served.
const BASES: [&str; 2] = ["/booking-and-referral/FHIR/R4", "/FHIR/R4"];
/// What others serve and a simulator does not.
const NOT_HERE: [&str; 6] =
    ["Slot", "Appointment", "DocumentReference", "Endpoint", "HealthcareService", "MessageDefinition"];

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("closed without an answer, as told")]
struct Closed;

/// Serves one connection.
pub(crate) async fn serve(system: Arc<System>, stream: TcpStream) {
    let service = service_fn(|request| {
        let system = system.clone();
        async move { handle(&system, request).await }
    });
    // A connection that ends badly is the peer's affair.
    let _ =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn handle(system: &Arc<System>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Closed> {
    let (head, body) = request.into_parts();
    let wales = profile_of(&system.protocol) == Profile::WalesNwri;
    let path = BASES.iter().find_map(|base| head.uri.path().strip_prefix(base)).unwrap_or(head.uri.path());
    let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
    let reply = match (&head.method, steps.as_slice()) {
        (&Method::POST, ["$process-message"]) => match read_body(body).await {
            Ok(body) => process_message(system, &head.headers, body).await?,
            Err(problem) => Reply::problem(&problem, syntax_of(&head.headers)),
        },
        (_, ["$process-message"]) => method_not_allowed("POST", &head.headers),
        (&Method::GET, ["metadata"]) => metadata(system, &head.headers),
        (&Method::GET, ["ServiceRequest", id]) if !wales => service_request(system, &head.headers, id).await,
        (_, ["metadata"]) => method_not_allowed("GET", &head.headers),
        (_, ["ServiceRequest", _]) if !wales => method_not_allowed("GET", &head.headers),
        (_, ["ServiceRequest", ..]) => not_implemented(wales, &head.headers),
        (_, [name, ..]) if NOT_HERE.contains(name) => not_implemented(wales, &head.headers),
        _ => {
            let problem = Problem::rec(ErrorKind::NotFound, IssueType::NotFound, "there is no such path");
            Reply::problem(&problem, syntax_of(&head.headers))
        }
    };
    Ok(reply.response(&head.headers, wales))
}

async fn read_body(body: Incoming) -> Result<Bytes, Problem> {
    let limited = Limited::new(body, Limits::default().bytes);
    let read = limited.collect().await.map_err(|_| {
        Problem::rec(ErrorKind::BadRequest, IssueType::Structure, "the body is too long, or ended too early")
    });
    Ok(read?.to_bytes())
}

async fn process_message(system: &Arc<System>, headers: &HeaderMap, body: Bytes) -> Result<Reply, Closed> {
    system.counters.arrived.add();
    let syntax = syntax_of(headers);
    let ids = match ids(system, headers) {
        Ok(ids) => ids,
        Err(problem) => {
            system.counters.invalid.add();
            return Ok(Reply::problem(&problem, syntax));
        }
    };
    let behaviour = system.conduct.turn(ids.request.text());
    let silent = behaviour.answer;
    if matches!(silent, Answer::Silent | Answer::Close | Answer::Down) {
        system.counters.unanswered.add();
        if behaviour.store {
            let _ = process(system, &ids, headers, body, &behaviour).await;
        }
        return if silent == Answer::Close { Err(Closed) } else { pending().await };
    }
    let Some(under_way) = system.begin(message_key("", &ids.request.uuid().to_string())) else {
        return Ok(Reply::problem(&Problem::too_early(), syntax));
    };
    // A receiver goes on when the sender has hung up: the work has a task of its own.
    let (system, headers) = (system.clone(), headers.clone());
    let work = tokio::spawn(async move {
        let stop = system.stop.clone();
        let work = async {
            let reply = process(&system, &ids, &headers, body, &behaviour).await;
            tokio::time::sleep(Duration::from_millis(behaviour.delay_ms)).await;
            reply.unwrap_or_else(|problem| Reply::problem(&problem, syntax))
        };
        let reply = tokio::select! {
            () = stop.cancelled() => None,
            reply = work => Some(reply),
        };
        drop(under_way);
        reply
    });
    work.await.ok().flatten().ok_or(Closed)
}

/// Decides about a message, and keeps it if it is accepted.
async fn process(
    system: &Arc<System>,
    ids: &Ids,
    headers: &HeaderMap,
    body: Bytes,
    behaviour: &Behaviour,
) -> Result<Reply, Problem> {
    let counters = &system.counters;
    if behaviour.answer == Answer::Retry {
        counters.put_off.add();
        return Err(Problem::rec(ErrorKind::Unavailable, IssueType::Transient, "not now"));
    }
    let key = message_key("", &ids.request.uuid().to_string());
    if let Some(first) = system.journal.message(key) {
        repeated(system, first, ids, headers, body).await?;
        counters.accepted.add();
        return Err(Problem::duplicate());
    }
    if behaviour.answer == Answer::Reject {
        counters.rejected.add();
        let text = "rejected";
        return Err(Problem::rec(ErrorKind::UnprocessableEntity, IssueType::Processing, text));
    }
    let fresh = fresh(system, ids, headers, body, behaviour).await;
    match &fresh {
        Ok(_) => counters.accepted.add(),
        Err(problem) if problem.issue == IssueType::NoStore => counters.unkept.add(),
        Err(_) => counters.invalid.add(),
    }
    fresh
}

async fn fresh(
    system: &Arc<System>,
    ids: &Ids,
    headers: &HeaderMap,
    body: Bytes,
    behaviour: &Behaviour,
) -> Result<Reply, Problem> {
    let profile = profile_of(&system.protocol);
    let read = bars_read::headers(profile, get(headers))?;
    let taken = bars_read::message(profile, read.content, &body)?;
    bars_read::address(profile, &system.services, &read.target, &taken.message)?;
    let kind = bars_read::kind(&taken.message);
    let request = request_id(system, &taken.message);
    if behaviour.strict && is_unknown(system, kind, &request, ids) {
        let text = "no such ServiceRequest";
        return Err(Problem::rec(ErrorKind::NotFound, IssueType::NotFound, text));
    }
    let answer = Reply::ok(&bars_answer::echo(system, &taken.document), read.accept.syntax)
        .map_err(|error| Problem::invariant(&error.to_string()))?;
    keep(system, arrival(ids, headers, kind, Some(request), body)).await?;
    Ok(answer)
}

/// A repeat is kept as one: its bytes may differ, and somebody may want to know.
async fn repeated(
    system: &System,
    first: u64,
    ids: &Ids,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<(), Problem> {
    let lines = system.journal.lines(first, 1).await.unwrap_or_default();
    let (kind, request) =
        lines.into_iter().next().map_or((Kind::Request, None), |line| (line.received.kind, line.request));
    keep(system, arrival(ids, headers, kind, request, body)).await
}

async fn keep(system: &System, arrival: Arrival) -> Result<(), Problem> {
    let kept = system.journal.keep(arrival).await.map_err(|error| {
        tracing::warn!(tenant = %system.tenant, %error, "a message could not be kept");
        Problem::rec(ErrorKind::ServerError, IssueType::NoStore, "could not be stored")
    })?;
    tracing::debug!(tenant = %system.tenant, sequence = kept.sequence, repeat = kept.repeat, "received");
    Ok(())
}

fn arrival(ids: &Ids, headers: &HeaderMap, kind: Kind, request: Option<String>, bytes: Bytes) -> Arrival {
    let kept = |name: &str| name.starts_with("x-") || name.starts_with("nhsd-") || name == "use-context";
    let headers: BTreeMap<String, String> = headers
        .iter()
        .filter(|(name, _)| kept(name.as_str()) || *name == CONTENT_TYPE || *name == hyper::header::ACCEPT)
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    Arrival {
        message_id: ids.request.text().to_owned(),
        from: String::new(),
        case: Some(ids.correlation.text().to_owned()),
        kind,
        request,
        content_type: headers.get("content-type").cloned().unwrap_or_default(),
        headers,
        bytes,
    }
}

/// Whether it changes a request that was never received, neither by its id nor by its case.
fn is_unknown(system: &System, kind: Kind, request: &str, ids: &Ids) -> bool {
    let known = |key| system.journal.subject(key).is_some();
    matches!(kind, Kind::Update | Kind::Cancel)
        && !known(request_key(request))
        && !known(case_key(ids.correlation.text()))
}

async fn service_request(system: &System, headers: &HeaderMap, id: &str) -> Reply {
    let syntax = syntax_of(headers);
    let not_found = || Problem::rec(ErrorKind::NotFound, IssueType::NotFound, "no such ServiceRequest");
    let find = async {
        ids(system, headers)?;
        let latest = system.journal.subject(request_key(id)).ok_or_else(not_found)?;
        let failed = |_| Problem::rec(ErrorKind::ServerError, IssueType::Exception, "it cannot be read");
        let (line, bytes) = system.journal.whole(latest).await.map_err(failed)?.ok_or_else(not_found)?;
        let written = content_type(line.content_type.as_bytes()).map_err(|error| error.problem())?;
        let taken = bars_read::message(profile_of(&system.protocol), written, &bytes)?;
        let changed = line.received.time;
        bars_answer::service_request(system, &taken.document, &taken.message, changed, syntax)
    };
    let written = |document| Reply::ok(&document, syntax).map_err(|e| Problem::invariant(&e.to_string()));
    find.await.and_then(written).unwrap_or_else(|problem| Reply::problem(&problem, syntax))
}

fn metadata(system: &System, headers: &HeaderMap) -> Reply {
    let wales = profile_of(&system.protocol) == Profile::WalesNwri;
    let syntax = if wales { Syntax::Json } else { syntax_of(headers) };
    let capability = Capability {
        url: format!("http://{}/FHIR/R4", system.door.address()),
        publisher: if wales { "NHS Wales".to_owned() } else { system.tenant.to_string() },
        software: "Bulkhead simulator".to_owned(),
        software_version: env!("CARGO_PKG_VERSION").to_owned(),
        api_version: if wales { "1.3.0" } else { "1.4.0" }.to_owned(),
        date: "2026-08-01".to_owned(),
        receives: match wales {
            true => vec![Definition::Referral, Definition::Cancelled, Definition::ResponseReferral],
            false => Definition::ALL.to_vec(),
        },
    };
    Reply::ok(&capability.statement(syntax), syntax)
        .unwrap_or_else(|error| Reply::problem(&Problem::invariant(&error.to_string()), syntax))
}

fn method_not_allowed(allow: &'static str, headers: &HeaderMap) -> Reply {
    let text = "this method is not allowed here";
    let problem = Problem::rec(ErrorKind::MethodNotAllowed, IssueType::NotSupported, text);
    Reply { allow: Some(allow), ..Reply::problem(&problem, syntax_of(headers)) }
}

fn not_implemented(wales: bool, headers: &HeaderMap) -> Reply {
    let party = if wales { Party::Proxy } else { Party::Rec };
    let text = "this is not implemented here";
    Reply::problem(
        &Problem::new(party, ErrorKind::NotImplemented, IssueType::NotSupported, text),
        syntax_of(headers),
    )
}

fn ids(system: &System, headers: &HeaderMap) -> Result<Ids, Problem> {
    let blame = |problem: Problem| match profile_of(&system.protocol) {
        Profile::England => problem,
        Profile::WalesNwri => problem.blamed_on(Party::Send),
    };
    Ids::read(&get(headers)).map_err(|error| blame(error.problem()))
}

fn get<'a>(headers: &'a HeaderMap) -> impl Fn(&str) -> Option<&'a [u8]> {
    move |name: &str| headers.get(name).map(hyper::header::HeaderValue::as_bytes)
}

/// The syntax of an answer to a request whose headers may be wrong: what it accepts, or what it came in.
fn syntax_of(headers: &HeaderMap) -> Syntax {
    let names_xml = |name: &str| {
        let value = headers.get(name).map(|value| value.as_bytes().to_ascii_lowercase());
        value.map(|value| value.windows(3).any(|three| three == b"xml"))
    };
    match names_xml(ACCEPT).or_else(|| names_xml(CONTENT_TYPE.as_str())) {
        Some(true) => Syntax::Xml,
        _ => Syntax::Json,
    }
}
