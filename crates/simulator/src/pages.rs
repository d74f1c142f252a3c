//! The pages of a simulator: what it received, how it answers, what it is to send, and its health.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use futures::stream::{self, Stream};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::Error;
use crate::behaviour::{Answer, Behaviour};
use crate::send::{self, Outcome, SendError, Sent};
use crate::system::System;

/// How many lines of the journal are read at a time.
const AT_A_TIME: u64 = 256;

type Shared = State<Arc<System>>;

/// Serves the pages until the caller drops the future.
pub(crate) async fn serve(listener: TcpListener, system: Arc<System>) {
    let pages = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/received", get(received))
        .route("/received/{sequence}", get(bytes))
        .route("/received/{sequence}/headers", get(headers))
        .route("/behaviour", get(behaviour).put(put_behaviour))
        .route("/send", post(post_send))
        .route("/respond", post(post_respond))
        .with_state(system);
    // The listener of a running process does not fail.
    let _ = axum::serve(listener, pages).await;
}

/// Puts a behaviour in force.
pub(crate) async fn behave(system: &System, behaviour: Behaviour) -> Result<(), SendError> {
    if let Some(fault) = behaviour.fault() {
        return Err(SendError::Invalid(fault.to_owned()));
    }
    let open = behaviour.answer != Answer::Down;
    system.conduct.set(behaviour);
    system.door.set(open).await;
    Ok(())
}

async fn readyz(State(system): Shared) -> Response {
    let told = system.conduct.behaviour().answer == Answer::Down;
    match system.door.is_open() || told {
        true => "ready\n".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, "listener: waiting for its port\n").into_response(),
    }
}

async fn metrics(State(system): Shared) -> Response {
    let text = system.counters.render(system.tenant.as_str(), system.journal.extent(), system.door.is_open());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    since: u64,
}

async fn received(State(system): Shared, Query(Since { since }): Query<Since>) -> Response {
    let body = Body::from_stream(list(system, since));
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// The JSON list from a place on, read as it is sent.
fn list(system: Arc<System>, since: u64) -> impl Stream<Item = Result<Bytes, Error>> {
    // What arrives meanwhile is not waited for.
    let end = system.journal.extent().messages;
    stream::try_unfold((Some(since), system), move |(from, system)| async move {
        let Some(from) = from else { return Ok(None) };
        let lines = system.journal.lines(from, AT_A_TIME.min(end.saturating_sub(from))).await?;
        let next = from.saturating_add(lines.len() as u64);
        let mut text = String::new();
        for line in &lines {
            let first = line.received.sequence == since;
            text.push_str(if first { "[\n" } else { ",\n" });
            text.push_str(&serde_json::to_string(&line.received).unwrap_or_default());
        }
        if lines.is_empty() {
            text.push_str(if from == since { "[]\n" } else { "\n]\n" });
        }
        let goes_on = (!lines.is_empty()).then_some(next);
        Ok(Some((Bytes::from(text), (goes_on, system))))
    })
}

async fn bytes(State(system): Shared, Path(sequence): Path<u64>) -> Response {
    match system.journal.whole(sequence).await {
        Ok(Some((line, bytes))) => {
            let kind = header::HeaderValue::try_from(line.content_type);
            let plain = header::HeaderValue::from_static("application/octet-stream");
            ([(header::CONTENT_TYPE, kind.unwrap_or(plain))], bytes).into_response()
        }
        Ok(None) => failure(&SendError::NotReceived(sequence)),
        Err(error) => failure(&error.into()),
    }
}

async fn headers(State(system): Shared, Path(sequence): Path<u64>) -> Response {
    match system.journal.lines(sequence, 1).await {
        Ok(lines) => match lines.first() {
            Some(line) => json(StatusCode::OK, &line.headers),
            None => failure(&SendError::NotReceived(sequence)),
        },
        Err(error) => failure(&error.into()),
    }
}

async fn behaviour(State(system): Shared) -> Response {
    json(StatusCode::OK, &system.conduct.behaviour())
}

async fn put_behaviour(State(system): Shared, body: Bytes) -> Response {
    let put = async {
        behave(&system, read(&body)?).await?;
        Ok(system.conduct.behaviour())
    };
    match put.await {
        Ok(behaviour) => json(StatusCode::OK, &behaviour),
        Err(error) => failure(&error),
    }
}

async fn post_send(State(system): Shared, body: Bytes) -> Response {
    let sent = async { send::send(&system, &read(&body)?).await };
    answer(sent.await)
}

async fn post_respond(State(system): Shared, body: Bytes) -> Response {
    let sent = async { send::respond(&system, &read(&body)?).await };
    answer(sent.await)
}

/// 200 with whatever the sidecar answered, 502 when it did not.
fn answer(sent: Result<Sent, SendError>) -> Response {
    match sent {
        Ok(sent) if sent.outcome == Outcome::Unanswered => json(StatusCode::BAD_GATEWAY, &sent),
        Ok(sent) => json(StatusCode::OK, &sent),
        Err(error) => failure(&error),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, SendError> {
    serde_json::from_slice(body).map_err(|error| SendError::Invalid(error.to_string()))
}

fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn failure(error: &SendError) -> Response {
    let status = match error {
        SendError::Invalid(_) => StatusCode::BAD_REQUEST,
        SendError::NotReceived(_) => StatusCode::NOT_FOUND,
        SendError::NoSidecar => StatusCode::SERVICE_UNAVAILABLE,
        SendError::Journal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    json(status, &serde_json::json!({ "error": error.to_string() }))
}
