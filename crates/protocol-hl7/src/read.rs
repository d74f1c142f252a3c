//! From a frame to a message that may be submitted, or to why it may not. Nothing here is asked of anybody.

use bulkhead_format_hl7::referral::ProcessingId;
use bulkhead_format_hl7::{Message, Mode, Original, ParseErrorKind, Rules, structure};
use bulkhead_translation::{EnvelopeFacts, Item, envelope_of_ref};
use bytes::Bytes;

use crate::Config;
use crate::refusal::Refusal;

/// What a frame held.
pub(crate) enum Read {
    /// A referral or a clinical answer.
    Referral(Box<Incoming>),
    /// An answer of a machine: it is noted, and goes no further.
    Technical(Message),
    /// A message that is not taken, and what an answer to it needs.
    Not(Box<NotTaken>),
}

/// A message that is not taken.
pub(crate) struct NotTaken {
    pub(crate) original: Option<Original>,
    pub(crate) mode: Mode,
    pub(crate) refusal: Refusal,
}

/// A message that may be submitted.
pub(crate) struct Incoming {
    pub(crate) message: Message,
    pub(crate) facts: EnvelopeFacts,
}

/// Reads a frame.
pub(crate) fn read(frame: &Bytes, config: &Config) -> Read {
    let message = match Message::parse_with(frame.clone(), &config.rules) {
        Ok(message) => message,
        Err(error) => {
            let refusal = Refusal::of_issues(vec![error.issue()]);
            let asked = match error.kind {
                ParseErrorKind::UnsupportedVersion => {
                    of_any_version(frame, &config.rules).as_ref().map(Mode::of)
                }
                _ => None,
            };
            let original = Original::salvage(frame);
            let mode = asked.unwrap_or(Mode::Original);
            return Read::Not(Box::new(NotTaken { original, mode, refusal }));
        }
    };
    if is_acknowledgement(&message) {
        return Read::Technical(message);
    }
    match check(&message, config) {
        Ok(facts) => Read::Referral(Box::new(Incoming { message, facts })),
        Err(None) => Read::Technical(message),
        Err(Some(refusal)) => {
            let original = Some(Original::of(&message));
            Read::Not(Box::new(NotTaken { original, mode: Mode::of(&message), refusal }))
        }
    }
}

/// The facts of its envelope; `None` for an RRI that is a machine's.
fn check(message: &Message, config: &Config) -> Result<EnvelopeFacts, Option<Refusal>> {
    let issues = structure::check(message);
    if !structure::is_acceptable(&issues) {
        let errors =
            issues.into_iter().filter(|issue| !structure::is_acceptable(std::slice::from_ref(issue)));
        return Err(Some(Refusal::of_issues(errors.collect())));
    }
    if ProcessingId::of(message) != ProcessingId::Production && !config.test_system {
        return Err(Some(Refusal::test_message()));
    }
    envelope_of_ref(message).map_err(|reason| match reason.item {
        Item::Answer => None,
        Item::Kind => {
            use bulkhead_format_hl7::{ErrorCode, Issue, Place};
            let place = Some(Place::field("MSH", 1, 9).component(2));
            Some(Refusal::of_issues(vec![Issue::error(
                ErrorCode::UNSUPPORTED_EVENT,
                place,
                reason.to_string(),
            )]))
        }
        _ => Some(Refusal::untranslatable(&reason)),
    })
}

/// An ACK is never answered.
pub(crate) fn is_acknowledgement(message: &Message) -> bool {
    matches!(&*message.header().field(9).component(1).text(), "ACK" | "MCF")
}

fn of_any_version(frame: &Bytes, rules: &Rules) -> Option<Message> {
    Message::parse_with(frame.clone(), &Rules { limits: rules.limits, versions: None }).ok()
}
