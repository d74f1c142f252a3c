//! What is remembered between messages, for the answers and changes that belong to them. Ids and addresses only.

use bulkhead_adapter::{Delivery, Error, Notes};
use bulkhead_format_hl7::Message;
use bulkhead_format_hl7::referral::Identity;
use bulkhead_model::{CaseId, Envelope, Kind, MessageId, ServiceAddress, TenantId};
use bulkhead_process::telemetry;
use bulkhead_translation::{Remembered, case_id_of_ref};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const SENT: &str = "hl7-sent";
const RECEIVED: &str = "hl7-received";

/// A referral that the local system sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sent {
    to: Address,
    /// What the local system called it.
    pub(crate) remembered: Remembered,
}

/// A referral that the local system was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Received {
    tenant: String,
    message_id: String,
    case_id: Option<String>,
    reply_to: Option<Address>,
    /// Where its hand-over stands in the trace that an answer goes on with.
    #[serde(default)]
    traceparent: String,
    /// What the local system knows it by.
    pub(crate) remembered: Remembered,
    /// Another sender's referral has the same RF1-6: it alone does not say whose.
    #[serde(default)]
    ambiguous: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Address {
    system: String,
    value: String,
}

impl Address {
    fn of(address: &ServiceAddress) -> Self {
        Self { system: address.system().to_owned(), value: address.value().to_owned() }
    }

    fn read(&self) -> Option<ServiceAddress> {
        ServiceAddress::parse(&self.system, &self.value).ok()
    }
}

impl Sent {
    /// The service that it was sent to.
    pub(crate) fn to(&self) -> Option<ServiceAddress> {
        self.to.read()
    }
}

impl Received {
    /// Where an answer goes.
    pub(crate) fn reply_to(&self) -> Option<ServiceAddress> {
        self.reply_to.as_ref()?.read()
    }

    /// The trace that an answer belongs to.
    pub(crate) fn traceparent(&self) -> Option<String> {
        Some(&self.traceparent).filter(|parent| !parent.is_empty()).cloned()
    }

    /// The message id that an answer names.
    pub(crate) fn message_id(&self) -> Option<MessageId> {
        MessageId::parse(&self.message_id).ok()
    }

    /// The case, as its sender calls it.
    pub(crate) fn case_id(&self) -> Option<CaseId> {
        CaseId::parse(self.case_id.as_deref()?).ok()
    }
}

/// The notes of this crate.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    notes: Notes,
}

impl Memory {
    pub(crate) fn new(notes: Notes) -> Self {
        Self { notes }
    }

    /// Remembers what the local system sends: requests by message and case, updates by message.
    pub(crate) async fn sends(&self, envelope: &Envelope, message: &Message) -> Result<(), Error> {
        let case = match envelope.kind {
            Kind::Request => envelope.case_id.as_ref(),
            Kind::Update => None,
            Kind::Cancel | Kind::Response => return Ok(()),
        };
        let sent = Sent { to: Address::of(&envelope.to), remembered: Remembered::of_ref(message) };
        self.put(SENT, &message_key(&envelope.message_id), &sent).await?;
        match case {
            Some(case) => self.put(SENT, &case_key(case), &sent).await,
            None => Ok(()),
        }
    }

    /// The referral that an answer for the local system is about.
    pub(crate) async fn answered(&self, envelope: &Envelope) -> Result<Option<Sent>, Error> {
        if let Some(message) = &envelope.in_response_to
            && let Some(sent) = self.get(SENT, &message_key(message)).await?
        {
            return Ok(Some(sent));
        }
        match &envelope.case_id {
            Some(case) => self.sent(case).await,
            None => Ok(None),
        }
    }

    /// The request with which the local system began a case.
    pub(crate) async fn sent(&self, case: &CaseId) -> Result<Option<Sent>, Error> {
        self.get(SENT, &case_key(case)).await
    }

    /// Remembers what the local system is given, as `given`.
    pub(crate) async fn receives(&self, delivery: &Delivery, given: &Message) -> Result<(), Error> {
        let envelope = &delivery.envelope;
        if matches!(envelope.kind, Kind::Cancel | Kind::Response) {
            return Ok(());
        }
        let reply_to = envelope.reply_to.as_ref().or(delivery.reply_addresses.first());
        let received = Received {
            tenant: delivery.tenant.to_string(),
            message_id: envelope.message_id.to_string(),
            case_id: envelope.case_id.as_ref().map(ToString::to_string),
            reply_to: reply_to.map(Address::of),
            traceparent: telemetry::inject(),
            remembered: Remembered::of_ref(given),
            ambiguous: false,
        };
        let identity = Identity::of(given);
        let sender = [&identity.sending_application, &identity.sending_facility];
        self.put(RECEIVED, &header_key(sender.map(String::as_str), &identity.control_id), &received).await?;
        if let Some(case) = &envelope.case_id {
            self.put(RECEIVED, &origin_key(&delivery.tenant, case), &received).await?;
        }
        let Some(case) = case_id_of_ref(given) else { return Ok(()) };
        let known: Option<Received> = self.get(RECEIVED, &case_key(&case)).await?;
        let ambiguous = known.is_some_and(|known| known.ambiguous || known.tenant != received.tenant);
        self.put(RECEIVED, &case_key(&case), &Received { ambiguous, ..received }).await
    }

    /// What an RRI of the local system answers: by MSA-2 with the ends of its header, else by RF1-6 if only one
    /// sender has used it.
    pub(crate) async fn answers(&self, rri: &Message) -> Result<Option<Received>, Error> {
        let header = |number| rri.header().field(number).text().into_owned();
        let (application, facility) = (header(5), header(6));
        if let Some(control_id) = rri.field("MSA", 2).value() {
            let key = header_key([&application, &facility], &control_id);
            if let Some(received) = self.get(RECEIVED, &key).await? {
                return Ok(Some(received));
            }
        }
        let Some(case) = case_id_of_ref(rri) else { return Ok(None) };
        let received: Option<Received> = self.get(RECEIVED, &case_key(&case)).await?;
        Ok(received.filter(|received| !received.ambiguous))
    }

    /// The request with which that sender began a case.
    pub(crate) async fn received(&self, tenant: &TenantId, case: &CaseId) -> Result<Option<Received>, Error> {
        self.get(RECEIVED, &origin_key(tenant, case)).await
    }

    async fn put(&self, namespace: &str, key: &str, value: &impl Serialize) -> Result<(), Error> {
        let json = serde_json::to_vec(value)
            .map_err(|error| Error::Store { doing: "writing a note", cause: error.to_string() })?;
        self.notes.put(namespace, key, json).await
    }

    /// A note that this version cannot read counts as none.
    async fn get<T: DeserializeOwned>(&self, namespace: &str, key: &str) -> Result<Option<T>, Error> {
        let value = self.notes.get(namespace, key).await?;
        Ok(value.and_then(|json| serde_json::from_slice(&json).ok()))
    }
}

fn message_key(message: &MessageId) -> String {
    format!("message {message}")
}

fn case_key(case: &CaseId) -> String {
    format!("case {case}")
}

fn origin_key(tenant: &TenantId, case: &CaseId) -> String {
    format!("origin {tenant} {case}")
}

/// None of the parts can hold a control character that was not escaped.
fn header_key(sender: [&str; 2], control_id: &str) -> String {
    format!("header {}\n{}\n{control_id}", sender[0], sender[1])
}
