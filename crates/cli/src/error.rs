//! Why a command did not do what was asked, the exit code that says so, and what to try.

use std::path::PathBuf;
use std::time::Duration;

use bulkhead_model::Nation;

use crate::cell::Trouble;
use crate::commands::set_aside::Left;
use crate::{Exit, pages};

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Arguments that do not fit together.
    #[error("{what}")]
    Usage {
        /// What does not fit.
        what: String,
        /// What would.
        hint: String,
    },
    /// Neither a context was named nor is there a default.
    #[error("there is no context: no ~/.config/bulkhead/contexts.toml and no ./.bulkhead/dev.json")]
    NoContext,
    /// A context file without that context.
    #[error("{path} has no context {name:?}")]
    UnknownContext {
        /// The name asked for.
        name: String,
        /// The file.
        path: PathBuf,
        /// The names that it has.
        known: Vec<String>,
    },
    /// A context that cannot be used.
    #[error("the context {path} cannot be used: {problem}")]
    BadContext {
        /// The file at fault.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// An operator, tenant or nation that the context does not have.
    #[error("the context {context:?} has no {what} {name:?}")]
    NotInContext {
        /// Which kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
        /// The context.
        context: String,
        /// Those that it has.
        known: Vec<String>,
    },
    /// No cell gave an answer that could be used.
    #[error("{}", describe(.0))]
    Cells(Vec<(Nation, Trouble)>),
    /// No cell knows it.
    #[error("no referral has the id {id:?}")]
    NotFound {
        /// What was asked for.
        id: String,
        /// Nations that could not be asked.
        unasked: Vec<(Nation, Trouble)>,
    },
    /// An id that fits several.
    #[error("{count} referrals match {id:?}")]
    Several {
        /// What was asked for.
        id: String,
        /// How many.
        count: usize,
    },
    /// Something of a context or a command line that is no key, or a file that cannot be used.
    #[error("{path}: {problem}")]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Nothing is set aside that was asked for.
    #[error("nothing that is set aside matches")]
    NothingMatches,
    /// None of those that were named can be helped so.
    #[error("nothing was done:{}", reasons(.0))]
    NothingPossible(Vec<Left>),
    /// A drill is for tenants behind which there is no patient.
    #[error("{tenant} is not marked synthetic in the directory: a drill cuts off no other")]
    NotSynthetic {
        /// The tenant.
        tenant: String,
    },
    /// A command was not confirmed.
    #[error("nothing was done: {0}")]
    NotConfirmed(String),
    /// A file that was tampered with, or is no audit file.
    #[error("{path} does not hold: {problem}")]
    Tampered {
        /// The file.
        path: PathBuf,
        /// Where, and what.
        problem: String,
    },
    /// A code without a page.
    #[error("there is no page for {0:?}")]
    NoPage(String),
    /// Files that were not sent, or not as far as was asked.
    #[error("{}", files(*total, failed, wanted, first))]
    Files {
        /// How many there were.
        total: usize,
        /// The names of those that failed.
        failed: Vec<String>,
        /// What happened to the first of them.
        first: String,
        /// How far they should have come.
        wanted: &'static str,
        /// How that counts: for a single file its own failure.
        exit: Exit,
        /// The reason or code that explains it.
        reason: String,
    },
}

impl Error {
    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Error::Usage { .. }
            | Error::NoContext
            | Error::UnknownContext { .. }
            | Error::BadContext { .. }
            | Error::NotInContext { .. }
            | Error::BadFile { .. }
            | Error::Several { .. } => Exit::Usage,
            Error::NotConfirmed(_) | Error::Tampered { .. } => Exit::Failed,
            Error::Cells(troubles) => loudest(troubles).map_or(Exit::Unreachable, Trouble::exit),
            // Where a nation was silent nobody can say that there is no such referral.
            Error::NotFound { unasked, .. } => match unasked.iter().any(|(_, why)| why.is_silence()) {
                true => Exit::Unreachable,
                false => Exit::NotFound,
            },
            Error::NotSynthetic { .. } => Exit::Refused,
            // Nobody can say no to what is not there.
            Error::NothingPossible(left) if left.iter().any(|one| one.state.is_some()) => Exit::Refused,
            Error::NoPage(_) | Error::NothingMatches | Error::NothingPossible(_) => Exit::NotFound,
            Error::Files { exit, .. } => *exit,
        }
    }

    /// What to try.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Usage { hint, .. } => Some(hint.clone()),
            Error::NoContext => {
                Some("start a world with `bulkhead dev`, or name one with --context (BH0102)".into())
            }
            Error::UnknownContext { known, .. } if !known.is_empty() => {
                Some(format!("it has {}; choose with --context", list(known)))
            }
            Error::NotInContext { known, .. } if !known.is_empty() => Some(format!("it has {}", list(known))),
            Error::UnknownContext { .. } | Error::BadContext { .. } | Error::NotInContext { .. } => {
                explain("WRONG_CONTEXT")
            }
            Error::Cells(troubles) => explain(loudest(troubles).map_or("CANNOT_REACH", Trouble::reason)),
            Error::NotFound { unasked, .. } if !unasked.is_empty() => {
                Some(format!("not every nation could be asked: {}", describe(unasked)))
            }
            Error::NotFound { .. } => explain("NOT_FOUND"),
            Error::Several { .. } => Some("name the referral id, or narrow it with --tenant (BH0105)".into()),
            Error::BadFile { .. }
            | Error::NotConfirmed(_)
            | Error::NothingMatches
            | Error::NothingPossible(_) => None,
            Error::NotSynthetic { .. } => Some("for a real cut: `bulkhead cut`".into()),
            Error::Tampered { .. } => {
                Some("compare it with an export of another day, and with the node's own file".into())
            }
            Error::NoPage(_) => Some("`bulkhead explain` without a code lists them".into()),
            Error::Files { reason, .. } => explain(reason),
        }
    }
}

/// The trouble that counts of several: a silent cell counts least, because it says nothing.
fn loudest(troubles: &[(Nation, Trouble)]) -> Option<&Trouble> {
    let mut each = troubles.iter().map(|(_, why)| why);
    each.clone().find(|why| !why.is_silence()).or(each.next())
}

/// Every nation's trouble in one line.
pub(crate) fn describe(troubles: &[(Nation, Trouble)]) -> String {
    if troubles.is_empty() {
        return "the context has no cell to ask".into();
    }
    let each: Vec<String> = troubles.iter().map(|(nation, why)| format!("{nation} {why}")).collect();
    each.join("; ")
}

/// Where the page of a reason is, if it has one.
fn explain(reason: &str) -> Option<String> {
    pages::find(reason).map(|page| format!("`bulkhead explain {}` says what to check", page.code))
}

fn reasons(left: &[Left]) -> String {
    let each = left.iter().map(|one| {
        let state = one.state.as_deref().map(|state| format!("{state}: ")).unwrap_or_default();
        format!("\n  {}  {state}{}", one.asked, one.why)
    });
    each.collect()
}

fn files(total: usize, failed: &[String], wanted: &str, first: &str) -> String {
    match total {
        1 => format!("{} was not {wanted}: {first}", list(failed)),
        _ => format!(
            "{} of {total} files were not {wanted}: {} (the first: {first})",
            failed.len(),
            list(failed)
        ),
    }
}

fn list(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// `30s`, or `0.5s`.
pub(crate) fn seconds(duration: &Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}
