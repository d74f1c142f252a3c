//! What a translation is told beside the document: ids, time, addresses, and what is remembered.
//!
//! A translation reads no clock and keeps nothing, so that the same attempt again makes the same bytes.

use bulkhead_format_bars::{BarsMessage, System};
use bulkhead_format_hl7::Message;
use bulkhead_format_hl7::referral::{Identity, ReferralId as Rf1Id};
use bulkhead_model::{CaseId, MessageId, ReferralId, ServiceAddress};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Ids, time and addresses of one translation.
#[derive(Debug, Clone, PartialEq)]
pub struct Stamp {
    /// The referral's id: every id of the translated message is derived from it, so each attempt has the same.
    pub referral: ReferralId,
    /// The original's message id; it stands in the notes, so that a person can name it to the sender.
    pub message_id: MessageId,
    /// The case, if the envelope has one.
    pub case_id: Option<CaseId>,
    /// When the translated message is made. Give a time that is the same at each attempt, such as that of
    /// acceptance: MSH-7 is part of the identity of an HL7 message.
    pub now: Timestamp,
    /// Who sends.
    pub from: Party,
    /// Who receives.
    pub to: Party,
    /// The receiving system is one for tests: only such a one is given messages that are marked as tests.
    pub test: bool,
    /// The original, to be attached where the profile wants it.
    pub original: Option<Original>,
    /// For updates, cancels and responses: what the sidecar remembers of the message that this one is about.
    pub remembered: Option<Remembered>,
}

impl Stamp {
    /// A stamp without addresses and memory.
    pub fn new(referral: ReferralId, message_id: MessageId, now: Timestamp) -> Self {
        Self {
            referral,
            message_id,
            case_id: None,
            now,
            from: Party::default(),
            to: Party::default(),
            test: false,
            original: None,
            remembered: None,
        }
    }

    /// The same in that case.
    #[must_use]
    pub fn in_case(self, case_id: Option<CaseId>) -> Self {
        Self { case_id, ..self }
    }

    /// The same between those two.
    #[must_use]
    pub fn between(self, from: Party, to: Party) -> Self {
        Self { from, to, ..self }
    }

    /// The same with the original to attach.
    #[must_use]
    pub fn with_original(self, original: Original) -> Self {
        Self { original: Some(original), ..self }
    }

    /// The same about a remembered message.
    #[must_use]
    pub fn about(self, remembered: Remembered) -> Self {
        Self { remembered: Some(remembered), ..self }
    }
}

/// The bytes that came.
#[derive(Clone, PartialEq, Eq)]
pub struct Original {
    /// The bytes, unchanged.
    pub bytes: Vec<u8>,
    /// What they are, such as `application/fhir+json` or `x-application/hl7-v2+er7`.
    pub media_type: String,
}

impl std::fmt::Debug for Original {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Original({} bytes)", self.bytes.len())
    }
}

/// One end of a message, as the directory knows it. What is `None` is taken from the document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Party {
    /// The organisation's name.
    pub name: Option<String>,
    /// The service, such as its DoS service id: the endpoint of a BaRS message.
    pub service: Option<ServiceAddress>,
    /// The organisation, such as its ODS code.
    pub organization: Option<ServiceAddress>,
    /// MSH-3 or MSH-5, with its components; `BULKHEAD` for a sender without one.
    pub application: Option<String>,
    /// MSH-4 or MSH-6, with its components; the organisation's code for a party without one.
    pub facility: Option<String>,
}

impl Party {
    /// A party known by those addresses, such as the identifiers of its service in the directory: the DoS
    /// service id is the service, the first other one with a system the organisation.
    pub fn of(addresses: &[ServiceAddress]) -> Self {
        let is_service = |address: &&ServiceAddress| System::DosServiceId.is(address.system());
        let service = addresses.iter().find(is_service).cloned();
        let organization =
            addresses.iter().find(|address| !is_service(address) && !address.system().is_empty()).cloned();
        Self { service: service.or_else(|| addresses.first().cloned()), organization, ..Self::default() }
    }

    /// The same under that name.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
    }

    /// The same with the fields of an HL7 header.
    #[must_use]
    pub fn hl7(self, application: &str, facility: &str) -> Self {
        Self { application: Some(application.to_owned()), facility: Some(facility.to_owned()), ..self }
    }
}

/// What a sidecar remembers of a message that it sent or received, to recognise what belongs to it later.
///
/// It holds addresses and ids, no patient data, and can be written down between two messages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Remembered {
    /// The message id under which it was submitted.
    pub message_id: Option<String>,
    /// MSH-10.
    pub control_id: Option<String>,
    /// MSH-3 and MSH-4 of the original, whole: an answer goes back there.
    pub sender: Option<[String; 2]>,
    /// MSH-5 and MSH-6 of the original, whole.
    pub receiver: Option<[String; 2]>,
    /// RF1-6: value, authority's namespace, its universal id and type, and the fifth component.
    pub rf1_6: Option<[String; 5]>,
    /// `Bundle.id`: a BaRS response names it. NWRI's messages have none; then it is their `X-Request-Id`.
    pub bundle_id: Option<String>,
    /// `X-Correlation-Id`.
    pub correlation_id: Option<String>,
    /// The id of the ServiceRequest.
    pub service_request_id: Option<String>,
    /// `MessageHeader.source.endpoint`: the return address.
    pub source: Option<String>,
    /// `MessageHeader.destination.endpoint`.
    pub destination: Option<String>,
    /// The type of the request in BaRS: `referral` or `validation`.
    pub category: Option<String>,
}

impl Remembered {
    /// What to remember of a BaRS message and its two header ids.
    pub fn of_bars(message: &BarsMessage, request_id: &str, correlation_id: &str) -> Self {
        Self {
            message_id: Some(request_id.to_owned()),
            bundle_id: message.bundle_id.clone().or_else(|| Some(request_id.to_owned())),
            correlation_id: Some(correlation_id.to_owned()),
            service_request_id: Some(message.request.id.clone()),
            source: Some(message.source.endpoint.clone()),
            destination: Some(message.destination.endpoint.clone()),
            category: Some(message.request.category.code().to_owned()).filter(|code| !code.is_empty()),
            ..Self::default()
        }
    }

    /// What to remember of an HL7 referral.
    pub fn of_ref(message: &Message) -> Self {
        let field = |number| message.header().field(number).text().into_owned();
        let identity = Identity::of(message);
        Self {
            message_id: crate::ids::message_id_of_ref(message).ok().map(|id| id.to_string()),
            control_id: Some(identity.control_id),
            sender: Some([identity.sending_application, identity.sending_facility]),
            receiver: Some([field(5), field(6)]),
            rf1_6: Rf1Id::of(message).map(|id| {
                let authority = id.authority;
                [id.value, authority.namespace, authority.universal_id, authority.universal_id_type, id.kind]
            }),
            ..Self::default()
        }
    }

    /// The same with what the message was called after its translation: a peer's answer uses those ids.
    #[must_use]
    pub fn translated(self, stamp: &Stamp) -> Self {
        Self {
            control_id: self.control_id.or_else(|| Some(crate::ids::control_id(&stamp.referral))),
            bundle_id: self.bundle_id.or_else(|| Some(crate::ids::bundle_id(&stamp.referral).to_string())),
            correlation_id: self
                .correlation_id
                .or_else(|| Some(crate::ids::correlation_id(stamp).to_string())),
            ..self
        }
    }
}
