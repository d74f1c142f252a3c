//! The patient, and the number to call back.

use super::trail::Trail;
use super::types::{Contact, Patient, PatientIdentifier, Telecom};
use super::{ReferralView, people};
use crate::node::Node;

pub(crate) fn read(trail: &Trail<'_>, view: &mut ReferralView) {
    let Some(node) = trail.bundle().first("Patient").map(|entry| entry.resource) else { return };
    let patient = patient(trail, node);
    view.callback = callback(&patient);
    view.patient = Some(patient);
}

fn patient(trail: &Trail<'_>, node: &Node) -> Patient {
    let surgery = node.all("generalPractitioner").find_map(|gp| trail.bundle().follow(Some(gp)));
    Patient {
        identifiers: node.all("identifier").filter_map(|id| identifier(trail, id)).collect(),
        names: node.all("name").map(|name| trail.name(name)).collect(),
        birth_date: trail.text(node, "birthDate"),
        gender: trail.text(node, "gender"),
        addresses: node.all("address").map(|address| trail.address(address)).collect(),
        telecoms: trail.telecoms(node),
        contacts: node.all("contact").map(|c| contact(trail, c)).collect(),
        languages: node.path_all("communication.language").into_iter().map(|l| trail.concept(l)).collect(),
        ethnic_category: trail
            .extension(node, "Extension-UKCore-EthnicCategory")
            .and_then(|e| trail.one_concept(e, "valueCodeableConcept")),
        general_practitioner: surgery.map(|entry| people::organization(trail, entry.resource)),
    }
}

fn identifier(trail: &Trail<'_>, node: &Node) -> Option<PatientIdentifier> {
    let status = trail.extension(node, "NHSNumberVerificationStatus");
    let concept = status.and_then(|status| trail.one_concept(status, "valueCodeableConcept"));
    let verification = concept.and_then(|c| c.codings.into_iter().find_map(|coding| coding.code));
    Some(PatientIdentifier { id: trail.identifier(node)?, verification })
}

fn contact(trail: &Trail<'_>, node: &Node) -> Contact {
    let rank =
        trail.extension(node, "Extension-UKCore-ContactRank").and_then(|e| trail.text(e, "valuePositiveInt"));
    Contact {
        rank: rank.and_then(|rank| rank.parse().ok()),
        relationships: trail.concepts(node, "relationship"),
        name: node.get("name").map(|name| trail.name(name)),
        telecoms: trail.telecoms(node),
        gender: trail.text(node, "gender"),
    }
}

/// The contact of rank 1 and its telecom of rank 1 "must be the primary callback for the request" (BaRS
/// guide, Application 1, Scope-and-Requirements). Senders that rank nothing mean the first they name.
fn callback(patient: &Patient) -> Option<Telecom> {
    let contact =
        patient.contacts.iter().filter(|c| !c.telecoms.is_empty()).min_by_key(|c| c.rank.unwrap_or(u32::MAX));
    contact.and_then(|contact| phone(&contact.telecoms)).or_else(|| phone(&patient.telecoms)).cloned()
}

fn phone(telecoms: &[Telecom]) -> Option<&Telecom> {
    let phones = telecoms.iter().filter(|t| t.system.as_deref().is_none_or(|system| system == "phone"));
    phones.min_by_key(|t| t.rank.unwrap_or(u32::MAX))
}
