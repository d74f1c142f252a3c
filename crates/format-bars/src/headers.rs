//! The headers of a BaRS request.
//!
//! Who must send what: API specification 1.4.0 (parameters of `$process-message`); what a receiver answers:
//! BaRS guide, Core, Transactional-integrity and Bundle-Processing. `use-context` must be ignored by a
//! receiver, so it is not read; `Authorization` is for the proxy alone and never forwarded.

use std::fmt;

use uuid::Uuid;

use crate::accept::{Accept, AcceptRule};
use crate::document::Syntax;
use crate::outcome::{ErrorKind, IssueType, Problem};
use crate::systems::Identifier;
use crate::target::{self, TargetError};

/// `X-Request-Id`: one message, the same on a retry.
pub const REQUEST_ID: &str = "X-Request-Id";
/// `X-Correlation-Id`: one case.
pub const CORRELATION_ID: &str = "X-Correlation-Id";
/// `NHSD-Target-Identifier`: the service that is addressed.
pub const TARGET: &str = "NHSD-Target-Identifier";
/// `Accept`
pub const ACCEPT: &str = "Accept";
/// `Content-Type`
pub const CONTENT_TYPE: &str = "Content-Type";
/// Headers about the sender's people and software: forwarded as they are, never interpreted.
pub const CONTEXT: [&str; 3] =
    ["NHSD-End-User-Organisation", "NHSD-Requesting-Practitioner", "NHSD-Requesting-Software"];

/// What a nation's service demands of the headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderRules {
    /// Context headers that must be there.
    pub required: Vec<&'static str>,
    /// Which `Accept` is answered.
    pub accept: AcceptRule,
}

impl HeaderRules {
    /// England: BaRS guide, where the context headers are optional; any 1.x version.
    pub fn england() -> Self {
        Self { required: Vec::new(), accept: AcceptRule::UpTo { major: 1 } }
    }

    /// Wales: NWRI wants organisation, software, `use-context` and exactly version 1.2.0 in JSON.
    pub fn wales_nwri() -> Self {
        let required = vec![CONTEXT[0], CONTEXT[2], "use-context"];
        Self { required, accept: AcceptRule::Exactly { syntax: Syntax::Json, version: "1.2.0" } }
    }
}

/// An id of a request: a UUID, and the text as it was sent, for it is echoed unchanged.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HeaderId {
    uuid: Uuid,
    text: String,
}

impl HeaderId {
    /// Reads a UUID in its usual form with hyphens, in either case.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let uuid = Uuid::try_parse(text).ok().filter(|_| text.len() == 36)?;
        Some(Self { uuid, text: text.to_owned() })
    }

    /// The id for comparing: case does not matter.
    pub fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// The id as it was sent.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl From<Uuid> for HeaderId {
    fn from(uuid: Uuid) -> Self {
        Self { uuid, text: uuid.to_string() }
    }
}

impl fmt::Display for HeaderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for HeaderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why the headers of a request are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// A required header is missing.
    #[error("missing required header: {0}")]
    Missing(&'static str),
    /// An id is there, and is not a UUID.
    #[error("header is not a UUID: {0}")]
    NotUuid(&'static str),
    /// The target identifier cannot be read.
    #[error("header {TARGET}: {0}")]
    Target(#[from] TargetError),
    /// The body is neither `application/fhir+json` nor `application/fhir+xml`.
    #[error("the body must be application/fhir+json or application/fhir+xml")]
    ContentType,
    /// Nothing that the sender accepts can be answered.
    #[error("the Accept header asks for a media type or version that is not offered")]
    NotAcceptable,
}

impl HeaderError {
    /// The answer to the sender. A missing header is 400 `required`, one that is no GUID 400 `invalid`
    /// (BaRS guide, Bundle-Processing); a bad target is the broker's 400 (API specification, ErrorRepository).
    pub fn problem(&self) -> Problem {
        let text = self.to_string();
        match self {
            Self::Missing(_) => Problem::rec(ErrorKind::BadRequest, IssueType::Required, &text),
            Self::NotUuid(_) => Problem::rec(ErrorKind::BadRequest, IssueType::Invalid, &text),
            Self::Target(error) => Problem::proxy(ErrorKind::BadRequest, error.issue(), &text),
            Self::ContentType => Problem::rec(ErrorKind::BadRequest, IssueType::NotSupported, &text),
            Self::NotAcceptable => Problem::rec(ErrorKind::NotAcceptable, IssueType::NotSupported, &text),
        }
    }
}

/// The two ids alone: they are checked first, and echoed on every answer, errors included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    /// `X-Request-Id`
    pub request: HeaderId,
    /// `X-Correlation-Id`
    pub correlation: HeaderId,
}

impl Ids {
    /// Reads both ids.
    pub fn read<'a>(get: &impl Fn(&str) -> Option<&'a [u8]>) -> Result<Self, HeaderError> {
        Ok(Self { request: id(get, REQUEST_ID)?, correlation: id(get, CORRELATION_ID)? })
    }
}

