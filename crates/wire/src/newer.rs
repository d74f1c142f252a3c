//! What a newer release wrote, told from what nobody of ours wrote.
//!
//! Each kind of record is a field of its own in a oneof, and a number is never given to anything else. So where an
//! envelope of ours is well-formed, its kind is not set, and something lies in a kind's place, a release wrote it that
//! knows more kinds than this one (ADR 17). What has another meaning than before is a new kind for that reason.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// The first number of the kinds of an event record.
const EVENT_KINDS: u32 = 3;
/// Where an event record has its decision.
const DECISION: u32 = 4;
/// The first number of the kinds of a decision.
const DECISION_KINDS: u32 = 10;

/// Whether a record of `in` whose kind is not known is of a newer release: it has one message and nothing beside it.
pub(crate) fn in_record(bytes: &[u8]) -> bool {
    matches!(messages(bytes).as_deref(), Some([(_, Some(_))]))
}

/// Whether an event record whose kind is not known is.
pub(crate) fn event(bytes: &[u8]) -> bool {
    has_kind(bytes, EVENT_KINDS)
}

/// Whether the decision in an event record is, whose kind is not known.
pub(crate) fn decision(event: &[u8]) -> bool {
    let decision = messages(event).unwrap_or_default().into_iter().find(|(number, _)| *number == DECISION);
    decision.and_then(|(_, message)| message).is_some_and(|message| has_kind(message, DECISION_KINDS))
}

/// The number of a field and, if it has a length, its bytes.
type Field<'a> = (u32, Option<&'a [u8]>);

fn has_kind(bytes: &[u8], first: u32) -> bool {
    let fields = messages(bytes).unwrap_or_default();
    fields.iter().any(|(number, message)| *number >= first && message.is_some())
}

/// The fields of a message, those that have a length with their bytes; none when it is not well-formed.
fn messages(mut rest: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let (number, wire) = decode_key(&mut rest).ok()?;
        let message = if wire == WireType::LengthDelimited {
            let length = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
            let (message, beyond) = rest.split_at_checked(length)?;
            rest = beyond;
            Some(message)
        } else {
            skip_field(wire, number, &mut rest, DecodeContext::default()).ok()?;
            None
        };
        fields.push((number, message));
    }
    Some(fields)
}
