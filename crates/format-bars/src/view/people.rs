//! Organisations, practitioners, services, encounters and places.

use super::ReferralView;
use super::trail::Trail;
use super::types::{Encounter, Location, Organization, Practitioner, Service};
use crate::bundle::Entry;
use crate::node::Node;
use crate::when::When;

pub(crate) fn read(trail: &Trail<'_>, view: &mut ReferralView) {
    let bundle = trail.bundle();
    view.organizations = bundle.of_type("Organization").map(|e| organization(trail, e.resource)).collect();
    view.practitioners = bundle.of_type("Practitioner").filter_map(|e| practitioner(trail, e)).collect();
    view.services = bundle.of_type("HealthcareService").map(|e| service(trail, e.resource)).collect();
    view.encounters = bundle.of_type("Encounter").map(|e| encounter(trail, e.resource)).collect();
    view.locations = bundle.of_type("Location").map(|e| location(trail, e.resource)).collect();
    if let Some(header) = bundle.first("MessageHeader").map(|entry| entry.resource) {
        for path in ["eventCoding", "reason.coding"] {
            header.path_all(path).into_iter().for_each(|coding| drop(trail.coding(coding)));
        }
        for path in ["source.endpoint", "destination.endpoint", "definition"] {
            trail.path_text(header, path);
        }
        for path in ["response.identifier", "response.code"] {
            trail.path_text(header, path);
        }
        let named = |path: &str| {
            let reference = header.path(path)?;
            bundle.follow(Some(reference)).map(|entry| organization(trail, entry.resource))
        };
        view.sender = named("sender");
        view.receiver = named("destination.receiver");
    }
}

pub(crate) fn organization(trail: &Trail<'_>, node: &Node) -> Organization {
    Organization {
        identifiers: trail.identifiers(node),
        name: trail.text(node, "name"),
        telecoms: trail.telecoms(node),
        addresses: node.all("address").map(|a| trail.address(a)).collect(),
    }
}

/// The practitioner that an entry is, or that a PractitionerRole names.
pub(crate) fn practitioner(trail: &Trail<'_>, entry: Entry<'_>) -> Option<Practitioner> {
    let bundle = trail.bundle();
    let (person, role) = match entry.kind() {
        "PractitionerRole" => {
            (bundle.follow(entry.resource.get("practitioner")).map(|e| e.resource), Some(entry.resource))
        }
        "Practitioner" => (Some(entry.resource), trail.role_of(entry.resource)),
        _ => return None,
    };
    let employer = role.and_then(|role| role.get("organization")).and_then(|o| bundle.follow(Some(o)));
    Some(Practitioner {
        identifiers: person.map(|p| trail.identifiers(p)).unwrap_or_default(),
        name: person.and_then(|p| p.get("name")).map(|name| trail.name(name)),
        telecoms: person.map(|p| trail.telecoms(p)).unwrap_or_default(),
        roles: role.map(|r| trail.concepts(r, "code")).unwrap_or_default(),
        specialties: role.map(|r| trail.concepts(r, "specialty")).unwrap_or_default(),
        organization: employer.and_then(|e| trail.text(e.resource, "name")),
    })
}

fn service(trail: &Trail<'_>, node: &Node) -> Service {
    let provider = trail.bundle().follow(node.get("providedBy"));
    Service {
        identifiers: trail.identifiers(node),
        name: trail.text(node, "name"),
        provider: provider.map(|entry| organization(trail, entry.resource)),
    }
}

fn encounter(trail: &Trail<'_>, node: &Node) -> Encounter {
    Encounter {
        identifiers: trail.identifiers(node),
        status: trail.text(node, "status"),
        class: node.get("class").map(|class| trail.coding(class)),
        start: trail.path_text(node, "period.start").as_deref().map(When::read),
        journey: trail.path_text(node, "episodeOfCare.reference"),
        reasons: trail.concepts(node, "reasonCode"),
    }
}

fn location(trail: &Trail<'_>, node: &Node) -> Location {
    let [longitude, latitude] =
        ["position.longitude", "position.latitude"].map(|path| trail.path_text(node, path));
    Location {
        name: trail.text(node, "name"),
        types: trail.concepts(node, "type"),
        address: node.get("address").map(|a| trail.address(a)),
        position: longitude.zip(latitude),
    }
}
