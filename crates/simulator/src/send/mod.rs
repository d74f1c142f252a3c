//! What a simulator sends of its own: referrals, and clinical answers to those it received.
//!
//! Nothing is retried here. The sidecar's answer is given back as it is, and who asked for the sending decides.

mod bars;
mod exchange;
mod hl7;
mod patient;
pub(crate) mod random;
mod respond;
mod text;
pub(crate) mod times;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bulkhead_format_bars::Identifier;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::config::Protocol;
use crate::digest;
use crate::system::System;

/// The sizes that can be asked for.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// The median of real NHS 111 messages.
const MEDIAN_BYTES: usize = 57_000;
/// How long an answer may take. The Welsh service retries its own back end for 30 s.
const PATIENCE: Duration = Duration::from_secs(40);

/// A service as it is addressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// The system, such as `https://fhir.nhs.uk/Id/dos-service-id`.
    pub system: String,
    /// The value in it.
    pub value: String,
}

/// What kind of referral is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SendKind {
    /// A new request.
    #[default]
    Request,
    /// An earlier one is cancelled.
    Cancel,
    /// A change to an earlier one.
    Update,
}

/// How urgent it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Life at risk: an ambulance disposition, or RF1-2 `S`.
    Emergency,
    /// Today: within six hours, or RF1-2 `A`.
    #[default]
    Urgent,
    /// May wait: within a day, or RF1-2 `R`.
    Routine,
}

/// A referral that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sending {
    /// Who it is for.
    pub to: Address,
    /// What kind it is.
    #[serde(default)]
    pub kind: SendKind,
    /// How urgent it is.
    #[serde(default)]
    pub priority: Priority,
    /// About how many bytes it has: exactly so many in HL7, within a percent in BaRS, and never fewer than
    /// the protocol needs. A cancellation in BaRS is always small.
    #[serde(default = "median_bytes")]
    pub bytes: usize,
    /// The case: a UUID in BaRS, up to 30 characters in HL7. Without one, the seed's, or a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
    /// The message id: a UUID in BaRS, up to 20 characters in HL7. Without one, a new one. Asked for again with
    /// all else the same, the same bytes are sent again, after a restart too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// In how many seconds it is to be taken, for a request in BaRS; without it, as soon as its priority says. HL7
    /// has no words for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_in_s: Option<u32>,
    /// Decides patient and words. A case that is given decides them alone, so that its messages agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Sending {
    /// An urgent request of the median size.
    pub fn new(to: Address) -> Self {
        Self {
            to,
            kind: SendKind::default(),
            priority: Priority::default(),
            bytes: MEDIAN_BYTES,
            case: None,
            message_id: None,
            due_in_s: None,
            seed: None,
        }
    }

    /// The seed: the one asked for, or one that belongs to the message id, or any.
    fn seed(&self) -> u64 {
        let of_id = |id: &String| digest::key(&["seed", id]) as u64;
        self.seed.or_else(|| self.message_id.as_ref().map(of_id)).unwrap_or_else(random::any_seed)
    }
}

fn median_bytes() -> usize {
    MEDIAN_BYTES
}

/// A clinical answer that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Respond {
    /// The referral that is answered, by its place in `GET /received`.
    pub to_message: u64,
    /// Whether it is refused by a clinician, and not accepted for care.
    #[serde(default)]
    pub reject: bool,
    /// The message id of the answer, as in [`Sending`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
}

/// What became of a sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The sidecar has it.
    Accepted,
    /// The sidecar had it already.
    Duplicate,
    /// The sidecar asks to send it again later.
    Retry,
    /// The sidecar will not take it.
    Refused,
    /// There was no answer, or none that belongs to it: it may or may not have arrived.
    Unanswered,
}

/// What was sent, and what was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// X-Request-Id, or MSH-10.
    pub message_id: String,
    /// X-Correlation-Id, or RF1-6.
    pub case: String,
    /// How many bytes were sent, frame and headers left out.
    pub length: usize,
    /// Their SHA-256.
    pub sha256: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The HTTP status and the error code of BaRS, or MSA-1; empty without an answer.
    pub answer: String,
    /// The body of an OperationOutcome or the whole ACK, at most 16 KiB of it, or why there was no answer.
    pub detail: String,
    /// How long it took.
    pub milliseconds: u64,
}

/// Why nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It is not known where the sidecar listens.
    #[error("no sidecar")]
    NoSidecar,
    /// What was asked for cannot be made.
    #[error("{0}")]
    Invalid(String),
    /// There is no such message to answer.
    #[error("no message {0} was received")]
    NotReceived(u64),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] Error),
}

/// A message that is ready to be sent.
#[derive(Debug)]
struct Ready {
    message_id: String,
    case: String,
    headers: Vec<(&'static str, String)>,
    bytes: Vec<u8>,
}

/// Sends a referral.
pub(crate) async fn send(system: &Arc<System>, send: &Sending) -> Result<Sent, SendError> {
    if send.bytes > MOST_BYTES {
        return Err(SendError::Invalid(format!("at most {MOST_BYTES} bytes can be sent")));
    }
    let ready = match &system.protocol {
        Protocol::Mllp(mllp) => hl7::compose(system, mllp, send)?,
        Protocol::Bars { .. } | Protocol::BarsWales => bars::compose(system, send)?,
    };
    dispatch(system, ready).await
}

/// Sends a clinical answer.
pub(crate) async fn respond(system: &Arc<System>, respond: &Respond) -> Result<Sent, SendError> {
    let (line, bytes) =
        system.journal.whole(respond.to_message).await?.ok_or(SendError::NotReceived(respond.to_message))?;
    let ready = match &system.protocol {
        Protocol::Mllp(_) => respond::hl7(system, &bytes, respond)?,
        Protocol::Bars { .. } | Protocol::BarsWales => respond::bars(system, &line, &bytes, respond)?,
    };
    dispatch(system, ready).await
}

async fn dispatch(system: &Arc<System>, ready: Ready) -> Result<Sent, SendError> {
    let sidecar = system.sidecar().ok_or(SendError::NoSidecar)?;
    let (length, sha256) = (ready.bytes.len(), digest::sha256(&ready.bytes));
    system.counters.sent.add();
    let began = Instant::now();
    let exchange = async {
        match &system.protocol {
            Protocol::Mllp(_) => exchange::mllp(sidecar, &ready).await,
            Protocol::Bars { .. } | Protocol::BarsWales => exchange::bars(system, sidecar, &ready).await,
        }
    };
    let answered = tokio::time::timeout(PATIENCE, exchange)
        .await
        .unwrap_or_else(|_| exchange::Answered::none("no answer in time"));
    if answered.outcome == Outcome::Accepted {
        system.counters.sent_accepted.add();
    }
    Ok(Sent {
        message_id: ready.message_id,
        case: ready.case,
        length,
        sha256,
        outcome: answered.outcome,
        answer: answered.answer,
        detail: answered.detail,
        milliseconds: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// The return address of a simulator.
fn own_address(system: &System) -> Identifier {
    system.services.first().cloned().unwrap_or_else(|| Identifier {
        system: "urn:bulkhead:tenant".to_owned(),
        value: system.tenant.name().to_owned(),
    })
}
