//! A long campaign shows on stderr that it goes on; nothing of it is part of the result.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// How often whoever does many short things says so.
const EVERY: Duration = Duration::from_secs(30);

/// One line, with the time.
#[allow(clippy::print_stderr, reason = "it is for whoever waits for it")]
pub(super) fn say(what: impl Display) {
    eprintln!("{:.0} {what}", jiff::Timestamp::now());
}

/// Says a line now and then.
pub(super) struct NowAndThen(Instant);

impl NowAndThen {
    /// The first one comes in a while.
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }

    /// Says it, unless it said something lately.
    pub(super) fn say(&mut self, what: impl FnOnce() -> String) {
        if self.0.elapsed() >= EVERY {
            self.0 = Instant::now();
            say(what());
        }
    }
}
