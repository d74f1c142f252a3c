//! What every file must say, and what none may.

use std::collections::BTreeSet;

use crate::house::Text;

/// Absolute paths of a developer's machine begin like this.
const MACHINE: [&str; 3] = ["/work/", "/home/", "/root/"];
/// This file names them.
const OWN: &str = "xtask/src/texts.rs";

/// Sources that do not begin by saying what they are for.
pub(crate) fn opening_lines(sources: &[Text]) -> Vec<String> {
    sources
        .iter()
        .filter(|source| !source.text.trim_start().starts_with("//!"))
        .map(|source| format!("{}:1: begin with `//!` and what the file is for", source.path))
        .collect()
}

/// Error codes in the sources that have no page.
pub(crate) fn error_pages(sources: &[Text], pages: &BTreeSet<String>) -> Vec<String> {
    let mut missing = BTreeSet::new();
    for source in sources {
        for (number, line) in lines(source) {
            for code in codes(line).filter(|code| !pages.contains(*code)) {
                missing.insert(format!(
                    "{}:{number}: {code} has no page; write docs/errors/{code}.md",
                    source.path
                ));
            }
        }
    }
    missing.into_iter().collect()
}

/// Lines with a path that exists only on somebody's machine.
pub(crate) fn machine_paths(tracked: &[Text]) -> Vec<String> {
    let mut found = Vec::new();
    for file in tracked.iter().filter(|file| file.path != OWN) {
        for (number, line) in lines(file) {
            if let Some(start) = MACHINE.into_iter().find(|start| holds_absolute(line, start)) {
                found.push(format!("{}:{number}: a path of one machine ({start}…)", file.path));
            }
        }
    }
    found
}

fn lines(file: &Text) -> impl Iterator<Item = (usize, &str)> {
    file.text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

/// Every `BH` with exactly four digits that stands alone as a word.
fn codes(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("BH").filter_map(|(at, _)| {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let code = line.get(at..at + 6)?;
        let digits = code[2..].bytes().all(|digit| digit.is_ascii_digit());
        let alone = !line[..at].ends_with(word) && !line[at + 6..].starts_with(word);
        (digits && alone).then_some(code)
    })
}

/// Whether `start` begins a path here, and is not the middle of a relative one or of an address.
fn holds_absolute(line: &str, start: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || ".-_~})$*".contains(c);
    line.match_indices(start).any(|(at, _)| !line[..at].ends_with(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> [Text; 1] {
        [Text { path: "a.rs".to_owned(), text: text.to_owned() }]
    }

    #[test]
    fn a_file_begins_by_saying_what_it_is_for() {
        assert!(opening_lines(&file("//! Ids.\n")).is_empty());
        let expected = ["a.rs:1: begin with `//!` and what the file is for"];
        assert_eq!(opening_lines(&file("use std::fmt;\n//! Ids.\n")), expected);
        assert_eq!(opening_lines(&file("")), expected);
    }

    #[test]
    fn a_code_has_a_page() {
        let pages = BTreeSet::from(["BH0001".to_owned()]);
        let text = "Some(\"BH0001\")\n// see BH0002, BH0002 and BH12345, xBH0003\nBH";
        assert_eq!(
            error_pages(&file(text), &pages),
            ["a.rs:2: BH0002 has no page; write docs/errors/BH0002.md"]
        );
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        let check =
            |line: &str, found: bool| assert_eq!(!machine_paths(&file(line)).is_empty(), found, "{line}");
        check("cd /work/main", true);
        check("\"/home/someone/bulkhead\"", true);
        check("path=/root/.cargo", true);
        check("file:///home/someone", true);
        check("https://example.org/home/page", false);
        check("../work/it and ./home/it and ~/work/it", false);
        check("${HOME}/work/it", false);
        check("/homework/", false);
    }
}
