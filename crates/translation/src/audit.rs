//! The audit: is every text of the source in the target?
//!
//! It runs at the end of each translation, so that a mapping that forgets something cannot do so in silence: what
//! is not found is named in the omissions, and its text goes into the notes. Codes that the two formats spell
//! differently are looked for in the target's spelling.

use std::collections::HashSet;

/// The texts of a document, to look in.
pub(crate) struct Haystack {
    pieces: HashSet<String>,
    words: HashSet<String>,
    whole: String,
}

/// The shortest text that is looked for inside of others; a shorter one must be a piece or a word of its own.
const SHORT: usize = 4;

impl Haystack {
    /// From the pieces of a document: components, or elements.
    pub(crate) fn of(pieces: impl IntoIterator<Item = String>) -> Self {
        let mut found = Self { pieces: HashSet::new(), words: HashSet::new(), whole: String::new() };
        for piece in pieces {
            found.whole.push_str(&squeezed(&piece));
            found.whole.push('\n');
            found.pieces.extend(piece.lines().map(squeezed));
            found.words.extend(piece.split_whitespace().map(|word| bare(word).to_owned()));
            found.pieces.insert(squeezed(&piece));
        }
        found
    }

    /// Whether the text, line by line, is there.
    pub(crate) fn has(&self, text: &str) -> bool {
        let whole = squeezed(text);
        if self.pieces.contains(&whole) {
            return true;
        }
        text.lines().map(squeezed).filter(|line| !line.is_empty()).all(|line| {
            self.pieces.contains(&line)
                || self.words.contains(&line)
                || (line.chars().count() >= SHORT && self.whole.contains(&line))
        })
    }

    /// Whether every word of the text is there, for texts that only repeat what stands beside them in parts.
    pub(crate) fn has_words(&self, text: &str) -> bool {
        let words = text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';'));
        words.filter(|word| !word.is_empty()).all(|word| self.whole.contains(word))
    }
}

/// A word without the marks around it.
fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| matches!(c, '[' | ']' | '(' | ')' | ',' | ';' | ':' | '.' | '"'))
}

/// The text with every run of white space as one blank.
fn squeezed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// The paths, each once, in order; a path whose parent is there as well is left out.
pub(crate) fn names(paths: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = paths.into_iter().collect();
    all.sort();
    all.dedup();
    let parents: HashSet<String> = all.iter().cloned().collect();
    let has_parent = |path: &String| path.match_indices('.').any(|(at, _)| parents.contains(&path[..at]));
    all.into_iter().filter(|path| !has_parent(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_whatever_their_white_space() {
        let haystack = Haystack::of(["A".to_owned(), "one  two\nthree".to_owned(), "Dx06".to_owned()]);
        for text in ["A", "one two three", "two three", "two", "Dx06", "one two\n\n Dx06 "] {
            assert!(haystack.has(text), "{text}");
        }
        for text in ["B", "x0", "four", "one three"] {
            assert!(!haystack.has(text), "{text}");
        }
        assert!(haystack.has_words("Dx06, two") && !haystack.has_words("Dx06, four"));
    }

    #[test]
    fn names_stand_once_and_under_their_parents() {
        let paths = ["Consent.status", "Consent", "PID-18", "Flag.code", "PID-18"].map(str::to_owned);
        assert_eq!(names(paths), ["Consent", "Flag.code", "PID-18"]);
    }
}
