//! What is remembered of one message that was taken.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest;

/// What a message does to its case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A new request.
    Request,
    /// A change to an earlier one.
    Update,
    /// An earlier one is cancelled.
    Cancel,
    /// The answer of a person or service.
    Response,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Request, Self::Update, Self::Cancel, Self::Response];

    /// As it is written in lists and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Update => "update",
            Self::Cancel => "cancel",
            Self::Response => "response",
        }
    }
}

/// A message that was taken, as `GET /received` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// Which one it is, from 0: `GET /received/N` gives its bytes.
    pub sequence: u64,
    /// X-Request-Id, or MSH-10.
    pub message_id: String,
    /// X-Correlation-Id, or RF1-6 as `value` or `value^authority`.
    pub case: Option<String>,
    /// What it does to its case.
    pub kind: Kind,
    /// How many bytes came.
    pub length: u64,
    /// Their SHA-256.
    pub sha256: String,
    /// When they were kept.
    pub time: Timestamp,
    /// Whether the same message had been taken before.
    pub repeat: bool,
    /// Whether a repeat came with other bytes than the first one.
    pub changed: bool,
}

/// One line of the journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) received: Received,
    /// Who counts the message ids: MSH-3 and MSH-4. Empty in BaRS, where they are unique.
    pub(crate) from: String,
    /// The ServiceRequest it is about, by the id that was given to it here.
    pub(crate) request: Option<String>,
    pub(crate) content_type: String,
    pub(crate) headers: BTreeMap<String, String>,
    /// Where its bytes begin.
    pub(crate) at: u64,
}

/// A message that is to be kept.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) message_id: String,
    pub(crate) from: String,
    pub(crate) case: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) request: Option<String>,
    pub(crate) content_type: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) bytes: Bytes,
}

/// By what a message is known again.
pub(crate) fn message_key(from: &str, message_id: &str) -> u128 {
    digest::key(&["message", from, &message_id.to_ascii_lowercase()])
}

/// By what a case is known again.
pub(crate) fn case_key(case: &str) -> u128 {
    digest::key(&["case", &case.to_ascii_lowercase()])
}

/// By what a ServiceRequest is known again.
pub(crate) fn request_key(id: &str) -> u128 {
    digest::key(&["request", id])
}

impl Line {
    /// The keys under which the line is found later.
    pub(crate) fn keys(&self) -> impl Iterator<Item = u128> + '_ {
        let case = self.received.case.as_deref().map(case_key);
        let request = self.request.as_deref().map(request_key);
        case.into_iter().chain(request)
    }

    /// The key of the message itself.
    pub(crate) fn message_key(&self) -> u128 {
        message_key(&self.from, &self.received.message_id)
    }

    /// Where its bytes end.
    pub(crate) fn end(&self) -> u64 {
        self.at + self.received.length
    }
}
