//! The notes: lines for the reader, the first of which says that the document is a translation.

use crate::facts::{Fact, SYSTEM};

/// One note.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Note {
    /// What it is: a fact's code, or one of ours below.
    pub(crate) id: &'static str,
    /// The path or the label of what it says.
    pub(crate) about: String,
    /// Which thing it is about; the pieces of a long text have the same.
    pub(crate) group: usize,
    /// What the reader sees.
    pub(crate) text: String,
}

/// The first line.
pub(crate) const TRANSLATED: &str = "TRANSLATED";
/// The sender's id of the original.
pub(crate) const ORIGINAL: &str = "ORIGINAL";
/// A free text, with the path that it was read from.
pub(crate) const TEXT: &str = "TEXT";
/// That it was for another service, and from where it came.
pub(crate) const DIVERTED: &str = "DIVERTED";
/// The text of an item that has no place.
pub(crate) const NOT_CARRIED: &str = "NOT-CARRIED";

impl Note {
    /// A note of that kind.
    pub(crate) fn new(id: &'static str, about: &str, group: usize, text: impl Into<String>) -> Self {
        Self { id, about: about.to_owned(), group, text: text.into() }
    }

    /// The line that says a fact.
    pub(crate) fn of(fact: &Fact) -> Self {
        Self::new(fact.name.id(), fact.name.label(), fact.group, fact.line())
    }

    /// NTE-4: name, path, coding system, group.
    pub(crate) fn kind(&self) -> [String; 4] {
        let group = if self.group == 0 { String::new() } else { self.group.to_string() };
        [self.id.to_owned(), self.about.clone(), SYSTEM.to_owned(), group]
    }

    /// Its text in pieces of at most `max` bytes, cut at line ends where there are any.
    pub(crate) fn pieces(&self, max: usize) -> Vec<&str> {
        let mut pieces = Vec::new();
        let mut rest = self.text.as_str();
        while rest.len() > max {
            let mut end = max;
            while !rest.is_char_boundary(end) {
                end -= 1;
            }
            let first = rest.chars().next().map_or(rest.len(), char::len_utf8);
            let cut = rest[..end].rfind('\n').map_or(end, |at| at + 1).max(first);
            pieces.push(&rest[..cut]);
            rest = &rest[cut..];
        }
        if !rest.is_empty() || pieces.is_empty() {
            pieces.push(rest);
        }
        pieces
    }
}

/// The first line, for the reader: how many items are not carried, and which.
pub(crate) fn first_line(omissions: &[String]) -> String {
    let count = omissions.len();
    let items = if count == 1 { "item" } else { "items" };
    match count {
        0 => "Translated by Bulkhead: 0 items not carried".to_owned(),
        _ => format!("Translated by Bulkhead: {count} {items} not carried: {}", omissions.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_counts_and_names() {
        assert_eq!(first_line(&[]), "Translated by Bulkhead: 0 items not carried");
        assert_eq!(
            first_line(&["Consent".to_owned()]),
            "Translated by Bulkhead: 1 item not carried: Consent"
        );
        let two = ["Consent".to_owned(), "PID-18".to_owned()];
        assert_eq!(first_line(&two), "Translated by Bulkhead: 2 items not carried: Consent, PID-18");
    }

    #[test]
    fn long_notes_are_cut_at_line_ends() {
        let note = |text: &str| Note::new(TEXT, "x", 1, text);
        assert_eq!(note("one\ntwo\nthree").pieces(9), ["one\ntwo\n", "three"]);
        assert_eq!(note("onetwothree").pieces(4), ["onet", "woth", "ree"]);
        assert_eq!(note("\u{e9}\u{e9}\u{e9}").pieces(3), ["\u{e9}", "\u{e9}", "\u{e9}"]);
        assert_eq!(note("\u{e9}\u{e9}").pieces(1), ["\u{e9}", "\u{e9}"]);
        assert_eq!(note("").pieces(4), [""]);
    }
}
