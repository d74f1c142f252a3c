//! The options that every command takes.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::time::parse_duration;

/// The options that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Which world: a name in ~/.config/bulkhead/contexts.toml, or a file (dev.json, or a contexts.toml).
    /// Without it: that file's `default` or only context; where the file does not exist, ./.bulkhead/dev.json.
    #[arg(long, global = true, value_name = "NAME|FILE")]
    pub context: Option<String>,
    /// Who asks: an operator of the context. Without it: the context's own; in a demo world, each nation's
    /// first.
    #[arg(long = "as", global = true, value_name = "OPERATOR")]
    pub operator: Option<String>,
    /// The form of what goes to stdout.
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// Colour; `auto` is for terminals only and respects NO_COLOR.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
    /// Nothing on stderr but errors.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// How long to wait for answers, for example 500ms, 10s or 2m.
    #[arg(long, global = true, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    pub timeout: Duration,
}

impl Default for Global {
    fn default() -> Self {
        Self {
            context: None,
            operator: None,
            output: Output::Text,
            color: Color::Auto,
            quiet: false,
            timeout: Duration::from_secs(30),
        }
    }
}

/// The form of what goes to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// One document, stable, with everything that text has.
    Json,
    /// One document a line, as things happen.
    Jsonl,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// In pipes and files too.
    Always,
    /// Nowhere.
    Never,
}
