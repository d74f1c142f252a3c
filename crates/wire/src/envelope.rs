//! Envelopes and addresses, both ways. What is malformed names its field, never its value.

use bulkhead_model::{CaseId, Envelope, InvalidEnvelope, Kind, MessageId, Priority, ServiceAddress};

use crate::{Unreadable, time, v1};

/// The kind on the wire.
pub fn kind_to_wire(kind: Kind) -> v1::Kind {
    match kind {
        Kind::Request => v1::Kind::Request,
        Kind::Update => v1::Kind::Update,
        Kind::Cancel => v1::Kind::Cancel,
        Kind::Response => v1::Kind::Response,
    }
}

/// The kind, when it is stated.
pub fn kind_from_wire(kind: v1::Kind) -> Option<Kind> {
    match kind {
        v1::Kind::Unspecified => None,
        v1::Kind::Request => Some(Kind::Request),
        v1::Kind::Update => Some(Kind::Update),
        v1::Kind::Cancel => Some(Kind::Cancel),
        v1::Kind::Response => Some(Kind::Response),
    }
}

/// The priority on the wire.
pub fn priority_to_wire(priority: Priority) -> v1::Priority {
    match priority {
        Priority::Emergency => v1::Priority::Emergency,
        Priority::Urgent => v1::Priority::Urgent,
        Priority::Routine => v1::Priority::Routine,
    }
}

/// The priority; not stated or not understood = urgent.
pub fn priority_from_wire(priority: i32) -> Priority {
    match v1::Priority::try_from(priority) {
        Ok(v1::Priority::Emergency) => Priority::Emergency,
        Ok(v1::Priority::Routine) => Priority::Routine,
        Ok(v1::Priority::Urgent | v1::Priority::Unspecified) | Err(_) => Priority::Urgent,
    }
}

/// An address on the wire.
pub fn address_to_wire(address: &ServiceAddress) -> v1::ServiceAddress {
    v1::ServiceAddress { system: address.system().to_owned(), value: address.value().to_owned() }
}

/// An address of that field.
///
/// # Errors
/// When it is empty or malformed.
pub fn address_from_wire(
    field: &'static str,
    address: &v1::ServiceAddress,
) -> Result<ServiceAddress, InvalidEnvelope> {
    ServiceAddress::parse(&address.system, &address.value).map_err(|error| InvalidEnvelope::id(field, error))
}

/// An envelope on the wire.
pub fn envelope_to_wire(envelope: &Envelope) -> v1::Envelope {
    v1::Envelope {
        message_id: envelope.message_id.to_string(),
        attempt: envelope.attempt,
        to: Some(address_to_wire(&envelope.to)),
        reply_to: envelope.reply_to.as_ref().map(address_to_wire),
        kind: kind_to_wire(envelope.kind) as i32,
        case_id: envelope.case_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        priority: priority_to_wire(envelope.priority) as i32,
        deadline: envelope.deadline.map(time::to_wire),
        content_type: envelope.content_type.clone(),
        in_response_to: envelope.in_response_to.as_ref().map(ToString::to_string).unwrap_or_default(),
        traceparent: envelope.traceparent.clone().unwrap_or_default(),
        flags: envelope.flags.clone(),
        spooled_at: envelope.spooled_at.map(time::to_wire),
    }
}

fn optional<T>(
    field: &'static str,
    text: &str,
    parse: impl Fn(&str) -> Result<T, bulkhead_model::IdError>,
) -> Result<Option<T>, InvalidEnvelope> {
    if text.is_empty() {
        return Ok(None);
    }
    parse(text).map(Some).map_err(|error| InvalidEnvelope::id(field, error))
}

/// Reads an envelope as a sender sent it.
///
/// # Errors
/// The first field that is missing or malformed.
pub fn envelope_from_wire(wire: &v1::Envelope) -> Result<Envelope, InvalidEnvelope> {
    let message_id =
        MessageId::parse(&wire.message_id).map_err(|error| InvalidEnvelope::id("message_id", error))?;
    let to = wire.to.as_ref().ok_or_else(|| InvalidEnvelope::new("to", "is required"))?;
    let kind = v1::Kind::try_from(wire.kind)
        .ok()
        .and_then(kind_from_wire)
        .ok_or_else(|| InvalidEnvelope::new("kind", "is required: request, update, cancel or response"))?;
    let deadline = match wire.deadline {
        None => None,
        Some(at) => {
            Some(time::from_wire(at).ok_or_else(|| InvalidEnvelope::new("deadline", "is not a valid time"))?)
        }
    };
    let printable = |text: &str| !text.chars().any(char::is_control);
    if !(1..=255).contains(&wire.content_type.len()) || !printable(&wire.content_type) {
        return Err(InvalidEnvelope::new("content_type", "is not 1 to 255 printable characters"));
    }
    if wire.flags.len() > 16 || wire.flags.iter().any(|flag| flag.len() > 64 || !printable(flag)) {
        return Err(InvalidEnvelope::new("flags", "are not at most 16 of at most 64 printable characters"));
    }
    Ok(Envelope {
        message_id,
        attempt: wire.attempt.max(1),
        to: address_from_wire("to", to)?,
        reply_to: wire.reply_to.as_ref().map(|address| address_from_wire("reply_to", address)).transpose()?,
        kind,
        case_id: optional("case_id", &wire.case_id, CaseId::parse)?,
        priority: priority_from_wire(wire.priority),
        deadline,
        content_type: wire.content_type.clone(),
        in_response_to: optional("in_response_to", &wire.in_response_to, MessageId::parse)?,
        traceparent: Some(&wire.traceparent).filter(|text| is_traceparent(text)).cloned(),
        flags: wire.flags.clone(),
        // A time that cannot be read counts as one long ago: what it says of the spool is not lost.
        spooled_at: wire.spooled_at.map(|at| time::from_wire(at).unwrap_or(jiff::Timestamp::MIN)),
    })
}

/// Reads an envelope as a cell let it in: a kind that is not known here, a newer release knew.
pub(crate) fn recorded_envelope(wire: &v1::Envelope) -> Result<Envelope, Unreadable> {
    if v1::Kind::try_from(wire.kind).is_err() {
        return Err(Unreadable::Newer("kind of referral"));
    }
    envelope_from_wire(wire).map_err(|error| Unreadable::Field(error.field))
}

/// W3C Trace Context, section 3.2: version, trace id, parent id, flags.
fn is_traceparent(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [2, 32, 16, 2] && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}
