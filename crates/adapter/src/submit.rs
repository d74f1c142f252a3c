//! What an adapter hands in for the broker, and the answers that it can get.

use std::time::Duration;

use bulkhead_model::{Envelope, MessageId, Reason, ReferralId, ServiceAddress, ServiceId, State, TenantId};
use bulkhead_wire::status::Problem;
use bytes::Bytes;
use jiff::Timestamp;

/// A referral of the local system, on its way to the broker.
#[derive(Clone, PartialEq, Eq)]
pub struct Submission {
    /// What the broker is to read. Its attempt is the kit's to set.
    pub envelope: Envelope,
    /// The original bytes.
    pub payload: Bytes,
}

impl std::fmt::Debug for Submission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Submission")
            .field("envelope", &self.envelope)
            .field("payload_bytes", &self.payload.len())
            .finish()
    }
}

/// What the local system is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The broker has it.
    Accepted {
        /// Its id.
        id: ReferralId,
        /// The message id was known before: this repeats an earlier referral.
        duplicate: bool,
        /// Where it is now. A duplicate is only good news while [`State::is_good`] holds.
        state: State,
        /// Why it is there, when there is a reason.
        reason: Option<Reason>,
    },
    /// The broker has not answered; the spool has it and goes on. A yes.
    OnSpool,
    /// A no, for good: the same again gets the same answer.
    Refused {
        /// The broker's words, or the kit's.
        problem: Problem,
    },
    /// A no for now: the protocol's "try again".
    TryAgain {
        /// When it makes sense.
        after: Duration,
        /// Why, free of patient data.
        cause: String,
    },
}

/// Who takes what is sent to an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The service, as the directory names it.
    pub service: ServiceId,
    /// The tenant that hosts it.
    pub tenant: TenantId,
    /// What its system speaks: `bars`, `bars-wales`, `hl7v2`.
    pub protocol: String,
    /// The version of that protocol.
    pub version: String,
    /// The largest document that its system takes.
    pub max_bytes: Option<u64>,
    /// Every address by which it is known.
    pub identifiers: Vec<ServiceAddress>,
}

/// Where a referral of this tenant is, as the broker shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its id.
    pub id: ReferralId,
    /// Who sent it.
    pub tenant: TenantId,
    /// The sender's own id.
    pub message_id: MessageId,
    /// Where it is now.
    pub state: State,
    /// Why, when there is a reason.
    pub reason: Option<Reason>,
    /// Who has it or will get it: a tenant, or a nation while it is carried.
    pub destination: String,
    /// When its state last changed.
    pub updated_at: Option<Timestamp>,
    /// What the target format could not carry, by name.
    pub omissions: Vec<String>,
}
