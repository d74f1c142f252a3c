//! DG1, AL1, OBX, and the facts and texts that have no segment of their own.

use bulkhead_format_bars::view::{Address, Allergy, Coding, Condition, Flag, Observation};
use bulkhead_format_bars::{System, When};
use bulkhead_format_hl7::{Draft, Value};

use super::coded;
use crate::content::Content;
use crate::facts::{Facts, Name};
use crate::notes::{self, Note};
use crate::profile::{Place, Profile};
use crate::tables::demographics as codes;
use crate::times;

/// The facts of a referral. What must be shown comes first.
pub(crate) fn facts(content: &Content, profile: &Profile, facts: &mut Facts) {
    let view = &content.view;
    for disposition in &view.dispositions {
        facts.coding(Name::Disposition, 0, disposition);
    }
    facts.time(Name::DueBy, 0, &view.end);
    for (index, flag) in view.flags.iter().enumerate() {
        flag_facts(flag, index + 1, facts);
    }
    let in_al1 = profile.clinical_segments && allergies_in_al1(profile);
    for (index, allergy) in view.allergies.iter().enumerate() {
        allergy_facts(allergy, index + 1, in_al1, facts);
    }
    for (index, condition) in view.conditions.iter().enumerate() {
        condition_facts(condition, index + 1, profile.clinical_segments, facts);
    }
    facts.time(Name::Earliest, 0, &view.start);
    for outcome in &view.outcomes {
        facts.coding(Name::Outcome, 0, outcome);
    }
    for category in &view.categories {
        facts.coding(Name::Category, 0, category);
    }
    medications(content, facts);
    for (index, observation) in view.observations.iter().enumerate() {
        observation_facts(observation, index + 1, profile.clinical_segments, facts);
    }
    for (index, answer) in view.answers.iter().enumerate() {
        facts.text(Name::Question, index + 1, [&answer.question.join(" / ")]);
        facts.text(Name::Answer, index + 1, [&answer.answer]);
    }
    circumstances(content, facts);
}

fn allergies_in_al1(profile: &Profile) -> bool {
    profile.shows.allergies.as_ref().is_some_and(|shown| matches!(shown.place, Place::Field("AL1", _)))
}

/// The categories SG and SS have names of their own, because they must be seen.
fn flag_facts(flag: &Flag, group: usize, facts: &mut Facts) {
    let is = |category: &str| {
        let codings = flag.categories.iter().flat_map(|c| &c.codings);
        codings
            .filter(|c| c.is(System::FlagCategory))
            .any(|c| c.code.as_deref().is_some_and(|c| c.eq_ignore_ascii_case(category)))
    };
    let active = flag.status.as_deref().is_none_or(|status| status == "active");
    let name = match (active, is("SG"), is("SS")) {
        (true, true, _) => Name::Safeguarding,
        (true, _, true) => Name::SceneSafety,
        _ => Name::Flag,
    };
    let said = if flag.code.label().is_some() { Some(&flag.code) } else { flag.categories.first() };
    facts.coded(name, group, said);
    facts.coded(Name::FlagCategory, group, &flag.categories);
    facts.text(Name::FlagStatus, group, flag.status.iter().filter(|_| !active));
    facts.time(Name::FlagStart, group, &flag.start);
    facts.time(Name::FlagEnd, group, &flag.end);
}

fn allergy_facts(allergy: &Allergy, group: usize, in_al1: bool, facts: &mut Facts) {
    if !in_al1 {
        facts.coded(Name::Allergy, group, [&allergy.code]);
        facts.text(Name::AllergySeverity, group, &allergy.severity);
        facts.time(Name::AllergyRecorded, group, &allergy.recorded);
    } else if let Some(recorded) = &allergy.recorded {
        // AL1-6 is a date; a time goes beside it.
        facts.time(Name::AllergyRecorded, group, recorded.at().map(|_| recorded));
        facts.text(Name::AllergySeverity, group, allergy.severity.iter().filter(|s| severity(s).is_none()));
    }
    facts.coded(Name::AllergyReaction, group, &allergy.manifestations);
    facts.coded(Name::AllergyStatus, group, &allergy.clinical_status);
    facts.coded(Name::AllergyVerification, group, &allergy.verification_status);
    facts.text(Name::AllergyCriticality, group, &allergy.criticality);
    facts.text(Name::AllergyNote, group, &allergy.notes);
}

