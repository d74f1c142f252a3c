//! From one nation's HL7 referral to another's: the same message, with as little changed as the peer's version and
//! profile demand.

use bulkhead_format_hl7::{Builder, Draft, Field, Message, Segment, Value, Version};

use crate::audit::{self, Haystack};
use crate::bars_to_ref::opening;
use crate::content::{Act, Content};
use crate::envelope::number_flags;
use crate::facts::Facts;
use crate::ids;
use crate::must_show;
use crate::notes::{self, Note};
use crate::profile::{Profile, Target};
use crate::read_ref;
use crate::ref_to_bars::not_a_test;
use crate::stamp::Stamp;
use crate::translated::{Item, Translated, Untranslatable};
use crate::write_ref;

/// Translates an HL7 referral for a peer with another version or profile.
///
/// Segments, fields, RF1-6 and the sender's own MSH-3, MSH-4 and MSH-7 stay. Changed are MSH-10 (derived, so that
/// it is the same at each attempt), MSH-12, the charset, the acknowledgement that is asked for, and MSH-9.3; in an
/// answer MSA-2. Left out are segments that the peer does not take: SFT before v2.5, PD1, and Z segments; their text
/// goes into the notes. Where the peer does not read clinical segments, what they say is repeated there.
///
/// # Errors
/// What must be shown has no place in the profile, an answer answers something that is not remembered, or a test
/// message is meant for a production system.
pub fn ref_to_ref(
    message: &Message,
    profile: &Profile,
    stamp: &Stamp,
) -> Result<Translated<Message>, Untranslatable> {
    not_a_test(message, stamp)?;
    let read = read_ref::read(message)?;
    must_show::check(&read.content, &Target::Ref(profile.clone()))?;
    let mut copy = Copy { message, profile, changed: Vec::new(), drafts: Vec::new(), left: Vec::new() };
    for segment in message.segments() {
        copy.segment(segment, &read.content, stamp)?;
    }
    let omissions = audit::names(copy.left.iter().map(|segment| name(segment)));
    let mut notes = if omissions.is_empty() { Vec::new() } else { opening(&omissions, stamp) };
    notes.extend(repeated(message, &read.content, profile));
    notes.extend(copy.left.iter().map(not_carried));
    let changed = std::mem::take(&mut copy.changed);
    let document = copy.build(&notes)?;
    if document.as_bytes().len() > profile.message {
        let why = format!("the receiving system takes {} bytes, and it is larger", profile.message);
        return Err(Untranslatable::new(Item::Size, why));
    }
    Ok(Translated { document, omissions, changed, flags: number_flags(&read.content.view) })
}

struct Copy<'m> {
    message: &'m Message,
    profile: &'m Profile,
    changed: Vec<String>,
    drafts: Vec<Draft>,
    left: Vec<Segment<'m>>,
}

impl<'m> Copy<'m> {
    fn segment(
        &mut self,
        segment: Segment<'m>,
        content: &Content,
        stamp: &Stamp,
    ) -> Result<(), Untranslatable> {
        let taken = match segment.name() {
            b"SFT" => self.profile.version >= Version::V2_5,
            b"PD1" => self.profile.pd1,
            _ if segment.is_local() => self.profile.local_segments,
            _ => segment.is_well_named(),
        };
        if !taken {
            self.left.push(segment);
            return Ok(());
        }
        let name = String::from_utf8_lossy(segment.name()).into_owned();
        let mut draft = Draft::new(&name);
        let first = if name == "MSH" { 3 } else { 1 };
        for number in first..=segment.field_count() {
            draft = draft.set(number, self.field(&segment.field(number)));
        }
        let draft = match name.as_str() {
            "MSH" => self.header(draft, content, stamp),
            "MSA" => self.answered(draft, stamp)?,
            _ => draft,
        };
        self.drafts.push(draft);
        Ok(())
    }

    /// A field as it is, byte for byte where the charset allows it.
    fn field(&self, field: &Field<'_>) -> Value {
        if field.raw().is_ascii() || self.message.reading().used == self.profile.charset {
            return Value::copied(field);
        }
        let repetitions = field.repetitions().map(|repetition| {
            Value::components(repetition.components().map(|component| {
                let parts: Vec<String> =
                    component.subcomponents().map(|part| part.text().into_owned()).collect();
                bulkhead_format_hl7::Item::subcomponents(parts)
            }))
        });
        repetitions.reduce(Value::and).unwrap_or_else(Value::empty)
    }

