//! MessageHeader, ServiceRequest, Encounter and CarePlan.

use bulkhead_format_bars::ResponseKind;
use bulkhead_format_bars::response::RejectedReason;
use bulkhead_format_bars::view::Encounter;
use bulkhead_format_bars::{Node, System};

use super::Source;
use super::maker::{self, Maker, of};
use super::people;
use crate::answer::ClinicalDecision;
use crate::content::{Act, Content};
use crate::ids;
use crate::translated::{Item, Untranslatable};

/// Event, reason, status of the request: the row of the BaRS guide's table for what the message does.
fn signals(act: &Act) -> (&'static str, &'static str, &'static str) {
    match act {
        Act::Request => ("servicerequest-request", "new", "active"),
        Act::Update => ("servicerequest-request", "update", "active"),
        Act::Cancel => ("servicerequest-request", "update", "revoked"),
        Act::Response(ClinicalDecision::Accepted | ClinicalDecision::Rejected { .. }) => {
            ("servicerequest-response", "new", "active")
        }
        Act::Response(ClinicalDecision::Finished) => ("servicerequest-response", "new", "completed"),
        Act::Response(ClinicalDecision::DidNotAttend) => ("servicerequest-response", "new", "revoked"),
    }
}

fn definition(content: &Content) -> String {
    let base = "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-";
    let kind = match content.act {
        Act::Cancel => "request-cancelled",
        Act::Request | Act::Update if content.validation => "request-validation",
        Act::Request | Act::Update => "request-referral",
        Act::Response(ClinicalDecision::DidNotAttend) => {
            return bulkhead_format_bars::profile::response_definition(ResponseKind::DidNotAttend).to_owned();
        }
        Act::Response(_) => {
            return bulkhead_format_bars::profile::response_definition(ResponseKind::Interim).to_owned();
        }
    };
    format!("{base}{kind}")
}

/// MessageHeader. A response names the `Bundle.id` that it answers, and goes back to its return address.
pub(super) fn header(source: &Source<'_>, maker: &mut Maker) -> Result<(), Untranslatable> {
    let remembered = source.stamp.remembered.as_ref().filter(|_| source.is_answer());
    let missing =
        |who: &str| Untranslatable::new(Item::Structure, format!("the address of the {who} is not known"));
    let from = remembered.and_then(|r| r.destination.clone()).or_else(|| people::endpoint(source, 0));
    let to = remembered.and_then(|r| r.source.clone()).or_else(|| people::endpoint(source, 1));
    let [from_name, to_name] = &source.read.names;
    let destination = Node::new()
        .with_some("name", to_name.as_deref())
        .with_text("endpoint", &to.ok_or_else(|| missing("receiver"))?)
        .with("receiver", maker.to("Organization/receiver"));
    let origin = Node::new()
        .with_some("name", from_name.as_deref())
        .with_text("software", "Bulkhead")
        .with_text("endpoint", &from.ok_or_else(|| missing("sender"))?);
    let (event, reason, _) = signals(source.act());
    let mut header = maker
        .resource("MessageHeader")
        .with("eventCoding", of(System::MessageEvent, event, None))
        .with("destination", destination)
        .with("sender", maker.to("Organization/sender"))
        .with("source", origin)
        .with("reason", Node::new().with("coding", of(System::MessageReason, reason, None)));
    if source.is_answer() {
        let answered = source.stamp.remembered.as_ref().and_then(|r| r.bundle_id.as_deref());
        let forgotten =
            || Untranslatable::new(Item::Correlation, "the Bundle.id of the original is not remembered");
        let response =
            Node::new().with_text("identifier", answered.ok_or_else(forgotten)?).with_text("code", "ok");
        header.push("response", response);
    }
    let focus = match source.act() {
        Act::Response(ClinicalDecision::DidNotAttend) => "ServiceRequest",
        Act::Response(_) => "Encounter/answer",
        Act::Request | Act::Update | Act::Cancel => "ServiceRequest",
    };
    let header = header.with("focus", maker.to(focus)).with_text("definition", &definition(source.content()));
    maker.add("MessageHeader", header);
    Ok(())
}

