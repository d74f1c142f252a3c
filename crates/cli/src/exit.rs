//! How a command ends, as a number that scripts may rely on.

use std::process::ExitCode;

/// The exit codes, for the end of every help text.
pub const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 failed; 2 wrong usage; 3 refused by policy or not permitted;
4 not found; 5 cannot reach; 6 only partly in force; 7 (status) needs a person.";

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// All that was asked.
    Done = 0,
    /// It was tried, and did not work out.
    Failed = 1,
    /// The arguments or the context are wrong; nothing was tried.
    Usage = 2,
    /// A cell said no.
    Refused = 3,
    /// There is no such thing.
    NotFound = 4,
    /// Nobody answered who could say.
    Unreachable = 5,
    /// It holds in some places and not yet in others.
    Partial = 6,
    /// Something waits for a person.
    NeedsPerson = 7,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
