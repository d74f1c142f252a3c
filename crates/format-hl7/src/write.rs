//! Builds a message: segments with fields by number. Delimiters, escapes and line ends are done here.

use std::collections::BTreeMap;
use std::fmt;

use thiserror::Error;

use crate::escape::Context;
use crate::value::Value;
use crate::view::{Segment, is_segment_name};
use crate::{Charset, Delimiters, Limits, Message, ParseError, Rules};

/// Why something cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A message begins with MSH.
    #[error("the first segment is not MSH")]
    NoHeader,
    /// A segment's name is not a letter and two letters or digits in upper case.
    #[error("segment {0} has a name that HL7 does not allow")]
    SegmentName(usize),
    /// Fields count from 1; MSH-1 and MSH-2 come from the delimiters; the highest is a reader's default limit.
    #[error("field {0} cannot be set")]
    FieldNumber(usize),
    /// A value was copied from a message with other delimiters or another charset.
    #[error("a copied value has other delimiters or another charset")]
    Foreign,
    /// There are subcomponents and MSH-2 declares no delimiter for them.
    #[error("the delimiters have none for subcomponents")]
    NoSubcomponents,
    /// What was built is no message, for example because it holds two MSH.
    #[error("what was built is no message: {0}")]
    Unreadable(#[from] ParseError),
}

/// A segment to be written.
///
/// `Debug` shows the shape, never content.
#[derive(Clone, PartialEq, Eq)]
pub struct Draft {
    name: String,
    fields: BTreeMap<usize, Value>,
}

impl Draft {
    /// A segment without fields.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), fields: BTreeMap::new() }
    }

    /// Sets field `number` as HL7 numbers it.
    pub fn set(mut self, number: usize, value: impl Into<Value>) -> Self {
        self.fields.insert(number, value.into());
        self
    }

    /// Sets field `number` if there is a value for it.
    pub fn set_if(self, number: usize, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.set(number, value),
            None => self,
        }
    }

    fn is_header(&self) -> bool {
        self.name == "MSH"
    }

    fn write(&self, context: Context, out: &mut Vec<u8>) -> Result<(), WriteError> {
        let delimiters = context.delimiters;
        out.extend_from_slice(self.name.as_bytes());
        // What stands already: for MSH, its field 1 is the separator and its field 2 follows that.
        let mut written = 0;
        if self.is_header() {
            out.push(delimiters.field());
            out.extend(delimiters.encoding_characters());
            written = 2;
        }
        for (number, value) in &self.fields {
            if *number <= written || *number > Limits::default().fields {
                return Err(WriteError::FieldNumber(*number));
            }
            out.extend(std::iter::repeat_n(delimiters.field(), number - written));
            value.write(context, out)?;
            written = *number;
        }
        out.push(b'\r');
        Ok(())
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("name", &self.name).field("fields", &self.fields.keys()).finish()
    }
}

/// Builds a message segment by segment.
///
/// ```
/// use bulkhead_format_hl7::{Builder, Charset, Draft, Value};
///
/// let message = Builder::new(Charset::Ascii)
///     .segment(Draft::new("MSH").set(9, Value::components(["REF", "I12"])).set(10, "M1").set(12, "2.4"))
///     .segment(Draft::new("PID").set(5, Value::components(["O'Neill & Son", "\u{174}yn"])))
///     .build()?;
/// assert_eq!(message.as_bytes(), b"MSH|^~\\&|||||||REF^I12|M1||2.4\rPID|||||O'Neill \\T\\ Son^\\XC5B4\\yn\r");
/// # Ok::<(), bulkhead_format_hl7::WriteError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    context: Context,
    segments: Vec<Line>,
}

#[derive(Clone)]
enum Line {
    Drafted(Draft),
    Copied { raw: Vec<u8>, context: Context },
}

impl Builder {
    /// A message in `charset`, with the recommended delimiters.
    ///
    /// Characters that the charset lacks are written as `\Xhh..\`. MSH-18 gets the charset's name unless the
    /// header sets it: v2.4 knows `UNICODE` only, so a peer of that version may want another name.
    pub fn new(charset: Charset) -> Self {
        Self { context: Context { delimiters: Delimiters::STANDARD, charset }, segments: Vec::new() }
    }

    /// A message with the delimiters and the charset of another one, so that parts of it can be copied.
    pub fn like(message: &Message) -> Self {
        Self { context: message.context(), segments: Vec::new() }
    }

    pub(crate) fn within(context: Context) -> Self {
        Self { context, segments: Vec::new() }
    }

    /// Sets other delimiters.
    pub fn delimiters(mut self, delimiters: Delimiters) -> Self {
        self.context.delimiters = delimiters;
        self
    }

    /// Adds a segment.
    pub fn segment(mut self, draft: Draft) -> Self {
        self.segments.push(Line::Drafted(draft));
        self
    }

    /// Adds a segment with the bytes that it has in another message of the same delimiters and charset.
    pub fn copy(mut self, segment: &Segment<'_>) -> Self {
        let (raw, context) = (segment.raw().to_vec(), segment.context());
        self.segments.push(Line::Copied { raw, context });
        self
    }

