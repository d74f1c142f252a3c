//! The protocol's own "no" for a referral that was acknowledged to the local system and refused since.
//!
//! BaRS has one for new requests: the asynchronous response that says *rejected*. An update, a cancellation and a
//! response have none, so those stay on the list that `/readyz` shows and a person is told. So does what is set aside
//! at its receiver: people look at it there, and it may still be taken.

use bulkhead_adapter::RefusedLater;
use bulkhead_format_bars::headers::content_type;
use bulkhead_format_bars::{
    Decision, Document, HeaderId, Ids, Limits, MessageKind, RejectedReason, Response, Syntax,
};
use bulkhead_model::{Reason, State};
use bytes::Bytes;
use uuid::Uuid;

use crate::Config;
use crate::outgoing::{read_message, request_headers};

/// What is posted to the local system.
pub(crate) struct Negative {
    pub(crate) ids: Ids,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

/// The negative answer to what was refused, or why there is none. Made again it is the same.
pub(crate) fn negative(refused: &RefusedLater, config: &Config) -> Result<Negative, Reason> {
    let none = || refused.reason.clone();
    let what = what_happened(refused.state).ok_or_else(none)?;
    let envelope = &refused.envelope;
    let came_in = content_type(envelope.content_type.as_bytes()).map_err(|_| none())?;
    let bytes = refused.payload.bytes();
    let limits = Limits { bytes: bytes.len(), ..Limits::default() };
    let document = Document::read(bytes, came_in, &limits).map_err(|_| none())?;
    let request = read_message(&document, config).ok_or_else(none)?;
    if !matches!(request.kind, MessageKind::NewReferral | MessageKind::NewValidation) {
        return Err(none());
    }
    let own = HeaderId::parse(envelope.message_id.as_str()).ok_or_else(none)?.uuid();
    // A request that goes wrong twice is told twice.
    let (state, when) = (refused.state.map_or("refused", State::as_str), refused.refused_at.as_millisecond());
    let id = |name: &str| Uuid::new_v5(&own, format!("{name} {state} {when}").as_bytes());
    let correlation =
        envelope.case_id.as_ref().and_then(|case| HeaderId::parse(case.as_str())).ok_or_else(none)?;
    let syntax: Syntax = config.dialect.syntax.unwrap_or(came_in);
    let response = Response {
        bundle_id: id("refusal"),
        at: refused.refused_at,
        decision: Decision::Rejected {
            reason: RejectedReason::Other,
            text: Some(format!("{what} ({}). Use another way, such as the telephone.", refused.reason.code)),
        },
        reference: None,
        software: config.software.clone(),
        syntax,
    };
    let answer = response.build(&document, &request).map_err(|_| none())?;
    let ids = Ids { request: id("refusal X-Request-Id").into(), correlation };
    let message = read_message(&answer, config).ok_or_else(none)?;
    let target = message.destination.service.clone();
    let target =
        target.or_else(|| config.offers.first().map(|offer| offer.service.clone())).ok_or_else(none)?;
    let headers = request_headers(&ids, target, syntax, &answer, &message, config);
    Ok(Negative { ids, headers, body: Bytes::from(answer.write_as(syntax).map_err(|_| none())?) })
}

/// What can be said of it for certain; nothing while it may still be taken. Whoever rejected it may have seen it.
fn what_happened(state: Option<State>) -> Option<&'static str> {
    match state {
        None => Some("Not accepted for delivery"),
        Some(State::Rejected) => Some("Not taken by the receiver's system"),
        Some(State::ReturnPending | State::Returned) => Some("Given back: nobody will deliver it any more"),
        Some(
            State::Accepted
            | State::Routed
            | State::Carried
            | State::Offered
            | State::Delivered
            | State::Acknowledged
            | State::Held
            | State::Parked
            | State::Quarantined
            | State::Diverted
            | State::Cancelled
            | State::Unknown,
        ) => None,
    }
}
