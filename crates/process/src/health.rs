//! `/livez`, `/readyz` and `/metrics` of one process.
//!
//! Readiness is a list of named conditions. Each part of a process registers its own and says in a
//! sentence why it is not met, so that `/readyz` tells an operator what is being waited for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::telemetry;

/// The conditions of one process, cheap to clone. Without any condition a process is ready.
#[derive(Debug, Clone, Default)]
pub struct Health {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// By name: why it is not met, or `None` when it is.
    conditions: Mutex<BTreeMap<String, Option<String>>>,
    ready: watch::Sender<bool>,
}

/// One named condition, held by the part that it speaks of. Dropping it leaves it as it is.
#[derive(Debug, Clone)]
pub struct Condition {
    name: String,
    health: Health,
}

/// A condition that is not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// The condition's name.
    pub name: String,
    /// Why it is not met.
    pub reason: String,
}

impl Health {
    /// A process without conditions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a condition that is not met yet, because of `reason`. A name that is already there
    /// becomes unmet again.
    pub fn condition(&self, name: impl Into<String>, reason: impl Into<String>) -> Condition {
        let condition = Condition { name: name.into(), health: self.clone() };
        condition.unmet(reason);
        condition
    }

    /// What is being waited for, in the order of names. Empty when ready.
    pub fn unmet(&self) -> Vec<Unmet> {
        self.conditions()
            .iter()
            .filter_map(|(name, reason)| Some(Unmet { name: name.clone(), reason: reason.clone()? }))
            .collect()
    }

    /// Whether every condition is met.
    pub fn is_ready(&self) -> bool {
        self.conditions().values().all(Option::is_none)
    }

    /// Waits until every condition is met. Safe to cancel.
    pub async fn ready(&self) {
        let mut ready = self.shared.ready.subscribe();
        while !self.is_ready() {
            // The sender lives in `self`, so waiting cannot fail.
            let _ = ready.changed().await;
        }
    }

    fn set(&self, name: &str, reason: Option<String>) {
        let mut conditions = self.conditions();
        conditions.insert(name.to_owned(), reason);
        let ready = conditions.values().all(Option::is_none);
        self.shared.ready.send_replace(ready);
    }

    fn conditions(&self) -> MutexGuard<'_, BTreeMap<String, Option<String>>> {
        // The map is whole after every statement, so a panic elsewhere leaves it good to use.
        self.shared.conditions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Condition {
    /// The condition holds.
    pub fn met(&self) {
        self.health.set(&self.name, None);
    }

    /// The condition does not hold, because of `reason`: a sentence for an operator, without content of
    /// referrals.
    pub fn unmet(&self, reason: impl Into<String>) {
        self.health.set(&self.name, Some(reason.into()));
    }
}

/// The three pages of `health`.
pub fn router(health: Health) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(health)
}

/// Serves the three pages, and whatever `extra` adds, until the caller drops the future. It keeps
/// answering during a drain, so that the process can be seen draining.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, health: Health, extra: Router) -> std::io::Result<()> {
    axum::serve(listener, router(health).merge(extra)).await
}

async fn readyz(State(health): State<Health>) -> Response {
    let unmet = health.unmet();
    if unmet.is_empty() {
        return "ready\n".into_response();
    }
    let lines: String = unmet.iter().map(|Unmet { name, reason }| format!("{name}: {reason}\n")).collect();
    (StatusCode::SERVICE_UNAVAILABLE, lines).into_response()
}

async fn metrics() -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], telemetry::render())
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    async fn check(health: &Health, path: &str, status: u16, body: &str) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = router(health.clone()).oneshot(request).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(bytes, body.as_bytes(), "{path}");
    }

    #[tokio::test]
    async fn readiness_names_what_is_missing() {
        let health = Health::new();
        check(&health, "/readyz", 200, "ready\n").await;

        let log = health.condition("log", "opening");
        let ledger = health.condition("ledger", "120 events behind");
        check(&health, "/readyz", 503, "ledger: 120 events behind\nlog: opening\n").await;
        check(&health, "/livez", 200, "ok\n").await;

        log.met();
        ledger.unmet("3 events behind");
        check(&health, "/readyz", 503, "ledger: 3 events behind\n").await;
        ledger.met();
        check(&health, "/readyz", 200, "ready\n").await;
    }

    #[tokio::test]
    async fn ready_waits_for_the_last_condition() {
        let health = Health::new();
        let (log, ledger) = (health.condition("log", "opening"), health.condition("ledger", "reading"));
        let waiting = tokio::spawn({
            let health = health.clone();
            async move { health.ready().await }
        });
        log.met();
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        ledger.met();
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn two_processes_do_not_share_conditions() {
        let (england, wales) = (Health::new(), Health::new());
        england.condition("log", "opening");
        assert!(wales.is_ready() && !england.is_ready());
    }

    #[tokio::test]
    async fn serves_extra_pages_beside_its_own() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let extra = Router::new().route("/received", get(|| async { "[]" }));
        tokio::spawn(serve(listener, Health::new(), extra));
        for (path, body) in [("/received", "[]"), ("/livez", "ok\n")] {
            assert!(fetch(address, path).await.ends_with(body));
        }
    }

    async fn fetch(address: std::net::SocketAddr, path: &str) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}
