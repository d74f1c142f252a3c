//! What does not go on at this node, and why: it stops where it is, and nobody decides past it.
//!
//! A partition of events is stopped by its follower, an `in` topic by whoever reads it or appends to it. What stopped
//! for a newer release goes on in the next process; what stopped for a topic that is too short may go on again here.

use std::collections::BTreeMap;
use std::fmt;

/// Why nothing of a partition goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// A newer release wrote the record at this offset.
    Newer {
        /// Where.
        offset: u64,
    },
    /// Records that were there are gone.
    Short {
        /// Where it would go on at least, by what is known of it.
        known: u64,
        /// Where it ends; none when it is not there at all.
        found: Option<u64>,
    },
}

impl Stop {
    /// As alerts and metrics call it.
    pub fn code(&self) -> &'static str {
        match self {
            Stop::Newer { .. } => "NEWER_RELEASE",
            Stop::Short { .. } => "LOG_SHORT",
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Newer { offset } => write!(f, "a newer release wrote its record {offset}"),
            Stop::Short { known, found: Some(found) } => {
                write!(f, "it ends at {found} and records up to {known} were in it")
            }
            Stop::Short { known, found: None } => {
                write!(f, "it is gone and records up to {known} were in it")
            }
        }
    }
}

/// What is stopped, by partition as it is shown (`events.wales/3`).
#[derive(Debug, Default)]
pub(crate) struct Stops(BTreeMap<String, Stop>);

impl Stops {
    /// True when that is news.
    pub(crate) fn stop(&mut self, partition: &str, why: Stop) -> bool {
        self.0.insert(partition.to_owned(), why.clone()).as_ref() != Some(&why)
    }

    /// True when it was stopped.
    pub(crate) fn go_on(&mut self, partition: &str) -> bool {
        self.0.remove(partition).is_some()
    }

    pub(crate) fn of(&self, partition: &str) -> Option<&Stop> {
        self.0.get(partition)
    }

    pub(crate) fn all(&self) -> Vec<(String, Stop)> {
        self.0.iter().map(|(partition, why)| (partition.clone(), why.clone())).collect()
    }
}
