//! Everything that a process would log or trace, kept in memory for tests.
//!
//! A test plants patient data, runs the code under a [`Capture`], and asserts that none of it came out:
//! not in a message, a field, a span, or the error behind an error. All levels are kept, also those that
//! `RUST_LOG` would drop.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry};

/// A layer that keeps spans and events, cheap to clone. All clones see the same lines.
#[derive(Debug, Clone, Default)]
pub struct Capture {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Capture {
    /// Nothing kept yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A subscriber that only keeps: for `tracing::subscriber::set_default` in a test on one thread, or
    /// `set_global_default` where several threads log and the test has its process to itself.
    pub fn subscriber(&self) -> impl Subscriber + Send + Sync + use<> {
        Registry::default().with(self.clone())
    }

    /// What was kept so far, oldest first: `span NAME field=value …` and `LEVEL TARGET: message field=value …`.
    pub fn lines(&self) -> Vec<String> {
        self.kept().clone()
    }

    /// The first kept line that holds `text`.
    pub fn find(&self, text: &str) -> Option<String> {
        self.kept().iter().find(|line| line.contains(text)).cloned()
    }

    /// Asserts that none of `planted` was logged or traced.
    ///
    /// # Panics
    /// With the line that holds one of them.
    #[track_caller]
    pub fn assert_absent(&self, planted: &[&str]) {
        for text in planted {
            if let Some(line) = self.find(text) {
                panic!("{text:?} must not be logged, but was: {line}");
            }
        }
    }

    fn keep(&self, start: String, record: impl FnOnce(&mut Line)) {
        let mut line = Line(start);
        record(&mut line);
        self.kept().push(line.0);
    }

    fn kept(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for Capture {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.keep(format!("span {}", attributes.metadata().name()), |line| attributes.record(line));
    }

    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        self.keep("span".to_owned(), |line| values.record(line));
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let start = format!("{} {}:", event.metadata().level(), event.metadata().target());
        self.keep(start, |line| event.record(line));
    }
}

/// A line being written. Texts are written as they are, not quoted, so that a search finds them.
struct Line(String);

impl Line {
    fn field(&mut self, field: &Field, value: impl fmt::Display) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.0, " {value}"),
            name => write!(self.0, " {name}={value}"),
        };
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.field(field, value);
        let mut source = value.source();
        while let Some(error) = source {
            self.field(field, error);
            source = error.source();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, format_args!("{value:?}"));
    }
}

/// A writer that keeps what it is given, for `tracing_subscriber::fmt` in tests.
#[derive(Debug, Clone, Default)]
pub struct Buffer {
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Buffer {
    /// What was written so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Buffer {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as StdError;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot be read")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("near 9434765919")]
    struct Inner;

    fn run(code: impl FnOnce()) -> Capture {
        let capture = Capture::new();
        tracing::subscriber::with_default(capture.subscriber(), code);
        capture
    }

    #[test]
    fn keeps_spans_events_and_later_fields() {
        let capture = run(|| {
            let span = tracing::trace_span!("admit", tenant = "england/a", position = tracing::field::Empty);
            span.record("position", 7);
            span.in_scope(|| tracing::debug!(target: "ingest", bytes = 3, "appended"));
        });
        let expected = ["span admit tenant=england/a", "span position=7", "DEBUG ingest: appended bytes=3"];
        assert_eq!(capture.lines(), expected);
        capture.assert_absent(&["9434765919"]);
    }

    #[test]
    fn finds_what_hides_behind_an_error() {
        let capture = run(|| {
            let error = Outer(Inner);
            tracing::warn!(error = &error as &dyn StdError, "set aside");
        });
        assert!(capture.find("9434765919").is_some());
    }

    #[test]
    #[should_panic(expected = "must not be logged")]
    fn a_planted_name_is_an_alarm() {
        run(|| tracing::info!("for Mrs Smith")).assert_absent(&["Smith"]);
    }
}
