//! `/livez`, `/readyz` and `/metrics`, where `/readyz` also shows the spool, what was refused late, and which
//! services the broker says are off.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bulkhead_process::{Drain, Health, health};
use tokio::net::TcpListener;
use tracing::error;

use crate::Error;
use crate::services_off::ServicesOff;
use crate::spool::Spool;

#[derive(Clone)]
struct Pages {
    health: Health,
    spool: Arc<Spool>,
    services_off: ServicesOff,
}

/// Listens; the pages are served by [`serve`].
pub(crate) async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Listen { address: address.to_string(), source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Serves the pages until the sidecar has stopped, so that it can be seen draining.
pub(crate) async fn serve(
    listener: TcpListener,
    health: Health,
    spool: Arc<Spool>,
    services_off: ServicesOff,
    stopped: Drain,
) {
    let router = Router::new()
        .route("/readyz", get(readyz))
        .with_state(Pages { health: health.clone(), spool, services_off })
        .fallback_service(health::router(health));
    // Safe to cancel: the pages change nothing.
    tokio::select! {
        () = stopped.started() => {}
        served = async { axum::serve(listener, router).await } => {
            if let Err(error) = served {
                error!(%error, "the health pages are not served any longer");
            }
        }
    }
}

async fn readyz(State(pages): State<Pages>) -> Response {
    pages.spool.look();
    let unmet = pages.health.unmet();
    let mut text = String::new();
    for condition in &unmet {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: {}", condition.name, condition.reason);
    }
    if unmet.is_empty() {
        text.push_str("ready\n");
    }
    text.push_str(&details(&pages.spool).await);
    for line in pages.services_off.lines() {
        let _ = writeln!(text, "{line}");
    }
    let status = if unmet.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, text).into_response()
}

/// What an operator should see although it is no reason to turn the sidecar red.
async fn details(spool: &Spool) -> String {
    let report = *spool.reports().borrow();
    let mut text = String::new();
    if report.entries > 0 {
        let _ = write!(text, "- spool holds {} unanswered", report.entries);
        if let Some(due) = report.next_due {
            let _ = write!(text, ", next deadline {due}");
        }
        text.push('\n');
    }
    if report.withdrawals > 0 {
        let _ = writeln!(text, "- withdrawals unanswered: {}", report.withdrawals);
    }
    for refused in spool.refused_later().await.unwrap_or_default() {
        let told = if refused.told { "told" } else { "not told" };
        let _ = writeln!(
            text,
            "- acknowledged, then {} at {}: {} ({}; the local system was {told})",
            refused.state.map_or("refused", bulkhead_model::State::as_str),
            refused.refused_at,
            refused.envelope.message_id,
            refused.reason.code
        );
    }
    text
}
