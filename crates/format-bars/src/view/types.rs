//! The plain types of the view. Every text is as it was sent.

pub use crate::systems::Identifier;
use crate::systems::System;
use crate::when::When;

/// A code in a code system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coding {
    /// The system, as it was written.
    pub system: Option<String>,
    /// The code.
    pub code: Option<String>,
    /// What the code means, in words.
    pub display: Option<String>,
}

impl Coding {
    /// Whether it is of that system, however the system is written.
    pub fn is(&self, system: System) -> bool {
        self.system.as_deref().is_some_and(|uri| system.is(uri))
    }
}

/// A concept: codes that mean the same, and words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Concept {
    /// The codes.
    pub codings: Vec<Coding>,
    /// The words.
    pub text: Option<String>,
}

impl Concept {
    /// The best words for it: its text, else the first display, else the first code.
    pub fn label(&self) -> Option<&str> {
        let display = || self.codings.iter().find_map(|c| c.display.as_deref());
        let code = || self.codings.iter().find_map(|c| c.code.as_deref());
        self.text.as_deref().or_else(display).or_else(code)
    }
}

/// A free text, and where it was read.
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    /// The path of the element.
    pub path: String,
    /// The text.
    pub text: String,
}

impl Text {
    pub(crate) fn new(path: &str, text: String) -> Self {
        Self { path: path.to_owned(), text }
    }
}

/// A patient's identifier.
#[derive(Clone, PartialEq, Eq)]
pub struct PatientIdentifier {
    /// System and value.
    pub id: Identifier,
    /// The code of UK Core's verification status, such as `number-present-and-verified` or `01`.
    pub verification: Option<String>,
}

/// A person's name.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Name {
    /// official, usual, nickname …
    pub usage: Option<String>,
    /// The whole name.
    pub text: Option<String>,
    /// The family name.
    pub family: Option<String>,
    /// The given names.
    pub given: Vec<String>,
    /// Titles before.
    pub prefix: Vec<String>,
    /// Titles after.
    pub suffix: Vec<String>,
}

/// An address.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// home, work, temp …
    pub usage: Option<String>,
    /// The whole address.
    pub text: Option<String>,
    /// Its lines.
    pub lines: Vec<String>,
    /// The town.
    pub city: Option<String>,
    /// The county.
    pub district: Option<String>,
    /// The postcode.
    pub postal_code: Option<String>,
    /// The country.
    pub country: Option<String>,
}

/// A telephone number, an e-mail address.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Telecom {
    /// phone, email …
    pub system: Option<String>,
    /// The number or address.
    pub value: Option<String>,
    /// home, mobile, work …
    pub usage: Option<String>,
    /// 1 is tried first.
    pub rank: Option<u32>,
}

/// A person to contact about the patient, or the patient.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Contact {
    /// 1 is called first.
    pub rank: Option<u32>,
    /// Who that is to the patient.
    pub relationships: Vec<Concept>,
    /// The name.
    pub name: Option<Name>,
    /// How to reach them.
    pub telecoms: Vec<Telecom>,
    /// The gender.
    pub gender: Option<String>,
}

impl Contact {
    /// Whether this is the patient (code ONESELF of v3-RoleCode).
    pub fn is_patient(&self) -> bool {
        self.relationships.iter().flat_map(|r| &r.codings).any(|c| c.code.as_deref() == Some("ONESELF"))
    }
}

/// The patient.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Patient {
    /// Identifiers; there may be no NHS number.
    pub identifiers: Vec<PatientIdentifier>,
    /// Names.
    pub names: Vec<Name>,
    /// The date of birth, whole or in part.
    pub birth_date: Option<String>,
    /// male, female, other, unknown.
    pub gender: Option<String>,
    /// Addresses.
    pub addresses: Vec<Address>,
    /// Telecoms of the patient's own; BaRS keeps most in the contacts.
    pub telecoms: Vec<Telecom>,
    /// Whom to contact.
    pub contacts: Vec<Contact>,
    /// Languages.
    pub languages: Vec<Concept>,
    /// UK Core's ethnic category.
    pub ethnic_category: Option<Concept>,
    /// The GP surgery.
    pub general_practitioner: Option<Organization>,
}

