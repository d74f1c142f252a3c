//! The asynchronous response to a request: a new message, back to where the request came from.
//!
//! BaRS guide, End-to-end-workflow, Reversing-Roles and Application 6, Payloads-for-Responses: a new
//! `Bundle.id`, the ends swapped, `response.identifier` the request's `Bundle.id`, `response.code` `ok` even
//! when the request is rejected, and the receiver's own Encounter as the focus. What the response says of
//! patient, people and organisations is taken from the request as it stands.

use jiff::Timestamp;
use uuid::Uuid;

use crate::bundle::{Bundle, Entry};
use crate::classify::{Category, Event, MessageKind, ResponseKind};
use crate::document::{Document, Syntax};
use crate::message::BarsMessage;
use crate::node::Node;
use crate::outcome::Problem;
use crate::profile::response_definition;
use crate::systems::{Identifier, System};
use crate::when::When;

/// Why a request is rejected (CodeSystem rejected-reasons-bars 1.1.0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectedReason {
    /// `RRNA`
    ResourceNotAvailable,
    /// `FC`
    FailedContact,
    /// `OTH`
    Other,
}

impl RejectedReason {
    /// Code and display.
    pub fn coding(self) -> (&'static str, &'static str) {
        match self {
            Self::ResourceNotAvailable => ("RRNA", "Requested resource not available within timescale"),
            Self::FailedContact => ("FC", "Failed Contact"),
            Self::Other => ("OTH", "Other"),
        }
    }
}

/// What the response says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The request was taken on.
    Accepted,
    /// It was not.
    Rejected {
        /// Why, as a code.
        reason: RejectedReason,
        /// Why, in words.
        text: Option<String>,
    },
}

/// A response to be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The new `Bundle.id`; the ids of new resources are derived from it.
    pub bundle_id: Uuid,
    /// When it is made.
    pub at: Timestamp,
    /// What it says.
    pub decision: Decision,
    /// The number by which people find it: the identifier of the receiver's Encounter.
    pub reference: Option<Identifier>,
    /// The software that answers, for `MessageHeader.source`.
    pub software: String,
    /// The syntax to write it in.
    pub syntax: Syntax,
}

/// Types that a response repeats, whole.
const REPEATED: [&str; 5] =
    ["Patient", "Organization", "Practitioner", "PractitionerRole", "HealthcareService"];
/// Elements of the ServiceRequest that a response repeats.
const OF_REQUEST: [&str; 10] = [
    "id",
    "identifier",
    "intent",
    "category",
    "subject",
    "encounter",
    "occurrencePeriod",
    "authoredOn",
    "requester",
    "performer",
];
/// Elements of the sender's Encounter that a response repeats; others refer to what is not in it.
const OF_ENCOUNTER: [&str; 8] =
    ["id", "identifier", "status", "class", "subject", "episodeOfCare", "period", "meta"];

impl Response {
    /// Builds the response to a request that was read from `document`. Only requests are responded to.
    pub fn build(&self, document: &Document, request: &BarsMessage) -> Result<Document, Problem> {
        if request.event != Event::Request || request.kind == MessageKind::Cancel {
            return Err(Problem::invariant("only a request for service is responded to"));
        }
        let answered = request.bundle_id.as_deref();
        let answered =
            answered.ok_or_else(|| Problem::invariant("the request has no Bundle.id to respond to"))?;
        let bundle = Bundle::of(document)?;
        let mut root = Node::of_type("Bundle")
            .with_text("id", &self.bundle_id.to_string())
            .with(
                "meta",
                self.meta("https://fhir.nhs.uk/StructureDefinition/BARSBundleMessage")
                    .with_text("versionId", &request.version),
            )
            .with_text("type", "message")
            .with_text("timestamp", &When::write(self.at));
        root.push("entry", self.entry("MessageHeader", self.header(request, answered)));
        let asked = bundle.of_type("ServiceRequest").find(|e| e.id() == Some(request.request.id.as_str()));
        if let Some(entry) = asked {
            root.push("entry", copied(entry, self.service_request(entry.resource)));
        }
        for entry in bundle.of_type("Encounter") {
            root.push("entry", copied(entry, pick(entry.resource, &OF_ENCOUNTER)));
        }
        root.push("entry", self.entry("Encounter", self.encounter(&bundle, request)));
        for kind in REPEATED {
            for entry in bundle.of_type(kind) {
                root.push("entry", copied(entry, entry.resource.clone()));
            }
        }
        Ok(Document::new(self.syntax, root))
    }

