//! Takes messages from the local system, submits them, and answers.
//!
//! Each frame goes: read, address, ask the directory whether the receiver can show what must be shown, remember,
//! submit, answer. The original bytes are what is submitted.

use std::net::SocketAddr;
use std::sync::Arc;

use bulkhead_adapter::{Answer, KitHandle, MLLP_PATIENCE, Resolved, Submission};
use bulkhead_format_hl7::{Message, Mode, Original, Referral};
use bulkhead_model::{Code, Envelope, Kind, Protocol, ServiceAddress, TenantId};
use bulkhead_translation::{EnvelopeFacts, check_ref, profile_for};
use bytes::Bytes;
use tracing::{error, info, warn};

use crate::answer::{self, Verdict};
use crate::later::Later;
use crate::memory::Memory;
use crate::read::{Incoming, Read, is_acknowledgement, read};
use crate::refusal::Refusal;
use crate::{Config, address, technical};

/// What the payload is, for the broker.
pub(crate) const CONTENT_TYPE: &str = "x-application/hl7-v2+er7";

/// What is told to a system whose referral the broker has not answered for yet.
const ON_SPOOL: &str = "stored here; the broker has not confirmed it yet";
/// What is told about an RRI that no person gave.
const TECHNICAL: &str = "noted as technical; it is not sent on";

/// The face towards the local system.
pub(crate) struct Face {
    pub(crate) config: Arc<Config>,
    pub(crate) tenant: TenantId,
    pub(crate) kit: KitHandle,
    pub(crate) memory: Memory,
    pub(crate) later: Later,
}

/// Whom a message is for, and what it answers.
struct Addressed {
    to: ServiceAddress,
    in_response_to: Option<bulkhead_model::MessageId>,
    case_id: Option<bulkhead_model::CaseId>,
    traceparent: Option<String>,
}

impl Face {
    /// The answer to one frame; `None`: none is given.
    pub(crate) async fn answer(&self, frame: Bytes, peer: SocketAddr) -> Option<Vec<u8>> {
        let (original, asked, verdict, taken) = match read(&frame, &self.config) {
            Read::Referral(incoming) => {
                let (original, mode) = (Original::of(&incoming.message), Mode::of(&incoming.message));
                let verdict = self.submit(&incoming, frame).await.map_or_else(Verdict::Not, Verdict::Taken);
                (Some(original), mode, verdict, Some(incoming))
            }
            Read::Technical(message) => {
                technical::note(&self.tenant, &message);
                if is_acknowledgement(&message) {
                    return None;
                }
                (Some(Original::of(&message)), Mode::of(&message), Verdict::Taken(Some(TECHNICAL)), None)
            }
            Read::Not(not) => (not.original, not.mode, Verdict::Not(not.refusal), None),
        };
        if let Verdict::Not(refusal) = &verdict {
            let control_id = original.as_ref().map(Original::control_id).unwrap_or_default();
            warn!(tenant = %self.tenant, %peer, control_id, why = refusal.text, "a message was not taken");
        }
        let original = original.or_else(answer::headless)?;
        let mode = answer::mode(self.config.acknowledgement, asked);
        if let (Some(incoming), Verdict::Taken(_)) = (&taken, &verdict) {
            self.later.expect(&incoming.facts.message_id, &incoming.message, mode).await;
        }
        let answer = answer::write(&original, mode, &self.config.answers, &verdict)?;
        Some(answer.to_bytes().to_vec())
    }

