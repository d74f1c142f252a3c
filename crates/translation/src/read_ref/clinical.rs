//! DG1, AL1, OBX and NTE: clinical segments, facts that were written by a translation, and notes.

use bulkhead_format_bars::view::{Allergy, Coding, Concept, Condition, Observation, Text};
use bulkhead_format_hl7::{Message, Segment};

use super::trail::Trail;
use super::types;
use crate::content::Content;
use crate::facts::{Fact, FactValue, Facts, Name, SYSTEM, Shape};
use crate::notes;
use crate::tables::demographics;
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
