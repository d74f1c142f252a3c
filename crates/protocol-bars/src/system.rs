//! The local system as the kit sees it: one attempt at handing over, and what came of it.

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use bulkhead_adapter::{Delivery, Error, KitHandle, LocalSystem, Outcome, Receipt, RefusedLater};
use bulkhead_format_bars::peer::Answer;
use bulkhead_format_bars::{Document, IdMap, Ids, RetryCause, Verdict};
use bulkhead_model::{Code, Kind, Reason, TenantId};
use bulkhead_process::telemetry;
use jiff::Timestamp;
use tracing::{debug, error};

use crate::broker::Broker;
use crate::client::{Client, Heard, Silence};
use crate::memory::{Answered, KnownRequest, Memory};
use crate::outgoing::{Known, Outgoing};
use crate::{Config, refusal, requests};

/// When a local system that is busy with the same message is asked again.
const BUSY: Duration = Duration::from_secs(2);
/// When one that wants fewer messages is.
const THROTTLED: Duration = Duration::from_secs(10);

/// A system that speaks BaRS.
#[derive(Debug)]
pub struct BarsSystem {
    config: Config,
    tenant: TenantId,
    client: Client,
    /// The kit, from when it has started.
    broker: OnceLock<Broker>,
}

impl BarsSystem {
    /// The system of that tenant. Nothing is handed over to it before [`BarsSystem::attach`].
    pub fn new(config: Config, tenant: TenantId) -> Self {
        let client = Client::new(&config);
        Self { config, tenant, client, broker: OnceLock::new() }
    }

    /// Gives it the kit that calls it, for what it remembers and asks. A second call changes nothing.
    pub fn attach(&self, kit: KitHandle) {
        self.attach_broker(Broker::Kit(kit));
    }

    pub(crate) fn attach_broker(&self, broker: Broker) {
        let _ = self.broker.set(broker);
    }

    /// What this sidecar knows that the delivery needs.
    async fn known(&self, delivery: &Delivery, broker: &Broker) -> Result<Known, Error> {
        let envelope = &delivery.envelope;
        let memory = broker.memory();
        let (tenant, case) = (delivery.tenant.as_str(), case_of(delivery));
        let mut known = Known::default();
        match envelope.kind {
            Kind::Request => {}
            Kind::Update | Kind::Cancel => {
                known.ids = memory.ids(tenant, case).await?;
                known.about = memory.of_case(tenant, case).await?;
            }
            Kind::Response => {
                if let Some(id) = &envelope.in_response_to {
                    known.about = memory.sent(id.as_str()).await?.map(|sent| sent.about);
                }
            }
        }
        if let Some(diverted) = &delivery.diverted {
            known.own = diverted.addresses.clone();
            known.diverted = true;
            return Ok(known);
        }
        let to = bulkhead_format_bars::Identifier {
            system: envelope.to.system().to_owned(),
            value: envelope.to.value().to_owned(),
        };
        match broker.resolve(&to).await {
            Ok(resolved) if resolved.tenant == self.tenant => known.own = resolved.identifiers.clone(),
            Ok(_) => known.diverted = true,
            Err(_) => {}
        }
        Ok(known)
    }

    /// The message of a delivery, or why there can be none. One that is made here is made of the same each time: a
    /// repeat has the bytes that the local system may have.
    async fn outgoing(
        &self,
        delivery: &Delivery,
        broker: &Broker,
    ) -> Result<Result<Outgoing, Reason>, Error> {
        let memory = broker.memory();
        let before = memory.handed(&delivery.id).await?;
        let is_first = before.is_none();
        let known = match before {
            Some(known) => known,
            None => self.known(delivery, broker).await?,
        };
        let outgoing = Outgoing::new(delivery, &known, &self.config);
        if is_first && outgoing.as_ref().is_ok_and(|outgoing| outgoing.made) {
            memory.keep_handed(&delivery.id, &known).await?;
        }
        Ok(outgoing)
    }

    async fn attempt(&self, delivery: &Delivery, broker: &Broker) -> Outcome {
        let outgoing = match self.outgoing(delivery, broker).await {
            Ok(Ok(outgoing)) => outgoing,
            Ok(Err(reason)) => return Outcome::Refused(reason),
            Err(error) => return Outcome::Retry { after: BUSY, cause: error.to_string() },
        };
        let heard = match self.client.post(&outgoing.headers, outgoing.body.clone()).await {
            Ok(heard) => heard,
            Err(silence) => return unheard(silence),
        };
        let answer = heard.document();
        let outcome = outcome(&heard, answer.as_ref(), &outgoing.ids, outgoing.omissions.clone());
        debug!(tenant = %self.tenant, referral = %delivery.id, status = heard.status, "the local system answered");
        if matches!(outcome, Outcome::Delivered(_))
            && let Err(error) = remember(&broker.memory(), delivery, &outgoing, answer.as_ref()).await
        {
            error!(tenant = %self.tenant, referral = %delivery.id, %error, "what belongs to a message cannot be remembered");
        }
        outcome
    }
}

