//! Organisations, practitioners, services, and the consent that BaRS demands.

use bulkhead_format_bars::profile::WALES_ORGANIZATIONS;
use bulkhead_format_bars::view::{Identifier, Organization, Practitioner};
use bulkhead_format_bars::{Node, Profile, System};

use super::Source;
use super::maker::{self, Maker};
use crate::stamp::Party;

/// The parties of the stamp: sender and receiver.
fn party<'s>(source: &'s Source<'_>, end: usize) -> &'s Party {
    if end == 0 { &source.stamp.from } else { &source.stamp.to }
}

fn stated<'s>(source: &'s Source<'_>, end: usize) -> Option<&'s Organization> {
    let view = &source.read.content.view;
    // In an answer the providers stand as they stood in the referral: the receiver of that is the sender of this.
    let swapped = source.is_answer();
    if (end == 0) != swapped { view.sender.as_ref() } else { view.receiver.as_ref() }
}

/// `system|value` of a party's service; else of an identifier that the message has, of a service before others.
pub(super) fn endpoint(source: &Source<'_>, end: usize) -> Option<String> {
    let party = party(source, end);
    let known = party.service.as_ref().or(party.organization.as_ref()).map(|address| address.to_string());
    let own = || {
        let ids = &stated(source, end)?.identifiers;
        let service = ids.iter().find(|id| System::DosServiceId.is(&id.system));
        service.or_else(|| ids.iter().find(|id| id.system.contains(':'))).map(ToString::to_string)
    };
    known.or_else(own)
}

/// Sender, receiver, surgery.
pub(super) fn organizations(source: &Source<'_>, maker: &mut Maker) {
    for (end, role) in ["sender", "receiver"].into_iter().enumerate() {
        let node = organization(source, end, maker);
        maker.add(&format!("Organization/{role}"), node);
    }
    let surgery = source.content().view.patient.as_ref().and_then(|p| p.general_practitioner.as_ref());
    if let Some(surgery) = surgery {
        let node = details(maker.resource("Organization"), surgery);
        maker.add("Organization/surgery", node);
    }
}

/// An end of the message. NWRI finds both by literal names; the real name is then an alias.
fn organization(source: &Source<'_>, end: usize, maker: &Maker) -> Node {
    let party = party(source, end);
    let mut own = stated(source, end).cloned().unwrap_or_default();
    if let Some(address) = &party.organization {
        let id = Identifier { system: address.system().to_owned(), value: address.value().to_owned() };
        if !own.identifiers.iter().any(|other| other.same(&id)) {
            own.identifiers.insert(0, id);
        }
    }
    own.name = own.name.or_else(|| party.name.clone());
    if source.profile.rules == Profile::WalesNwri {
        let alias = own.name.replace(WALES_ORGANIZATIONS[end].to_owned());
        let node = details(maker.resource("Organization"), &own);
        return node.with_some("alias", alias.as_deref());
    }
    // FHIR demands a name or an identifier.
    if own.name.is_none() && own.identifiers.is_empty() {
        own.name = source.read.names[end].clone().or_else(|| Some("Not stated".to_owned()));
    }
    details(maker.resource("Organization"), &own)
}

fn details(mut node: Node, organization: &Organization) -> Node {
    let is_service = |id: &&Identifier| System::DosServiceId.is(&id.system);
    let (services, codes): (Vec<_>, Vec<_>) = organization.identifiers.iter().partition(is_service);
    for id in codes.into_iter().chain(services) {
        node.push("identifier", maker::identifier(id));
    }
    node = node.with_some("name", organization.name.as_deref());
    for telecom in &organization.telecoms {
        node.push("telecom", maker::telecom(telecom));
    }
    for address in &organization.addresses {
        node.push("address", maker::address(address));
    }
    node
}

/// The one who asks, and others that are named. BaRS demands one; if nobody is named, it says so.
pub(super) fn practitioners(source: &Source<'_>, maker: &mut Maker) {
    let view = &source.content().view;
    let nobody = Practitioner::default();
    let requester = view.requester.as_ref().unwrap_or(&nobody);
    let mut node = person(maker.resource("Practitioner"), requester);
    if requester.name.is_none() && requester.identifiers.is_empty() {
        node.push("name", Node::new().with_text("text", "Not stated by the sender"));
    }
    maker.add("Practitioner", node);
    let mut role = maker
        .resource("PractitionerRole")
        .with("practitioner", maker.to("Practitioner"))
        .with("organization", maker.to("Organization/sender"));
    for (name, concepts) in [("code", &requester.roles), ("specialty", &requester.specialties)] {
        for concept in concepts {
            role.push(name, maker::concept(concept));
        }
    }
    maker.add("PractitionerRole", role);
    for (index, other) in view.practitioners.iter().enumerate() {
        let node = person(maker.resource("Practitioner"), other);
        maker.add(&format!("Practitioner/{index}"), node);
    }
}

fn person(mut node: Node, practitioner: &Practitioner) -> Node {
    for id in &practitioner.identifiers {
        node.push("identifier", maker::identifier(id));
    }
    if let Some(name) = &practitioner.name {
        node.push("name", maker::name(name));
    }
    for telecom in &practitioner.telecoms {
        node.push("telecom", maker::telecom(telecom));
    }
    node
}

/// The service that is asked.
pub(super) fn services(source: &Source<'_>, maker: &mut Maker) {
    let known = party(source, 1).service.as_ref();
    let known = known
        .map(|address| Identifier { system: address.system().to_owned(), value: address.value().to_owned() });
    let mut ids: Vec<Identifier> = known.into_iter().collect();
    for end in [0, 1] {
        let own = stated(source, end).into_iter().flat_map(|organization| &organization.identifiers);
        ids.extend(own.filter(|id| System::DosServiceId.is(&id.system) && end == 1).cloned());
    }
    ids.dedup_by(|a, b| a.same(b));
    let mut node = maker.resource("HealthcareService");
    for id in &ids {
        node.push("identifier", maker::identifier(id));
    }
    node.push("providedBy", maker.to("Organization/receiver"));
    let name = party(source, 1).name.clone().or_else(|| stated(source, 1).and_then(|o| o.name.clone()));
    maker.add("HealthcareService", node.with_some("name", name.as_deref()));
}

/// BaRS demands a Consent. None was stated, and none is invented: it is a draft that says so.
pub(super) fn consent(source: &Source<'_>, maker: &mut Maker) {
    if source.profile.rules == Profile::WalesNwri {
        return;
    }
    let coding = |system: &str, code: &str| {
        Node::new().with("coding", Node::new().with_text("system", system).with_text("code", code))
    };
    let node = maker
        .resource("Consent")
        .with_text("status", "draft")
        .with("scope", coding("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"))
        .with("category", Node::new().with_text("text", "Not stated by the sender"))
        .with("patient", maker.to("Patient"))
        .with("policyRule", Node::new().with_text("text", "Not stated by the sender"));
    maker.add("Consent", node);
}
