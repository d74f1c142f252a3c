//! What a receiver says when it will not take a message: an error code, an HTTP status, a FHIR issue type.
//!
//! The table is that of the BaRS guide (Core, Error-Handling). The prefix of a code says who is at fault: the
//! sender (`SEND_`), the broker between (`PROXY_`) or the receiver (`REC_`). Diagnostics name elements and
//! headers, never their values: they must hold no patient data and no stack trace.

use std::fmt;

use crate::document::{Document, Syntax};
use crate::node::Node;

/// The code system of BaRS error codes, as the guide writes it (with a small s).
pub const ERROR_SYSTEM: &str = "https://fhir.nhs.uk/Codesystem/http-error-codes";
/// The profile of an OperationOutcome (BaRS guide, OperationOutcome-Example).
pub const OUTCOME_PROFILE: &str = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-OperationOutcome";

/// Who is at fault, as the prefix of an error code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Party {
    /// `SEND_`: the sender.
    Send,
    /// `PROXY_`, or no prefix: the broker between.
    Proxy,
    /// `REC_`: the receiver.
    Rec,
}

/// What went wrong, as the rest of an error code says (BaRS guide, Error-Handling).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// 400
    BadRequest,
    /// 401
    Unauthorized,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// 405
    MethodNotAllowed,
    /// 406
    NotAcceptable,
    /// 408
    Timeout,
    /// 409
    Conflict,
    /// 422
    UnprocessableEntity,
    /// 425
    TooEarly,
    /// 429
    TooManyRequests,
    /// 500
    ServerError,
    /// 501
    NotImplemented,
    /// 503
    Unavailable,
}

/// Kind, the text in a code that is written, the HTTP status. The first text of a kind is the one we write.
const CODES: &[(ErrorKind, &str, u16)] = &[
    (ErrorKind::BadRequest, "BAD_REQUEST", 400),
    (ErrorKind::Unauthorized, "UNAUTHORIZED", 401),
    (ErrorKind::Forbidden, "FORBIDDEN", 403),
    (ErrorKind::NotFound, "NOT_FOUND", 404),
    (ErrorKind::MethodNotAllowed, "METHOD_NOT_ALLOWED", 405),
    (ErrorKind::NotAcceptable, "NOT_ACCEPTABLE", 406),
    (ErrorKind::Timeout, "TIMEOUT", 408),
    (ErrorKind::Conflict, "CONFLICT", 409),
    (ErrorKind::UnprocessableEntity, "UNPROCESSABLE_ENTITY", 422),
    (ErrorKind::TooEarly, "TOO_EARLY", 425),
    (ErrorKind::TooManyRequests, "TOO_MANY_REQUESTS", 429),
    (ErrorKind::ServerError, "SERVER_ERROR", 500),
    (ErrorKind::NotImplemented, "NOT_IMPLEMENTED", 501),
    (ErrorKind::Unavailable, "SERVICE_UNAVAILABLE", 503),
    (ErrorKind::Unavailable, "UNAVAILABLE", 503),
];

impl ErrorKind {
    fn row(self) -> (&'static str, u16) {
        CODES.iter().find(|(kind, _, _)| *kind == self).map_or(("SERVER_ERROR", 500), |row| (row.1, row.2))
    }

    /// The HTTP status that goes with it.
    pub fn status(self) -> u16 {
        self.row().1
    }
}

/// An error code of BaRS, such as `REC_BAD_REQUEST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode {
    /// Who is at fault.
    pub party: Party,
    /// What went wrong.
    pub kind: ErrorKind,
}

impl ErrorCode {
    /// Reads a code; a code without a prefix is the broker's.
    pub fn parse(text: &str) -> Option<Self> {
        let upper = text.trim().to_ascii_uppercase();
        let (party, rest) = [("SEND_", Party::Send), ("PROXY_", Party::Proxy), ("REC_", Party::Rec)]
            .into_iter()
            .find_map(|(prefix, party)| upper.strip_prefix(prefix).map(|rest| (party, rest)))
            .unwrap_or((Party::Proxy, &upper));
        let kind = CODES.iter().find(|row| row.1 == rest)?.0;
        Some(Self { party, kind })
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.party {
            Party::Send => "SEND_",
            Party::Proxy => "PROXY_",
            Party::Rec => "REC_",
        };
        write!(f, "{prefix}{}", self.kind.row().0)
    }
}