    /// The text of a good answer, or why there is none.
    async fn submit(&self, incoming: &Incoming, frame: Bytes) -> Result<Option<&'static str>, Refusal> {
        let Incoming { message, facts } = incoming;
        let referral = Referral::read(message).ok_or_else(Refusal::try_again)?;
        let Addressed { to, in_response_to, case_id, traceparent } = self.addressed(&referral, facts).await?;
        self.check(message, &to).await?;
        let envelope = Envelope {
            message_id: facts.message_id.clone(),
            attempt: 1,
            to,
            reply_to: self.reply_to(&referral, facts.kind).await,
            kind: facts.kind,
            case_id,
            priority: facts.priority,
            deadline: facts.deadline,
            content_type: CONTENT_TYPE.to_owned(),
            in_response_to,
            traceparent,
            flags: facts.flags.iter().take(16).cloned().collect(),
            spooled_at: None,
        };
        if let Err(failed) = self.memory.sends(&envelope, message).await {
            error!(tenant = %self.tenant, error = %failed, "a referral cannot be noted");
            return Err(Refusal::try_again());
        }
        let message_id = facts.message_id.clone();
        let answer = self.kit.submit_within(Submission { envelope, payload: frame }, MLLP_PATIENCE).await;
        match answer {
            Answer::Accepted { duplicate: true, state, .. } if !state.is_good() => {
                Err(Refusal::of_state(state))
            }
            Answer::Accepted { id, duplicate, .. } => {
                info!(tenant = %self.tenant, referral = %id, %message_id, duplicate, "accepted");
                Ok(None)
            }
            Answer::OnSpool => {
                info!(tenant = %self.tenant, %message_id, "acknowledged on the spool's strength");
                Ok(Some(ON_SPOOL))
            }
            Answer::Refused { problem } => {
                if problem.code == Some(Code::ConflictingDuplicate) {
                    error!(tenant = %self.tenant, %message_id, "the same message id came with other bytes");
                }
                Err(Refusal::of_code(problem.code))
            }
            Answer::TryAgain { cause, .. } => {
                warn!(tenant = %self.tenant, %message_id, cause, "to be tried again");
                Err(Refusal::try_again())
            }
        }
    }

    async fn addressed(&self, referral: &Referral<'_>, facts: &EnvelopeFacts) -> Result<Addressed, Refusal> {
        let failed = |failed: bulkhead_adapter::Error| {
            error!(tenant = %self.tenant, error = %failed, "the notes cannot be read");
            Refusal::try_again()
        };
        let case_id = facts.case_id.clone();
        if facts.kind == Kind::Response {
            let received = self.memory.answers(referral.message()).await.map_err(failed)?;
            let Some(received) = received else {
                // Forgotten, or never given: the referral's own return address is in the copy of its PRD.
                let to = address::from(referral, &self.config).ok_or_else(Refusal::unknown_request)?;
                return Ok(Addressed { to, in_response_to: None, case_id, traceparent: None });
            };
            let own = referral.id().map(|id| id.value);
            let other = received.remembered.rf1_6.as_ref().map(|[value, ..]| value);
            if own.as_ref().zip(other).is_some_and(|(own, other)| own != other) {
                return Err(Refusal::unknown_request());
            }
            let to = received.reply_to().or_else(|| address::from(referral, &self.config));
            return Ok(Addressed {
                to: to.ok_or_else(Refusal::unknown_request)?,
                in_response_to: received.message_id(),
                case_id: received.case_id().or(case_id),
                traceparent: received.traceparent(),
            });
        }
        let mut to = address::to(referral, &self.config);
        if let (None, Kind::Update | Kind::Cancel, Some(case)) = (&to, facts.kind, &case_id) {
            to = self.memory.sent(case).await.map_err(failed)?.and_then(|sent| sent.to());
        }
        let to = to.ok_or_else(Refusal::no_address)?;
        Ok(Addressed { to, in_response_to: None, case_id, traceparent: None })
    }

    /// Whether the receiver takes it, as far as the directory tells. When it cannot be asked the submission goes on:
    /// the receiving sidecar checks again.
    async fn check(&self, message: &Message, to: &ServiceAddress) -> Result<(), Refusal> {
        let resolved = match self.kit.resolve(to).await {
            Ok(resolved) => resolved,
            Err(problem) if problem.is_refusal() => return Err(Refusal::of_code(problem.code)),
            Err(_) => return Ok(()),
        };
        if resolved.max_bytes.is_some_and(|max| message.as_bytes().len() as u64 > max) {
            return Err(Refusal::of_code(Some(Code::PayloadTooLarge)));
        }
        if self.is_alike(message, &resolved) {
            return Ok(());
        }
        let protocol = Protocol::parse(&resolved.protocol);
        let target =
            protocol.and_then(|protocol| profile_for(protocol, &resolved.version, resolved.tenant.nation()));
        match target {
            Some(target) => check_ref(message, &target).map_err(|reason| Refusal::untranslatable(&reason)),
            None => Ok(()),
        }
    }

    /// Whether the receiver reads the message as it is.
    fn is_alike(&self, message: &Message, resolved: &Resolved) -> bool {
        resolved.protocol == Protocol::Hl7v2.as_str()
            && resolved.tenant.nation() == self.tenant.nation()
            && message.version().is_some_and(|version| version.to_string() == resolved.version)
    }

    /// The configured return address, else the referring service, if the directory knows it as one of ours.
    async fn reply_to(&self, referral: &Referral<'_>, kind: Kind) -> Option<ServiceAddress> {
        if kind == Kind::Response || self.config.reply_to.is_some() {
            return self.config.reply_to.clone();
        }
        let stated = address::from(referral, &self.config)?;
        let resolved = self.kit.resolve(&stated).await.ok()?;
        (resolved.tenant == self.tenant).then_some(stated)
    }
}
