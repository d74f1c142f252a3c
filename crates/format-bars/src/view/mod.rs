//! What a translator may read from a referral, in plain types.
//!
//! A BaRS message goes on as the bytes that came; only where the next system speaks another format is it
//! translated, and then a translator reads this view. Where things stand is BaRS guide, Applications,
//! payload tables: the callback number is the telecom of rank 1 of the contact of rank 1, the dispositions
//! are the Dx codes among the outcomes of the CarePlan, the urgency is the end of `occurrencePeriod`.
//!
//! The view remembers which elements it has read. What is left over is listed by [`ReferralView::unviewed`],
//! by name and never by value, so that a translator can say what it leaves out.

mod clinical;
mod patient;
mod people;
mod trail;
mod types;

use crate::bundle::Bundle;
use crate::document::Document;
use crate::outcome::Problem;
use crate::systems::System;
use crate::when::When;
use trail::Trail;
pub use types::*;

/// A referral, as a translator reads it. Its `Debug` shows what it did not read, and nothing it did.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ReferralView {
    /// The patient.
    pub patient: Option<Patient>,
    /// The number to call back.
    pub callback: Option<Telecom>,
    /// The Dx codes: what should happen, and how soon.
    pub dispositions: Vec<Coding>,
    /// The other outcomes of the triage that are coded: symptom group, discriminator, pathway, category.
    pub outcomes: Vec<Coding>,
    /// Free texts, each with the path of the element it was read from.
    pub texts: Vec<Text>,
    /// The type of the request, referral or validation, and its use case.
    pub categories: Vec<Coding>,
    /// The status of the request.
    pub status: Option<String>,
    /// From when the patient should be seen or called.
    pub start: Option<When>,
    /// By when.
    pub end: Option<When>,
    /// When the request was written.
    pub authored_on: Option<When>,
    /// Why a request is cancelled, or was made.
    pub reasons: Vec<Concept>,
    /// Business identifiers of the request.
    pub identifiers: Vec<Identifier>,
    /// Flags.
    pub flags: Vec<Flag>,
    /// Allergies.
    pub allergies: Vec<Allergy>,
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// Medicines.
    pub medications: Vec<Medication>,
    /// Observations.
    pub observations: Vec<Observation>,
    /// Answers of questionnaires.
    pub answers: Vec<Answer>,
    /// Encounters: the sender's, and the receiver's in responses.
    pub encounters: Vec<Encounter>,
    /// Places, such as that of the incident.
    pub locations: Vec<Location>,
    /// Who sends.
    pub sender: Option<Organization>,
    /// Who receives.
    pub receiver: Option<Organization>,
    /// Every organisation.
    pub organizations: Vec<Organization>,
    /// Who asks.
    pub requester: Option<Practitioner>,
    /// Every practitioner.
    pub practitioners: Vec<Practitioner>,
    /// The services that are asked.
    pub services: Vec<Service>,
    unviewed: Vec<String>,
}

impl ReferralView {
    /// Reads a message.
    pub fn read(document: &Document) -> Result<Self, Problem> {
        let bundle = Bundle::of(document)?;
        let trail = Trail::new(&bundle);
        let mut view = Self::default();
        people::read(&trail, &mut view);
        patient::read(&trail, &mut view);
        clinical::read(&trail, &mut view);
        request(&trail, &mut view);
        view.unviewed = trail.unread();
        Ok(view)
    }

    /// The paths of elements that are not in this view. A path ends where nothing below it was read:
    /// `Consent`, `Patient.communication`, `Observation.performer.display`.
    pub fn unviewed(&self) -> Vec<String> {
        self.unviewed.clone()
    }

    /// Whether there is an active flag of that category, such as `SG` for safeguarding or `SS` for scene
    /// safety (CodeSystem flag-categories-bars). Both must be shown to the user.
    pub fn is_flagged(&self, category: &str) -> bool {
        self.flags.iter().any(|flag| flag.is(category))
    }
}

impl std::fmt::Debug for ReferralView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReferralView").field("unviewed", &self.unviewed).finish_non_exhaustive()
    }
}

fn request(trail: &Trail<'_>, view: &mut ReferralView) {
    let Some(node) = trail.bundle().first("ServiceRequest").map(|entry| entry.resource) else { return };
    let when = |path: &str| trail.path_text(node, path).as_deref().map(When::read);
    view.status = trail.text(node, "status");
    trail.text(node, "intent");
    view.start = when("occurrencePeriod.start");
    view.end = when("occurrencePeriod.end");
    view.authored_on = when("authoredOn");
    view.identifiers = trail.identifiers(node);
    for category in trail.concepts(node, "category") {
        view.categories.extend(category.codings);
        view.texts.extend(category.text.map(|text| Text::new("ServiceRequest.category.text", text)));
    }
    view.reasons = trail.concepts(node, "reasonCode");
    for name in ["patientInstruction", "note.text"] {
        for text in trail.path_texts(node, name) {
            view.texts.push(Text::new(&format!("ServiceRequest.{name}"), text));
        }
    }
    view.requester =
        trail.bundle().follow(node.get("requester")).and_then(|entry| people::practitioner(trail, entry));
}

impl Flag {
    /// Whether this is an active flag of that category.
    pub fn is(&self, category: &str) -> bool {
        let coded = |coding: &Coding| {
            coding.is(System::FlagCategory)
                && coding.code.as_deref().is_some_and(|c| c.eq_ignore_ascii_case(category))
        };
        self.status.as_deref() == Some("active")
            && self.categories.iter().any(|c| c.codings.iter().any(coded))
    }
}
