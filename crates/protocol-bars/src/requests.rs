//! ServiceRequests that the local system sent or received, for a sender that must read before it cancels.

use bulkhead_format_bars::classify::Status;
use bulkhead_format_bars::outcome::{ErrorKind, IssueType};
use bulkhead_format_bars::service_request::{read_body, searchset};
use bulkhead_format_bars::{BarsMessage, Document, Limits, Problem, Syntax, When};
use bulkhead_model::State;
use jiff::Timestamp;
use uuid::Uuid;

use crate::answer;
use crate::process::Processor;
use crate::reply::{Refusal, Reply};

/// Ids that one search may ask for.
const MOST_IDS: usize = 10;

/// The ServiceRequest of a message, as it is kept.
pub(crate) fn resource(document: &Document, message: &BarsMessage) -> Option<String> {
    let body = read_body(document, message, message.request.status, Timestamp::now(), Syntax::Json).ok()?;
    String::from_utf8(body.write_as(Syntax::Json).ok()?).ok()
}

/// What a referral's state is as the status of a ServiceRequest.
fn status_in(state: State) -> Status {
    match state {
        State::Accepted
        | State::Routed
        | State::Carried
        | State::Offered
        | State::Delivered
        | State::Acknowledged
        | State::Diverted => Status::Active,
        State::Held | State::Parked | State::Quarantined | State::ReturnPending | State::Unknown => {
            Status::OnHold
        }
        State::Rejected | State::Returned | State::Cancelled => Status::Revoked,
    }
}

/// `GET /ServiceRequest/{id}`.
pub(crate) async fn read(processor: &Processor, id: &str, syntax: Syntax) -> Result<Reply, Refusal> {
    let found = find(processor, id).await?;
    let text = "no such ServiceRequest was sent or received";
    let not_found = || Problem::rec(ErrorKind::NotFound, IssueType::NotFound, text);
    Ok(Reply::document(&found.ok_or_else(not_found)?, syntax))
}

/// `GET /ServiceRequest?_id=…`. Other parameters would put a patient's number into addresses and are refused.
pub(crate) async fn search(processor: &Processor, query: &str, syntax: Syntax) -> Result<Reply, Refusal> {
    let mut ids = Vec::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("_id", value)) => ids.extend(value.split([',']).filter(|id| !id.is_empty())),
            Some(("_format" | "_summary" | "_count", _)) => {}
            _ => return Err(unsupported()),
        }
    }
    if ids.is_empty() || ids.len() > MOST_IDS {
        return Err(unsupported());
    }
    let mut found = Vec::new();
    for id in ids {
        found.extend(find(processor, id).await?);
    }
    Ok(Reply::document(&searchset(&Uuid::new_v4().to_string(), &found, syntax), syntax))
}

fn unsupported() -> Refusal {
    let text = format!("ServiceRequests can only be searched by _id, at most {MOST_IDS} at a time");
    Problem::rec(ErrorKind::NotImplemented, IssueType::NotSupported, &text).into()
}

async fn find(processor: &Processor, id: &str) -> Result<Option<Document>, Refusal> {
    let known = processor.broker.memory().request(id).await.map_err(|_| answer::not_now())?;
    let Some(known) = known else { return Ok(None) };
    let Ok(mut document) = Document::read(known.resource.as_bytes(), Syntax::Json, &Limits::default()) else {
        return Ok(None);
    };
    let (mut status, mut changed) = (Status::Active, known.at);
    if let Some(at) = known.cancelled {
        (status, changed) = (Status::Revoked, at);
    } else if !known.received {
        let states = processor.broker.state_of(&known.message_id).await;
        if let Some(there) = states.iter().find(|there| there.tenant == processor.tenant) {
            (status, changed) = (status_in(there.state), there.updated_at.unwrap_or(known.at));
        }
    }
    let root = document.root_mut();
    root.set_text("status", status.code());
    if let Some(meta) = root.get_mut("meta") {
        meta.set_text("lastUpdated", &When::write(changed));
    }
    Ok(Some(document))
}
