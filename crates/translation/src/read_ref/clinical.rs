//! DG1, AL1, OBX and NTE: clinical segments, facts that were written by a translation, and notes.

use std::collections::BTreeMap;

use bulkhead_format_bars::When;
use bulkhead_format_bars::view::{
    Allergy, Coding, Concept, Condition, Encounter, Flag, Identifier, Location, Medication, Observation, Text,
};
use bulkhead_format_hl7::{Message, Segment};

use super::trail::Trail;
use super::types;
use crate::content::Content;
use crate::facts::{Fact, FactValue, Facts, Name, SYSTEM, Shape};
use crate::notes;
use crate::tables::{codes, demographics};
use crate::times;

/// Reads the clinical segments into the view, and the facts apart.
pub(super) fn read(trail: &Trail, message: &Message, content: &mut Content, facts: &mut Facts) {
    let view = &mut content.view;
    view.conditions = message.all("DG1").map(|dg1| condition(trail, &dg1)).collect();
    view.allergies = message.all("AL1").map(|al1| allergy(trail, &al1)).collect();
    // The notes at the very end of a message are about the referral (HL7 v2.5 section 11.3), even where only an OBX
    // stands before them: then nobody can tell, and a note about the referral is read by more people.
    let end = message.segments().rposition(|segment| !segment.is("NTE")).unwrap_or(0);
    let mut last = None;
    for segment in message.segments() {
        match segment.name() {
            b"OBX" if segment.field(3).component(3).text() == SYSTEM => {
                last = None;
                fact(trail, &segment, facts);
            }
            b"OBX" => {
                view.observations.push(observation(trail, &segment));
                last = view.observations.len().checked_sub(1);
            }
            b"OBR" if segment.field(4).component(3).text() == SYSTEM => {
                last = None;
                trail.implied(&segment.field(4));
            }
            b"NTE" if segment.index() > end => note(trail, &segment, facts, &mut view.texts),
            b"NTE" => match last.and_then(|at| view.observations.get_mut(at)) {
                Some(observation) => observation.notes.extend(trail.field(&segment, 3)),
                None => note(trail, &segment, facts, &mut view.texts),
            },
            _ => last = None,
        }
    }
}

fn condition(trail: &Trail, dg1: &Segment<'_>) -> Condition {
    let mut code = types::concept(trail, &dg1.field(3).repetition(1));
    let description = trail.field(dg1, 4);
    if code.text.is_none() && code.label() != description.as_deref() {
        code.text = description;
    }
    let kind = dg1.field(6).component(1).value().map(|kind| kind.into_owned());
    let status = kind.as_deref().and_then(|kind| demographics::to_fhir(demographics::DIAGNOSIS_TYPES, kind));
    if status.is_some() || kind.as_deref() == Some(demographics::DIAGNOSIS_TYPE_NOT_STATED) {
        trail.implied(&dg1.field(6));
    }
    let system = "http://terminology.hl7.org/CodeSystem/condition-ver-status";
    let verification_status = status.map(|code| Concept {
        codings: vec![Coding { system: Some(system.to_owned()), code: Some(code.to_owned()), display: None }],
        text: None,
    });
    let onset = types::when(trail, &dg1.field(5)).map(|when| when.text().to_owned());
    Condition { code, verification_status, onset, ..Condition::default() }
}

fn allergy(trail: &Trail, al1: &Segment<'_>) -> Allergy {
    let severity = al1.field(4).component(1).value();
    let severity = severity.and_then(|code| demographics::to_fhir(demographics::SEVERITIES, &code));
    if severity.is_some() {
        trail.imply(&al1.field(4).component(1).subcomponent(1));
    }
    let reaction = |text| Concept { codings: Vec::new(), text: Some(text) };
    Allergy {
        code: types::concept(trail, &al1.field(3).repetition(1)),
        severity: severity.map(str::to_owned),
        manifestations: al1.field(5).repetitions().filter_map(|r| trail.whole(&r)).map(reaction).collect(),
        recorded: types::when(trail, &al1.field(6)),
        ..Allergy::default()
    }
}

/// Types of values (table 0125) that only say how a value is written.
const VALUE_TYPES: [&str; 14] =
    ["ST", "TX", "FT", "NM", "SN", "CE", "CF", "CWE", "TS", "DT", "TM", "ED", "RP", "CX"];

