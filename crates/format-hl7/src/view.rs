//! Views into a message: segment, field, repetition, component, subcomponent.
//!
//! Each is a borrowed piece of the message's bytes with its place; nothing is copied until text is asked for.
//! Numbers count from 1, as HL7 does. What is not there is empty: HL7 does not tell an absent field from an empty
//! one (HL7 v2.5 section 2.5.3), but it does tell both from the null `""`, which means "delete".

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use crate::escape::{self, Context};

/// A piece of a message: its bytes, their place, and their text.
#[derive(Clone, Copy)]
pub struct Part<'m> {
    raw: &'m [u8],
    offset: usize,
    context: Context,
    /// MSH-1 and MSH-2 are the delimiters themselves: not divided, not decoded.
    literal: bool,
}

impl<'m> Part<'m> {
    /// The bytes as they came, escapes and all.
    pub fn raw(&self) -> &'m [u8] {
        self.raw
    }

    /// Where the bytes begin in the message.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Whether there is nothing: no statement about the value.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Whether this is HL7's null `""`: delete the value (HL7 v2.5 section 2.5.3).
    pub fn is_null(&self) -> bool {
        self.raw == b"\"\""
    }

    /// The bytes as text: in the message's charset, with escape sequences decoded. Delimiters between the pieces
    /// of this part, if it has several, stay as they are, and so does the null.
    pub fn text(&self) -> Cow<'m, str> {
        if self.literal { String::from_utf8_lossy(self.raw) } else { escape::decode(self.raw, self.context) }
    }

    /// The text, or `None` where it is empty or the null.
    pub fn value(&self) -> Option<Cow<'m, str>> {
        (!self.is_empty() && !self.is_null()).then(|| self.text())
    }

    pub(crate) fn context(&self) -> Context {
        self.context
    }

    fn split(self, delimiter: Option<u8>) -> Split<'m> {
        let rest = (!self.raw.is_empty()).then_some(self);
        Split { rest, delimiter: delimiter.filter(|_| !self.literal) }
    }

    /// The piece at `number`, counted from 1; empty, and placed at the end, if it is not there.
    fn piece(self, delimiter: Option<u8>, number: usize) -> Self {
        let index = number.checked_sub(1);
        index.and_then(|index| self.split(delimiter).nth(index)).unwrap_or(self.end())
    }

    fn end(self) -> Self {
        Self { raw: &[], offset: self.offset + self.raw.len(), ..self }
    }

    fn slice(self, from: usize, to: usize) -> Self {
        Self { raw: &self.raw[from..to], offset: self.offset + from, ..self }
    }
}

impl fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("offset", &self.offset).field("bytes", &self.raw.len()).finish()
    }
}

/// The pieces between delimiters. Nothing has no pieces; `~` has two, both empty.
struct Split<'m> {
    rest: Option<Part<'m>>,
    delimiter: Option<u8>,
}

impl<'m> Iterator for Split<'m> {
    type Item = Part<'m>;

    fn next(&mut self) -> Option<Part<'m>> {
        let part = self.rest.take()?;
        let stop = self.delimiter.and_then(|delimiter| part.raw.iter().position(|byte| *byte == delimiter));
        let Some(stop) = stop else { return Some(part) };
        self.rest = Some(part.slice(stop + 1, part.raw.len()));
        Some(part.slice(0, stop))
    }
}

/// A segment: a line of the message.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'m> {
    part: Part<'m>,
    index: usize,
}

impl<'m> Segment<'m> {
    pub(crate) fn new(raw: &'m [u8], offset: usize, index: usize, context: Context) -> Self {
        Self { part: Part { raw, offset, context, literal: false }, index }
    }

