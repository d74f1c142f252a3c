//! The clinical answer to a referral that was received: a new message, back to where the referral came from.

use bulkhead_format_bars::accept::{Accept, Version};
use bulkhead_format_bars::headers::content_type;
use bulkhead_format_bars::{
    Decision, HeaderId, Identifier, Ids, Profile, RejectedReason, RequestHeaders, Response,
};
use bulkhead_format_hl7::ack::{Reply, Stamp, rri};
use bulkhead_format_hl7::time::Precision;
use bulkhead_format_hl7::{AckCode, Message, Referral, Ts, Value};
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::bars::{context, syntax_of};
use super::hl7::{LONGEST_ID, check};
use super::{Ready, Respond, SendError};
use crate::journal::Line;
use crate::receive::bars_read::{self, profile_of};
use crate::receive::mllp::{case, control_id};
use crate::system::System;

/// A servicerequest-response: the ends of the request swapped, in the same case.
pub(super) fn bars(
    system: &System,
    line: &Line,
    bytes: &[u8],
    respond: &Respond,
) -> Result<Ready, SendError> {
    let invalid = |error: &dyn std::fmt::Display| SendError::Invalid(error.to_string());
    let message_id = match &respond.message_id {
        Some(id) => HeaderId::parse(id).ok_or_else(|| invalid(&"the message id is not a UUID"))?,
        None => Uuid::new_v4().into(),
    };
    let profile = profile_of(&system.protocol);
    let written = content_type(line.content_type.as_bytes()).map_err(|error| invalid(&error))?;
    let request = bars_read::message(profile, written, bytes).map_err(|error| invalid(&error))?;
    let syntax = syntax_of(&system.protocol);
    let decision = match respond.reject {
        false => Decision::Accepted,
        true => Decision::Rejected { reason: RejectedReason::ResourceNotAvailable, text: None },
    };
    let reference = Identifier {
        system: format!("https://{}.example.nhs.uk/Id/reference", system.tenant.name()),
        value: format!("{}-{:06}", system.tenant.name(), line.received.sequence),
    };
    let response = Response {
        // The same message again is the same bundle again.
        bundle_id: Uuid::new_v5(&message_id.uuid(), b"response"),
        at: system.times.of(respond.message_id.as_deref())?,
        decision,
        reference: Some(reference),
        software: "Bulkhead simulator".to_owned(),
        syntax,
    };
    let document = response.build(&request.document, &request.message).map_err(|error| invalid(&error))?;
    let target = Identifier::parse(&request.message.source.endpoint)
        .ok_or_else(|| invalid(&"the referral names no return address of the form system|value"))?;
    let case = line.received.case.clone().unwrap_or_default();
    let correlation = HeaderId::parse(&case).ok_or_else(|| invalid(&"the referral has no case"))?;
    let minor = if profile == Profile::WalesNwri { 2 } else { 4 };
    let headers = RequestHeaders {
        ids: Ids { request: message_id.clone(), correlation },
        target,
        content: syntax,
        accept: Accept::new(syntax, Version(1, minor, 0)),
        context: context(system),
    };
    let mut headers = headers.encode();
    headers.push(("use-context", "a1t10|referral|servicerequest-response|new".to_owned()));
    let bytes = document.write().map_err(|error| invalid(&error))?;
    Ok(Ready { message_id: message_id.to_string(), case, headers, bytes })
}

/// An RRI: AA to the referral's MSH-10, with RF1-1 `A` or `R`, and its PRDs and PID as they came.
pub(super) fn hl7(system: &System, bytes: &[u8], respond: &Respond) -> Result<Ready, SendError> {
    let invalid = |error: &dyn std::fmt::Display| SendError::Invalid(error.to_string());
    let message = Message::parse(bytes.to_vec()).map_err(|error| invalid(&error))?;
    let referral = Referral::read(&message).ok_or_else(|| invalid(&"it is no referral"))?;
    let control_id = respond.message_id.clone().unwrap_or_else(control_id);
    check("message id", &control_id, LONGEST_ID)?;
    let at = system.times.of(respond.message_id.as_deref())?.to_zoned(TimeZone::UTC);
    let stamp = Stamp { at: Ts::with_offset(&at, Precision::Second), control_id };
    let status = if respond.reject { ["R", "Rejected"] } else { ["A", "Accepted"] };
    let status = Value::components([status[0], status[1], "HL70283"]);
    let reply = Reply::new(AckCode::ApplicationAccept);
    let answer = rri(&message, &reply, Some(status), &stamp).map_err(|error| invalid(&error))?;
    let case = referral.id().map(|id| case(&id)).unwrap_or_default();
    let bytes = answer.as_bytes().to_vec();
    Ok(Ready { message_id: stamp.control_id, case, headers: Vec::new(), bytes })
}
