//! Changes one place of a message and not a byte elsewhere.

use std::ops::Range;

use thiserror::Error;

use crate::escape::Context;
use crate::value::Value;
use crate::write::WriteError;
use crate::{Limits, Message, Rules};

/// A place that can be changed: a field, or one of its repetitions, components or subcomponents.
///
/// Numbers count from 1, as HL7 does. A component without a repetition means that of the first one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    segment: String,
    occurrence: usize,
    field: usize,
    repetition: Option<usize>,
    component: Option<usize>,
    subcomponent: Option<usize>,
}

/// Why a message cannot be changed at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EditError {
    /// The message has no such segment.
    #[error("there is no such segment")]
    NoSegment,
    /// A number is 0 or beyond a reader's default limit of fields, or it is MSH-1 or MSH-2.
    #[error("there can be no such place")]
    NoPlace,
    /// The value has repetitions, components or subcomponents, and the place is inside of those.
    #[error("the value has more levels than the place")]
    TooDeep,
    /// The value cannot be written into this message.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Path {
    /// Field `field` of the first segment called `segment`.
    pub fn new(segment: &str, field: usize) -> Self {
        let segment = segment.to_owned();
        Self { segment, occurrence: 1, field, repetition: None, component: None, subcomponent: None }
    }

    /// The same in the `number`th segment of that name.
    pub fn occurrence(self, number: usize) -> Self {
        Self { occurrence: number, ..self }
    }

    /// Repetition `number` of the field.
    pub fn repetition(self, number: usize) -> Self {
        Self { repetition: Some(number), ..self }
    }

    /// Component `number`.
    pub fn component(self, number: usize) -> Self {
        Self { component: Some(number), ..self }
    }

    /// Subcomponent `number`; of the first component, unless another one is named.
    pub fn subcomponent(self, number: usize) -> Self {
        Self { subcomponent: Some(number), ..self }
    }

    /// The levels below the field: delimiter and number, down to the one that is to be changed.
    fn levels(&self, context: Context) -> Result<Vec<(u8, usize)>, EditError> {
        let delimiters = context.delimiters;
        let asked = [self.repetition, self.component, self.subcomponent];
        let depth = asked.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let marks = [Some(delimiters.repetition()), Some(delimiters.component()), delimiters.subcomponent()];
        let mut levels = Vec::new();
        for (mark, number) in marks.into_iter().zip(asked).take(depth) {
            levels.push((mark.ok_or(WriteError::NoSubcomponents)?, number.unwrap_or(1)));
        }
        Ok(levels)
    }
}

impl Message {
    /// The message with `value` at `path`. Every byte elsewhere stays as it is; where the segment or the field is
    /// too short, the delimiters up to the place are added.
    ///
    /// The value is written in the message's delimiters and charset. A new value of MSH-18 changes how the text of
    /// the message is read, not its bytes.
    pub fn with(&self, path: &Path, value: impl Into<Value>) -> Result<Message, EditError> {
        let context = self.context();
        let levels = path.levels(context)?;
        let mut written = Vec::new();
        value.into().write(context, &mut written)?;
        if written.iter().any(|byte| levels.iter().any(|(mark, _)| mark == byte)) {
            return Err(EditError::TooDeep);
        }
        let place = self.place(path, &levels)?;
        let raw = self.as_bytes();
        let mut out = Vec::with_capacity(raw.len() + place.missing.len() + written.len());
        out.extend_from_slice(&raw[..place.range.start]);
        out.extend_from_slice(&place.missing);
        out.extend_from_slice(&written);
        out.extend_from_slice(&raw[place.range.end..]);
        let changed = Message::parse_with(out, &Rules::unbounded()).map_err(WriteError::from)?;
        // A line feed that is text where it was copied from may end a segment here.
        if changed.segments().len() != self.segments().len() {
            return Err(WriteError::Foreign.into());
        }
        Ok(changed)
    }

