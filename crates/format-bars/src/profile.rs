//! What a bundle must hold. A receiver has to check this itself; the proxy does not.
//!
//! England: the cardinalities of the MessageDefinitions of BaRS (MessageDefinition/BARS-MessageDefinition-*),
//! of which the lower bounds and the single ones are checked, and the states of CarePlan and Encounter of
//! Standard-Pattern-For-Composites. Wales: what NWRI's validators want, literal names included.

use crate::bundle::Bundle;
use crate::classify::{MessageKind, Profile, ResponseKind};
use crate::document::Document;
use crate::message::BarsMessage;
use crate::outcome::Problem;
use crate::systems::System;

/// How often a resource must be there: its type, at least, at most.
pub type Cardinality = (&'static str, usize, Option<usize>);

const ONE: Option<usize> = Some(1);

/// BARS-MessageDefinition-ServiceRequest-Request-Referral.
pub const NEW_REFERRAL: &[Cardinality] = &[
    ("MessageHeader", 1, ONE),
    ("ServiceRequest", 1, ONE),
    ("Patient", 1, ONE),
    ("Encounter", 1, ONE),
    ("CarePlan", 1, ONE),
    ("Organization", 2, None),
    ("Practitioner", 1, None),
    ("PractitionerRole", 1, None),
    ("Consent", 1, None),
    ("HealthcareService", 1, None),
];

/// BARS-MessageDefinition-ServiceRequest-Request-Validation.
pub const NEW_VALIDATION: &[Cardinality] = &[
    ("MessageHeader", 1, ONE),
    ("ServiceRequest", 1, ONE),
    ("Patient", 1, ONE),
    ("Encounter", 1, ONE),
    ("CarePlan", 1, ONE),
    ("Location", 1, ONE),
    ("Organization", 2, None),
    ("Practitioner", 1, None),
    ("PractitionerRole", 1, None),
    ("Consent", 1, None),
    ("HealthcareService", 1, ONE),
];

/// BARSMessageDefinitionServiceRequestRequestCancelled.
pub const CANCEL: &[Cardinality] =
    &[("MessageHeader", 1, ONE), ("ServiceRequest", 1, ONE), ("Patient", 1, ONE), ("Organization", 2, None)];

/// What updates have in common; an update brings the receiver's Encounter back, so there may be two.
pub const UPDATE: &[Cardinality] = &[
    ("MessageHeader", 1, ONE),
    ("ServiceRequest", 1, ONE),
    ("Patient", 1, ONE),
    ("Encounter", 1, Some(3)),
    ("Organization", 2, None),
];

/// BARS-MessageDefinition-ServiceRequest-Response-Referral-Short and its sisters, as far as they agree.
pub const RESPONSE: &[Cardinality] = &[
    ("MessageHeader", 1, ONE),
    ("ServiceRequest", 1, ONE),
    ("Patient", 1, ONE),
    ("Encounter", 0, Some(3)),
    ("Organization", 1, None),
];

const WALES_CREATE: &[Cardinality] = &[
    ("MessageHeader", 1, ONE),
    ("ServiceRequest", 1, None),
    ("Encounter", 1, None),
    ("CarePlan", 1, None),
    ("HealthcareService", 1, None),
    ("Patient", 1, None),
    ("Condition", 1, None),
    ("Organization", 2, None),
];

/// The names that NWRI looks its two organisations up by.
pub const WALES_ORGANIZATIONS: [&str; 2] = ["Sender Organization", "Receiving/performing Organization"];

/// What must be there for a kind of message.
pub fn cardinalities(kind: MessageKind, profile: Profile) -> &'static [Cardinality] {
    match (profile, kind) {
        (Profile::WalesNwri, MessageKind::NewReferral) => WALES_CREATE,
        (Profile::WalesNwri, _) => &[("MessageHeader", 1, ONE), ("ServiceRequest", 1, None)],
        (Profile::England, MessageKind::NewReferral) => NEW_REFERRAL,
        (Profile::England, MessageKind::NewValidation) => NEW_VALIDATION,
        (Profile::England, MessageKind::Cancel) => CANCEL,
        (Profile::England, MessageKind::Update) => UPDATE,
        (Profile::England, MessageKind::Response(_)) => RESPONSE,
    }
}

