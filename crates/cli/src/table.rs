//! Columns of text that line up, and texts from elsewhere made safe to show.

use crate::screen::Paint;

/// Rows under headings; each column is as wide as its widest cell.
#[derive(Debug)]
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// One cell: its text, and how it is painted.
#[derive(Debug)]
pub(crate) struct Cell {
    text: String,
    paint: fn(Paint, &str) -> String,
}

impl Cell {
    /// A text that is painted when colour is wanted.
    pub(crate) fn painted(text: &str, paint: fn(Paint, &str) -> String) -> Self {
        Self { text: plain(text), paint }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::painted(text.as_ref(), |_, text| text.to_owned())
    }
}

impl Table {
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All lines, each indented by `indent` and without blanks at its end.
    pub(crate) fn render(&self, paint: Paint, indent: &str) -> String {
        let widths = self.widths();
        let headings: Vec<Cell> =
            self.headings.iter().map(|heading| Cell::painted(heading, Paint::dim)).collect();
        let mut text = line(&headings, &widths, paint, indent);
        for row in &self.rows {
            text.push_str(&line(row, &widths, paint, indent));
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let width = |text: &str| text.chars().count();
        let mut widths: Vec<usize> = self.headings.iter().map(|heading| width(heading)).collect();
        for row in &self.rows {
            for (most, cell) in widths.iter_mut().zip(row) {
                *most = (*most).max(width(&cell.text));
            }
        }
        widths
    }
}

fn line(cells: &[Cell], widths: &[usize], paint: Paint, indent: &str) -> String {
    let last = cells.iter().rposition(|cell| !cell.text.is_empty()).unwrap_or(0);
    let mut text = indent.to_owned();
    for (n, (cell, width)) in cells.iter().zip(widths).enumerate().take(last + 1) {
        text.push_str(&(cell.paint)(paint, &cell.text));
        if n < last {
            text.push_str(&" ".repeat(width - cell.text.chars().count() + 2));
        }
    }
    text.push('\n');
    text
}

/// A text from elsewhere without control characters, which could move the cursor or change colours.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// `12345` as `12,345`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_blanks_at_their_end() {
        let mut table = Table::new(&["a", "long heading", "c"]);
        table.row(["x".into(), "y".into(), "".into()]);
        table.row(["wide cell".into(), "y".into(), "z".into()]);
        let expected = "a          long heading  c\nx          y\nwide cell  y             z\n";
        assert_eq!(table.render(Paint::PLAIN, ""), expected);
    }

    #[test]
    fn what_comes_from_elsewhere_cannot_paint() {
        assert_eq!(plain("a\x1b[31mb\nc"), "a\u{fffd}[31mb\u{fffd}c");
        let mut table = Table::new(&["a"]);
        table.row([Cell::painted("x\x1b", Paint::bad)]);
        assert!(table.render(Paint::COLOR, "").ends_with("\x1b[1;31mx\u{fffd}\x1b[0m\n"));
    }

    #[test]
    fn numbers_in_groups() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), text);
        }
    }
}
