//! From a BaRS message to an HL7 referral.

use bulkhead_format_bars::view::Identifier;
use bulkhead_format_bars::{Document, System, When};
use bulkhead_format_hl7::Message;

use crate::audit::{self, Haystack};
use crate::envelope::number_flags;
use crate::must_show;
use crate::notes::{self, Note};
use crate::profile::{Attach, Profile, Target};
use crate::read_bars::{self, Leaf, Read};
use crate::stamp::Stamp;
use crate::tables::{codes, demographics, numbers};
use crate::times;
use crate::translated::{Item, Translated, Untranslatable};
use crate::write_ref::{self, End};

/// Translates a BaRS message for a peer that takes HL7 referrals.
///
/// New requests become REF^I12, updates I13, cancellations I14, clinical responses RRI^I12.
///
/// # Errors
/// What must be shown has no place in the profile, a response answers something that is not remembered, or the
/// document is no BaRS message.
pub fn bars_to_ref(
    document: &Document,
    profile: &Profile,
    stamp: &Stamp,
) -> Result<Translated<Message>, Untranslatable> {
    let read = read_bars::read(document)?;
    let (view, message) = (&read.content.view, &read.message);
    must_show::check(&read.content, &Target::Ref(profile.clone()))?;
    let ends = [
        End::new(view.sender.clone(), &message.source.endpoint, &stamp.from),
        End::new(view.receiver.clone(), &message.destination.endpoint, &stamp.to),
    ];
    let parts = write_ref::parts(&read.content, &ends, profile, stamp)?;
    let left = left_over(&read, &parts.haystack(profile)?);
    let mut omissions = audit::names(left.iter().map(|(name, _)| name.clone()));
    let last = not_carried(&left);
    let written = |omissions: &[String], original| {
        let first = opening(omissions, stamp);
        parts.assemble(profile, &first, &last, original)
    };
    let original =
        stamp.original.as_ref().filter(|_| profile.attach == Attach::Document && profile.clinical_segments);
    let mut translated = written(&omissions, original)?;
    if original.is_some() && translated.as_bytes().len() > profile.message {
        omissions.push("attachment of the original".to_owned());
        translated = written(&omissions, None)?;
    }
    if translated.as_bytes().len() > profile.message {
        let why = format!("the receiving system takes {} bytes, and it is larger", profile.message);
        return Err(Untranslatable::new(Item::Size, why));
    }
    Ok(Translated { document: translated, omissions, changed: Vec::new(), flags: number_flags(view) })
}

/// The first lines of the notes.
pub(crate) fn opening(omissions: &[String], stamp: &Stamp) -> Vec<Note> {
    vec![
        Note::new(notes::TRANSLATED, "Translated", 0, notes::first_line(omissions)),
        Note::new(notes::ORIGINAL, "Original message", 0, format!("Original message: {}", stamp.message_id)),
    ]
}

/// The texts of what is left over, a note for each resource.
fn not_carried(left: &[(String, &Leaf)]) -> Vec<Note> {
    let mut notes: Vec<(usize, Note)> = Vec::new();
    for (_, leaf) in left {
        let line = format!("{}: {}", leaf.path, leaf.text);
        match notes.last_mut() {
            Some((entry, note)) if *entry == leaf.entry => note.text.push_str(&format!("\n{line}")),
            _ => {
                let resource = leaf.path.split('.').next().unwrap_or_default();
                notes.push((leaf.entry, Note::new(notes::NOT_CARRIED, resource, notes.len() + 1, line)));
            }
        }
    }
    notes.into_iter().map(|(_, note)| note).collect()
}

/// Every text that is not in the message, with the name of its item.
fn left_over<'r>(read: &'r Read, haystack: &Haystack) -> Vec<(String, &'r Leaf)> {
    let unviewed = read.content.view.unviewed();
    let name = |leaf: &Leaf| {
        let under = |path: &&String| {
            leaf.path
                .strip_prefix(path.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '(']))
        };
        let path =
            unviewed.iter().find(under).filter(|_| !READ_HERE.iter().any(|own| leaf.path.starts_with(own)));
        match path {
            Some(path) => Some(path.clone()),
            None if is_carried(leaf, haystack) => None,
            None => Some(leaf.path.clone()),
        }
    };
    read.leaves.iter().filter_map(|leaf| Some((name(leaf)?, leaf))).collect()
}

/// What the view does not read and `read_bars` does.
const READ_HERE: [&str; 3] =
    ["Patient.identifier.type.coding.code", "Patient.identifier.assigner.display", "ServiceRequest.priority"];

