//! What a receiver says about itself: its CapabilityStatement, and the MessageDefinitions it takes.
//!
//! Both are asked for before a message is sent and may be cached for a day (BaRS guide, Caching). They are
//! built from what the service is configured to take; nothing is claimed that is not served.

use crate::document::{Document, Syntax};
use crate::node::Node;
use crate::profile::{CANCEL, Cardinality, NEW_REFERRAL, NEW_VALIDATION, RESPONSE};
use crate::systems::{Identifier, System};

/// A MessageDefinition of BaRS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Definition {
    /// A new referral.
    Referral,
    /// A new request for validation.
    Validation,
    /// A cancellation.
    Cancelled,
    /// A response to a referral.
    ResponseReferral,
    /// An interim response to a validation.
    ResponseInterim,
    /// A final response to a validation.
    ResponseFull,
}

impl Definition {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Referral,
        Self::Validation,
        Self::Cancelled,
        Self::ResponseReferral,
        Self::ResponseInterim,
        Self::ResponseFull,
    ];

    /// The name, the last step of its address.
    pub fn name(self) -> &'static str {
        match self {
            Self::Referral => "bars-message-servicerequest-request-referral",
            Self::Validation => "bars-message-servicerequest-request-validation",
            Self::Cancelled => "bars-message-servicerequest-request-cancelled",
            Self::ResponseReferral => "bars-message-servicerequest-response-referral-short",
            Self::ResponseInterim => "bars-message-servicerequest-response-validation-interim",
            Self::ResponseFull => "bars-message-servicerequest-response-validation-full",
        }
    }

    fn event(self) -> &'static str {
        match self {
            Self::Referral | Self::Validation | Self::Cancelled => "servicerequest-request",
            Self::ResponseReferral | Self::ResponseInterim | Self::ResponseFull => "servicerequest-response",
        }
    }

    fn resources(self) -> impl Iterator<Item = Cardinality> {
        let (required, optional): (&[Cardinality], &[&'static str]) = match self {
            Self::Referral => (NEW_REFERRAL, &OPTIONAL),
            Self::Validation => (NEW_VALIDATION, &OPTIONAL[1..]),
            Self::Cancelled => (CANCEL, &[]),
            Self::ResponseReferral | Self::ResponseInterim | Self::ResponseFull => (RESPONSE, &OPTIONAL),
        };
        required.iter().copied().chain(optional.iter().map(|kind| (*kind, 0, None)))
    }
}

/// What a clinical message may hold besides.
const OPTIONAL: [&str; 11] = [
    "Location",
    "Observation",
    "Flag",
    "MedicationStatement",
    "AllergyIntolerance",
    "QuestionnaireResponse",
    "Condition",
    "Task",
    "Communication",
    "Procedure",
    "RelatedPerson",
];

/// What a CapabilityStatement says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capability {
    /// The base address.
    pub url: String,
    /// Who publishes it.
    pub publisher: String,
    /// The name of the software.
    pub software: String,
    /// Its version.
    pub software_version: String,
    /// The version of the BaRS API.
    pub api_version: String,
    /// When it last changed, a FHIR dateTime.
    pub date: String,
    /// What is received.
    pub receives: Vec<Definition>,
}