macro_rules! issue_types {
    ($($(#[$doc:meta])* $name:ident = $code:literal),+ $(,)?) => {
        /// The FHIR issue types that BaRS uses (hl7.org/fhir/R4/valueset-issue-type.html).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum IssueType { $($(#[$doc])* $name,)+ }

        impl IssueType {
            /// The code, as FHIR writes it.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// The issue type of a code.
            pub fn parse(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

issue_types! {
    /// Something required is missing.
    Required = "required",
    /// Something is malformed.
    Invalid = "invalid",
    /// A value is not allowed.
    Value = "value",
    /// A rule about the content is broken.
    Invariant = "invariant",
    /// The document is not well-formed, or not FHIR.
    Structure = "structure",
    /// Credentials are needed.
    Login = "login",
    /// Credentials have expired.
    Expired = "expired",
    /// The caller is not trusted.
    Security = "security",
    /// The caller may not do this.
    Forbidden = "forbidden",
    /// There is no such thing.
    NotFound = "not-found",
    /// It was processed before.
    Duplicate = "duplicate",
    /// It contradicts what is here.
    Conflict = "conflict",
    /// This is not offered.
    NotSupported = "not-supported",
    /// It may work later.
    Transient = "transient",
    /// It took too long.
    Timeout = "timeout",
    /// There were too many requests.
    Throttled = "throttled",
    /// An internal fault.
    Exception = "exception",
    /// It could not be stored.
    NoStore = "no-store",
    /// It could not be processed.
    Processing = "processing",
}

/// A refusal: everything an OperationOutcome and its HTTP response need.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code} ({}): {diagnostics}", issue.code())]
pub struct Problem {
    /// The code.
    pub code: ErrorCode,
    /// The issue type.
    pub issue: IssueType,
    /// What happened, in words, without any value from the message.
    pub diagnostics: String,
}

impl Problem {
    /// A problem of that party.
    pub fn new(party: Party, kind: ErrorKind, issue: IssueType, diagnostics: &str) -> Self {
        Self { code: ErrorCode { party, kind }, issue, diagnostics: diagnostics.to_owned() }
    }

    /// A problem found by the receiver.
    pub fn rec(kind: ErrorKind, issue: IssueType, diagnostics: &str) -> Self {
        Self::new(Party::Rec, kind, issue, diagnostics)
    }

    /// A problem found by the broker.
    pub fn proxy(kind: ErrorKind, issue: IssueType, diagnostics: &str) -> Self {
        Self::new(Party::Proxy, kind, issue, diagnostics)
    }

    /// 400 `invariant`: a combination or content that BaRS does not allow.
    pub fn invariant(diagnostics: &str) -> Self {
        Self::rec(ErrorKind::BadRequest, IssueType::Invariant, diagnostics)
    }

    /// The answer to a message that was delivered before (BaRS guide, Transactional-integrity). Senders take
    /// it as success, so it may be used for nothing else.
    pub fn duplicate() -> Self {
        let text = "the message has been identified as having already been processed";
        Self::rec(ErrorKind::Conflict, IssueType::Duplicate, text)
    }

    /// The answer while the first attempt of the same message is still under way.
    pub fn too_early() -> Self {
        let text = "the message is still being processed";
        Self::rec(ErrorKind::TooEarly, IssueType::Duplicate, text)
    }

    /// The same problem, laid at another party's door; the Welsh service uses `SEND_` for header faults.
    #[must_use]
    pub fn blamed_on(mut self, party: Party) -> Self {
        self.code.party = party;
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.code.kind.status()
    }

    /// The OperationOutcome that says it, with that resource id.
    pub fn outcome(&self, id: &str, syntax: Syntax) -> Document {
        let coding = Node::new().with_text("system", ERROR_SYSTEM).with_text("code", &self.code.to_string());
        let issue = Node::new()
            .with_text("severity", "error")
            .with_text("code", self.issue.code())
            .with("details", Node::new().with("coding", coding))
            .with_text("diagnostics", &self.diagnostics);
        let root = Node::of_type("OperationOutcome")
            .with_text("id", id)
            .with("meta", Node::new().with_text("profile", OUTCOME_PROFILE))
            .with("issue", issue);
        Document::new(syntax, root)
    }

    /// The bytes of that OperationOutcome.
    pub fn body(&self, id: &str, syntax: Syntax) -> Vec<u8> {
        // Only a control character in the diagnostics could stop the XML; then JSON, which can say anything.
        let document = self.outcome(id, syntax);
        document.write().or_else(|_| document.write_as(Syntax::Json)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Limits;

    #[test]
    fn codes_are_read_and_written() {
        for (text, status) in [
            ("REC_BAD_REQUEST", 400),
            ("SEND_FORBIDDEN", 403),
            ("PROXY_NOT_FOUND", 404),
            ("REC_TIMEOUT", 408),
            ("REC_CONFLICT", 409),
            ("REC_UNPROCESSABLE_ENTITY", 422),
            ("REC_TOO_EARLY", 425),
            ("SEND_TOO_MANY_REQUESTS", 429),
            ("REC_SERVER_ERROR", 500),
            ("REC_NOT_IMPLEMENTED", 501),
            ("REC_SERVICE_UNAVAILABLE", 503),
        ] {
            let code = ErrorCode::parse(text).expect(text);
            assert_eq!((code.to_string().as_str(), code.kind.status()), (text, status));
        }
        assert_eq!(ErrorCode::parse("REC_UNAVAILABLE"), ErrorCode::parse("rec_service_unavailable"));
        assert_eq!(ErrorCode::parse("TIMEOUT").map(|c| c.party), Some(Party::Proxy));
        assert_eq!(ErrorCode::parse("REC_TEAPOT"), None);
    }

    #[test]
    fn an_outcome_is_the_same_in_both_syntaxes() {
        let problem = Problem::duplicate();
        assert_eq!(problem.status(), 409);
        for syntax in [Syntax::Json, Syntax::Xml] {
            let body = problem.body("o1", syntax);
            let read = Document::read(&body, syntax, &Limits::default()).expect("our own outcome");
            assert_eq!(read.resource_type(), "OperationOutcome");
            assert_eq!(read.root().path_text("issue.details.coding.code"), Some("REC_CONFLICT"));
            assert_eq!(read.root().path_text("issue.code"), Some("duplicate"));
            assert_eq!(read.root().path_text("meta.profile"), Some(OUTCOME_PROFILE));
        }
    }
}
