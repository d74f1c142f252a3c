//! From an HL7 referral to a BaRS message.

use bulkhead_format_bars::bundle::Bundle;
use bulkhead_format_bars::{
    BarsMessage, Document, MessageKind, Node, Problem, Profile, Rules, profile as rules,
};
use bulkhead_format_hl7::Message;
use bulkhead_format_hl7::referral::ProcessingId;

use crate::audit::{self, Haystack};
use crate::bars_to_ref::opening;
use crate::envelope::number_flags;
use crate::must_show;
use crate::notes::{self, Note};
use crate::profile::{Attach, BarsProfile, Target};
use crate::read_ref::{self, Read, trail::Fate, trail::Piece};
use crate::stamp::Stamp;
use crate::tables::codes;
use crate::times;
use crate::translated::{Item, Translated, Untranslatable};
use crate::write_bars::{self, Source};

/// Translates an HL7 referral for a peer that takes BaRS messages.
///
/// REF^I12 becomes a new request, I13 an update, I14 a cancellation, an RRI^I12 that accepts or rejects a
/// servicerequest-response. An ACK, and an RRI that does neither, is technical and refused.
///
/// # Errors
/// What must be shown has no place in the profile, the target's own rules are not met, a response answers something
/// that is not remembered, or a test message is meant for a production system.
pub fn ref_to_bars(
    message: &Message,
    profile: &BarsProfile,
    stamp: &Stamp,
) -> Result<Translated<Document>, Untranslatable> {
    not_a_test(message, stamp)?;
    let read = read_ref::read(message)?;
    must_show::check(&read.content, &Target::Bars(profile.clone()))?;
    let source = Source { read: &read, profile, stamp };
    let own = own_notes(&read);
    let bare = write_bars::document(&source, &own, None)?;
    let left = left_over(&read, &Haystack::of(texts(&bare)));
    let mut omissions = audit::names(left.iter().map(|piece| item(piece, &read)));
    let last = not_carried(&left);
    let written = |omissions: &[String], original| {
        let notes: Vec<Note> =
            opening(omissions, stamp).into_iter().chain(own.clone()).chain(last.clone()).collect();
        write_bars::document(&source, &notes, original)
    };
    let original = stamp.original.as_ref().filter(|_| profile.attach == Attach::Document);
    let mut document = written(&omissions, original)?;
    if original.is_some() && size(&document)? > profile.message {
        omissions.push("attachment of the original".to_owned());
        document = written(&omissions, None)?;
    }
    if size(&document)? > profile.message {
        let why = format!("the receiving system takes {} bytes, and it is larger", profile.message);
        return Err(Untranslatable::new(Item::Size, why));
    }
    check(&document, profile)?;
    Ok(Translated { document, omissions, changed: Vec::new(), flags: number_flags(&read.content.view) })
}

/// MSH-11: a message for training or debugging never reaches a production system.
pub(crate) fn not_a_test(message: &Message, stamp: &Stamp) -> Result<(), Untranslatable> {
    match ProcessingId::of(message) {
        ProcessingId::Training | ProcessingId::Debugging if !stamp.test => {
            Err(Untranslatable::new(Item::Test, "MSH-11 says that it is no message for a production system"))
        }
        _ => Ok(()),
    }
}

fn size(document: &Document) -> Result<usize, Untranslatable> {
    let unwritable =
        |error| Untranslatable::new(Item::Structure, format!("the document cannot be written: {error}"));
    document.write().map(|bytes| bytes.len()).map_err(unwritable)
}

/// Whether the result is what the target's own rules demand: what is made here is not believed either. Wales's
/// rules know no responses; an answer to a Welsh sender keeps the guide's.
pub(crate) fn check(document: &Document, profile: &BarsProfile) -> Result<(), Untranslatable> {
    let refused = |problem: Problem| Untranslatable::new(Item::Structure, problem.diagnostics);
    let version = document.root().path_text("meta.versionId").unwrap_or_default().to_owned();
    let by = |profile| BarsMessage::read_with(document, &Rules { profile, versions: vec![version.clone()] });
    let answer = by(Profile::England).ok().filter(|m| matches!(m.kind, MessageKind::Response(_)));
    let (message, kept) = match answer {
        Some(answer) => (answer, Profile::England),
        None => (by(profile.rules).map_err(refused)?, profile.rules),
    };
    let bundle = Bundle::of(document).map_err(refused)?;
    match rules::missing(&bundle, &message, kept).as_slice() {
        [] => Ok(()),
        missing => {
            Err(Untranslatable::new(Item::Structure, format!("not as required: {}", missing.join(", "))))
        }
    }
}

/// The sender's own notes: texts that have no element of their own.
fn own_notes(read: &Read) -> Vec<Note> {
    let texts = read.content.view.texts.iter().filter(|text| !write_bars::has_element(&text.path));
    texts.map(|text| Note::new(notes::TEXT, &text.path, 0, &text.text)).collect()
}

/// The texts of what is left over, a note for each segment.
fn not_carried(left: &[&Piece]) -> Vec<Note> {
    let mut notes: Vec<(usize, Note)> = Vec::new();
    for piece in left {
        let line = format!("{}: {}", piece.name, piece.text);
        match notes.last_mut() {
            Some((segment, note)) if *segment == piece.segment => note.text.push_str(&format!("\n{line}")),
            _ => notes.push((piece.segment, Note::new(notes::NOT_CARRIED, "", 0, line))),
        }
    }
    notes.into_iter().map(|(_, note)| note).collect()
}

/// Every text that nobody read, or that is not in the document after all.
fn left_over<'r>(read: &'r Read, haystack: &Haystack) -> Vec<&'r Piece> {
    let is_left = |piece: &&Piece| match piece.fate {
        Fate::Left => true,
        Fate::Implied => false,
        Fate::Taken => !haystack.has(&piece.text) && !spellings(piece).iter().any(|text| haystack.has(text)),
    };
    read.pieces.iter().filter(is_left).collect()
}

/// The name of what is left over: the place, or the whole segment where nothing of it was read.
fn item(piece: &Piece, read: &Read) -> String {
    let whole = |other: &Piece| other.segment != piece.segment || other.fate == Fate::Left;
    match read.pieces.iter().all(whole) {
        true => piece.name.split('-').next().unwrap_or(&piece.name).to_owned(),
        false => piece.name.clone(),
    }
}

/// How FHIR writes it.
fn spellings(piece: &Piece) -> Vec<String> {
    let text = piece.text.as_str();
    let dated = [times::to_fhir(text), times::date_to_fhir(text), codes::address(text)];
    dated.into_iter().flatten().chain([codes::identifier_system(text)]).collect()
}

/// Every text of a document's resources.
pub(crate) fn texts(document: &Document) -> Vec<String> {
    fn walk(node: &Node, found: &mut Vec<String>) {
        found.extend(node.value().map(str::to_owned));
        node.children().for_each(|(_, child)| walk(child, found));
    }
    let mut found = Vec::new();
    walk(document.root(), &mut found);
    found
}