/// The headers of a request to `$process-message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeaders {
    /// The ids of message and case.
    pub ids: Ids,
    /// The service that is addressed.
    pub target: Identifier,
    /// The syntax of the body.
    pub content: Syntax,
    /// What the sender accepts in answer.
    pub accept: Accept,
    /// Context headers that were there, by name, as they were sent.
    pub context: Vec<(&'static str, String)>,
}

impl RequestHeaders {
    /// Reads the headers of a request. `get` answers for a name in any case.
    pub fn read<'a>(
        rules: &HeaderRules,
        get: impl Fn(&str) -> Option<&'a [u8]>,
    ) -> Result<Self, HeaderError> {
        let ids = Ids::read(&get)?;
        let target = target::decode(get(TARGET).ok_or(HeaderError::Missing(TARGET))?)?;
        if let Some(missing) =
            rules.required.iter().find(|name| get(name).is_none_or(|v| v.trim_ascii().is_empty()))
        {
            return Err(HeaderError::Missing(missing));
        }
        let content = content_type(get(CONTENT_TYPE).ok_or(HeaderError::Missing(CONTENT_TYPE))?)?;
        let accept = Accept::read(get(ACCEPT), content, &rules.accept).ok_or(HeaderError::NotAcceptable)?;
        let text = |value: &[u8]| std::str::from_utf8(value).ok().map(str::to_owned);
        let context = CONTEXT.into_iter().filter_map(|name| Some((name, text(get(name)?)?))).collect();
        Ok(Self { ids, target, content, accept, context })
    }

    /// The headers to send, by name.
    pub fn encode(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            (REQUEST_ID, self.ids.request.text().to_owned()),
            (CORRELATION_ID, self.ids.correlation.text().to_owned()),
            (TARGET, target::encode(&self.target)),
            (CONTENT_TYPE, format!("{}; charset=utf-8", self.content.media_type())),
            (ACCEPT, self.accept.to_string()),
        ];
        headers.extend(self.context.iter().cloned());
        headers
    }
}

fn id<'a>(get: &impl Fn(&str) -> Option<&'a [u8]>, name: &'static str) -> Result<HeaderId, HeaderError> {
    let value = get(name).filter(|v| !v.trim_ascii().is_empty()).ok_or(HeaderError::Missing(name))?;
    let text = std::str::from_utf8(value).map_err(|_| HeaderError::NotUuid(name))?;
    HeaderId::parse(text).ok_or(HeaderError::NotUuid(name))
}

/// The syntax of a body. A charset other than UTF-8 is refused with it.
pub fn content_type(value: &[u8]) -> Result<Syntax, HeaderError> {
    let text = std::str::from_utf8(value).map_err(|_| HeaderError::ContentType)?;
    let mut parts = text.split(';').map(str::trim);
    let syntax = syntax_of(parts.next().unwrap_or_default()).ok_or(HeaderError::ContentType)?;
    let foreign = parts.filter_map(|p| p.split_once('=')).any(|(name, value)| {
        let value = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("charset") && !value.eq_ignore_ascii_case("utf-8")
    });
    if foreign { Err(HeaderError::ContentType) } else { Ok(syntax) }
}