/// An OBX of anyone's: its values in words, with their unit.
fn observation(trail: &Trail, obx: &Segment<'_>) -> Observation {
    let kind = obx.field(2).component(1).text().into_owned();
    if VALUE_TYPES.contains(&kind.as_str()) {
        trail.implied(&obx.field(2));
    }
    let binary = matches!(kind.as_str(), "ED" | "RP");
    let mut words: Vec<String> = Vec::new();
    if !binary {
        for value in obx.field(5).repetitions() {
            words.extend(match kind.as_str() {
                "TS" | "DT" => trail.component(&value, 1).map(|text| times::to_fhir(&text).unwrap_or(text)),
                _ => trail.whole(&value),
            });
        }
        words.extend(trail.field(obx, 6));
    }
    let status = obx.field(11).component(1).value();
    let status = status.and_then(|code| demographics::to_fhir(demographics::RESULT_STATUSES, &code));
    if status.is_some() {
        trail.implied(&obx.field(11));
    }
    // A number here only groups; anything else would say something.
    if obx.field(4).component(1).text().bytes().all(|byte| byte.is_ascii_digit()) {
        trail.implied(&obx.field(4));
    }
    Observation {
        code: types::concept(trail, &obx.field(3).repetition(1)),
        status: Some(status.unwrap_or("unknown").to_owned()),
        value: (!words.is_empty()).then(|| words.join(" ")),
        effective: types::when(trail, &obx.field(14)).map(|when| when.text().to_owned()),
        ..Observation::default()
    }
}

/// A fact in an OBX. The attached original is not read: the payload is the original.
fn fact(trail: &Trail, obx: &Segment<'_>, facts: &mut Facts) {
    let id = obx.field(3).component(1).text().into_owned();
    let Some(name) = Name::parse(&id) else { return };
    for number in [2, 3, 11] {
        trail.implied(&obx.field(number));
    }
    trail.implied(&obx.field(4));
    let group = obx.field(4).component(1).text().parse().unwrap_or(0);
    let value = match name.shape() {
        Shape::Coded => FactValue::Coded(types::merged(trail, &obx.field(5))),
        Shape::Time => match types::when(trail, &obx.field(5)) {
            Some(when) => FactValue::Time(when),
            None => return,
        },
        Shape::Text => FactValue::Text(trail.component(&obx.field(5).repetition(1), 1).unwrap_or_default()),
    };
    facts.0.push(Fact { name, group, value });
}

/// A note: a fact, a text with its path, or anyone's words, under the heading that NTE-4 gives them.
fn note(trail: &Trail, nte: &Segment<'_>, facts: &mut Facts, texts: &mut Vec<Text>) {
    let kind = nte.field(4);
    let part = |number| kind.component(number).text().into_owned();
    let said: Vec<String> = nte.field(3).repetitions().filter_map(|value| trail.whole(&value)).collect();
    let said = said.join("\n");
    if matches!(&*nte.field(2).component(1).text(), "L" | "P" | "O") {
        trail.implied(&nte.field(2));
    }
    if part(3) != SYSTEM {
        let heading = types::concept(trail, &kind.repetition(1)).label().map(str::to_owned);
        let text = heading.map_or_else(|| said.clone(), |heading| format!("{heading}: {said}"));
        if !text.is_empty() {
            texts.push(Text { path: "NTE".to_owned(), text });
        }
        return;
    }
    trail.implied(&kind);
    let group = part(4).parse().unwrap_or(0);
    match Name::parse(&part(1)) {
        Some(name) => {
            trail.implied(&nte.field(3));
            facts.0.push(Fact::parse(name, group, &said));
        }
        None if part(1) == notes::TEXT => continued(texts, Text { path: part(2), text: said }, group),
        None => texts.push(Text { path: format!("NTE.{}", part(1)), text: said }),
    }
}

/// Pieces of one long text follow one another under the same path and number.
fn continued(texts: &mut Vec<Text>, next: Text, group: usize) {
    let path = format!("{}#{group}", next.path);
    match texts.last_mut().filter(|last| last.path == path) {
        Some(last) => {
            last.text.push('\n');
            last.text.push_str(&next.text);
        }
        None => texts.push(Text { path, text: next.text }),
    }
}

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
