//! Finds the segments of a message in its bytes.

use std::ops::Range;

use crate::mllp::START_BLOCK;
use crate::{Delimiters, Limits, ParseError, ParseErrorKind};

/// What a message starts with: where its first segment is, and the delimiters that it declares.
pub(crate) struct Opening {
    pub(crate) start: usize,
    pub(crate) delimiters: Delimiters,
}

/// Finds the header segment `name` at the start of `raw`, after a byte order mark and empty lines if there are.
pub(crate) fn opening(raw: &[u8], name: &[u8; 3]) -> Result<Opening, ParseError> {
    let fail = |kind, offset| Err(ParseError::new(kind, 1, offset));
    if raw.starts_with(&[0xFF, 0xFE]) || raw.starts_with(&[0xFE, 0xFF]) {
        return fail(ParseErrorKind::Utf16, 0);
    }
    let start = start(raw);
    let rest = &raw[start..];
    if rest.is_empty() {
        return fail(ParseErrorKind::Empty, start);
    }
    let Some(after) = rest.strip_prefix(name) else {
        let batch = [b"FHS", b"BHS", b"FTS", b"BTS"].iter().any(|envelope| rest.starts_with(*envelope));
        return fail(if batch { ParseErrorKind::Batch } else { ParseErrorKind::NoHeader }, start);
    };
    // A line end cannot be a delimiter, so a bare name fails here too.
    let field = after.first().copied().unwrap_or(b'\r');
    let encoding = after.get(1..).unwrap_or_default();
    let length =
        encoding.iter().position(|byte| *byte == field || is_line_end(*byte)).unwrap_or(encoding.len());
    let delimiters = Delimiters::new(field, &encoding[..length]).map_err(|fault| {
        ParseError::in_header(ParseErrorKind::Delimiters(fault), 2, raw.len().min(start + 4))
    })?;
    Ok(Opening { start, delimiters })
}

/// The byte ranges of the segments, without their line ends.
///
/// A segment ends with CR (HL7 v2.5 section 2.5.1); LF right after it belongs to the line end, and LF elsewhere
/// is text. Only where the first segment ends with LF alone do all of them. Empty lines are no segments.
pub(crate) fn segments(
    raw: &[u8],
    opening: &Opening,
    limits: &Limits,
) -> Result<Vec<Range<usize>>, ParseError> {
    let line_feeds = raw[opening.start..].iter().copied().find(|byte| is_line_end(*byte)) == Some(b'\n');
    let trailing = raw.iter().rev().take_while(|byte| is_line_end(**byte)).count();
    let end = raw.len() - trailing;
    let mut found = Vec::new();
    let mut at = opening.start;
    while at < end {
        let ends = |byte: &u8| *byte == b'\r' || (line_feeds && *byte == b'\n');
        let stop = raw[at..end].iter().position(ends).map_or(end, |length| at + length);
        if found.len() == limits.segments {
            return Err(ParseError::new(
                ParseErrorKind::TooManySegments(limits.segments),
                found.len() + 1,
                at,
            ));
        }
        verify(raw, at..stop, found.len() + 1, opening, limits)?;
        found.push(at..stop);
        at = stop + raw[stop..end].iter().take_while(|byte| is_line_end(**byte)).count();
    }
    Ok(found)
}

fn verify(
    raw: &[u8],
    range: Range<usize>,
    number: usize,
    opening: &Opening,
    limits: &Limits,
) -> Result<(), ParseError> {
    let fail = |kind| Err(ParseError::new(kind, number, range.start));
    let line = &raw[range.clone()];
    let separator = opening.delimiters.field();
    // Whatever its separator: the delimiters of a second message may differ from those of the first.
    if number > 1 && line.starts_with(b"MSH") && !line.get(3).is_some_and(u8::is_ascii_alphanumeric) {
        return fail(ParseErrorKind::SecondMessage);
    }
    let named = line.get(3).is_none_or(|byte| *byte == separator);
    if named && [b"FHS", b"BHS", b"FTS", b"BTS"].iter().any(|envelope| line.starts_with(*envelope)) {
        return fail(ParseErrorKind::Batch);
    }
    // A frame that was never closed runs into the next one: its start block then stands before an MSH.
    for inside in (0..line.len()).filter(|at| line[*at] == START_BLOCK) {
        if line[inside + 1..].starts_with(b"MSH") {
            return Err(ParseError::new(ParseErrorKind::SecondMessage, number, range.start + inside));
        }
    }
    if line.iter().filter(|byte| **byte == separator).count() > limits.fields {
        return fail(ParseErrorKind::TooManyFields(limits.fields));
    }
    Ok(())
}

fn start(raw: &[u8]) -> usize {
    let mark = if raw.starts_with(&[0xEF, 0xBB, 0xBF]) { 3 } else { 0 };
    mark + raw[mark..].iter().take_while(|byte| is_line_end(**byte)).count()
}

fn is_line_end(byte: u8) -> bool {
    byte == b'\r' || byte == b'\n'
}

/// The line that begins at `start`, if it ends within `longest` bytes.
pub(crate) fn first_line(raw: &[u8], start: usize, longest: usize) -> Option<&[u8]> {
    let rest = raw.get(start..)?;
    let end = rest.iter().take(longest).position(|byte| is_line_end(*byte));
    match end {
        Some(end) => Some(&rest[..end]),
        None => (rest.len() <= longest).then_some(rest),
    }
}
