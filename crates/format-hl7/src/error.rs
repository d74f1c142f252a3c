//! Why bytes are no message, and where it shows. Never what they say.

use std::fmt;

use crate::{DelimiterFault, ErrorCode, Issue, Place};

/// Bytes that are refused as a message: what is wrong, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// The segment where it shows, counted from 1.
    pub segment: usize,
    /// The field where it shows, numbered as HL7 does, if it is about a field.
    pub field: Option<usize>,
    /// The byte where it shows, counted from 0.
    pub offset: usize,
}

/// What is wrong with bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// There is nothing, or nothing but line ends.
    Empty,
    /// The bytes are in UTF-16, whose delimiters are not single bytes.
    Utf16,
    /// The first segment is not MSH.
    NoHeader,
    /// A batch envelope (FHS, BHS, BTS, FTS), which HL7 UK A.3 excludes; answer AR 200.
    Batch,
    /// MSH-1 and MSH-2 do not declare usable delimiters.
    Delimiters(DelimiterFault),
    /// MSH-12 names no version that is taken here; answer AR 203.
    UnsupportedVersion,
    /// A second MSH stands inside: two messages were glued together, and reading on would lose one.
    SecondMessage,
    /// The message holds more bytes than this limit.
    TooLarge(usize),
    /// The message holds more segments than this limit.
    TooManySegments(usize),
    /// A segment holds more fields than this limit.
    TooManyFields(usize),
}

impl ParseError {
    pub(crate) fn new(kind: ParseErrorKind, segment: usize, offset: usize) -> Self {
        Self { kind, segment, field: None, offset }
    }

    pub(crate) fn in_header(kind: ParseErrorKind, field: usize, offset: usize) -> Self {
        Self { kind, segment: 1, field: Some(field), offset }
    }

    /// The same as an issue that a negative answer can carry (codes of table 0357).
    pub fn issue(&self) -> Issue {
        use ParseErrorKind as Kind;
        let code = match self.kind {
            Kind::Batch => ErrorCode::UNSUPPORTED_MESSAGE_TYPE,
            Kind::UnsupportedVersion => ErrorCode::UNSUPPORTED_VERSION,
            Kind::Delimiters(_) | Kind::Utf16 => ErrorCode::DATA_TYPE,
            Kind::Empty | Kind::NoHeader | Kind::SecondMessage => ErrorCode::SEGMENT_SEQUENCE,
            Kind::TooLarge(_) | Kind::TooManySegments(_) | Kind::TooManyFields(_) => ErrorCode::INTERNAL,
        };
        let place = self.field.map(|field| Place::field("MSH", 1, field));
        Issue::error(code, place, self.kind.to_string())
    }
}

impl fmt::Display for ParseErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the message is empty"),
            Self::Utf16 => f.write_str("the message is in UTF-16"),
            Self::NoHeader => f.write_str("the message does not begin with MSH"),
            Self::Batch => f.write_str("batches are not supported"),
            Self::Delimiters(fault) => fault.fmt(f),
            Self::UnsupportedVersion => f.write_str("the version is not supported"),
            Self::SecondMessage => f.write_str("a second MSH stands inside the message"),
            Self::TooLarge(limit) => write!(f, "the message is larger than {limit} bytes"),
            Self::TooManySegments(limit) => write!(f, "the message has more than {limit} segments"),
            Self::TooManyFields(limit) => write!(f, "a segment has more than {limit} fields"),
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (segment {}", self.kind, self.segment)?;
        if let Some(field) = self.field {
            write!(f, ", field {field}")?;
        }
        write!(f, ", byte {})", self.offset)
    }
}

impl std::error::Error for ParseError {}