impl Patient {
    /// The NHS number, as it was sent. It is not checked: the guide's own examples would fail.
    pub fn nhs_number(&self) -> Option<&PatientIdentifier> {
        self.identifiers.iter().find(|id| System::NhsNumber.is(&id.id.system))
    }
}

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Organization {
    /// Identifiers, such as the ODS code.
    pub identifiers: Vec<Identifier>,
    /// The name.
    pub name: Option<String>,
    /// How to reach it.
    pub telecoms: Vec<Telecom>,
    /// Where it is.
    pub addresses: Vec<Address>,
}

impl Organization {
    /// The ODS code.
    pub fn ods(&self) -> Option<&str> {
        self.identifiers.iter().find(|id| System::OdsOrganization.is(&id.system)).map(|id| id.value.as_str())
    }
}

/// A practitioner, with the role if the message has one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Practitioner {
    /// Identifiers.
    pub identifiers: Vec<Identifier>,
    /// The name.
    pub name: Option<Name>,
    /// How to reach them.
    pub telecoms: Vec<Telecom>,
    /// Roles.
    pub roles: Vec<Concept>,
    /// Specialties.
    pub specialties: Vec<Concept>,
    /// The name of the organisation they work for.
    pub organization: Option<String>,
}

/// A healthcare service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Service {
    /// Identifiers, such as the DoS service id.
    pub identifiers: Vec<Identifier>,
    /// The name.
    pub name: Option<String>,
    /// The organisation that provides it.
    pub provider: Option<Organization>,
}

/// A flag.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flag {
    /// active, inactive …
    pub status: Option<String>,
    /// What kind, such as SG or SS.
    pub categories: Vec<Concept>,
    /// What it says.
    pub code: Concept,
    /// Since when.
    pub start: Option<When>,
    /// Until when.
    pub end: Option<When>,
}

/// An allergy or intolerance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allergy {
    /// To what.
    pub code: Concept,
    /// active, resolved …
    pub clinical_status: Option<Concept>,
    /// confirmed, unconfirmed …
    pub verification_status: Option<Concept>,
    /// low, high …
    pub criticality: Option<String>,
    /// How it shows.
    pub manifestations: Vec<Concept>,
    /// How badly.
    pub severity: Option<String>,
    /// When it was written down.
    pub recorded: Option<When>,
    /// Notes.
    pub notes: Vec<String>,
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Condition {
    /// What it is.
    pub code: Concept,
    /// What kind, such as the presenting complaint.
    pub categories: Vec<Concept>,
    /// active, resolved …
    pub clinical_status: Option<Concept>,
    /// confirmed, provisional …
    pub verification_status: Option<Concept>,
    /// Since when, in whatever form it was sent.
    pub onset: Option<String>,
    /// Notes.
    pub notes: Vec<String>,
}

/// A medicine that the patient takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Medication {
    /// What.
    pub code: Concept,
    /// active, stopped …
    pub status: Option<String>,
    /// How it is taken, in words.
    pub dosages: Vec<String>,
    /// Since when, in whatever form it was sent.
    pub effective: Option<String>,
    /// Why.
    pub reasons: Vec<Concept>,
}

/// An observation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observation {
    /// What was observed.
    pub code: Concept,
    /// final, preliminary …
    pub status: Option<String>,
    /// What kind.
    pub categories: Vec<Concept>,
    /// The value, in words.
    pub value: Option<String>,
    /// When, in whatever form it was sent.
    pub effective: Option<String>,
    /// Notes.
    pub notes: Vec<String>,
}

/// An answer of a questionnaire.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The questions above it, outermost first: the text, else the link id.
    pub question: Vec<String>,
    /// The answer, in words.
    pub answer: String,
}

/// An encounter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Encounter {
    /// The case number.
    pub identifiers: Vec<Identifier>,
    /// triaged, finished, planned …
    pub status: Option<String>,
    /// emergency …
    pub class: Option<Coding>,
    /// Since when.
    pub start: Option<When>,
    /// The Journey ID.
    pub journey: Option<String>,
    /// Why, as when it was rejected.
    pub reasons: Vec<Concept>,
}

/// A place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Location {
    /// The name.
    pub name: Option<String>,
    /// What kind, such as that of the incident.
    pub types: Vec<Concept>,
    /// The address.
    pub address: Option<Address>,
    /// Longitude and latitude, as they were sent; some senders swap them.
    pub position: Option<(String, String)>,
}

/// What says who the patient is, or is free text, never shows in a `Debug`: it would end in a log.
macro_rules! opaque {
    ($($name:ident),+) => {
        $(impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), " { .. }"))
            }
        })+
    };
}

opaque!(Text, PatientIdentifier, Name, Address, Telecom, Contact, Patient, Answer);