impl Capability {
    /// The CapabilityStatement for `GET /metadata` (API specification, CapabilityStatement examples).
    pub fn statement(&self, syntax: Syntax) -> Document {
        let mut root = Node::of_type("CapabilityStatement")
            .with_text("id", "BaRS-FHIR-Server")
            .with_text("url", &self.url)
            .with_text("version", &self.api_version)
            .with_text("name", "BaRSFHIRServer")
            .with_text("status", "active")
            .with_text("experimental", "false")
            .with_text("date", &self.date)
            .with_text("publisher", &self.publisher)
            .with_text("kind", "instance")
            .with(
                "software",
                Node::new().with_text("name", &self.software).with_text("version", &self.software_version),
            )
            .with(
                "implementation",
                Node::new().with_text("description", "BaRS FHIR Server").with_text("url", &self.url),
            )
            .with_text("fhirVersion", "4.0.1");
        for format in ["xml", "json"] {
            root.push("format", Node::text_of(format));
        }
        root.push("rest", rest());
        let code = Node::new().with_text("code", "http");
        let mut messaging =
            Node::new().with("endpoint", Node::new().with("protocol", code).with_text("address", &self.url));
        for definition in &self.receives {
            let supported = Node::new()
                .with_text("mode", "receiver")
                .with_text("definition", &format!("MessageDefinition/{}", definition.name()));
            messaging.push("supportedMessage", supported);
        }
        Document::new(syntax, root.with("messaging", messaging))
    }
}

fn rest() -> Node {
    let service =
        Node::new().with_text("system", "http://terminology.hl7.org/CodeSystem/restful-security-service");
    let service = service.with_text("code", "Certificates").with_text("display", "Certificates");
    let resource = |kind: &str, interactions: &[&str]| {
        let mut node = Node::new().with_text("type", kind);
        for code in interactions {
            node.push("interaction", Node::new().with_text("code", code));
        }
        node.with_text("versioning", "no-version")
    };
    let operation = Node::new()
        .with_text("name", "process-message")
        .with_text("definition", "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message");
    Node::new()
        .with_text("mode", "server")
        .with("security", Node::new().with("service", Node::new().with("coding", service)))
        .with("resource", resource("MessageDefinition", &["search-type"]))
        .with("resource", resource("ServiceRequest", &["read", "search-type"]))
        .with("operation", operation)
}

/// A message that a service takes, for which use cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The message.
    pub definition: Definition,
    /// The service.
    pub service: Identifier,
    /// The use cases, such as `a1t10`.
    pub use_cases: Vec<String>,
    /// When the offer last changed, a FHIR date.
    pub date: String,
}

/// The searchset for `GET /MessageDefinition?context=` (API specification, MessageDefinition examples).
pub fn message_definitions(id: &str, self_url: &str, offers: &[Offer], syntax: Syntax) -> Document {
    let link = Node::new().with_text("relation", "self").with_text("url", self_url);
    let mut root = Node::of_type("Bundle")
        .with_text("id", id)
        .with_text("type", "searchset")
        .with_text("total", &offers.len().to_string())
        .with("link", link);
    for offer in offers {
        root.push("entry", Node::new().with("resource", offer.resource()));
    }
    Document::new(syntax, root)
}

impl Offer {
    fn resource(&self) -> Node {
        let name = self.definition.name();
        let mut node = Node::of_type("MessageDefinition")
            .with_text("id", name)
            .with_text("url", &format!("https://fhir.nhs.uk/MessageDefinition/{name}"))
            .with_text("name", name)
            .with_text("status", "active")
            .with_text("date", &self.date)
            .with("useContext", context(&self.service.system, &self.service.value));
        for use_case in &self.use_cases {
            node.push("useContext", context(System::UseCase.uri(), use_case));
        }
        let event = Node::new()
            .with_text("system", System::MessageEvent.uri())
            .with_text("code", self.definition.event());
        node.push("eventCoding", event);
        for (kind, least, most) in self.definition.resources() {
            let most = most.map_or("*".to_owned(), |most| most.to_string());
            let focus = Node::new().with_text("code", kind).with_text("min", &least.to_string());
            node.push("focus", focus.with_text("max", &most));
        }
        node
    }
}

/// One context, as the guide's own MessageDefinitions write it: the value coded.
fn context(system: &str, code: &str) -> Node {
    let kind = Node::new()
        .with_text("system", "http://terminology.hl7.org/CodeSystem/usage-context-type")
        .with_text("code", "workflow");
    let value = Node::new().with("coding", Node::new().with_text("system", system).with_text("code", code));
    Node::new().with("code", kind).with("valueCodeableConcept", value)
}
