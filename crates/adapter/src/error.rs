//! What can keep a sidecar from starting or from keeping its files. Nothing here holds content of a referral.

use std::path::PathBuf;

/// Why the kit does not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot be used.
    #[error("{field}: {problem}")]
    Config {
        /// Where, as `section.key`.
        field: String,
        /// What is wrong and what is expected.
        problem: String,
    },
    /// A file that the configuration names cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The keys cannot be used.
    #[error("the credential cannot be used")]
    Credential(#[from] bulkhead_transport::Error),
    /// The spool cannot be used.
    #[error("the spool cannot be used")]
    Spool(#[from] bulkhead_log::Error),
    /// The sidecar's database cannot be used.
    #[error("the database failed while {doing}: {cause}")]
    Store {
        /// What was being done.
        doing: &'static str,
        /// What SQLite said.
        cause: String,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which address.
        address: String,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl Error {
    /// A problem with one setting.
    pub fn config(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Config { field: field.into(), problem: problem.into() }
    }
}
