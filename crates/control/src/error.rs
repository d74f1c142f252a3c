//! What can go wrong with authority. Variants carry topics, positions and places, never content.

use std::time::Duration;

use bulkhead_model::Fault;

use crate::FileError;

/// Why the control log could not be followed or added to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The directory is not whole.
    #[error(transparent)]
    File(#[from] FileError),
    /// The log did not do what it was asked.
    #[error("control log {topic}: {cause}")]
    Log {
        /// The topic.
        topic: String,
        /// What the log said.
        cause: bulkhead_log::Error,
    },
    /// The fact was appended and not seen again: it is perhaps in force, perhaps not.
    #[error("control log {topic}: offset {offset} was appended and not read back within {waited:?}")]
    NotReadBack {
        /// The topic.
        topic: String,
        /// Where it was appended.
        offset: u64,
        /// How long it was waited for.
        waited: Duration,
    },
    /// Two processes use one name, so that neither could prove that it is heard.
    #[error("another process uses the name of node {node}; give each node of a cell a name of its own")]
    NameTaken {
        /// The name.
        node: String,
    },
    /// The log is older than what this node has known, or another one.
    #[error(
        "control log {topic} is not the one that this node has known: it ends at {end}, and {missing} of {known} facts \
         that counted, the first at {first}, are not in it. What was cut may be open in it, so this node serves nothing \
         (BH0109)"
    )]
    OldLog {
        /// The topic.
        topic: String,
        /// The offset that its next record will have.
        end: u64,
        /// How many facts this node had known.
        known: usize,
        /// How many of these are not there.
        missing: usize,
        /// Where the first of them lay.
        first: u64,
    },
    /// What is kept of the log cannot be read.
    #[error("what this node has known of the control log: {0}")]
    Known(std::io::Error),
    /// The directory of early closings cannot be used.
    #[error("the closings that are kept on this node's disk: {0}")]
    Closings(std::io::Error),
}

impl Error {
    /// Who can do something about it.
    pub fn fault(&self) -> Fault {
        match self {
            Error::File(_) | Error::NameTaken { .. } | Error::OldLog { .. } => Fault::Caller,
            Error::Log { .. } | Error::NotReadBack { .. } | Error::Closings(_) | Error::Known(_) => {
                Fault::Unavailable
            }
        }
    }
}
