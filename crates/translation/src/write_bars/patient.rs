//! Patient, with whom to contact.

use bulkhead_format_bars::Node;
use bulkhead_format_bars::view::{Contact, PatientIdentifier};

use super::Source;
use super::maker::{self, Maker};
use crate::content::Assigned;
use crate::tables::numbers;

const UK_CORE: &str = "https://fhir.hl7.org.uk/StructureDefinition";

pub(super) fn patient(source: &Source<'_>, maker: &mut Maker) {
    let mut node = maker.resource("Patient");
    let content = source.content();
    if let Some(patient) = &content.view.patient {
        if let Some(ethnic) = &patient.ethnic_category {
            let url = format!("{UK_CORE}/Extension-UKCore-EthnicCategory");
            node.push(
                "extension",
                Node::new().with_text("url", &url).with("valueCodeableConcept", maker::concept(ethnic)),
            );
        }
        for (index, number) in patient.identifiers.iter().enumerate() {
            let assigned = content.numbers.get(index).cloned().unwrap_or_default();
            node.push("identifier", identifier(number, &assigned));
        }
        for name in &patient.names {
            node.push("name", maker::name(name));
        }
        for telecom in &patient.telecoms {
            node.push("telecom", maker::telecom(telecom));
        }
        node = node
            .with_some("gender", patient.gender.as_deref())
            .with_some("birthDate", patient.birth_date.as_deref());
        for address in &patient.addresses {
            node.push("address", maker::address(address));
        }
        for one in &patient.contacts {
            node.push("contact", contact(one));
        }
        for language in &patient.languages {
            node.push("communication", Node::new().with("language", maker::concept(language)));
        }
        if patient.general_practitioner.is_some() {
            node.push("generalPractitioner", maker.to("Organization/surgery"));
        }
    }
    maker.add("Patient", node);
}

/// An identifier with its kind: system, or local assigner and type, and UK Core's verification status.
fn identifier(number: &PatientIdentifier, assigned: &Assigned) -> Node {
    let mut node = Node::new();
    if let Some(code) = &number.verification {
        let row = numbers::verification(code);
        let coding = Node::new()
            .with_text("system", "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatus")
            .with_text("code", row.map_or(code, |row| row.word))
            .with_some("display", row.map(|row| row.display));
        let extension = Node::new()
            .with_text("url", &format!("{UK_CORE}/Extension-UKCore-NHSNumberVerificationStatus"))
            .with("valueCodeableConcept", Node::new().with("coding", coding));
        node.push("extension", extension);
    }
    if let Some(kind) = &assigned.kind {
        let coding = Node::new()
            .with_text("system", "http://terminology.hl7.org/CodeSystem/v2-0203")
            .with_text("code", kind);
        node.push("type", Node::new().with("coding", coding));
    }
    let system = Some(number.id.system.as_str()).filter(|system| !system.is_empty());
    node = node.with_some("system", system).with_text("value", &number.id.value);
    if let Some(by) = &assigned.by {
        node.push("assigner", Node::new().with_text("display", by));
    }
    node
}

fn contact(contact: &Contact) -> Node {
    let mut node = Node::new();
    if let Some(rank) = contact.rank {
        let extension = Node::new()
            .with_text("url", &format!("{UK_CORE}/Extension-UKCore-ContactRank"))
            .with_text("valuePositiveInt", &rank.to_string());
        node.push("extension", extension);
    }
    for relationship in &contact.relationships {
        node.push("relationship", maker::concept(relationship));
    }
    if let Some(name) = &contact.name {
        node.push("name", maker::name(name));
    }
    for telecom in &contact.telecoms {
        node.push("telecom", maker::telecom(telecom));
    }
    node.with_some("gender", contact.gender.as_deref())
}