    /// Everything before the first field separator. In a well-formed message these are three characters.
    pub fn name(&self) -> &'m [u8] {
        let separator = self.part.context.delimiters.field();
        self.part.raw.split(|byte| *byte == separator).next().unwrap_or_default()
    }

    /// Whether this segment is called `name`.
    pub fn is(&self, name: &str) -> bool {
        self.name() == name.as_bytes()
    }

    /// Whether the name is one that HL7 allows: an upper-case letter and two upper-case letters or digits. A
    /// line that fails this is mostly the rest of a text that held a line end.
    pub fn is_well_named(&self) -> bool {
        is_segment_name(self.name())
    }

    /// Whether this is a local segment, whose name begins with Z (HL7 v2.5 section 2.5.2).
    pub fn is_local(&self) -> bool {
        self.is_well_named() && self.name().starts_with(b"Z")
    }

    /// Where this segment stands in the message, counted from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The bytes of the segment without its line end.
    pub fn raw(&self) -> &'m [u8] {
        self.part.raw
    }

    /// Where the segment begins in the message.
    pub fn offset(&self) -> usize {
        self.part.offset
    }

    /// The highest field number that is written.
    pub fn field_count(&self) -> usize {
        let separator = self.part.context.delimiters.field();
        let separators = self.part.raw.iter().filter(|byte| **byte == separator).count();
        if self.is_header() { separators + 1 } else { separators }
    }

    /// Field `number` as HL7 numbers it: in MSH the field separator itself is field 1 (HL7 v2.5 section
    /// 2.15.9.1). A field that is not there is empty.
    pub fn field(&self, number: usize) -> Field<'m> {
        let separator = Some(self.part.context.delimiters.field());
        let part = match (self.is_header(), number) {
            (_, 0) => self.part.end(),
            (true, 1) => Part { literal: true, ..self.part.slice(3, 4) },
            (true, 2) => Part { literal: true, ..self.part.piece(separator, 2) },
            (true, _) => self.part.piece(separator, number),
            (false, _) => self.part.piece(separator, number.saturating_add(1)),
        };
        Field(part)
    }

    /// All fields that are written, field 1 first.
    pub fn fields(&self) -> impl Iterator<Item = Field<'m>> + use<'m> {
        let separator = self.part.context.delimiters.field();
        let first = self.is_header().then(|| self.field(1));
        let header = self.is_header();
        let rest = self.part.split(Some(separator)).skip(1).enumerate();
        first
            .into_iter()
            .chain(rest.map(move |(index, part)| Field(Part { literal: header && index == 0, ..part })))
    }

    pub(crate) fn is_header(&self) -> bool {
        self.is("MSH")
    }

    pub(crate) fn context(&self) -> Context {
        self.part.context
    }

    pub(crate) fn end(&self) -> usize {
        self.part.offset + self.part.raw.len()
    }
}

pub(crate) fn is_segment_name(name: &[u8]) -> bool {
    matches!(name, [a, b, c] if a.is_ascii_uppercase()
        && [b, c].iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()))
}

/// A field of a segment, with its repetitions.
#[derive(Clone, Copy, Debug)]
pub struct Field<'m>(Part<'m>);

/// One repetition of a field, with its components.
#[derive(Clone, Copy, Debug)]
pub struct Repetition<'m>(Part<'m>);

/// A component, with its subcomponents.
#[derive(Clone, Copy, Debug)]
pub struct Component<'m>(Part<'m>);

/// A subcomponent.
#[derive(Clone, Copy, Debug)]
pub struct Subcomponent<'m>(Part<'m>);

impl<'m> Field<'m> {
    pub(crate) fn absent(offset: usize, context: Context) -> Self {
        Self(Part { raw: &[], offset, context, literal: false })
    }

    /// The repetitions; an empty field has none.
    pub fn repetitions(&self) -> impl Iterator<Item = Repetition<'m>> + use<'m> {
        self.0.split(Some(self.0.context.delimiters.repetition())).map(Repetition)
    }

    /// Repetition `number`, empty if it is not there.
    pub fn repetition(&self, number: usize) -> Repetition<'m> {
        Repetition(self.0.piece(Some(self.0.context.delimiters.repetition()), number))
    }

    /// Component `number` of the first repetition, empty if it is not there.
    pub fn component(&self, number: usize) -> Component<'m> {
        self.repetition(1).component(number)
    }
}

impl<'m> Repetition<'m> {
    /// The components; an empty repetition has none.
    pub fn components(&self) -> impl Iterator<Item = Component<'m>> + use<'m> {
        self.0.split(Some(self.0.context.delimiters.component())).map(Component)
    }

    /// Component `number`, empty if it is not there.
    pub fn component(&self, number: usize) -> Component<'m> {
        Component(self.0.piece(Some(self.0.context.delimiters.component()), number))
    }
}

impl<'m> Component<'m> {
    /// The subcomponents; an empty component has none.
    pub fn subcomponents(&self) -> impl Iterator<Item = Subcomponent<'m>> + use<'m> {
        self.0.split(self.0.context.delimiters.subcomponent()).map(Subcomponent)
    }

    /// Subcomponent `number`, empty if it is not there.
    pub fn subcomponent(&self, number: usize) -> Subcomponent<'m> {
        Subcomponent(self.0.piece(self.0.context.delimiters.subcomponent(), number))
    }
}

macro_rules! is_a_part {
    ($($view:ident),*) => {$(
        impl<'m> Deref for $view<'m> {
            type Target = Part<'m>;

            fn deref(&self) -> &Part<'m> {
                &self.0
            }
        }
    )*};
}

is_a_part!(Field, Repetition, Component, Subcomponent);