    fn url(&self, kind: &str) -> String {
        format!("urn:uuid:{}", Uuid::new_v5(&self.bundle_id, kind.as_bytes()))
    }

    fn meta(&self, profile: &str) -> Node {
        Node::new().with_text("lastUpdated", &When::write(self.at)).with_text("profile", profile)
    }

    fn entry(&self, kind: &str, resource: Node) -> Node {
        Node::new().with_text("fullUrl", &self.url(kind)).with("resource", resource)
    }

    fn header(&self, request: &BarsMessage, answered: &str) -> Node {
        let reference = |reference: &Option<String>| {
            reference.as_ref().map(|reference| Node::new().with_text("reference", reference))
        };
        let mut destination = Node::new().with_text("endpoint", &request.source.endpoint);
        if let Some(receiver) = reference(&request.source.reference) {
            destination.push("receiver", receiver);
        }
        let mut header = Node::of_type("MessageHeader")
            .with(
                "meta",
                self.meta(
                    "https://fhir.nhs.uk/StructureDefinition/BARSMessageHeader-servicerequest-response",
                ),
            )
            .with("eventCoding", coding(System::MessageEvent, Event::Response.code(), None))
            .with("destination", destination);
        if let Some(sender) = reference(&request.destination.reference) {
            header.push("sender", sender);
        }
        let source = Node::new()
            .with_some("name", request.destination.name.as_deref())
            .with_text("software", &self.software)
            .with_text("endpoint", &request.destination.endpoint);
        let kind = match self.decision {
            Decision::Accepted => ResponseKind::Interim,
            Decision::Rejected { .. } => ResponseKind::Rejection,
        };
        header
            .with("source", source)
            .with("reason", Node::new().with("coding", coding(System::MessageReason, "new", None)))
            .with("response", Node::new().with_text("identifier", answered).with_text("code", "ok"))
            .with("focus", Node::new().with_text("reference", &self.url("Encounter")))
            .with_text("definition", response_definition(kind))
    }

    fn service_request(&self, original: &Node) -> Node {
        let mut request = pick(original, &OF_REQUEST);
        request.push(
            "meta",
            self.meta("https://fhir.nhs.uk/StructureDefinition/BARSServiceRequest-request-referral"),
        );
        request.with_text("status", "active")
    }

    fn encounter(&self, bundle: &Bundle<'_>, request: &BarsMessage) -> Node {
        // A validation is under way once it is taken (Standard-Pattern-For-Composites); a referral waits for
        // a resource (Application 6).
        let status = match (&self.decision, request.request.category) {
            (Decision::Rejected { .. }, _) => "cancelled",
            (Decision::Accepted, Category::Validation) => "in-progress",
            (Decision::Accepted, _) => "planned",
        };
        let class = Node::new()
            .with_text("system", "http://terminology.hl7.org/CodeSystem/v3-ActCode")
            .with_text("code", "EMER")
            .with_text("display", "emergency");
        let mut encounter = Node::of_type("Encounter")
            .with("meta", self.meta("https://fhir.hl7.org.uk/StructureDefinition/UKCore-Encounter"));
        if let Some(id) = &self.reference {
            encounter.push(
                "identifier",
                Node::new().with_text("system", &id.system).with_text("value", &id.value),
            );
        }
        encounter = encounter.with_text("status", status).with("class", class);
        let theirs = bundle.first("Encounter").map(|entry| entry.resource);
        for name in ["subject", "episodeOfCare"] {
            for node in theirs.into_iter().flat_map(|theirs| theirs.all(name)) {
                encounter.push(name, node.clone());
            }
        }
        encounter.push("period", Node::new().with_text("start", &When::write(self.at)));
        if let Decision::Rejected { reason, text } = &self.decision {
            let (code, display) = reason.coding();
            let concept = Node::new().with("coding", coding(System::RejectedReason, code, Some(display)));
            encounter.push("reasonCode", concept.with_some("text", text.as_deref()));
        }
        encounter
    }
}

fn copied(entry: Entry<'_>, resource: Node) -> Node {
    Node::new().with_some("fullUrl", entry.full_url).with("resource", resource)
}

pub(crate) fn coding(system: System, code: &str, display: Option<&str>) -> Node {
    Node::new().with_text("system", system.uri()).with_text("code", code).with_some("display", display)
}

/// A resource of the same type with only those elements.
fn pick(resource: &Node, names: &[&str]) -> Node {
    let mut picked = Node::of_type(resource.resource_type().unwrap_or_default());
    for (name, node) in resource.children().filter(|(name, _)| names.contains(name)) {
        picked.push(name, node.clone());
    }
    picked
}
