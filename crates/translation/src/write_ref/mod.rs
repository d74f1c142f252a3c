//! Writes a referral as HL7: REF_I12, or RRI_I12 for a clinical answer.
//!
//! ```text
//! MSH [MSA] RF1 {PRD} PID [{NK1}] [{DG1}] [{AL1}] OBR {NTE} [{OBX}]     a peer that reads clinical segments
//! MSH [MSA] RF1 {PRD} PID {NTE}                                         one that does not (TrakCare page)
//! ```
//!
//! The notes follow OBR, where they are about the summary as a whole (HL7 v2.5 section 11.3: an NTE after an OBX would
//! be about that OBX). Each segment has the order of its standard.

pub(crate) mod clinical;
pub(crate) mod coded;
mod header;
pub(crate) mod patient;
mod people;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bulkhead_format_hl7::{Builder, Draft, Item as Hl7Item, Message, Value};

use crate::audit::Haystack;
use crate::content::Content;
use crate::facts::{Fact, FactValue, Facts, Name, SYSTEM};
use crate::notes::{self, Note};
use crate::profile::{Place, Profile, Shown};
use crate::stamp::{Original, Stamp};
use crate::times;
use crate::translated::{Item, Untranslatable};

pub(crate) use people::End;

/// The parts of a referral that is being written.
pub(crate) struct Parts {
    head: Vec<Draft>,
    results: Vec<Draft>,
    notes: Vec<Note>,
}

/// Everything that is known of the referral but the omissions.
pub(crate) fn parts(
    content: &Content,
    ends: &[End; 2],
    profile: &Profile,
    stamp: &Stamp,
) -> Result<Parts, Untranslatable> {
    let mut parts = Parts { head: Vec::new(), results: Vec::new(), notes: Vec::new() };
    parts.head.push(header::msh(content, ends, profile, stamp));
    parts.head.extend(header::msa(content, stamp)?);
    parts.head.push(header::rf1(content, profile, stamp));
    parts.head.extend(people::prds(content, ends));
    parts.head.push(patient::pid(content, profile));
    if matches!(content.act, crate::content::Act::Response(_)) || !profile.clinical_segments {
        // RRI_I12 has no NK1; its contacts go into the notes.
        parts.notes.extend(patient::contacts_in_words(content));
    } else {
        parts.head.extend(patient::nk1s(content));
    }
    let mut facts = Facts::default();
    patient::facts(content, profile, &mut facts);
    clinical::facts(content, profile, &mut facts);
    if profile.clinical_segments {
        parts.head.extend(clinical::segments(content, profile));
        parts.results.extend(clinical::observations(content));
    }
    for fact in &facts.0 {
        parts.place(fact, profile);
    }
    parts.notes.extend(clinical::texts(content));
    Ok(parts)
}

impl Parts {
    /// Puts a fact where the profile shows it: an OBX, a field of another segment, or a line of the notes.
    fn place(&mut self, fact: &Fact, profile: &Profile) {
        match shown(fact.name, profile).map(|shown| &shown.place) {
            Some(Place::Field("OBX", _)) => self.results.push(result(fact)),
            Some(Place::Field(segment, number)) => {
                self.head.push(Draft::new(segment).set(*number, value(fact)))
            }
            Some(Place::Note | Place::Element(_)) => self.notes.push(Note::of(fact)),
            None if profile.clinical_segments => self.results.push(result(fact)),
            None => self.notes.push(Note::of(fact)),
        }
    }

    /// The texts of what is written so far, to look in.
    pub(crate) fn haystack(&self, profile: &Profile) -> Result<Haystack, Untranslatable> {
        let message = self.assemble(profile, &[], &[], None)?;
        Ok(Haystack::of(texts(&message)))
    }

