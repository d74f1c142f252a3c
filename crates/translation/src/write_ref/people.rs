//! PRD: who refers, who is referred to, and the patient's surgery (table 0286).

use bulkhead_format_bars::view::{Identifier, Name, Organization, Telecom};
use bulkhead_format_hl7::{Draft, Value};

use super::patient;
use crate::content::Content;
use crate::stamp::Party;
use crate::tables::codes;

/// One end of a message: the organisation, and the service behind its endpoint.
#[derive(Debug, Clone, Default)]
pub(crate) struct End {
    pub(crate) organization: Option<Organization>,
    /// The endpoint as an identifier, and otherwise as it is written.
    pub(crate) endpoint: Option<Identifier>,
}

impl End {
    /// An end of a BaRS message, with what the stamp knows of the party where the message says nothing.
    pub(crate) fn new(organization: Option<Organization>, endpoint: &str, party: &Party) -> Self {
        let address = |address: &bulkhead_model::ServiceAddress| Identifier {
            system: address.system().to_owned(),
            value: address.value().to_owned(),
        };
        let stamped = || Organization {
            identifiers: party.organization.iter().map(address).collect(),
            name: party.name.clone(),
            ..Organization::default()
        };
        let written = || {
            (!endpoint.is_empty()).then(|| Identifier { system: String::new(), value: endpoint.to_owned() })
        };
        let endpoint =
            Identifier::parse(endpoint).or_else(written).or_else(|| party.service.as_ref().map(address));
        Self { organization: organization.or_else(|| Some(stamped())), endpoint }
    }

    /// The organisation's code.
    pub(super) fn code(&self) -> Option<String> {
        self.organization.as_ref()?.identifiers.first().map(|id| id.value.clone())
    }

    fn identifiers(&self) -> Vec<Identifier> {
        let organization = self.organization.iter().flat_map(|o| &o.identifiers);
        organization.chain(&self.endpoint).cloned().collect()
    }
}

/// The referring provider, the one referred to, and the surgery.
pub(super) fn prds(content: &Content, ends: &[End; 2]) -> Vec<Draft> {
    let view = &content.view;
    let requester = view.requester.as_ref().or(view.practitioners.first());
    let mut own: Vec<Identifier> = requester.map(|r| r.identifiers.clone()).unwrap_or_default();
    own.extend(ends[0].identifiers());
    let telecoms: Vec<Telecom> = requester
        .iter()
        .flat_map(|r| &r.telecoms)
        .chain(ends[0].organization.iter().flat_map(|o| &o.telecoms))
        .cloned()
        .collect();
    let referring = prd("RP", "Referring Provider", ends[0].organization.as_ref(), &own)
        .set_if(2, requester.and_then(|r| r.name.as_ref()).map(person))
        .set_if(5, patient::telecoms(&telecoms));
    let mut theirs = ends[1].identifiers();
    theirs.extend(view.services.iter().flat_map(|service| service.identifiers.clone()));
    theirs.dedup();
    let receiving = ends[1].organization.as_ref();
    let referred = prd("RT", "Referred to Provider", receiving, &theirs)
        .set_if(5, receiving.and_then(|o| patient::telecoms(&o.telecoms)));
    let surgery = view.patient.as_ref().and_then(|p| p.general_practitioner.as_ref());
    let surgery = surgery.map(|surgery| {
        prd("PP", "Primary Care Provider", Some(surgery), &surgery.identifiers)
            .set_if(5, patient::telecoms(&surgery.telecoms))
    });
    [Some(referring), Some(referred), surgery].into_iter().flatten().collect()
}

/// Role, address, the organisation's name as the description of the location (PL-9), identifiers with their types.
fn prd(role: &str, words: &str, organization: Option<&Organization>, identifiers: &[Identifier]) -> Draft {
    let name = organization.and_then(|o| o.name.as_deref());
    let mut seen: Vec<&Identifier> = Vec::new();
    for id in identifiers {
        if !seen.contains(&id) {
            seen.push(id);
        }
    }
    let ids = seen.iter().map(|id| Value::components([id.value.clone(), codes::identifier_type(&id.system)]));
    Draft::new("PRD")
        .set(1, Value::components([role, words, "HL70286"]))
        .set_if(3, organization.and_then(|o| o.addresses.first()).map(patient::address))
        .set_if(4, name.map(|name| Value::components(["", "", "", "", "", "", "", "", name])))
        .set_if(7, ids.reduce(Value::and))
}

fn person(name: &Name) -> Value {
    patient::name(name, None)
}
