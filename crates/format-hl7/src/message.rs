//! A message: the bytes that came, and where its segments are in them.
//!
//! Nothing is rewritten, dropped or transcoded: [`Message::to_bytes`] gives back what came. Fields are found when
//! they are asked for, by the views in `view.rs`.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use crate::charset::{Charset, Declared, Reading};
use crate::error::{ParseError, ParseErrorKind};
use crate::escape::Context;
use crate::scan;
use crate::view::{Field, Segment};
use crate::{Delimiters, Rules, Version};

/// One HL7 v2 message in its ER7 encoding (HL7 v2.5 section 2.5).
///
/// `Debug` shows sizes, never content.
#[derive(Clone)]
pub struct Message {
    raw: Bytes,
    delimiters: Delimiters,
    reading: Reading,
    segments: Vec<Range<usize>>,
}

impl Message {
    /// Reads a message under the default [`Rules`]: up to 5 MiB, version 2.3.1, 2.4, 2.5 or 2.5.1.
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Self, ParseError> {
        Self::parse_with(bytes, &Rules::default())
    }

    /// Reads a message under `rules`.
    ///
    /// Only what would make the bytes unreadable or lose something is an error: see [`ParseErrorKind`]. Unknown,
    /// misplaced and malformed segments are kept; [`structure::check`](crate::structure::check) speaks of them.
    pub fn parse_with(bytes: impl Into<Bytes>, rules: &Rules) -> Result<Self, ParseError> {
        let raw: Bytes = bytes.into();
        if raw.len() > rules.limits.bytes {
            let kind = ParseErrorKind::TooLarge(rules.limits.bytes);
            return Err(ParseError::new(kind, 1, rules.limits.bytes));
        }
        let opening = scan::opening(&raw, b"MSH")?;
        let segments = scan::segments(&raw, &opening, &rules.limits)?;
        let unread = Reading { declared: Declared::Nothing, used: Charset::Ascii, doubt: None };
        let mut message = Self { raw, delimiters: opening.delimiters, reading: unread, segments };
        let declared = message.header().field(18).repetition(1).raw();
        message.reading = Reading::of(Declared::parse(declared), &message.raw);
        if !rules.takes(message.version()) {
            let offset = message.header().field(12).offset();
            return Err(ParseError::in_header(ParseErrorKind::UnsupportedVersion, 12, offset));
        }
        Ok(message)
    }

    /// The bytes that came, every one of them.
    pub fn to_bytes(&self) -> Bytes {
        self.raw.clone()
    }

    /// The bytes that came, every one of them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.raw
    }

    /// What divides this message.
    pub fn delimiters(&self) -> Delimiters {
        self.delimiters
    }

    /// How the text of this message is read.
    pub fn reading(&self) -> Reading {
        self.reading
    }

    /// The same message with its text read in `charset`, for a peer that is known to declare another one.
    pub fn read_as(mut self, charset: Charset) -> Self {
        self.reading = Reading { used: charset, doubt: None, ..self.reading };
        self
    }

    /// The version in MSH-12; `None` if it is not a version.
    pub fn version(&self) -> Option<Version> {
        Version::parse(&self.header().field(12).component(1).text())
    }

    /// The segment MSH.
    pub fn header(&self) -> Segment<'_> {
        self.nth(0)
    }

    /// All segments in their order, MSH first. Empty lines are no segments.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = Segment<'_>> + DoubleEndedIterator {
        (0..self.segments.len()).map(|index| self.nth(index))
    }

    /// The segments called `name`, in their order.
    pub fn all<'m>(&'m self, name: &str) -> impl Iterator<Item = Segment<'m>> {
        self.segments().filter(move |segment| segment.is(name))
    }

    /// The first segment called `name`.
    pub fn segment(&self, name: &str) -> Option<Segment<'_>> {
        self.segments().find(|segment| segment.is(name))
    }

    /// Field `number` of the first segment called `name`, numbered as HL7 does: MSH-1 is the field separator. A
    /// field that is not there is empty.
    pub fn field(&self, name: &str, number: usize) -> Field<'_> {
        match self.segment(name) {
            Some(segment) => segment.field(number),
            None => Field::absent(self.raw.len(), self.context()),
        }
    }

    pub(crate) fn context(&self) -> Context {
        Context { delimiters: self.delimiters, charset: self.reading.used }
    }

    /// The segment at `index`, which a caller has from this message; one that is not there is empty.
    pub(crate) fn nth(&self, index: usize) -> Segment<'_> {
        let range = self.segments.get(index).cloned().unwrap_or(self.raw.len()..self.raw.len());
        Segment::new(&self.raw[range.clone()], range.start, index, self.context())
    }
}

/// Messages are equal when their bytes are.
impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl Eq for Message {}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("bytes", &self.raw.len())
            .field("segments", &self.segments.len())
            .finish_non_exhaustive()
    }
}
