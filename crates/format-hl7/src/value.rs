//! What is to be written into a field. Escaping is done when it is written.

use std::borrow::Cow;
use std::fmt;

use crate::escape::{self, Context};
use crate::view::Part;
use crate::write::WriteError;

/// The content of a field: text, components, or several repetitions of them.
///
/// ```
/// use bulkhead_format_hl7::Value;
///
/// let identifiers = Value::components(["3200123451", "", "", "HSC", "NH"])
///     .and(Value::components(["700001", "", "", "BHSCT", "MR"]));
/// ```
///
/// `Debug` shows the shape, never content.
#[derive(Clone, PartialEq, Eq)]
pub struct Value {
    repetitions: Vec<Repetition>,
}

/// The content of a component: text, the null, or subcomponents.
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    leaves: Vec<Leaf>,
}

#[derive(Clone, PartialEq, Eq)]
enum Leaf {
    Text(String),
    Null,
}

#[derive(Clone, PartialEq, Eq)]
enum Repetition {
    Items(Vec<Item>),
    Copied { raw: Vec<u8>, context: Context },
}

impl Item {
    /// Text; delimiters in it are escaped.
    pub fn text(text: impl Into<String>) -> Self {
        Self { leaves: vec![Leaf::Text(text.into())] }
    }

    /// HL7's null `""`: delete the value.
    pub fn null() -> Self {
        Self { leaves: vec![Leaf::Null] }
    }

    /// Subcomponents. Empty ones at the end are not written.
    pub fn subcomponents<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self { leaves: texts.into_iter().map(|text| Leaf::Text(text.into())).collect() }
    }
}

impl Value {
    /// Nothing: no statement about the value.
    pub fn empty() -> Self {
        Self { repetitions: Vec::new() }
    }

    /// One piece of text; delimiters in it are escaped.
    pub fn text(text: impl Into<String>) -> Self {
        Self::components([Item::text(text)])
    }

    /// HL7's null `""`: delete the value.
    pub fn null() -> Self {
        Self::components([Item::null()])
    }

    /// Components. Empty ones at the end are not written.
    pub fn components<T: Into<Item>>(items: impl IntoIterator<Item = T>) -> Self {
        Self { repetitions: vec![Repetition::Items(items.into_iter().map(Into::into).collect())] }
    }

    /// The bytes of a field as they are in another message. They can be written only where the same delimiters
    /// and the same charset apply.
    pub fn copied(part: &Part<'_>) -> Self {
        Self::raw(part.raw(), part.context())
    }

    /// The same for bytes that were kept apart from their message.
    pub(crate) fn raw(raw: &[u8], context: Context) -> Self {
        Self { repetitions: vec![Repetition::Copied { raw: raw.to_vec(), context }] }
    }

    /// This value, followed by the repetitions of another one.
    pub fn and(mut self, other: Value) -> Self {
        self.repetitions.extend(other.repetitions);
        self
    }

    pub(crate) fn write(&self, context: Context, out: &mut Vec<u8>) -> Result<(), WriteError> {
        separated(&self.repetitions, context.delimiters.repetition(), out, |repetition, out| match repetition
        {
            Repetition::Items(items) => write_items(items, context, out),
            Repetition::Copied { raw, context: theirs } => {
                let readable = raw.is_ascii() || theirs.charset == context.charset;
                if theirs.delimiters != context.delimiters || !readable {
                    return Err(WriteError::Foreign);
                }
                out.extend_from_slice(raw);
                Ok(())
            }
        })
    }
}

fn write_items(items: &[Item], context: Context, out: &mut Vec<u8>) -> Result<(), WriteError> {
    let written = trimmed(items, |item| item.leaves.iter().all(Leaf::is_empty));
    separated(written, context.delimiters.component(), out, |item, out| {
        let leaves = trimmed(&item.leaves, Leaf::is_empty);
        let subcomponent = match (context.delimiters.subcomponent(), leaves.len()) {
            (Some(delimiter), _) => delimiter,
            (None, 0 | 1) => 0,
            (None, _) => return Err(WriteError::NoSubcomponents),
        };
        separated(leaves, subcomponent, out, |leaf, out| {
            match leaf {
                Leaf::Text(text) => escape::encode(text, context, out),
                Leaf::Null => out.extend_from_slice(b"\"\""),
            }
            Ok(())
        })
    })
}

fn separated<T>(
    items: &[T],
    delimiter: u8,
    out: &mut Vec<u8>,
    write: impl Fn(&T, &mut Vec<u8>) -> Result<(), WriteError>,
) -> Result<(), WriteError> {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(delimiter);
        }
        write(item, out)?;
    }
    Ok(())
}

/// `items` without the empty ones at the end.
fn trimmed<T>(items: &[T], is_empty: impl Fn(&T) -> bool) -> &[T] {
    let length = items.iter().rposition(|item| !is_empty(item)).map_or(0, |last| last + 1);
    &items[..length]
}

impl Leaf {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }
}

impl From<Item> for Value {
    fn from(item: Item) -> Self {
        Self::components([item])
    }
}

macro_rules! from_text {
    ($($text:ty),*) => {$(
        impl From<$text> for Item {
            fn from(text: $text) -> Self {
                Self::text(text)
            }
        }

        impl From<$text> for Value {
            fn from(text: $text) -> Self {
                Self::text(text)
            }
        }
    )*};
}

from_text!(&str, String, &String, Cow<'_, str>);

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Value").field("repetitions", &self.repetitions.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item").field("subcomponents", &self.leaves.len()).finish_non_exhaustive()
    }
}