    fn place(&self, path: &Path, levels: &[(u8, usize)]) -> Result<Place, EditError> {
        let numbers = levels.iter().map(|(_, number)| *number).chain([path.field, path.occurrence]);
        if numbers.into_iter().any(|number| number == 0 || number > Limits::default().fields) {
            return Err(EditError::NoPlace);
        }
        let segment = self.all(&path.segment).nth(path.occurrence - 1).ok_or(EditError::NoSegment)?;
        // Among the pieces of the line, the name is the first; in MSH it is followed by field 2.
        let number = if segment.is_header() { path.field } else { path.field + 1 };
        if segment.is_header() && path.field <= 2 {
            return Err(EditError::NoPlace);
        }
        let mut place = Place { range: segment.offset()..segment.end(), missing: Vec::new() };
        place.narrow(self.as_bytes(), self.delimiters().field(), number);
        for (mark, number) in levels {
            place.narrow(self.as_bytes(), *mark, *number);
        }
        Ok(place)
    }
}

/// The bytes to replace, and the delimiters to write before the new ones.
struct Place {
    range: Range<usize>,
    missing: Vec<u8>,
}

impl Place {
    /// Narrows the range to its piece at `number`, or to its end if it has fewer.
    fn narrow(&mut self, raw: &[u8], mark: u8, number: usize) {
        let mut start = self.range.start;
        let mut pieces = 1;
        for at in self.range.clone() {
            if raw[at] != mark {
                continue;
            }
            if pieces == number {
                self.range = start..at;
                return;
            }
            pieces += 1;
            start = at + 1;
        }
        if pieces < number {
            self.missing.extend(std::iter::repeat_n(mark, number - pieces));
            start = self.range.end;
        }
        self.range.start = start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &str = "MSH|^~\\&|A||C|D|||REF^I12|M1|P|2.4\r\nPID|1||1^^^NHS^NH~2||X\r\nPID|2\r\nZZZ";

    fn check(path: &Path, value: impl Into<Value>, before: &str, after: &str) {
        let message = Message::parse(RAW).unwrap();
        let changed = message.with(path, value).unwrap();
        assert_eq!(String::from_utf8_lossy(changed.as_bytes()), RAW.replacen(before, after, 1));
    }

    #[test]
    fn only_the_place_changes() {
        check(
            &Path::new("MSH", 5),
            Value::components(["BULKHEAD", "1.2.3", "ISO"]),
            "|C|",
            "|BULKHEAD^1.2.3^ISO|",
        );
        check(&Path::new("MSH", 4), "a|b", "|A||", "|A|a\\F\\b|");
        check(&Path::new("PID", 3), Value::empty(), "|1^^^NHS^NH~2|", "||");
        check(&Path::new("PID", 3).repetition(2), "3", "~2", "~3");
        check(&Path::new("PID", 3).component(4), "CHI", "NHS", "CHI");
        check(&Path::new("PID", 3).subcomponent(2), "x", "|1^^^", "|1&x^^^");
        check(&Path::new("PID", 3).repetition(3).component(2), "x", "~2", "~2~^x");
        check(&Path::new("PID", 2).occurrence(2), Value::null(), "PID|2", "PID|2|\"\"");
        check(&Path::new("ZZZ", 2).component(2).subcomponent(2), "x", "ZZZ", "ZZZ||^&x");
        check(&Path::new("MSH", 18), "8859/1", "|2.4", "|2.4||||||8859/1");
    }

    #[test]
    fn what_cannot_be_changed_is_refused() {
        let message = Message::parse(RAW).unwrap();
        let check = |path: &Path, value: Value, error| assert_eq!(message.with(path, value), Err(error));
        check(&Path::new("PV1", 1), "x".into(), EditError::NoSegment);
        check(&Path::new("PID", 1).occurrence(3), "x".into(), EditError::NoSegment);
        check(&Path::new("PID", 0), "x".into(), EditError::NoPlace);
        check(&Path::new("PID", usize::MAX), "x".into(), EditError::NoPlace);
        check(&Path::new("MSH", 2), "x".into(), EditError::NoPlace);
        check(&Path::new("PID", 3).repetition(1), Value::from("a").and("b".into()), EditError::TooDeep);
        check(&Path::new("PID", 3).component(1), Value::components(["a", "b"]), EditError::TooDeep);
        let lines = Message::parse(RAW.replace("\r\n", "\n")).unwrap();
        let text = Message::parse("MSH|^~\\&||||||||M1||2.4\rNTE|1||one\ntwo\r").unwrap();
        let copied = lines.with(&Path::new("PID", 1), Value::copied(&text.field("NTE", 3)));
        assert_eq!(copied, Err(EditError::Write(WriteError::Foreign)));
    }
}