    fn header(&mut self, draft: Draft, content: &Content, stamp: &Stamp) -> Draft {
        let header = self.message.header();
        let profile = self.profile;
        let kind = header.field(9);
        let [code, event] = [1, 2].map(|number| kind.component(number).text().into_owned());
        let kind = match profile.structure_name {
            true => Value::components([code.clone(), event, format!("{code}_I12")]),
            false => Value::components([code, event]),
        };
        let control = ids::control_id(&stamp.referral);
        let control = control.get(..profile.control_id).unwrap_or(&control).to_owned();
        let mut draft = draft
            .set(9, kind)
            .set(10, control)
            .set(12, profile.version.to_string())
            .set(15, profile.acknowledgment.map_or("", |(accept, _)| accept.code()))
            .set(16, profile.acknowledgment.map_or("", |(_, application)| application.code()))
            .set(18, profile.charset_name.unwrap_or_default());
        self.changed.push("MSH-10: derived from the referral".to_owned());
        if self.message.version() != Some(profile.version) {
            self.changed.push("MSH-12: the version of the receiving system".to_owned());
        }
        if self.message.reading().used != profile.charset && !self.message.as_bytes().is_ascii() {
            self.changed.push("MSH-18: the charset of the receiving system".to_owned());
        }
        let remembered = stamp.remembered.as_ref().filter(|_| matches!(content.act, Act::Response(_)));
        let back = remembered.and_then(|remembered| remembered.sender.clone());
        let [application, facility] = match back {
            Some(back) => back.map(Some),
            None => [stamp.to.application.clone(), stamp.to.facility.clone()],
        };
        for (number, text) in [(5, application), (6, facility)] {
            if let Some(text) = text.filter(|text| *text != header.field(number).text()) {
                draft = draft.set(number, Value::components(text.split('^')));
                self.changed.push(format!("MSH-{number}: the receiving system"));
            }
        }
        draft
    }

    /// MSA-2: the control id under which the receiver of the answer sent the original.
    fn answered(&mut self, draft: Draft, stamp: &Stamp) -> Result<Draft, Untranslatable> {
        let control = stamp.remembered.as_ref().and_then(|remembered| remembered.control_id.clone());
        let forgotten =
            || Untranslatable::new(Item::Correlation, "the control id of the original is not remembered");
        self.changed.push("MSA-2: the control id of the original".to_owned());
        Ok(draft.set(2, control.ok_or_else(forgotten)?))
    }

    /// The message, with the notes before its own last ones.
    fn build(self, notes: &[Note]) -> Result<Message, Untranslatable> {
        let unwritable =
            |error| Untranslatable::new(Item::Structure, format!("the message cannot be written: {error}"));
        let own = self.message.segments().rev().take_while(|segment| segment.is("NTE")).count();
        let at = self.drafts.len().saturating_sub(own);
        let mut builder = Builder::new(self.profile.charset).delimiters(self.message.delimiters());
        let mut drafts = self.drafts.into_iter();
        for draft in drafts.by_ref().take(at) {
            builder = builder.segment(draft);
        }
        let mut number = 0;
        for note in notes {
            for piece in note.pieces(self.profile.note) {
                number += 1;
                builder = builder.segment(write_ref::nte(number, note, piece));
            }
        }
        for draft in drafts {
            builder = builder.segment(draft);
        }
        builder.build().map_err(unwritable)
    }
}

fn name(segment: &Segment<'_>) -> String {
    match segment.is_well_named() {
        true => String::from_utf8_lossy(segment.name()).into_owned(),
        false => "a line that is no segment".to_owned(),
    }
}

/// The text of a segment that is left out, field by field.
fn not_carried(segment: &Segment<'_>) -> Note {
    let name = name(segment);
    let lines: Vec<String> = match segment.is_well_named() {
        true => (1..)
            .zip(segment.fields())
            .filter(|(_, field)| !field.is_empty())
            .map(|(number, field)| format!("{name}-{number}: {}", field.text()))
            .collect(),
        false => vec![String::from_utf8_lossy(segment.raw()).into_owned()],
    };
    Note::new(notes::NOT_CARRIED, &name, 0, lines.join("\n"))
}

/// For a peer that does not read clinical segments: what they say, line by line, unless a note says it already.
fn repeated(message: &Message, content: &Content, profile: &Profile) -> Vec<Note> {
    if profile.clinical_segments {
        return Vec::new();
    }
    let own = message.all("NTE").map(|nte| nte.field(3).text().into_owned());
    let said = Haystack::of(own);
    let mut facts = Facts::default();
    write_ref::patient::facts(content, profile, &mut facts);
    write_ref::clinical::facts(content, profile, &mut facts);
    let lines = facts.0.iter().map(Note::of).chain(write_ref::patient::contacts_in_words(content));
    lines.filter(|note| !said.has(&note.text)).collect()
}
