//! What the broker reads of a referral. It holds no patient data.

use std::fmt;

use jiff::Timestamp;

use crate::{CaseId, IdError, Lane, MessageId, Priority, ServiceAddress};

/// What a referral does to its case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A new request for care.
    Request,
    /// A change to an earlier request.
    Update,
    /// Takes back an earlier request.
    Cancel,
    /// A person's or service's answer.
    Response,
}

impl Kind {
    /// As it is written in commands and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Request => "request",
            Kind::Update => "update",
            Kind::Cancel => "cancel",
            Kind::Response => "response",
        }
    }

    /// Reads what `as_str` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Kind::Request, Kind::Update, Kind::Cancel, Kind::Response]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// SHA-256 of a payload, computed once at the edge.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// From the 32 bytes of the hash.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// From a wire field; `None` unless there are 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// All that the broker reads of a referral.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The sender's own id.
    pub message_id: MessageId,
    /// Which submission of this message id this is, from 1.
    pub attempt: u32,
    /// The service addressed.
    pub to: ServiceAddress,
    /// Where an answer goes.
    pub reply_to: Option<ServiceAddress>,
    /// What it does to its case.
    pub kind: Kind,
    /// What it is kept in order with; none: a case of its own.
    pub case_id: Option<CaseId>,
    /// How soon somebody must look.
    pub priority: Priority,
    /// By when the receiving system must have it.
    pub deadline: Option<Timestamp>,
    /// Media type of the payload.
    pub content_type: String,
    /// For a response: the message id that it answers.
    pub in_response_to: Option<MessageId>,
    /// W3C trace context of the sender's submit.
    pub traceparent: Option<String>,
    /// Warnings that the sending sidecar did not refuse for.
    pub flags: Vec<String>,
    /// When the sender's system gave it to its sidecar, by the sidecar's clock.
    pub spooled_at: Option<Timestamp>,
}

impl Envelope {
    /// The lane that it waits in.
    pub fn lane(&self) -> Lane {
        Lane::of(self.priority)
    }
}

/// A field of an envelope that is missing or malformed. It never repeats the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("envelope.{field}: {problem}")]
pub struct InvalidEnvelope {
    /// The field's name in the proto.
    pub field: &'static str,
    /// What is wrong and what is expected.
    pub problem: String,
}

impl InvalidEnvelope {
    /// A problem of one field.
    pub fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into() }
    }

    /// An id that does not parse.
    pub fn id(field: &'static str, error: IdError) -> Self {
        Self::new(field, error.to_string())
    }
}