fn severity(code: &str) -> Option<&'static str> {
    codes::to_hl7(codes::SEVERITIES, code)
}

fn condition_facts(condition: &Condition, group: usize, in_dg1: bool, facts: &mut Facts) {
    if !in_dg1 {
        facts.coded(Name::Condition, group, [&condition.code]);
    }
    facts.coded(Name::ConditionCategory, group, &condition.categories);
    facts.coded(Name::ConditionStatus, group, &condition.clinical_status);
    facts.coded(Name::ConditionVerification, group, &condition.verification_status);
    facts.text(Name::ConditionOnset, group, &condition.onset);
    facts.text(Name::ConditionNote, group, &condition.notes);
}

/// An observation has an OBX of its own where OBX is read; then only what has no field there is a fact.
fn observation_facts(observation: &Observation, group: usize, in_obx: bool, facts: &mut Facts) {
    let status = |status: &&String| !in_obx || codes::to_hl7(codes::RESULT_STATUSES, status).is_none();
    let time = |text: &&String| !in_obx || moment(text).is_none();
    if !in_obx {
        facts.coded(Name::Observation, group, [&observation.code]);
        facts.text(Name::ObservationValue, group, &observation.value);
    }
    facts.text(Name::ObservationStatus, group, observation.status.iter().filter(status));
    facts.text(Name::ObservationTime, group, observation.effective.iter().filter(time));
    facts.coded(Name::ObservationCategory, group, &observation.categories);
    facts.text(Name::ObservationNote, group, &observation.notes);
}

fn medications(content: &Content, facts: &mut Facts) {
    for (index, medication) in content.view.medications.iter().enumerate() {
        let group = index + 1;
        facts.coded(Name::Medication, group, [&medication.code]);
        facts.text(Name::MedicationStatus, group, &medication.status);
        facts.text(Name::MedicationDosage, group, &medication.dosages);
        facts.text(Name::MedicationSince, group, &medication.effective);
        facts.coded(Name::MedicationReason, group, &medication.reasons);
    }
}

/// Encounters, places, and the roles of people.
fn circumstances(content: &Content, facts: &mut Facts) {
    let view = &content.view;
    for (index, encounter) in view.encounters.iter().enumerate() {
        let group = index + 1;
        for id in &encounter.identifiers {
            let coding = Coding {
                system: Some(id.system.clone()).filter(|s| !s.is_empty()),
                code: Some(id.value.clone()),
                display: None,
            };
            facts.coding(Name::CaseNumber, group, &coding);
        }
        facts.text(Name::Journey, group, &encounter.journey);
        facts.text(Name::EncounterStatus, group, &encounter.status);
        if let Some(class) = &encounter.class {
            facts.coding(Name::EncounterClass, group, class);
        }
        facts.time(Name::EncounterStart, group, &encounter.start);
        facts.coded(Name::EncounterReason, group, &encounter.reasons);
    }
    for (index, place) in view.locations.iter().enumerate() {
        let group = index + 1;
        facts.text(Name::Place, group, &place.name);
        facts.coded(Name::PlaceKind, group, &place.types);
        facts.text(Name::PlaceAddress, group, place.address.iter().map(words).collect::<Vec<_>>().iter());
        let position = place.position.as_ref().map(|(longitude, latitude)| format!("{longitude} {latitude}"));
        facts.text(Name::PlacePosition, group, &position);
    }
    let patient = view.patient.iter().flat_map(|p| p.contacts.iter().filter(|c| !c.is_patient()));
    for (index, contact) in patient.enumerate() {
        facts.coded(Name::ContactRole, index + 1, &contact.relationships);
    }
    if let Some(requester) = view.requester.as_ref().or(view.practitioners.first()) {
        facts.coded(Name::PractitionerRole, 0, &requester.roles);
        facts.coded(Name::Specialty, 0, &requester.specialties);
        facts.text(Name::Employer, 0, &requester.organization);
    }
    for id in view.identifiers.iter().skip(1) {
        let coding = Coding { system: Some(id.system.clone()), code: Some(id.value.clone()), display: None };
        facts.coding(Name::CaseNumber, 0, &coding);
    }
}

