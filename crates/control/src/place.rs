//! Where in a file something is wrong, and what to do about it.

use std::fmt;
use std::ops::Range;

/// Something wrong in a file that a person wrote. It shows as `file:line:column: problem; what to do`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    /// The file, as the caller named it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub help: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}; {}", self.file, self.line, self.column, self.problem, self.help)
    }
}

impl std::error::Error for FileError {}

/// What is wrong in some bytes of a text, before the file has a name.
pub(crate) struct Fault {
    pub(crate) span: Range<usize>,
    pub(crate) problem: String,
    pub(crate) help: String,
}

impl Fault {
    pub(crate) fn new(span: Range<usize>, problem: impl Into<String>, help: impl Into<String>) -> Self {
        Self { span, problem: problem.into(), help: help.into() }
    }

    pub(crate) fn in_file(self, file: &str, text: &str) -> FileError {
        let before = text.get(..self.span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        FileError {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            problem: self.problem,
            help: self.help,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_as_editors_count() {
        let text = "first\nsé = 1\n";
        let check = |start, expected: &str| {
            let error = Fault::new(start..start + 1, "no", "yes").in_file("a.toml", text);
            assert_eq!(error.to_string(), format!("a.toml:{expected}: no; yes"));
        };
        check(0, "1:1");
        check(6, "2:1");
        check(10, "2:4");
        check(999, "3:1");
    }
}