/// ServiceRequest.
pub(super) fn service_request(source: &Source<'_>, maker: &mut Maker) {
    let (content, view) = (source.content(), &source.content().view);
    let mut node = Node::of_type("ServiceRequest")
        .with_text("id", &ids::service_request_id(source.stamp))
        .with("meta", Node::new().with_text("lastUpdated", maker.at()));
    for id in referral_ids(source) {
        node.push("identifier", id);
    }
    if has_plan(content) || matches!(content.act, Act::Request | Act::Update) {
        node.push("basedOn", maker.to("CarePlan"));
    }
    let (_, _, status) = signals(&content.act);
    node = node.with_text("status", status).with_text("intent", "plan");
    for category in categories(source) {
        node.push("category", category);
    }
    // BaRS does not use it; it is where FHIR keeps what RF1-2 says.
    node = node.with_some("priority", content.priority.as_deref()).with("subject", maker.to("Patient"));
    if !matches!(content.act, Act::Cancel) {
        node.push("encounter", maker.to(if source.is_answer() { "Encounter/answer" } else { "Encounter/1" }));
    }
    if let Some(period) = maker::period(view.start.as_ref(), view.end.as_ref()) {
        node.push("occurrencePeriod", period);
    }
    node = node.with_some("authoredOn", view.authored_on.as_ref().map(|when| when.text()));
    if !matches!(content.act, Act::Cancel) {
        node.push("requester", maker.to("PractitionerRole"));
        node.push("performer", maker.to("HealthcareService"));
    }
    for reason in &view.reasons {
        node.push("reasonCode", maker::concept(reason));
    }
    for text in texts(content, "ServiceRequest.note.text") {
        node.push("note", Node::new().with_text("text", text));
    }
    maker.add("ServiceRequest", node);
}

/// RF1-6 first, then RF1-11 and others. What RF1-6 has and an Identifier has not, a local assigner and a fifth
/// component, stands in `assigner` and `type`.
fn referral_ids(source: &Source<'_>) -> Vec<Node> {
    let mut all = Vec::new();
    if let Some(id) = &source.read.id {
        let (authority, mut node) = (&id.authority, Node::new());
        if !id.kind.is_empty() {
            node.push("type", Node::new().with_text("text", &id.kind));
        }
        let system = match authority.universal_id_type.as_str() {
            _ if authority.universal_id.is_empty() => None,
            "ISO" => Some(format!("urn:oid:{}", authority.universal_id)),
            _ => Some(authority.universal_id.clone()),
        };
        node = node.with_some("system", system.as_deref()).with_text("value", &id.value);
        if !authority.namespace.is_empty() {
            node.push("assigner", Node::new().with_text("display", &authority.namespace));
        }
        all.push(node);
    }
    all.extend(source.content().view.identifiers.iter().map(maker::identifier));
    all
}

/// The type of the request and its use case; other categories each in one of their own.
fn categories(source: &Source<'_>) -> Vec<Node> {
    let view = &source.content().view;
    let remembered = source.stamp.remembered.as_ref().and_then(|r| r.category.as_deref());
    let validation = source.content().validation || remembered == Some("validation");
    let code = if validation { "validation" } else { "referral" };
    let of_type = |coding: &&bulkhead_format_bars::view::Coding| coding.is(System::MessageCategory);
    let of_case = |coding: &&bulkhead_format_bars::view::Coding| coding.is(System::UseCase);
    let stated =
        view.categories.iter().find(|coding| of_type(coding) && coding.code.as_deref() == Some(code));
    let mut first = Node::new()
        .with("coding", stated.map_or_else(|| of(System::MessageCategory, code, None), maker::coding));
    match view.categories.iter().find(of_case) {
        Some(case) => first.push("coding", maker::coding(case)),
        None => first.push("coding", of(System::UseCase, source.profile.use_case, None)),
    }
    let others = view.categories.iter().filter(|coding| !of_type(coding) && !of_case(coding));
    std::iter::once(first)
        .chain(others.map(|coding| Node::new().with("coding", maker::coding(coding))))
        .collect()
}

/// The sender's encounters, at least one where a request needs it, and the receiver's in an answer.
pub(super) fn encounters(source: &Source<'_>, maker: &mut Maker) {
    let content = source.content();
    let stated = &content.view.encounters;
    let needed = matches!(content.act, Act::Request | Act::Update) && stated.is_empty();
    let unstated = needed.then(Encounter::default);
    for (index, encounter) in stated.iter().chain(&unstated).enumerate() {
        // The state that the guide fixes for a new request (Standard-Pattern-For-Composites).
        let fixed = if content.validation { "triaged" } else { "finished" };
        let node = one(encounter, encounter.status.as_deref().unwrap_or(fixed), maker);
        maker.add(&format!("Encounter/{}", index + 1), node);
    }
    if let Act::Response(decision) = &content.act {
        let node = answer(decision, content.validation, maker);
        maker.add("Encounter/answer", node);
    }
}

