//! What an adapter implements: the local system, as the kit sees it.
//!
//! The kit decides when something is handed over, in what order, how often and within what time. An
//! implementation makes one attempt and says what came of it.

use std::time::Duration;

use async_trait::async_trait;
use bulkhead_model::{
    Digest, Envelope, Payload, Reason, ReferralId, ServiceAddress, ServiceId, State, TenantId,
};
use jiff::Timestamp;

/// The system beside which the sidecar stands.
#[async_trait]
pub trait LocalSystem: Send + Sync + 'static {
    /// Hands one referral to the local system. One attempt: retries, order, deadlines and pacing are the kit's.
    /// The kit drops the future when it takes too long, and takes that for [`Outcome::Retry`].
    async fn hand_over(&self, delivery: &Delivery) -> Outcome;

    /// Whether the local system takes referrals now: a cheap probe, used at the start and while it is down.
    ///
    /// # Errors
    /// Why it does not, in a sentence for an operator.
    async fn probe(&self) -> Result<(), String>;

    /// Tells the local system that a referral which was acknowledged to it has been refused since, by the broker
    /// or by its receiver, or was given back: the protocol's own negative answer. Where a protocol has none, answer
    /// [`Outcome::Refused`]: then the referral stays on the list that `/readyz` shows, and where the broker had
    /// accepted it, an alert stays there. Told again after a restart, it must be the same message.
    async fn tell_refusal(&self, refused: &RefusedLater) -> Outcome;
}

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The local system has stored it.
    Delivered(Receipt),
    /// Answered badly, or not in time; the same again may work. Spends the referral's budget.
    Retry {
        /// Not before this; the kit's own backoff may be longer.
        after: Duration,
        /// Why, free of patient data.
        cause: String,
    },
    /// Refused for good.
    Refused(Reason),
    /// Nobody there: connection refused, 503, closed without an answer. All hand-over pauses, and no budget is
    /// spent.
    Down {
        /// Why, free of patient data.
        cause: String,
    },
}

/// The local system's good answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipt {
    /// Its answer as the protocol writes it, for example `AA` or `200`. Technical.
    pub answer: String,
    /// It recognised a repeat.
    pub repeat: bool,
    /// What the target format could not carry, by name, never by value.
    pub omissions: Vec<String>,
}

impl Receipt {
    /// A first delivery with nothing left out.
    pub fn new(answer: impl Into<String>) -> Self {
        Self { answer: answer.into(), repeat: false, omissions: Vec::new() }
    }
}

/// One referral for the local system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id, the same at every attempt.
    pub id: ReferralId,
    /// Who sent it.
    pub tenant: TenantId,
    /// What the broker knows of it.
    pub envelope: Envelope,
    /// The original bytes.
    pub payload: Payload,
    /// Their SHA-256, checked.
    pub digest: Digest,
    /// When its first cell accepted it.
    pub accepted_at: Timestamp,
    /// The local system may have it already.
    pub possible_duplicate: bool,
    /// Which attempt at handing it over this is, from 1.
    pub attempt: u32,
    /// The reply address by every identifier that the directory knows.
    pub reply_addresses: Vec<ServiceAddress>,
    /// It was for another service.
    pub diverted: Option<Diverted>,
}

/// That a referral was for another service, and a service of the local system has taken it over. The message for the
/// local system is addressed to that one and says so; its content stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diverted {
    /// The service that its sender addressed.
    pub from: ServiceId,
    /// The service of the local system.
    pub to: ServiceId,
    /// That one by every identifier that the directory knows.
    pub addresses: Vec<ServiceAddress>,
    /// The code of the reason; none: it follows an earlier one of its case.
    pub code: Option<String>,
}

impl Diverted {
    /// For the reader, in one line.
    pub fn said(&self) -> String {
        let why = self.code.as_deref().unwrap_or("as the earlier ones of its case");
        format!("Diverted by Bulkhead: sent to {}, taken over by {} ({why})", self.from, self.to)
    }
}

/// A referral that was acknowledged to the local system, on the spool's strength or the broker's, and then refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLater {
    /// What the adapter submitted.
    pub envelope: Envelope,
    /// The bytes that it submitted.
    pub payload: Payload,
    /// Why it was refused.
    pub reason: Reason,
    /// When it was written to the spool, or accepted by the broker.
    pub spooled_at: Timestamp,
    /// When it was refused.
    pub refused_at: Timestamp,
    /// Whether the local system has been told.
    pub told: bool,
    /// Where it is with the broker, which had accepted it: rejected by its receiver, parked (set aside at the broker
    /// or the receiver, whose people look at it) or return-pending (nobody took it, and nobody will). `None` when the
    /// broker refused it.
    pub state: Option<State>,
}