    /// The message, with the omissions named in the first line of the notes and their texts at their end.
    pub(crate) fn assemble(
        &self,
        profile: &Profile,
        first: &[Note],
        last: &[Note],
        original: Option<&Original>,
    ) -> Result<Message, Untranslatable> {
        let unwritable =
            |error| Untranslatable::new(Item::Structure, format!("the message cannot be written: {error}"));
        let mut builder = Builder::new(profile.charset);
        for draft in &self.head {
            builder = builder.segment(draft.clone());
        }
        if profile.clinical_segments {
            let summary = Value::components(["SUMMARY", "Referral summary", SYSTEM]);
            builder = builder.segment(Draft::new("OBR").set(1, "1").set(4, summary));
        }
        let mut number = 0;
        for note in first.iter().chain(&self.notes).chain(last) {
            for piece in note.pieces(profile.note) {
                number += 1;
                builder = builder.segment(nte(number, note, piece));
            }
        }
        if profile.clinical_segments {
            let attachment = original.map(attachment);
            for (index, draft) in self.results.iter().cloned().chain(attachment).enumerate() {
                builder = builder.segment(draft.set(1, (index + 1).to_string()));
            }
        }
        builder.build().map_err(unwritable)
    }
}

/// The place of a fact that must be shown.
fn shown(name: Name, profile: &Profile) -> Option<&Shown> {
    let shows = &profile.shows;
    match name {
        Name::Disposition => shows.disposition.as_ref(),
        Name::DueBy => shows.due.as_ref(),
        Name::Safeguarding => shows.safeguarding.as_ref(),
        Name::SceneSafety => shows.scene_safety.as_ref(),
        Name::NumberStatus => shows.verification.as_ref(),
        Name::Callback => shows.callback.as_ref(),
        Name::Allergy => shows.allergies.as_ref(),
        _ => None,
    }
}

/// Every text of a message, but for its numbering.
pub(crate) fn texts(message: &Message) -> Vec<String> {
    let mut found = Vec::new();
    for segment in message.segments() {
        // Field 1 only numbers most segments.
        let numbered = !matches!(segment.name(), b"RF1" | b"PRD");
        for field in segment.fields().skip(usize::from(numbered)) {
            for repetition in field.repetitions() {
                for component in repetition.components() {
                    found.extend(component.subcomponents().map(|leaf| leaf.text().into_owned()));
                }
            }
        }
    }
    found
}

pub(crate) fn nte(number: usize, note: &Note, piece: &str) -> Draft {
    Draft::new("NTE")
        .set(1, number.to_string())
        .set(2, "P")
        .set(3, piece)
        .set(4, Value::components(note.kind()))
}

/// OBX: type, name, group, value; it is final, because it says what the sender stated.
fn result(fact: &Fact) -> Draft {
    let kind = match &fact.value {
        FactValue::Coded(_) => "CE",
        FactValue::Time(when) if times::to_hl7(when).is_some() => "TS",
        FactValue::Time(_) | FactValue::Text(_) => "TX",
    };
    Draft::new("OBX")
        .set(2, kind)
        .set(3, Value::components([fact.name.id(), fact.name.label(), SYSTEM]))
        .set_if(4, (fact.group > 0).then(|| fact.group.to_string()))
        .set(5, value(fact))
        .set(11, "F")
}

fn value(fact: &Fact) -> Value {
    match &fact.value {
        FactValue::Coded(concept) => coded::repeated(concept),
        FactValue::Time(when) => Value::text(times::to_hl7(when).unwrap_or_else(|| when.text().to_owned())),
        FactValue::Text(text) => Value::text(text),
    }
}

/// OBX of type ED: source, type, subtype, encoding, data (HL7 v2.5 section 2.A.24).
fn attachment(original: &Original) -> Draft {
    let (kind, subtype) = original.media_type.split_once('/').unwrap_or(("application", "octet-stream"));
    let parts = ["", kind, subtype, "Base64"].into_iter().map(Hl7Item::text);
    let data = Hl7Item::text(BASE64_STANDARD.encode(&original.bytes));
    Draft::new("OBX")
        .set(2, "ED")
        .set(3, Value::components([notes::ORIGINAL, "Original message", SYSTEM]))
        .set(5, Value::components(parts.chain([data])))
        .set(11, "F")
}
