//! Reads an HL7 referral: REF^I12 to I14, or RRI as a clinical answer.
//!
//! What is read here is remembered; the rest is left over, by place, so that a translator can name it and put its text
//! into the notes.

mod apply;
mod clinical;
mod patient;
mod people;
pub(crate) mod trail;
mod types;

use bulkhead_format_bars::System;
use bulkhead_format_bars::view::{Coding, Concept, Identifier};
use bulkhead_format_hl7::referral::{Event, Form, Priority, ReferralId, Status};
use bulkhead_format_hl7::{Message, Referral};

use crate::answer::clinical_answer;
use crate::content::{Act, Content};
use crate::facts::Facts;
use crate::tables::demographics;
use crate::translated::{Item, Untranslatable};
use trail::{Piece, Trail};

/// An HL7 referral, read.
pub(crate) struct Read {
    /// What it says.
    pub(crate) content: Content,
    /// RF1-6.
    pub(crate) id: Option<ReferralId>,
    /// MSH-3 with 4, and MSH-5 with 6, in words.
    pub(crate) names: [Option<String>; 2],
    /// Every text in it.
    pub(crate) pieces: Vec<Piece>,
}

/// What the message says.
pub(crate) fn content(message: &Message) -> Result<Content, Untranslatable> {
    Ok(read(message)?.content)
}

/// What the message says, and every text in it.
pub(crate) fn read(message: &Message) -> Result<Read, Untranslatable> {
    let act = act(message)?;
    let trail = Trail::default();
    let mut content = Content { act, ..Content::default() };
    let mut facts = Facts::default();
    request(&trail, message, &mut content);
    people::read(&trail, message, &mut content);
    clinical::read(&trail, message, &mut content, &mut facts);
    patient::read(&trail, message, &mut content, &facts);
    apply::apply(facts, &mut content);
    let validation =
        |coding: &Coding| coding.is(System::MessageCategory) && coding.code.as_deref() == Some("validation");
    content.validation = content.view.categories.iter().any(validation);
    let names = [[3, 4], [5, 6]].map(|numbers| {
        let fields = numbers.map(|number| message.header().field(number).repetition(1));
        let words: Vec<String> = fields.iter().filter_map(|field| trail.whole(field)).collect();
        (!words.is_empty()).then(|| words.join(" "))
    });
    let pieces = trail.pieces(message);
    Ok(Read { content, id: ReferralId::of(message), names, pieces })
}

fn act(message: &Message) -> Result<Act, Untranslatable> {
    let kind = message.header().field(9).component(1).text().into_owned();
    if kind == "ACK" || kind == "RRI" {
        return Ok(Act::Response(clinical_answer(message)?.decision));
    }
    let referral = Referral::read(message).ok_or_else(|| {
        Untranslatable::new(Item::Kind, "the message is not REF or RRI with an event I12 to I15")
    })?;
    match (referral.form(), referral.event()) {
        (Form::Response, _) => Ok(Act::Response(clinical_answer(message)?.decision)),
        (Form::Request, Event::New) => Ok(Act::Request),
        (Form::Request, Event::Modify) => Ok(Act::Update),
        (Form::Request, Event::Cancel) => Ok(Act::Cancel),
        (Form::Request, Event::StatusRequest) => {
            Err(Untranslatable::new(Item::Kind, "a request for a status (I15) is no referral"))
        }
    }
}

/// RF1.
fn request(trail: &Trail, message: &Message, content: &mut Content) {
    let (Some(rf1), Some(referral)) = (message.segment("RF1"), Referral::read(message)) else { return };
    let answered = matches!(content.act, Act::Response(_));
    if answered || matches!(referral.status(), Status::Pending) {
        trail.implied(&rf1.field(1));
    }
    match referral.priority() {
        // A local code has no place in FHIR: it is left over.
        Priority::Local(_) | Priority::NotStated => {}
        Priority::Asap | Priority::Routine | Priority::Stat => {
            let letter = trail.field(&rf1, 2).unwrap_or_default();
            content.priority = demographics::to_fhir(demographics::PRIORITIES, &letter).map(str::to_owned);
            trail.implied(&rf1.field(2));
        }
    }
    let view = &mut content.view;
    let kind = types::concept(trail, &rf1.field(3).repetition(1));
    view.categories.extend(kind.codings);
    rf1.field(6).repetitions().for_each(|id| drop(trail.whole(&id)));
    view.authored_on = types::when(trail, &rf1.field(7));
    view.reasons = rf1.field(10).repetitions().map(|value| types::concept(trail, &value)).collect();
    view.reasons.retain(|reason: &Concept| reason.label().is_some());
    let external = rf1.field(11).repetition(1);
    if let Some(value) = trail.component(&external, 1) {
        let [namespace, id, _kind] = [2, 3, 4].map(|number| trail.component(&external, number));
        let system = id.or(namespace).unwrap_or_default();
        view.identifiers.push(Identifier { system, value });
    }
}
