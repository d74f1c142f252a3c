//! Gives referrals to the local system: what the kit calls.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bulkhead_adapter::{Delivery, LocalSystem, MllpClient, Outcome, Receipt, RefusedLater};
use bulkhead_format_hl7::ack::{Reply, Stamp, ack, rri};
use bulkhead_format_hl7::time::Precision;
use bulkhead_format_hl7::{ErrorCode, Issue, Message, Mode, Original, Rules, Ts};
use bulkhead_model::{Code, Kind, Reason, ReferralId, State, TenantId};
use bulkhead_translation::{Remembered, control_id};
use jiff::tz::TimeZone;
use tokio::sync::SetOnce;
use tracing::debug;

use crate::Config;
use crate::answer::{code, mode, shortened};
use crate::later::Later;
use crate::memory::Memory;
use crate::outgoing::outgoing;
use crate::refusal::Blame;
use crate::say::say;
use crate::settings::TellRefusals;

/// Not before this a hand-over is tried again that failed on our side.
const AGAIN: Duration = Duration::from_secs(2);

/// The local system, as the kit sees it.
pub(crate) struct Hl7System {
    config: Arc<Config>,
    tenant: TenantId,
    client: MllpClient,
    /// The notes belong to the kit, which is started with this.
    memory: SetOnce<Memory>,
    later: SetOnce<Later>,
}

impl Hl7System {
    pub(crate) fn new(config: Arc<Config>, tenant: TenantId, client: MllpClient) -> Self {
        Self { config, tenant, client, memory: SetOnce::new(), later: SetOnce::new() }
    }

    /// Gives it the notes of the kit; until then nothing is handed over.
    pub(crate) fn remember_in(&self, memory: Memory) {
        let _ = self.memory.set(memory);
    }

    /// Gives it what is owed; until then nothing that was refused is told.
    pub(crate) fn settle_in(&self, later: Later) {
        let _ = self.later.set(later);
    }

    /// How the local system hears of what was refused: as configured, else as the message asked in MSH-16.
    fn form(&self, original: &Message) -> Option<TellRefusals> {
        let asked = match mode(self.config.acknowledgement, Mode::of(original)) {
            Mode::Enhanced { application, .. } => application.wants(false),
            Mode::Original => false,
        };
        self.config.tell_refusals.or_else(|| asked.then_some(TellRefusals::Ack))
    }

    /// The same at each attempt, and the id of nothing else: a referral that goes wrong twice is told twice.
    fn stamp_of(&self, refused: &RefusedLater, state: &str) -> Stamp {
        let referral = ReferralId::derive(&self.tenant, &refused.envelope.message_id);
        let when = refused.refused_at.as_millisecond();
        let own = ReferralId::of_record(&format!("{state} {when} {referral}"), 0, 0);
        let at = refused.refused_at.to_zoned(TimeZone::UTC);
        Stamp { at: Ts::with_offset(&at, Precision::Second), control_id: control_id(&own) }
    }

    /// What an update, a cancellation or an answer is about.
    async fn about(&self, delivery: &Delivery) -> Result<Option<Remembered>, bulkhead_adapter::Error> {
        let memory = self.memory.wait().await;
        match (delivery.envelope.kind, &delivery.envelope.case_id) {
            (Kind::Response, _) => Ok(memory.answered(&delivery.envelope).await?.map(|sent| sent.remembered)),
            (Kind::Update | Kind::Cancel, Some(case)) => {
                let received = memory.received(&delivery.tenant, case).await?;
                Ok(received.map(|received| received.remembered))
            }
            (Kind::Request | Kind::Update | Kind::Cancel, _) => Ok(None),
        }
    }
}

#[async_trait]
impl LocalSystem for Hl7System {
    async fn hand_over(&self, delivery: &Delivery) -> Outcome {
        let remembered = match self.about(delivery).await {
            Ok(remembered) => remembered,
            Err(error) => return Outcome::Retry { after: AGAIN, cause: error.to_string() },
        };
        let outgoing = match outgoing(delivery, remembered, self.tenant.nation(), &self.config) {
            Ok(outgoing) => outgoing,
            Err(reason) => return Outcome::Refused(reason.reason()),
        };
        // Before it is sent, because the answer of a person may come at once.
        if let Err(error) = self.memory.wait().await.receives(delivery, &outgoing.message).await {
            return Outcome::Retry { after: AGAIN, cause: error.to_string() };
        }
        debug!(tenant = %self.tenant, referral = %delivery.id, omissions = outgoing.omissions.len(), "sending");
        match self.client.hand_over(outgoing.message.as_bytes()).await {
            Outcome::Delivered(receipt) => {
                Outcome::Delivered(Receipt { omissions: outgoing.omissions, ..receipt })
            }
            other => other,
        }
    }

    async fn probe(&self) -> Result<(), String> {
        self.client.probe().await
    }

    async fn tell_refusal(&self, refused: &RefusedLater) -> Outcome {
        let cannot = |why: &str| Outcome::Refused(Reason::new(Code::ReceiverRefused, why));
        if refused.state == Some(State::Parked) {
            // People look at it where it is, and it may still be taken.
            return cannot("set aside, not refused");
        }
        let rules = Rules { versions: None, ..self.config.rules.clone() };
        let Ok(original) = Message::parse_with(refused.payload.bytes().clone(), &rules) else {
            return cannot("what was submitted cannot be read");
        };
        let Some(form) = self.form(&original) else {
            return cannot("no way to tell the local system is configured or was asked for");
        };
        let code = code(&self.config.answers, Blame::Refused, false);
        let now = refused.state.map_or("refused", State::as_str);
        let text = shortened(&format!("accepted before, now {now}: {}", refused.reason.code));
        let issue = Issue::error(ErrorCode::INTERNAL, None, text.clone());
        let reply = Reply::new(code).text(text).issues([issue]);
        let stamp = self.stamp_of(refused, now);
        let outcome = match form {
            TellRefusals::Rri => match rri(&original, &reply, None, &stamp) {
                Ok(message) => self.client.hand_over(message.as_bytes()).await,
                Err(error) => return cannot(&error.to_string()),
            },
            TellRefusals::Ack => match ack(&Original::of(&original), &reply, &stamp) {
                Ok(message) => match say(&self.config.send, &message).await {
                    // Giving back must be confirmed, and nobody confirms an ACK.
                    Ok(()) if refused.state == Some(State::ReturnPending) => {
                        cannot("told by an ACK, unconfirmed")
                    }
                    Ok(()) => Outcome::Delivered(Receipt::new("ACK")),
                    Err(cause) => Outcome::Retry { after: AGAIN, cause },
                },
                Err(error) => return cannot(&error.to_string()),
            },
        };
        if matches!(outcome, Outcome::Delivered(_) | Outcome::Refused(_)) {
            // It has heard: when the return is confirmed it must not hear again.
            self.later.wait().await.settled(&refused.envelope.message_id).await;
        }
        outcome
    }
}
