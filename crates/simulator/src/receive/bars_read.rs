//! Which messages a BaRS receiver takes.
//!
//! The order of the checks is the guide's: headers, syntax, message, content, address.

use bulkhead_format_bars::classify::{Event, Status};
use bulkhead_format_bars::outcome::{ErrorKind, IssueType};
use bulkhead_format_bars::{
    BarsMessage, Document, HeaderRules, Identifier, Limits, MessageKind, Party, Problem, Profile,
    RequestHeaders, Rules, Syntax, profile,
};

use crate::config::Protocol;
use crate::journal::Kind;

/// A message that may be taken.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) document: Document,
    pub(crate) message: BarsMessage,
}

/// Whose rules a simulator keeps.
pub(crate) fn profile_of(protocol: &Protocol) -> Profile {
    match protocol {
        Protocol::BarsWales => Profile::WalesNwri,
        Protocol::Bars { .. } | Protocol::Mllp(_) => Profile::England,
    }
}

/// Reads the headers. The Welsh service lays their faults at the sender's door.
pub(crate) fn headers<'a>(
    profile: Profile,
    get: impl Fn(&str) -> Option<&'a [u8]>,
) -> Result<RequestHeaders, Problem> {
    match profile {
        Profile::England => {
            RequestHeaders::read(&HeaderRules::england(), get).map_err(|error| error.problem())
        }
        Profile::WalesNwri => RequestHeaders::read(&HeaderRules::wales_nwri(), get)
            .map_err(|error| error.problem().blamed_on(Party::Send)),
    }
}

/// Reads a message, whoever it is for.
pub(crate) fn message(profile: Profile, syntax: Syntax, body: &[u8]) -> Result<Taken, Problem> {
    let document = Document::read(body, syntax, &Limits::default()).map_err(|error| error.problem())?;
    // NWRI takes requests only. What it has sent itself is responded to as the guide says.
    let response = document
        .root()
        .path_all("entry.resource.eventCoding.code")
        .iter()
        .any(|code| Event::parse(code.value()) == Event::Response);
    let profile = if response { Profile::England } else { profile };
    let message = BarsMessage::read_with(&document, &Rules { profile, ..Rules::default() })?;
    profile::check(&document, &message, profile)?;
    Ok(Taken { document, message })
}

/// Whether the message is for one of `services`, by its header and by itself.
pub(crate) fn address(
    profile: Profile,
    services: &[Identifier],
    target: &Identifier,
    message: &BarsMessage,
) -> Result<(), Problem> {
    message.check_target(target, profile)?;
    if services.is_empty() || services.iter().any(|service| service.same(target)) {
        return Ok(());
    }
    Err(Problem::rec(ErrorKind::NotFound, IssueType::NotFound, "the service that is addressed is not here"))
}

/// What a message does to its case.
pub(crate) fn kind(message: &BarsMessage) -> Kind {
    match message.kind {
        MessageKind::NewReferral | MessageKind::NewValidation => Kind::Request,
        MessageKind::Update => Kind::Update,
        MessageKind::Cancel => Kind::Cancel,
        MessageKind::Response(_) => Kind::Response,
    }
}

/// The status of a ServiceRequest after that message.
pub(crate) fn status(message: &BarsMessage) -> Status {
    message.request.status
}