/// What the bundle lacks or has too often, by resource name.
pub fn missing(bundle: &Bundle<'_>, message: &BarsMessage, profile: Profile) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for &(kind, least, most) in cardinalities(message.kind, profile) {
        let count = bundle.of_type(kind).count();
        let most_text = most.map_or("*".to_owned(), |most| most.to_string());
        if count < least || most.is_some_and(|most| count > most) {
            found.push(format!("{kind} ({least}..{most_text}, found {count})"));
        }
    }
    match (profile, message.kind) {
        (Profile::WalesNwri, MessageKind::NewReferral) => wales(bundle, &mut found),
        (Profile::England, kind) => states(bundle, message, kind, &mut found),
        _ => {}
    }
    found
}

/// The same as 400 `invariant`.
pub fn check(document: &Document, message: &BarsMessage, profile: Profile) -> Result<(), Problem> {
    let bundle = Bundle::of(document)?;
    match missing(&bundle, message, profile).as_slice() {
        [] => Ok(()),
        missing => Err(Problem::invariant(&format!("missing or not as required: {}", missing.join(", ")))),
    }
}

fn wales(bundle: &Bundle<'_>, found: &mut Vec<String>) {
    let number = |patient: &crate::Node| {
        patient.all("identifier").any(|id| {
            id.text("system").is_some_and(|s| System::NhsNumber.is(s)) && id.text("value").is_some()
        })
    };
    if !bundle.of_type("Patient").any(|entry| number(entry.resource)) {
        found.push("Patient.identifier (NHS number)".to_owned());
    }
    if !bundle.of_type("Condition").any(|entry| entry.resource.path("code.coding.display").is_some()) {
        found.push("Condition.code.coding.display".to_owned());
    }
    for name in WALES_ORGANIZATIONS {
        if !bundle.of_type("Organization").any(|entry| entry.resource.text("name") == Some(name)) {
            found.push(format!("Organization named \"{name}\""));
        }
    }
}

/// Kind, and the states that CarePlan and Encounter may have in it.
type States = (MessageKind, &'static [&'static str], &'static [&'static str]);

const STATES: &[States] = &[
    (MessageKind::NewReferral, &["completed"], &["triaged", "finished"]),
    (MessageKind::NewValidation, &["active"], &["triaged", "in-progress"]),
];

/// Between ambulance services (Application 6) care goes on: the plan is active.
const STATES_APPLICATION_6: States =
    (MessageKind::NewReferral, &["active", "completed"], &["triaged", "in-progress", "finished"]);

fn states(bundle: &Bundle<'_>, message: &BarsMessage, kind: MessageKind, found: &mut Vec<String>) {
    let application_6 =
        message.request.use_case.as_deref().is_some_and(|use_case| use_case.starts_with("a6"));
    let row = match kind {
        MessageKind::NewReferral if application_6 => Some(&STATES_APPLICATION_6),
        kind => STATES.iter().find(|row| row.0 == kind),
    };
    let Some((_, plans, encounters)) = row else { return };
    for (name, allowed) in [("CarePlan", plans), ("Encounter", encounters)] {
        let wrong = |status: Option<&str>| status.is_none_or(|status| !allowed.contains(&status));
        if bundle.of_type(name).any(|entry| wrong(entry.resource.text("status"))) {
            found.push(format!("{name}.status ({})", allowed.join(" or ")));
        }
    }
}

/// The MessageDefinition that a response of that kind conforms to.
pub fn response_definition(kind: ResponseKind) -> &'static str {
    match kind {
        ResponseKind::Interim | ResponseKind::Final | ResponseKind::Rejection => {
            "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-response-referral-short"
        }
        ResponseKind::DidNotAttend => {
            "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-response-referral"
        }
    }
}
