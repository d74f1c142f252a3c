//! Puts the facts of a message into the view: what a translation wrote is found again.

use std::collections::BTreeMap;

use bulkhead_format_bars::When;
use bulkhead_format_bars::view::{
    Allergy, Coding, Concept, Condition, Encounter, Flag, Identifier, Location, Medication, Observation, Text,
};

use crate::content::Content;
use crate::facts::{Fact, FactValue, Facts, Name};
use crate::tables::codes;

/// Puts the facts into the view.
pub(super) fn apply(facts: Facts, content: &mut Content) {
    let view = &mut content.view;
    for text in &mut view.texts {
        if let Some((path, _)) = text.path.rsplit_once('#') {
            text.path = path.to_owned();
        }
    }
    let mut groups = Groups::default();
    for Fact { name, group, value } in facts.0 {
        match value {
            FactValue::Coded(concept) => groups.coded(name, group, concept, content),
            FactValue::Time(when) => groups.time(name, group, when, content),
            FactValue::Text(text) => groups.text(name, group, text, content),
        }
    }
    groups.finish(content);
}

/// Things that several facts describe, by their number.
#[derive(Default)]
struct Groups {
    flags: BTreeMap<usize, Flag>,
    medications: BTreeMap<usize, Medication>,
    encounters: BTreeMap<usize, Encounter>,
    places: BTreeMap<usize, Location>,
    answers: BTreeMap<usize, bulkhead_format_bars::view::Answer>,
    reactions: BTreeMap<usize, Vec<Concept>>,
}

/// The thing of that number in a list whose first is number 1, made if it is not there.
fn nth<T: Default>(list: &mut Vec<T>, group: usize) -> &mut T {
    // The number comes from a message, and is not believed beyond what one would hold.
    let at = group.clamp(1, 1_000) - 1;
    while list.len() <= at {
        list.push(T::default());
    }
    &mut list[at]
}

impl Groups {
    fn coded(&mut self, name: Name, group: usize, concept: Concept, content: &mut Content) {
        let view = &mut content.view;
        match name {
            Name::Disposition => view.dispositions.extend(concept.codings),
            Name::Outcome => view.outcomes.extend(concept.codings),
            Name::Category => view.categories.extend(concept.codings),
            Name::Safeguarding | Name::SceneSafety | Name::Flag => {
                let flag = self.flags.entry(group).or_default();
                flag.status.get_or_insert_with(|| "active".to_owned());
                flag.code = concept;
                if flag.categories.is_empty() {
                    flag.categories.extend(category(name));
                }
            }
            Name::FlagCategory => {
                let flag = self.flags.entry(group).or_default();
                flag.categories.retain(|own| {
                    !concept
                        .codings
                        .iter()
                        .any(|coding| own.codings.first().map(|c| &c.code) == Some(&coding.code))
                });
                flag.categories.push(concept);
            }
            Name::Allergy => nth(&mut view.allergies, group).code = concept,
            Name::AllergyStatus => nth(&mut view.allergies, group).clinical_status = Some(concept),
            Name::AllergyVerification => nth(&mut view.allergies, group).verification_status = Some(concept),
            Name::AllergyReaction => self.reactions.entry(group).or_default().push(concept),
            Name::Condition => nth(&mut view.conditions, group).code = concept,
            Name::ConditionCategory => nth(&mut view.conditions, group).categories.push(concept),
            Name::ConditionStatus => nth(&mut view.conditions, group).clinical_status = Some(concept),
            Name::ConditionVerification => {
                nth(&mut view.conditions, group).verification_status = Some(concept)
            }
            Name::Medication => self.medications.entry(group).or_default().code = concept,
            Name::MedicationReason => self.medications.entry(group).or_default().reasons.push(concept),
            Name::Observation => nth(&mut view.observations, group).code = concept,
            Name::ObservationCategory => nth(&mut view.observations, group).categories.push(concept),
            Name::CaseNumber => {
                let encounter = self.encounters.entry(group).or_default();
                for Coding { system, code, .. } in concept.codings {
                    let id =
                        Identifier { system: system.unwrap_or_default(), value: code.unwrap_or_default() };
                    if group == 0 { view.identifiers.push(id) } else { encounter.identifiers.push(id) }
                }
            }
            Name::EncounterClass => {
                self.encounters.entry(group).or_default().class = concept.codings.into_iter().next()
            }
            Name::EncounterReason => self.encounters.entry(group).or_default().reasons.push(concept),
            Name::PlaceKind => self.places.entry(group).or_default().types.push(concept),
            Name::PractitionerRole => view.requester.get_or_insert_default().roles.push(concept),
            Name::Specialty => view.requester.get_or_insert_default().specialties.push(concept),
            // The status of the number is read where the patient is.
            Name::NumberStatus => {}
            // What has no place in the view stays a line of the notes.
            _ => unplaced(content, name, group, FactValue::Coded(concept)),
        }
    }