    /// Writes the message. Each segment ends with CR, the last one too.
    pub fn build(self) -> Result<Message, WriteError> {
        let mut out = Vec::new();
        for (index, line) in self.segments.iter().enumerate() {
            match line {
                Line::Drafted(draft) if !is_segment_name(draft.name.as_bytes()) => {
                    return Err(WriteError::SegmentName(index + 1));
                }
                Line::Drafted(draft) if index == 0 => self.declared(draft).write(self.context, &mut out)?,
                Line::Drafted(draft) => draft.write(self.context, &mut out)?,
                Line::Copied { raw, context } => {
                    let readable = raw.is_ascii() || context.charset == self.context.charset;
                    if context.delimiters != self.context.delimiters || !readable {
                        return Err(WriteError::Foreign);
                    }
                    out.extend_from_slice(raw);
                    out.push(b'\r');
                }
            }
        }
        if !out.starts_with(b"MSH") {
            return Err(WriteError::NoHeader);
        }
        Ok(Message::parse_with(out, &Rules::unbounded())?)
    }

    /// The header with its charset in MSH-18 (table 0211).
    fn declared(&self, header: &Draft) -> Draft {
        match self.context.charset.name() {
            Some(name) if header.is_header() && !header.fields.contains_key(&18) => {
                header.clone().set(18, name)
            }
            _ => header.clone(),
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drafted(draft) => draft.fmt(f),
            Self::Copied { raw, .. } => f.debug_struct("Copied").field("bytes", &raw.len()).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DelimiterFault, Item};

    fn header() -> Draft {
        Draft::new("MSH").set(10, "M1").set(12, "2.5")
    }

    fn check(builder: Builder, expected: &str) {
        let message = builder.build().unwrap();
        assert_eq!(String::from_utf8_lossy(message.as_bytes()), expected);
    }

    #[test]
    fn fields_stand_at_their_numbers() {
        let draft = Draft::new("PID").set(3, Value::components(["1", "", "", "NHS", "NH", ""])).set(1, "1");
        check(
            Builder::new(Charset::Ascii).segment(header()).segment(draft),
            "MSH|^~\\&||||||||M1||2.5\rPID|1||1^^^NHS^NH\r",
        );
        let value = Value::from("a")
            .and(Value::null())
            .and(Value::components([Item::subcomponents(["x", "y"]), Item::null()]));
        check(
            Builder::new(Charset::Ascii).segment(header()).segment(Draft::new("ZZZ").set(2, value)),
            "MSH|^~\\&||||||||M1||2.5\rZZZ||a~\"\"~x&y^\"\"\r",
        );
    }

    #[test]
    fn the_charset_is_declared_unless_the_header_does() {
        check(
            Builder::new(Charset::Utf8).segment(header()).segment(Draft::new("PID").set(5, "\u{174}yn")),
            "MSH|^~\\&||||||||M1||2.5||||||UNICODE UTF-8\rPID|||||\u{174}yn\r",
        );
        check(
            Builder::new(Charset::Utf8).segment(header().set(18, "UNICODE")),
            "MSH|^~\\&||||||||M1||2.5||||||UNICODE\r",
        );
    }

    #[test]
    fn delimiters_are_those_asked_for() {
        let delimiters = Delimiters::new(b'!', b"@#$").unwrap();
        let builder = Builder::new(Charset::Ascii).delimiters(delimiters).segment(header());
        check(
            builder.clone().segment(Draft::new("PID").set(1, Value::components(["a@", "b!&"]))),
            "MSH!@#$!!!!!!!!M1!!2.5\rPID!a$S$@b$F$&\r",
        );
        let subcomponents = Value::components([Item::subcomponents(["a", "b"])]);
        let built = builder.segment(Draft::new("PID").set(1, subcomponents)).build();
        assert_eq!(built, Err(WriteError::NoSubcomponents));
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let start = || Builder::new(Charset::Ascii).segment(header());
        let check = |builder: Builder, error| assert_eq!(builder.build(), Err(error));
        check(Builder::new(Charset::Ascii), WriteError::NoHeader);
        check(Builder::new(Charset::Ascii).segment(Draft::new("PID")), WriteError::NoHeader);
        check(start().segment(Draft::new("pid")), WriteError::SegmentName(2));
        check(start().segment(Draft::new("PID").set(0, "a")), WriteError::FieldNumber(0));
        check(start().segment(Draft::new("PID").set(1_001, "a")), WriteError::FieldNumber(1_001));
        check(Builder::new(Charset::Ascii).segment(header().set(2, "^~\\&")), WriteError::FieldNumber(2));
        assert!(matches!(start().segment(header()).build(), Err(WriteError::Unreadable(_))));
        let foreign = Message::parse("MSH|^~}&|A|||||||||2.5\rPID|1\r").unwrap();
        check(start().copy(&foreign.segment("PID").unwrap()), WriteError::Foreign);
        check(
            start().segment(Draft::new("PID").set(1, Value::copied(&foreign.field("PID", 1)))),
            WriteError::Foreign,
        );
        assert_eq!(Delimiters::new(b'|', b"^^^"), Err(DelimiterFault::Repeated));
    }
}
