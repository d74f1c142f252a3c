//! PRD: who refers, who is referred to, and the surgery (table 0286).

use bulkhead_format_bars::view::{Identifier, Organization, Practitioner};
use bulkhead_format_hl7::{Message, Segment};

use super::trail::Trail;
use super::types;
use crate::content::Content;
use crate::tables::codes;

/// The first provider of each role; further ones are left over.
pub(super) fn read(trail: &Trail, message: &Message, content: &mut Content) {
    let with_role = |role: &str| {
        let has = |prd: &Segment<'_>| prd.field(1).repetitions().any(|r| r.component(1).text() == role);
        message.all("PRD").find(has)
    };
    let view = &mut content.view;
    if let Some(prd) = with_role("RP") {
        let (organization, person) = provider(trail, &prd);
        view.sender = Some(organization);
        view.requester = person;
    }
    if let Some(prd) = with_role("RT") {
        let (organization, person) = provider(trail, &prd);
        view.receiver = Some(organization);
        view.practitioners.extend(person);
    }
    if let Some(prd) = with_role("PP") {
        let (organization, person) = provider(trail, &prd);
        view.organizations.push(organization);
        view.practitioners.extend(person);
    }
}

/// The organisation and the person behind a provider: identifiers go by their type.
fn provider(trail: &Trail, prd: &Segment<'_>) -> (Organization, Option<Practitioner>) {
    trail.implied(&prd.field(1));
    let name = prd.field(2).repetitions().find_map(|value| types::name(trail, &value));
    let addresses = prd.field(3).repetitions().filter_map(|value| types::address(trail, &value)).collect();
    let place = prd.field(4).repetition(1);
    let organization_name = trail.component(&place, 9).or_else(|| trail.component(&place, 4));
    let telecoms = prd.field(5).repetitions().filter_map(|value| types::telecom(trail, &value)).collect();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for id in prd.field(7).repetitions() {
        let Some(value) = trail.component(&id, 1) else { continue };
        let kind = trail.component(&id, 2).unwrap_or_default();
        let system = codes::identifier_system(&kind);
        let own = codes::is_of_organization(&system);
        if own { ours.push(Identifier { system, value }) } else { theirs.push(Identifier { system, value }) }
    }
    let person = (name.is_some() || !theirs.is_empty()).then(|| Practitioner {
        identifiers: theirs,
        name,
        telecoms: Vec::new(),
        ..Practitioner::default()
    });
    (Organization { identifiers: ours, name: organization_name, telecoms, addresses }, person)
}
