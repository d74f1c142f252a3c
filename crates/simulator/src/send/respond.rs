//! The clinical answer to a referral that was received: a new message, back to where the referral came from.

use bulkhead_format_bars::accept::{Accept, Version};
use bulkhead_format_bars::headers::content_type;
use bulkhead_format_bars::{
    Decision, HeaderId, Identifier, Ids, Profile, RejectedReason, RequestHeaders, Response,
};
use bulkhead_format_hl7::ack::{Reply, rri};
use bulkhead_format_hl7::{AckCode, Message, Referral, Value};
use jiff::Timestamp;
use uuid::Uuid;

use super::{Ready, SendError, bars::context, bars::syntax_of};
use crate::journal::Line;
use crate::receive::bars_read::{self, profile_of};
use crate::receive::mllp::{case, stamp};
use crate::system::System;

/// A servicerequest-response: the ends of the request swapped, in the same case.
pub(super) fn bars(system: &System, line: &Line, bytes: &[u8], reject: bool) -> Result<Ready, SendError> {
    let invalid = |error: &dyn std::fmt::Display| SendError::Invalid(error.to_string());
    let profile = profile_of(&system.protocol);
    let written = content_type(line.content_type.as_bytes()).map_err(|error| invalid(&error))?;
    let request = bars_read::message(profile, written, bytes).map_err(|error| invalid(&error))?;
    let syntax = syntax_of(&system.protocol);
    let decision = match reject {
        false => Decision::Accepted,
        true => Decision::Rejected { reason: RejectedReason::ResourceNotAvailable, text: None },
    };
    let reference = Identifier {
        system: format!("https://{}.example.nhs.uk/Id/reference", system.tenant.name()),
        value: format!("{}-{:06}", system.tenant.name(), line.received.sequence),
    };
    let response = Response {
        bundle_id: Uuid::new_v4(),
        at: Timestamp::now(),
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
    let message_id = Uuid::new_v4();
    let minor = if profile == Profile::WalesNwri { 2 } else { 4 };
    let headers = RequestHeaders {
        ids: Ids { request: message_id.into(), correlation },
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
pub(super) fn hl7(bytes: &[u8], reject: bool) -> Result<Ready, SendError> {
    let invalid = |error: &dyn std::fmt::Display| SendError::Invalid(error.to_string());
    let message = Message::parse(bytes.to_vec()).map_err(|error| invalid(&error))?;
    let referral = Referral::read(&message).ok_or_else(|| invalid(&"it is no referral"))?;
    let (stamp, status) = (stamp(), if reject { ["R", "Rejected"] } else { ["A", "Accepted"] });
    let status = Value::components([status[0], status[1], "HL70283"]);
    let reply = Reply::new(AckCode::ApplicationAccept);
    let answer = rri(&message, &reply, Some(status), &stamp).map_err(|error| invalid(&error))?;
    let case = referral.id().map(|id| case(&id)).unwrap_or_default();
    let bytes = answer.as_bytes().to_vec();
    Ok(Ready { message_id: stamp.control_id, case, headers: Vec::new(), bytes })
}
