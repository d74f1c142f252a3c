//! How far it is, on stderr: a bar where a person sees it, otherwise a line a second.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use crate::Screen;
use crate::table::thousands;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// A bar on a terminal, otherwise lines.
    Auto,
    /// A bar, wherever stderr goes.
    Bar,
    /// A line a second.
    Lines,
    /// Nothing.
    Never,
}

/// How far it is.
#[derive(Debug)]
pub(super) struct Progress {
    total: usize,
    done: usize,
    failed: usize,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Nothing,
    Bar(ProgressBar),
    Lines { last: Instant },
}

const EVERY: Duration = Duration::from_secs(1);

impl Progress {
    /// Of that many; a single file needs none.
    pub(super) fn new(when: When, total: usize, screen: &Screen) -> Self {
        let bar = match when {
            When::Auto => screen.is_terminal(),
            When::Bar => true,
            When::Lines | When::Never => false,
        };
        let nothing = total < 2 || when == When::Never || (screen.is_quiet() && when == When::Auto);
        let form = match (nothing, bar) {
            (true, _) => Form::Nothing,
            (false, true) => Form::Bar(draw(total, screen.is_terminal())),
            (false, false) => Form::Lines { last: Instant::now() },
        };
        Self { total, done: 0, failed: 0, form }
    }

    /// One more, well or badly.
    pub(super) fn advance(&mut self, well: bool, screen: &mut Screen) {
        self.done += 1;
        self.failed += usize::from(!well);
        let now = Instant::now();
        match &mut self.form {
            Form::Nothing => {}
            Form::Bar(bar) => {
                bar.set_message(failures(self.failed));
                bar.inc(1);
            }
            Form::Lines { last } if now.duration_since(*last) >= EVERY && self.done < self.total => {
                *last = now;
                screen.note(&line(self.done, self.total, self.failed));
            }
            Form::Lines { .. } => {}
        }
    }

    /// Prints something without tearing the bar.
    pub(super) fn aside(&self, print: impl FnOnce()) {
        match &self.form {
            Form::Bar(bar) => bar.suspend(print),
            Form::Nothing | Form::Lines { .. } => print(),
        }
    }

    /// The last word.
    pub(super) fn finish(&self, screen: &mut Screen) {
        match &self.form {
            Form::Nothing => {}
            Form::Bar(bar) => bar.finish(),
            Form::Lines { .. } => screen.note(&line(self.done, self.total, self.failed)),
        }
    }
}

fn line(done: usize, total: usize, failed: usize) -> String {
    format!("{} of {}{}", thousands(done as u64), thousands(total as u64), failures(failed))
}

fn failures(failed: usize) -> String {
    if failed == 0 { String::new() } else { format!(", {} failed", thousands(failed as u64)) }
}

fn draw(total: usize, terminal: bool) -> ProgressBar {
    let target = match terminal {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::term_like(Box::new(Forced)),
    };
    let bar = ProgressBar::with_draw_target(Some(total as u64), target);
    match ProgressStyle::with_template("{bar:32} {human_pos} of {human_len}{msg}  {per_sec}  {eta} left") {
        Ok(style) => bar.with_style(style),
        // The default has the same numbers.
        Err(_) => bar,
    }
}

/// A terminal that the program cannot see, because the bar was asked for all the same.
#[derive(Debug)]
struct Forced;

impl Forced {
    fn escape(n: usize, code: char) -> io::Result<()> {
        if n == 0 { Ok(()) } else { write!(io::stderr(), "\x1b[{n}{code}") }
    }
}

impl TermLike for Forced {
    fn width(&self) -> u16 {
        80
    }
    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        Self::escape(n, 'A')
    }
    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        Self::escape(n, 'B')
    }
    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        Self::escape(n, 'C')
    }
    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        Self::escape(n, 'D')
    }
    fn write_line(&self, text: &str) -> io::Result<()> {
        writeln!(io::stderr(), "{text}")
    }
    fn write_str(&self, text: &str) -> io::Result<()> {
        write!(io::stderr(), "{text}")
    }
    fn clear_line(&self) -> io::Result<()> {
        write!(io::stderr(), "\r\x1b[2K")
    }
    fn flush(&self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_and_what_failed() {
        assert_eq!(line(120, 1_000, 0), "120 of 1,000");
        assert_eq!(line(1_000, 1_000, 3), "1,000 of 1,000, 3 failed");
    }
}