fn one(encounter: &Encounter, status: &str, maker: &Maker) -> Node {
    let mut node = maker.resource("Encounter");
    for id in &encounter.identifiers {
        node.push("identifier", maker::identifier(id));
    }
    node = node.with_text("status", status);
    node.push("class", encounter.class.as_ref().map_or_else(unknown_class, maker::coding));
    node.push("subject", maker.to("Patient"));
    if let Some(journey) = &encounter.journey {
        node.push("episodeOfCare", Node::new().with_text("reference", journey));
    }
    if let Some(period) = maker::period(encounter.start.as_ref(), None) {
        node.push("period", period);
    }
    for reason in &encounter.reasons {
        node.push("reasonCode", maker::concept(reason));
    }
    node
}

/// FHIR demands a class, and nobody stated one.
fn unknown_class() -> Node {
    Node::new()
        .with_text("system", "http://terminology.hl7.org/CodeSystem/v3-NullFlavor")
        .with_text("code", "UNK")
        .with_text("display", "unknown")
}

/// The receiver's encounter: its state is the answer. A rejection has the code that was given, or none.
fn answer(decision: &ClinicalDecision, validation: bool, maker: &Maker) -> Node {
    let status = match decision {
        ClinicalDecision::Accepted if validation => "in-progress",
        ClinicalDecision::Accepted => "planned",
        ClinicalDecision::Finished => "finished",
        ClinicalDecision::Rejected { .. } | ClinicalDecision::DidNotAttend => "cancelled",
    };
    let mut node = maker
        .resource("Encounter")
        .with_text("status", status)
        .with("class", unknown_class())
        .with("subject", maker.to("Patient"));
    if let ClinicalDecision::Rejected { code, text } = decision
        && (code.is_some() || text.is_some())
    {
        let mut reason = Node::new();
        if let Some(code) = code {
            let known =
                [RejectedReason::ResourceNotAvailable, RejectedReason::FailedContact, RejectedReason::Other];
            let display =
                known.iter().map(|reason| reason.coding()).find(|row| row.0 == code).map(|row| row.1);
            reason.push("coding", of(System::RejectedReason, code, display));
        }
        node.push("reasonCode", reason.with_some("text", text.as_deref()));
    }
    node
}

/// Whether there is anything to say in a CarePlan.
pub(super) fn has_plan(content: &Content) -> bool {
    let view = &content.view;
    !view.dispositions.is_empty() || !view.outcomes.is_empty() || plan_texts(content).next().is_some()
}

/// CarePlan: dispositions, other outcomes, and the consultation summary as an outcome without a code.
pub(super) fn care_plan(source: &Source<'_>, maker: &mut Maker) {
    let content = source.content();
    let mut activity = Node::new();
    for outcome in content.view.dispositions.iter().chain(&content.view.outcomes) {
        activity.push("outcomeCodeableConcept", Node::new().with("coding", maker::coding(outcome)));
    }
    for text in plan_texts(content) {
        activity.push("outcomeCodeableConcept", Node::new().with_text("text", text));
    }
    let mut plan = maker
        .resource("CarePlan")
        .with_text("status", if content.validation { "active" } else { "completed" })
        .with_text("intent", "plan")
        .with("subject", maker.to("Patient"));
    if activity.children().next().is_some() {
        plan.push("activity", activity);
    }
    maker.add("CarePlan", plan);
}

fn plan_texts(content: &Content) -> impl Iterator<Item = &str> {
    content.view.texts.iter().filter(|text| text.path.starts_with("CarePlan.")).map(|text| text.text.as_str())
}

fn texts<'c>(content: &'c Content, path: &'static str) -> impl Iterator<Item = &'c str> {
    content.view.texts.iter().filter(move |text| text.path == path).map(|text| text.text.as_str())
}

/// Whether a text has an element of its own; the others are notes.
pub(crate) fn has_element(path: &str) -> bool {
    path.starts_with("CarePlan.") || path == "ServiceRequest.note.text"
}
