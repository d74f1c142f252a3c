//! Why a message is not taken, in words and codes that hold nothing of it.

use bulkhead_format_hl7::{ErrorCode, Issue, Place};
use bulkhead_model::{Code, State};
use bulkhead_translation::Untranslatable;

/// Who can do something about it: it chooses the letters of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The message type, the event, the version or the processing id.
    Unsupported,
    /// The message by itself: its structure, its fields, its control id.
    Content,
    /// Where it is to go, for good: its address, its receiver, the broker.
    Refused,
    /// Nobody: the same again later.
    TryAgain,
}

/// A negative answer before it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) blame: Blame,
    /// MSA-3: what happened, for a person.
    pub(crate) text: String,
    pub(crate) issues: Vec<Issue>,
}

impl Refusal {
    /// A refusal with one issue, whose text is that of the answer.
    pub(crate) fn new(blame: Blame, code: ErrorCode, place: Option<Place>, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { blame, issues: vec![Issue::error(code, place, text.clone())], text }
    }

    /// What the reader or the structure check found.
    pub(crate) fn of_issues(issues: Vec<Issue>) -> Self {
        let first = issues.first();
        let text = first.map_or_else(
            || "the message is not taken".to_owned(),
            |issue| {
                let place = issue.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
                format!("{}{place}", issue.text)
            },
        );
        let unsupported = first.is_some_and(|issue| (200..=203).contains(&issue.code.0));
        let blame = if unsupported { Blame::Unsupported } else { Blame::Content };
        Self { blame, text, issues }
    }

    /// What the receiver has no place for.
    pub(crate) fn untranslatable(reason: &Untranslatable) -> Self {
        Self::new(Blame::Refused, ErrorCode::INTERNAL, None, format!("{}: {reason}", Code::NotTranslatable))
    }

    /// What the broker refuses for good. Its own words may repeat an address, which may be anything.
    pub(crate) fn of_code(code: Option<Code>) -> Self {
        let Some(code) = code else {
            let text = "the broker refuses the message";
            return Self::new(Blame::Refused, ErrorCode::INTERNAL, None, text);
        };
        let (blame, error) = match code {
            Code::ConflictingDuplicate => (Blame::Content, ErrorCode::DUPLICATE_KEY),
            Code::ServiceUnknown => (Blame::Refused, ErrorCode::UNKNOWN_KEY),
            _ => (Blame::Refused, ErrorCode::INTERNAL),
        };
        Self::new(blame, error, None, format!("{code}: {}", words(code)))
    }

    /// A repeat of what was taken and went wrong since. While nobody knows what became of it, the same again later.
    pub(crate) fn of_state(state: State) -> Self {
        if state == State::Unknown {
            return Self::try_again();
        }
        let text = format!("taken before; now {}: phone, do not send it again", state.as_str());
        Self::new(Blame::Refused, ErrorCode::INTERNAL, None, text)
    }

    /// The same again later.
    pub(crate) fn try_again() -> Self {
        let text = "not stored: try again";
        Self::new(Blame::TryAgain, ErrorCode::INTERNAL, None, text)
    }

    /// Nobody knows whom it is for.
    pub(crate) fn no_address() -> Self {
        let text = "no address: PRD-7 of the PRD with role RT, or MSH-6, names no service";
        let place = Some(Place::segment("PRD", 1));
        Self::new(Blame::Refused, ErrorCode::UNKNOWN_KEY, place, text)
    }

    /// An answer to nothing that was given to this system.
    pub(crate) fn unknown_request() -> Self {
        let text = "the RRI answers no referral that was delivered here";
        let place = Some(Place::field("MSA", 1, 2));
        Self::new(Blame::Refused, ErrorCode::UNKNOWN_KEY, place, text)
    }

    /// A test message for a production system, or the other way round.
    pub(crate) fn test_message() -> Self {
        let text = "MSH-11 is T or D: test messages are not taken here";
        let place = Some(Place::field("MSH", 1, 11));
        Self::new(Blame::Unsupported, ErrorCode::UNSUPPORTED_PROCESSING_ID, place, text)
    }
}

fn words(code: Code) -> &'static str {
    match code {
        Code::TenantCut => "this system is cut off; phone",
        Code::DestinationCut => "the receiver is cut off; phone",
        Code::TenantUnknown => "this system is not in the directory",
        Code::ServiceUnknown => "no service has this address",
        Code::NotGranted => "the receiver takes nothing from this system",
        Code::PayloadTooLarge => "the message is larger than the receiver takes",
        Code::ConflictingDuplicate => "this MSH-10 was used before with other content",
        Code::InvalidEnvelope => "a field that addresses the message is malformed",
        Code::CredentialRevoked | Code::CredentialExpired => "the sidecar's certificate is not valid",
        Code::NotTranslatable => "the receiver has no place for something that must be shown",
        _ => "refused",
    }
}