#[async_trait]
impl LocalSystem for BarsSystem {
    async fn hand_over(&self, delivery: &Delivery) -> Outcome {
        match self.broker.get() {
            Some(broker) => self.attempt(delivery, broker).await,
            None => Outcome::Down { cause: "the sidecar is starting".to_owned() },
        }
    }

    async fn probe(&self) -> Result<(), String> {
        match self.client.metadata().await {
            Ok(heard) if matches!(heard.status, 502..=504) => {
                Err(format!("GET /metadata answers {}", heard.status))
            }
            Ok(_) => Ok(()),
            Err(Silence::Down(cause) | Silence::Slow(cause)) => Err(cause),
        }
    }

    async fn tell_refusal(&self, refused: &RefusedLater) -> Outcome {
        let negative = match refusal::negative(refused, &self.config) {
            Ok(negative) => negative,
            Err(reason) => return Outcome::Refused(reason),
        };
        match self.client.post(&negative.headers, negative.body).await {
            Ok(heard) => outcome(&heard, heard.document().as_ref(), &negative.ids, Vec::new()),
            Err(silence) => unheard(silence),
        }
    }
}

/// What an answer means for the kit.
fn outcome(heard: &Heard, body: Option<&Document>, ids: &Ids, omissions: Vec<String>) -> Outcome {
    let answer = Answer { status: heard.status, ids_echoed: heard.echoes(ids), body };
    let receipt = |repeat| Receipt { answer: heard.status.to_string(), repeat, omissions };
    match answer.verdict() {
        Verdict::Delivered => Outcome::Delivered(receipt(false)),
        Verdict::Duplicate => Outcome::Delivered(receipt(true)),
        Verdict::Retry(_) if heard.status == 503 => Outcome::Down { cause: "it answers 503".to_owned() },
        Verdict::Retry(cause) => {
            let (least, why) = match cause {
                RetryCause::NotTheReceiver => (Duration::ZERO, "the answer is not that of a BaRS receiver"),
                RetryCause::StillProcessing => (BUSY, "the first attempt is still being processed"),
                RetryCause::Throttled => (THROTTLED, "it wants fewer messages"),
                RetryCause::Forbidden => (BUSY, "it does not accept our credentials"),
                RetryCause::Unavailable => (Duration::ZERO, "it took too long or is not available"),
            };
            let after = heard.retry_after().unwrap_or(least);
            Outcome::Retry { after, cause: format!("{}: {why}", heard.status) }
        }
        Verdict::Refused(refusal) => {
            Outcome::Refused(Reason::new(Code::ReceiverRefused, refusal.to_string()))
        }
    }
}

fn unheard(silence: Silence) -> Outcome {
    match silence {
        Silence::Down(cause) => Outcome::Down { cause },
        Silence::Slow(cause) => Outcome::Retry { after: Duration::ZERO, cause },
    }
}

/// What later messages of the sender, and the local system's own answers, will refer to.
async fn remember(
    memory: &Memory,
    delivery: &Delivery,
    outgoing: &Outgoing,
    answer: Option<&Document>,
) -> Result<(), Error> {
    let Some(message) = &outgoing.message else { return Ok(()) };
    let (tenant, case) = (delivery.tenant.as_str(), case_of(delivery));
    let id = delivery.envelope.message_id.as_str();
    let map = answer.and_then(|answer| IdMap::between(&outgoing.document, answer).ok()).unwrap_or_default();
    let request = &message.request.id;
    let theirs = map.get("ServiceRequest", request).map(str::to_owned);
    match delivery.envelope.kind {
        Kind::Request | Kind::Update => {
            if let Some(bundle) = &message.bundle_id {
                let answered = Answered { message_id: id.to_owned(), traceparent: telemetry::inject() };
                memory.keep_answered(bundle, outgoing.ids.correlation.text(), &answered).await?;
            }
            memory.add_ids(tenant, case, &map).await?;
            if let (Kind::Request, Some(origin)) = (delivery.envelope.kind, &outgoing.origin) {
                memory.keep_of_case(tenant, case, origin).await?;
            }
            if let Some(resource) = requests::resource(&outgoing.document, message) {
                let known = KnownRequest {
                    message_id: id.to_owned(),
                    received: true,
                    cancelled: None,
                    at: Timestamp::now(),
                    resource,
                };
                for key in theirs.iter().chain([request]) {
                    memory.keep_request(key, &known).await?;
                }
            }
        }
        Kind::Cancel => {
            for key in theirs.iter().chain([request]) {
                memory.cancel_request(key, Timestamp::now()).await?;
            }
        }
        Kind::Response => {}
    }
    Ok(())
}

/// What a message is kept in order with: without a case it is one of its own.
fn case_of(delivery: &Delivery) -> &str {
    let envelope = &delivery.envelope;
    envelope.case_id.as_ref().map_or(envelope.message_id.as_str(), |case| case.as_str())
}
