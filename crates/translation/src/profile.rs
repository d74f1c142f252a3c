//! What a peer declares about itself, as data: what it speaks, and which of its fields a person sees.

use bulkhead_format_bars::{self as bars, Syntax};
use bulkhead_format_hl7::{Charset, Condition, Version};

/// Where a receiving system shows something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A field of a segment, such as PID-13.
    Field(&'static str, usize),
    /// A line of the notes (NTE-3).
    Note,
    /// An element of a FHIR document.
    Element(&'static str),
}

/// A place that a person sees, and how much fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Where.
    pub place: Place,
    /// The most characters that the system keeps of one value there.
    pub max: usize,
}

impl Shown {
    /// That field, up to `max` characters.
    pub fn field(segment: &'static str, number: usize, max: usize) -> Option<Self> {
        Some(Self { place: Place::Field(segment, number), max })
    }

    /// A line of the notes.
    pub fn note(max: usize) -> Option<Self> {
        Some(Self { place: Place::Note, max })
    }

    /// An element.
    pub fn element(path: &'static str, max: usize) -> Option<Self> {
        Some(Self { place: Place::Element(path), max })
    }
}

/// The items that must be shown, and where the peer shows each. `None`: nowhere, so that a referral which has
/// the item is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shows {
    /// The patient's identifiers with their kinds.
    pub identifiers: Option<Shown>,
    /// How far the number was verified.
    pub verification: Option<Shown>,
    /// The number to call back.
    pub callback: Option<Shown>,
    /// Safeguarding flags.
    pub safeguarding: Option<Shown>,
    /// Scene safety flags.
    pub scene_safety: Option<Shown>,
    /// Allergies.
    pub allergies: Option<Shown>,
    /// Disposition.
    pub disposition: Option<Shown>,
    /// Due time.
    pub due: Option<Shown>,
}

/// How the original travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attach {
    /// In the translated document: OBX of type ED, or DocumentReference with Binary.
    Document,
    /// Only as the payload of the referral, which the sidecar keeps.
    PayloadOnly,
}

/// A peer that takes HL7 v2 referrals.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Its name in logs and reports.
    pub name: &'static str,
    /// MSH-12.
    pub version: Version,
    /// The charset of what is written.
    pub charset: Charset,
    /// MSH-18, where the version has a name of its own for it.
    pub charset_name: Option<&'static str>,
    /// Whether MSH-9.3 is written.
    pub structure_name: bool,
    /// Whether PD1 may stand after PID, where REF_I12 has no place for it.
    pub pd1: bool,
    /// Whether local segments (Z) are passed on.
    pub local_segments: bool,
    /// Whether clinical segments (DG1, AL1, OBR, OBX) are read; else all of that goes into the notes.
    pub clinical_segments: bool,
    /// MSH-15 and MSH-16; `None` for original mode.
    pub acknowledgment: Option<(Condition, Condition)>,
    /// MSH-17 and MSH-19 are written as the DHCW hub does (`GBR`, `EN`).
    pub locale: bool,
    /// What is shown where.
    pub shows: Shows,
    /// The longest MSH-10.
    pub control_id: usize,
    /// The longest RF1-6.1.
    pub referral_id: usize,
    /// The longest NTE-3; longer texts go on in the next one.
    pub note: usize,
    /// The largest message in bytes.
    pub message: usize,
    /// How the original travels.
    pub attach: Attach,
}

/// A peer that takes BaRS messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BarsProfile {
    /// Its name in logs and reports.
    pub name: &'static str,
    /// Whose rules it keeps.
    pub rules: bars::Profile,
    /// The syntax to write.
    pub syntax: Syntax,
    /// `Bundle.meta.versionId`: the version of the Application.
    pub application: &'static str,
    /// The use case of what has none.
    pub use_case: &'static str,
    /// What is shown where.
    pub shows: Shows,
    /// Whether only patients with an NHS number are taken.
    pub needs_nhs_number: bool,
    /// Whether only referrals with a condition are taken.
    pub needs_condition: bool,
    /// Whether updates are taken; a new request, its cancellation, and an answer to a request always are.
    pub updates: bool,
    /// The largest document in bytes.
    pub message: usize,
    /// How the original travels.
    pub attach: Attach,
}

/// What a peer speaks.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// HL7 v2 referrals.
    Ref(Profile),
    /// BaRS messages.
    Bars(BarsProfile),
}

impl Target {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ref(profile) => profile.name,
            Self::Bars(profile) => profile.name,
        }
    }

    /// What it shows.
    pub fn shows(&self) -> &Shows {
        match self {
            Self::Ref(profile) => &profile.shows,
            Self::Bars(profile) => &profile.shows,
        }
    }
}