    fn time(&mut self, name: Name, group: usize, when: When, content: &mut Content) {
        let view = &mut content.view;
        match name {
            Name::DueBy => view.end = Some(when),
            Name::Earliest => view.start = Some(when),
            Name::FlagStart => self.flags.entry(group).or_default().start = Some(when),
            Name::FlagEnd => self.flags.entry(group).or_default().end = Some(when),
            Name::AllergyRecorded => nth(&mut view.allergies, group).recorded = Some(when),
            Name::EncounterStart => self.encounters.entry(group).or_default().start = Some(when),
            _ => unplaced(content, name, group, FactValue::Time(when)),
        }
    }

    fn text(&mut self, name: Name, group: usize, text: String, content: &mut Content) {
        let view = &mut content.view;
        match name {
            Name::FlagStatus => self.flags.entry(group).or_default().status = Some(text),
            Name::AllergyCriticality => nth(&mut view.allergies, group).criticality = Some(text),
            Name::AllergySeverity => nth(&mut view.allergies, group).severity = Some(text),
            Name::AllergyNote => nth(&mut view.allergies, group).notes.push(text),
            Name::ConditionOnset => nth(&mut view.conditions, group).onset = Some(text),
            Name::ConditionNote => nth(&mut view.conditions, group).notes.push(text),
            Name::MedicationStatus => self.medications.entry(group).or_default().status = Some(text),
            Name::MedicationDosage => self.medications.entry(group).or_default().dosages.push(text),
            Name::MedicationSince => self.medications.entry(group).or_default().effective = Some(text),
            Name::ObservationValue => nth(&mut view.observations, group).value = Some(text),
            Name::ObservationStatus => nth(&mut view.observations, group).status = Some(text),
            Name::ObservationTime => nth(&mut view.observations, group).effective = Some(text),
            Name::ObservationNote => nth(&mut view.observations, group).notes.push(text),
            Name::Question => self.answer(group).question = vec![text],
            Name::Answer => self.answer(group).answer = text,
            Name::Journey => self.encounters.entry(group).or_default().journey = Some(text),
            Name::EncounterStatus => self.encounters.entry(group).or_default().status = Some(text),
            Name::Place => self.places.entry(group).or_default().name = Some(text),
            Name::PlaceAddress => {
                let address = bulkhead_format_bars::view::Address { text: Some(text), ..Default::default() };
                self.places.entry(group).or_default().address = Some(address);
            }
            Name::PlacePosition => {
                let position = text.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned()));
                self.places.entry(group).or_default().position = position;
            }
            // Which number is to be called is read where the patient is.
            Name::Callback => {}
            _ => unplaced(content, name, group, FactValue::Text(text)),
        }
    }

    fn answer(&mut self, group: usize) -> &mut bulkhead_format_bars::view::Answer {
        let empty = || bulkhead_format_bars::view::Answer { question: Vec::new(), answer: String::new() };
        self.answers.entry(group).or_insert_with(empty)
    }

    fn finish(self, content: &mut Content) {
        let view = &mut content.view;
        view.flags.extend(self.flags.into_values());
        view.medications.extend(self.medications.into_values());
        view.encounters
            .extend(self.encounters.into_values().filter(|encounter| *encounter != Encounter::default()));
        view.locations.extend(self.places.into_values());
        view.answers.extend(self.answers.into_values());
        for (group, reactions) in self.reactions {
            // AL1-5 has the words of the same reactions.
            nth(&mut view.allergies, group).manifestations = reactions;
        }
        // A number that nothing but itself was said of.
        view.allergies.retain(|allergy| *allergy != Allergy::default());
        view.conditions.retain(|condition| *condition != Condition::default());
        view.observations.retain(|observation| *observation != Observation::default());
    }
}

/// A fact that has no place in the view, as the line that says it.
fn unplaced(content: &mut Content, name: Name, group: usize, value: FactValue) {
    let text = Fact { name, group, value }.line();
    content.view.texts.push(Text { path: "NTE".to_owned(), text });
}

/// The category that a fact's own name states.
fn category(name: Name) -> Option<Concept> {
    let code = match name {
        Name::Safeguarding => "SG",
        Name::SceneSafety => "SS",
        _ => return None,
    };
    let system = codes::address("NHS-FLAG");
    Some(Concept { codings: vec![Coding { system, code: Some(code.to_owned()), display: None }], text: None })
}