/// The syntax that a FHIR media type names.
pub(crate) fn syntax_of(media_type: &str) -> Option<Syntax> {
    [Syntax::Json, Syntax::Xml]
        .into_iter()
        .find(|syntax| media_type.trim().eq_ignore_ascii_case(syntax.media_type()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 5] = [
        ("x-request-id", "3D2C1B0A-0000-4000-8000-000000000001"),
        ("x-correlation-id", "3d2c1b0a-0000-4000-8000-000000000002"),
        (
            "nhsd-target-identifier",
            "eyJ2YWx1ZSI6IjIwMDAwMTExNDciLCJzeXN0ZW0iOiJodHRwczovL2ZoaXIubmhzLnVrL0lkL2Rvcy1zZXJ2aWNlLWlkIn0=",
        ),
        ("content-type", "application/fhir+json; charset=UTF-8"),
        ("nhsd-requesting-software", "e30="),
    ];

    fn read(
        change: &[(&str, Option<&'static str>)],
        rules: &HeaderRules,
    ) -> Result<RequestHeaders, HeaderError> {
        RequestHeaders::read(rules, |name| {
            let name = name.to_ascii_lowercase();
            let changed = change.iter().find(|(n, _)| *n == name).map(|(_, v)| v.map(str::as_bytes));
            changed.unwrap_or_else(|| GOOD.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_bytes()))
        })
    }

    fn refused(change: &[(&str, Option<&'static str>)], expected: (u16, &str)) {
        let problem = read(change, &HeaderRules::england()).expect_err("refused").problem();
        assert_eq!((problem.status(), problem.issue.code()), expected, "{problem}");
    }

    #[test]
    fn good_headers_are_read_and_written_again() {
        let headers = read(&[], &HeaderRules::england()).expect("good headers");
        assert_eq!(headers.target, Identifier::dos("2000011147"));
        assert_eq!(headers.ids.request.text(), GOOD[0].1);
        assert_eq!(headers.content, Syntax::Json);
        assert_eq!(headers.context, [("NHSD-Requesting-Software", "e30=".to_owned())]);
        let sent = headers.encode();
        let again = RequestHeaders::read(&HeaderRules::england(), |name| {
            sent.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_bytes())
        });
        assert_eq!(again, Ok(headers));
    }

    #[test]
    fn bad_headers_are_refused_each_in_its_way() {
        refused(&[("x-request-id", None)], (400, "required"));
        refused(&[("x-correlation-id", Some(" "))], (400, "required"));
        refused(&[("x-request-id", Some("42"))], (400, "invalid"));
        refused(&[("x-request-id", Some("3d2c1b0a000040008000000000000001"))], (400, "invalid"));
        refused(&[("nhsd-target-identifier", None)], (400, "required"));
        refused(&[("nhsd-target-identifier", Some("{}"))], (400, "value"));
        refused(&[("nhsd-target-identifier", Some("e30="))], (400, "structure"));
        refused(&[("content-type", None)], (400, "required"));
        refused(&[("content-type", Some("text/xml"))], (400, "not-supported"));
        refused(&[("content-type", Some("application/fhir+json; charset=latin1"))], (400, "not-supported"));
        refused(&[("accept", Some("application/fhir+json; version=2.0.0"))], (406, "not-supported"));
    }

    #[test]
    fn wales_wants_more() {
        let rules = HeaderRules::wales_nwri();
        assert_eq!(read(&[], &rules), Err(HeaderError::Missing("NHSD-End-User-Organisation")));
        let more = [
            ("nhsd-end-user-organisation", Some("e30=")),
            ("use-context", Some("a1t10|referral|servicerequest-request|new")),
        ];
        assert_eq!(read(&more, &rules), Err(HeaderError::NotAcceptable));
        let exact = [more[0], more[1], ("accept", Some("version=1.2.0; application/fhir+json"))];
        assert!(read(&exact, &rules).is_ok());
    }
}
