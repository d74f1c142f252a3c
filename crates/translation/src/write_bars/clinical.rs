//! Condition, AllergyIntolerance, Observation, MedicationStatement, Flag, Location, QuestionnaireResponse.

use bulkhead_format_bars::view::{
    Allergy, Answer, Concept, Condition, Flag, Location, Medication, Observation,
};
use bulkhead_format_bars::{Node, When};

use super::Source;
use super::maker::{self, Maker};

/// One resource for each thing that was said.
pub(super) fn resources(source: &Source<'_>, maker: &mut Maker) {
    let view = &source.content().view;
    let needs_display = source.profile.needs_condition;
    add(maker, "Condition", &view.conditions, |condition, node| {
        self::condition(condition, needs_display, node)
    });
    add(maker, "AllergyIntolerance", &view.allergies, allergy);
    add(maker, "Observation", &view.observations, observation);
    add(maker, "MedicationStatement", &view.medications, medication);
    add(maker, "Flag", &view.flags, flag);
    add(maker, "Location", &view.locations, location);
    if !view.answers.is_empty() {
        let subject = maker.to("Patient");
        let mut node =
            maker.resource("QuestionnaireResponse").with_text("status", "completed").with("subject", subject);
        for (index, answer) in view.answers.iter().enumerate() {
            node.push("item", item(index + 1, answer));
        }
        maker.add("QuestionnaireResponse", node);
    }
}

fn add<T>(maker: &mut Maker, kind: &str, all: &[T], write: impl Fn(&T, Node) -> Node) {
    for (index, one) in all.iter().enumerate() {
        let subject = match kind {
            "Location" => None,
            "AllergyIntolerance" => Some("patient"),
            _ => Some("subject"),
        };
        let mut node = write(one, maker.resource(kind));
        if let Some(name) = subject {
            node.push(name, maker.to("Patient"));
        }
        maker.add(&format!("{kind}/{}", index + 1), node);
    }
}

fn concepts(mut node: Node, name: &str, all: &[Concept]) -> Node {
    for concept in all {
        node.push(name, maker::concept(concept));
    }
    node
}

fn some(node: Node, name: &str, concept: Option<&Concept>) -> Node {
    concepts(node, name, concept.map(std::slice::from_ref).unwrap_or_default())
}

fn notes(mut node: Node, notes: &[String]) -> Node {
    for note in notes {
        node.push("note", Node::new().with_text("text", note));
    }
    node
}

/// A choice element: a date or a moment as `dateTime`, anything else as words.
fn choice(node: Node, date: &str, words: &str, text: Option<&str>) -> Node {
    let is_date = |text: &str| When::read(text).at().is_some() || crate::times::date_to_hl7(text).is_some();
    match text {
        Some(text) if is_date(text) => node.with_text(date, text),
        Some(text) => node.with_text(words, text),
        None => node,
    }
}

/// NWRI looks for the words of a code; where only words were stated, they stand there too.
fn condition(condition: &Condition, needs_display: bool, node: Node) -> Node {
    let mut code = condition.code.clone();
    let has_display = code.codings.iter().any(|coding| coding.display.is_some());
    if needs_display && !has_display {
        let words = code.label().map(str::to_owned);
        match code.codings.first_mut() {
            Some(first) => first.display = words,
            None => {
                code.codings.push(bulkhead_format_bars::view::Coding { display: words, ..Default::default() })
            }
        }
    }
    let node = some(node, "clinicalStatus", condition.clinical_status.as_ref());
    let node = some(node, "verificationStatus", condition.verification_status.as_ref());
    let node = concepts(node, "category", &condition.categories).with("code", maker::concept(&code));
    notes(choice(node, "onsetDateTime", "onsetString", condition.onset.as_deref()), &condition.notes)
}

fn allergy(allergy: &Allergy, node: Node) -> Node {
    let node = some(node, "clinicalStatus", allergy.clinical_status.as_ref());
    let node = some(node, "verificationStatus", allergy.verification_status.as_ref());
    let mut node = node
        .with_some("criticality", allergy.criticality.as_deref())
        .with("code", maker::concept(&allergy.code))
        .with_some("recordedDate", allergy.recorded.as_ref().map(When::text));
    node = notes(node, &allergy.notes);
    if allergy.manifestations.is_empty() && allergy.severity.is_none() {
        return node;
    }
    let mut reaction = concepts(Node::new(), "manifestation", &allergy.manifestations);
    if allergy.manifestations.is_empty() {
        // FHIR demands one where there is a severity.
        reaction.push("manifestation", Node::new().with_text("text", "Not stated"));
    }
    node.with("reaction", reaction.with_some("severity", allergy.severity.as_deref()))
}

fn observation(observation: &Observation, node: Node) -> Node {
    let node = node.with_text("status", observation.status.as_deref().unwrap_or("unknown"));
    let node =
        concepts(node, "category", &observation.categories).with("code", maker::concept(&observation.code));
    let time = observation.effective.as_deref();
    let dated =
        time.filter(|text| When::read(text).at().is_some() || crate::times::date_to_hl7(text).is_some());
    let node =
        node.with_some("effectiveDateTime", dated).with_some("valueString", observation.value.as_deref());
    let undated: Vec<String> =
        time.filter(|_| dated.is_none()).map(|text| format!("Observed: {text}")).into_iter().collect();
    notes(notes(node, &undated), &observation.notes)
}

fn medication(medication: &Medication, node: Node) -> Node {
    let status = medication.status.as_deref().unwrap_or("unknown");
    let mut node =
        node.with_text("status", status).with("medicationCodeableConcept", maker::concept(&medication.code));
    let words: Vec<String> = match medication.effective.as_deref() {
        Some(text) if When::read(text).at().is_some() || crate::times::date_to_hl7(text).is_some() => {
            node = node.with_text("effectiveDateTime", text);
            Vec::new()
        }
        Some(text) => vec![format!("Since: {text}")],
        None => Vec::new(),
    };
    node = notes(concepts(node, "reasonCode", &medication.reasons), &words);
    for dosage in &medication.dosages {
        node.push("dosage", Node::new().with_text("text", dosage));
    }
    node
}

fn flag(flag: &Flag, node: Node) -> Node {
    let node = node.with_text("status", flag.status.as_deref().unwrap_or("active"));
    let node = concepts(node, "category", &flag.categories).with("code", maker::concept(&flag.code));
    match maker::period(flag.start.as_ref(), flag.end.as_ref()) {
        Some(period) => node.with("period", period),
        None => node,
    }
}

fn location(location: &Location, node: Node) -> Node {
    let mut node = concepts(node.with_some("name", location.name.as_deref()), "type", &location.types);
    if let Some(address) = &location.address {
        node.push("address", maker::address(address));
    }
    if let Some((longitude, latitude)) = &location.position {
        let position = Node::new().with_text("longitude", longitude).with_text("latitude", latitude);
        node.push("position", position);
    }
    node
}

fn item(number: usize, answer: &Answer) -> Node {
    let value = Node::new().with_text("valueString", &answer.answer);
    Node::new()
        .with_text("linkId", &number.to_string())
        .with_text("text", &answer.question.join(" / "))
        .with("answer", value)
}