/// An address in words.
fn words(address: &Address) -> String {
    let parts = [&address.city, &address.district, &address.postal_code, &address.country];
    let mut said: Vec<&str> = address.lines.iter().map(String::as_str).collect();
    said.extend(parts.iter().filter_map(|part| part.as_deref()));
    if said.is_empty() { address.text.clone().unwrap_or_default() } else { said.join(", ") }
}

fn moment(text: &str) -> Option<String> {
    times::to_hl7(&When::read(text))
}

/// DG1 and AL1.
pub(super) fn segments(content: &Content, profile: &Profile) -> Vec<Draft> {
    let conditions =
        content.view.conditions.iter().enumerate().map(|(index, condition)| dg1(index + 1, condition));
    let allergies = content.view.allergies.iter().enumerate().map(|(index, allergy)| al1(index + 1, allergy));
    let allergies = allergies.filter(|_| allergies_in_al1(profile));
    conditions.chain(allergies).collect()
}

/// DG1: the code, since when, and the type (table 0052, for users to define), which the standard demands: `U` where the
/// sender stated none.
fn dg1(number: usize, condition: &Condition) -> Draft {
    let verification =
        condition.verification_status.iter().flat_map(|v| &v.codings).find_map(|c| c.code.as_deref());
    let kind = verification
        .and_then(|code| codes::to_hl7(codes::DIAGNOSIS_TYPES, code))
        .unwrap_or(codes::DIAGNOSIS_TYPE_NOT_STATED);
    let onset = condition.onset.as_deref().and_then(moment);
    Draft::new("DG1")
        .set(1, number.to_string())
        .set(3, coded::one(&condition.code))
        .set_if(5, onset)
        .set(6, kind)
}

/// AL1: to what, how badly (table 0128), how it shows, and when it was written down.
fn al1(number: usize, allergy: &Allergy) -> Draft {
    let reactions =
        allergy.manifestations.iter().filter_map(|m| m.label()).map(Value::text).reduce(Value::and);
    let date = allergy.recorded.as_ref().and_then(times::to_hl7);
    let date = date.map(|date| date.get(..8).unwrap_or(&date).to_owned());
    Draft::new("AL1")
        .set(1, number.to_string())
        .set(3, coded::one(&allergy.code))
        .set_if(4, allergy.severity.as_deref().and_then(severity))
        .set_if(5, reactions)
        .set_if(6, date)
}

/// OBX of the observations: what was observed is its name. Values are words, as the view gives them.
pub(super) fn observations(content: &Content) -> Vec<Draft> {
    let one = |(index, observation): (usize, &Observation)| {
        let status =
            observation.status.as_deref().and_then(|code| codes::to_hl7(codes::RESULT_STATUSES, code));
        let at = observation.effective.as_deref().and_then(moment);
        Draft::new("OBX")
            .set(2, "TX")
            .set(3, coded::one(&observation.code))
            .set(4, (index + 1).to_string())
            .set_if(5, observation.value.as_ref())
            .set(11, status.unwrap_or("F"))
            .set_if(14, at)
    };
    content.view.observations.iter().enumerate().map(one).collect()
}

/// The free texts, each with its path.
pub(crate) fn texts(content: &Content) -> Vec<Note> {
    let texts = content.view.texts.iter().enumerate();
    texts.map(|(index, text)| Note::new(notes::TEXT, &text.path, index + 1, &text.text)).collect()
}
