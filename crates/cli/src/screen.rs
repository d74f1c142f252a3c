//! The one way to the terminal: data to stdout, talk to stderr, and colour where it helps.
//!
//! Everything else in this crate makes texts; this file alone prints them. A reader that has gone away
//! (`| head`) is not an error: the screen closes and the command ends.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the one place that prints")]

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::global::{Color, Output};
use crate::{Error, Global};

/// Where a command's data and talk go.
#[derive(Debug)]
pub struct Screen {
    output: Output,
    quiet: bool,
    color: Color,
    place: Place,
    closed: bool,
}

#[derive(Debug)]
enum Place {
    /// The process's own stdout and stderr.
    Process,
    /// Kept, for tests.
    Memory { data: Vec<u8>, talk: Vec<u8> },
}

/// Puts colour around words, or leaves them as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint(bool);

impl Screen {
    /// The process's stdout and stderr.
    pub fn new(global: &Global) -> Self {
        Self::at(global, Place::Process)
    }

    /// One that keeps what it is told.
    pub fn memory(global: &Global) -> Self {
        Self::at(global, Place::Memory { data: Vec::new(), talk: Vec::new() })
    }

    fn at(global: &Global, place: Place) -> Self {
        Self { output: global.output, quiet: global.quiet, color: global.color, place, closed: false }
    }

    /// The form in which data is wanted.
    pub fn output(&self) -> Output {
        self.output
    }

    /// Nobody reads the data any more.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether talk goes to a person's terminal.
    pub fn is_terminal(&self) -> bool {
        matches!(self.place, Place::Process) && io::stderr().is_terminal()
    }

    /// Whether talk is not wanted.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// The colour of data.
    pub fn paint(&self) -> Paint {
        self.color.paint(matches!(self.place, Place::Process) && io::stdout().is_terminal())
    }

    /// Data: a text that may have several lines.
    pub fn data(&mut self, text: &str) {
        let written = match &mut self.place {
            Place::Process => write_to(io::stdout().lock(), text),
            Place::Memory { data, .. } => write_to(data, text),
        };
        // A full disk and a closed pipe alike leave nobody to tell it to.
        self.closed |= written.is_err();
    }

    /// Data as one JSON document: over several lines for `json`, on one for `jsonl`.
    pub fn json(&mut self, value: &impl Serialize) {
        let text = match self.output {
            Output::Jsonl => serde_json::to_string(value),
            Output::Text | Output::Json => serde_json::to_string_pretty(value),
        };
        match text {
            Ok(text) => self.data(&text),
            Err(error) => self.note(&format!("this cannot be shown as JSON: {error}")),
        }
    }

    /// Data as one line of JSON.
    pub fn json_line(&mut self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => self.data(&text),
            Err(error) => self.note(&format!("this cannot be shown as JSON: {error}")),
        }
    }

    /// Talk, unless it is to be quiet.
    pub fn talk(&mut self, text: &str) {
        if !self.quiet {
            self.note(text);
        }
    }

    /// What went wrong, and what to do.
    pub fn error(&mut self, error: &Error) {
        let paint = self.color.paint(self.is_terminal());
        let mut text = format!("{} {error}", paint.bad("error:"));
        if let Some(hint) = error.hint() {
            text.push_str(&format!("\n{} {hint}", paint.bold("hint:")));
        }
        self.note(&text);
    }

    /// Talk that `--quiet` does not silence.
    pub fn note(&mut self, text: &str) {
        // There is nobody left to be told that stderr is gone.
        let _ = match &mut self.place {
            Place::Process => write_to(io::stderr().lock(), text),
            Place::Memory { talk, .. } => write_to(talk, text),
        };
    }

    /// What a screen in memory was told: data and talk.
    pub fn told(&self) -> (String, String) {
        match &self.place {
            Place::Process => Default::default(),
            Place::Memory { data, talk } => {
                (String::from_utf8_lossy(data).into_owned(), String::from_utf8_lossy(talk).into_owned())
            }
        }
    }
}

fn write_to(mut place: impl Write, text: &str) -> io::Result<()> {
    place.write_all(text.trim_end_matches('\n').as_bytes())?;
    place.write_all(b"\n")?;
    place.flush()
}

impl Color {
    fn paint(self, terminal: bool) -> Paint {
        Paint(match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        })
    }
}

impl Paint {
    /// No colour at all.
    pub const PLAIN: Paint = Paint(false);
    /// Colour, whoever reads it.
    pub const COLOR: Paint = Paint(true);

    /// A heading.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// Less important.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// All is well.
    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// Look at this.
    pub fn warn(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// This is wrong.
    pub fn bad(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
