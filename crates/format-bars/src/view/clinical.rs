//! What is said of the patient's health: triage outcomes, flags, allergies, conditions, medicines,
//! observations, answers and free texts.

use super::ReferralView;
use super::trail::Trail;
use super::types::{Allergy, Answer, Condition, Flag, Medication, Observation, Text};
use crate::node::Node;
use crate::systems::System;
use crate::when::When;

pub(crate) fn read(trail: &Trail<'_>, view: &mut ReferralView) {
    let bundle = trail.bundle();
    for entry in bundle.of_type("CarePlan") {
        care_plan(trail, entry.resource, view);
    }
    view.flags = bundle.of_type("Flag").map(|e| flag(trail, e.resource)).collect();
    view.allergies = bundle.of_type("AllergyIntolerance").map(|e| allergy(trail, e.resource)).collect();
    view.conditions = bundle.of_type("Condition").map(|e| condition(trail, e.resource)).collect();
    view.medications = bundle.of_type("MedicationStatement").map(|e| medication(trail, e.resource)).collect();
    view.observations = bundle.of_type("Observation").map(|e| observation(trail, e.resource)).collect();
    for entry in bundle.of_type("QuestionnaireResponse") {
        let about = trail
            .extension(entry.resource, "questionnaireresponse-reason")
            .and_then(|e| trail.choice(e, "value"));
        answers(trail, entry.resource, &about.into_iter().collect::<Vec<_>>(), &mut view.answers);
    }
    for (kind, path) in [
        ("Communication", "topic.text"),
        ("Communication", "payload.contentString"),
        ("Task", "description"),
        ("Procedure", "note.text"),
    ] {
        for entry in bundle.of_type(kind) {
            for text in trail.path_texts(entry.resource, path) {
                view.texts.push(Text::new(&format!("{kind}.{path}"), text));
            }
        }
    }
}

/// The outcomes of the triage: codes, and the consultation summary as a text without codes.
fn care_plan(trail: &Trail<'_>, node: &Node, view: &mut ReferralView) {
    trail.text(node, "status");
    trail.text(node, "intent");
    for outcome in node.path_all("activity.outcomeCodeableConcept") {
        let concept = trail.concept(outcome);
        let summary = concept.codings.is_empty();
        for coding in concept.codings {
            if coding.is(System::Dx) { view.dispositions.push(coding) } else { view.outcomes.push(coding) }
        }
        // Beside a code the text mostly says what kind of code it is, and is kept apart from the summary.
        let path = match summary {
            true => "CarePlan.activity.outcomeCodeableConcept.text",
            false => "CarePlan.activity.outcomeCodeableConcept.coding.text",
        };
        view.texts.extend(concept.text.map(|text| Text::new(path, text)));
    }
    for path in ["description", "note.text", "activity.progress.text"] {
        for text in trail.path_texts(node, path) {
            view.texts.push(Text::new(&format!("CarePlan.{path}"), text));
        }
    }
}

fn flag(trail: &Trail<'_>, node: &Node) -> Flag {
    let when = |path: &str| trail.path_text(node, path).as_deref().map(When::read);
    Flag {
        status: trail.text(node, "status"),
        categories: trail.concepts(node, "category"),
        code: trail.one_concept(node, "code").unwrap_or_default(),
        start: when("period.start"),
        end: when("period.end"),
    }
}

fn allergy(trail: &Trail<'_>, node: &Node) -> Allergy {
    let manifestations =
        node.path_all("reaction.manifestation").into_iter().map(|m| trail.concept(m)).collect();
    Allergy {
        code: trail.one_concept(node, "code").unwrap_or_default(),
        clinical_status: trail.one_concept(node, "clinicalStatus"),
        verification_status: trail.one_concept(node, "verificationStatus"),
        criticality: trail.text(node, "criticality"),
        manifestations,
        severity: trail.path_text(node, "reaction.severity"),
        recorded: trail.text(node, "recordedDate").as_deref().map(When::read),
        notes: trail.path_texts(node, "note.text"),
    }
}

fn condition(trail: &Trail<'_>, node: &Node) -> Condition {
    Condition {
        code: trail.one_concept(node, "code").unwrap_or_default(),
        categories: trail.concepts(node, "category"),
        clinical_status: trail.one_concept(node, "clinicalStatus"),
        verification_status: trail.one_concept(node, "verificationStatus"),
        onset: trail.choice(node, "onset"),
        notes: trail.path_texts(node, "note.text"),
    }
}

fn medication(trail: &Trail<'_>, node: &Node) -> Medication {
    Medication {
        code: trail.one_concept(node, "medicationCodeableConcept").unwrap_or_default(),
        status: trail.text(node, "status"),
        dosages: trail.path_texts(node, "dosage.text"),
        effective: trail.choice(node, "effective"),
        reasons: trail.concepts(node, "reasonCode"),
    }
}

fn observation(trail: &Trail<'_>, node: &Node) -> Observation {
    Observation {
        code: trail.one_concept(node, "code").unwrap_or_default(),
        status: trail.text(node, "status"),
        categories: trail.concepts(node, "category"),
        value: trail.choice(node, "value"),
        effective: trail.choice(node, "effective"),
        notes: trail.path_texts(node, "note.text"),
    }
}

fn answers(trail: &Trail<'_>, node: &Node, above: &[String], into: &mut Vec<Answer>) {
    for item in node.all("item") {
        let link = trail.text(item, "linkId");
        let mut question = above.to_vec();
        question.extend(trail.text(item, "text").or(link));
        for answer in item.all("answer") {
            if let Some(answer) = trail.choice(answer, "value") {
                into.push(Answer { question: question.clone(), answer });
            }
            answers(trail, answer, &question, into);
        }
        answers(trail, item, &question, into);
    }
}