/// What the message says by its form: paths, and the value that the form means (none: any).
const IMPLIED: &[(&str, Option<&str>)] = &[
    // MSH-9 and RF1-1 say what kind of message it is, MSA-2 and RF1-6 what it answers.
    ("MessageHeader.eventCoding.", None),
    ("MessageHeader.reason.coding.", None),
    ("MessageHeader.definition", None),
    ("MessageHeader.response.", None),
    ("ServiceRequest.status", None),
    ("ServiceRequest.intent", Some("plan")),
    ("CarePlan.status", Some("completed")),
    ("CarePlan.status", Some("active")),
    ("CarePlan.intent", Some("plan")),
    ("Flag.status", Some("active")),
    // The patient's own contact is PID-13.
    ("Patient.contact.relationship.coding.code", Some("ONESELF")),
    ("Patient.contact.relationship.coding.display", Some("self")),
    ("Patient.contact.relationship.coding.display", Some("Self")),
    ("Patient.contact.relationship.coding.system", Some("http://terminology.hl7.org/CodeSystem/v3-RoleCode")),
    // Ranks are the order of PID-13 and NK1.
    ("Patient.contact.extension(Extension-UKCore-ContactRank).", None),
    ("Patient.contact.telecom.rank", None),
    ("Patient.telecom.rank", None),
];

/// Whether a text is in the message: by its form, as it is, or in HL7's spelling.
fn is_carried(leaf: &Leaf, haystack: &Haystack) -> bool {
    let (path, text) = (leaf.path.as_str(), leaf.text.as_str());
    let implied = |(own, value): &&(&str, Option<&str>)| {
        let fits = if own.ends_with('.') { path.starts_with(own) } else { path == *own };
        fits && value.is_none_or(|value| value == text)
    };
    if IMPLIED.iter().any(|row| implied(&row)) || haystack.has(text) {
        return true;
    }
    let spelled = spellings(path, text);
    if spelled.iter().any(|spelling| haystack.has(spelling)) {
        return true;
    }
    let repeats = [".name.text", ".address.text"].iter().any(|end| path.ends_with(end));
    repeats && haystack.has_words(text)
}

/// How HL7 writes it.
fn spellings(path: &str, text: &str) -> Vec<String> {
    let mut all: Vec<String> = times::to_hl7(&When::read(text)).into_iter().collect();
    let mut add = |spelling: Option<&str>| all.extend(spelling.map(str::to_owned));
    let table = |table| demographics::to_hl7(table, text);
    if path.contains("NHSNumberVerificationStatus") {
        let row = numbers::verification(text);
        let same = |row: &&numbers::Verification| row.display.eq_ignore_ascii_case(text);
        add(row.or_else(|| numbers::VERIFICATIONS.iter().find(same)).map(|row| row.hl7));
        // The system says which spelling the code has; the code has its own here.
        let known = text.starts_with("https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatus");
        add((path.ends_with(".system") && known).then_some("NSTS"));
    } else if path.ends_with(".system") && path.contains("telecom") {
        add(table(demographics::TELECOM_SYSTEMS));
        add((text == "phone").then_some("CP"));
    } else if path.ends_with(".system") {
        let number = numbers::kind_of_system(text).map(|kind| numbers::names(kind).authority);
        add(number);
        all.extend([codes::short(text), codes::identifier_type(text)]);
        all.extend(text.strip_prefix("urn:oid:").map(str::to_owned));
    } else if path.ends_with(".telecom.use") {
        add(table(demographics::TELECOM_USES));
        add((text == "mobile").then_some("CP"));
    } else if path.ends_with(".name.use") {
        add(table(demographics::NAME_USES));
    } else if path.ends_with(".address.use") {
        add(table(demographics::ADDRESS_USES));
    } else if path.ends_with(".gender") {
        add(table(demographics::GENDERS));
    } else if path == "AllergyIntolerance.reaction.severity" {
        add(table(demographics::SEVERITIES));
    } else if path == "Observation.status" {
        add(table(demographics::RESULT_STATUSES));
    } else if path == "ServiceRequest.priority" {
        add(table(demographics::PRIORITIES));
    } else if path.starts_with("MessageHeader.") && path.ends_with(".endpoint") {
        let endpoint = Identifier::parse(text);
        all.extend(endpoint.filter(|id| System::of(&id.system).is_some()).map(|id| id.value));
    }
    all
}
