//! What comes of a translation: a document with the list of what it lacks, or a refusal with its reason.

use std::fmt;

use bulkhead_model::{Code, Reason};

/// A translated document.
#[derive(Clone, PartialEq, Eq)]
pub struct Translated<T> {
    /// The document for the target.
    pub document: T,
    /// What the target has no place for: names or paths of items, never values. Their text stands in the
    /// document's notes.
    pub omissions: Vec<String>,
    /// What was kept and is written differently, where a document is edited rather than written anew: places and
    /// what was done, never values.
    pub changed: Vec<String>,
    /// Warnings that refuse nothing, in the form of envelope flags: `nhs-number-check-digit`.
    pub flags: Vec<String>,
}

impl<T> fmt::Debug for Translated<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Translated")
            .field("omissions", &self.omissions)
            .field("changed", &self.changed)
            .field("flags", &self.flags)
            .finish_non_exhaustive()
    }
}

/// What a refused translation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Item {
    /// The patient's identifiers with their kinds.
    Identifiers,
    /// How far an identifier was verified.
    Verification,
    /// The number to call back.
    Callback,
    /// A safeguarding flag (SG).
    Safeguarding,
    /// A scene safety flag (SS).
    SceneSafety,
    /// Allergies and intolerances.
    Allergies,
    /// The disposition: Dx code and text.
    Disposition,
    /// By when the patient should be seen or called.
    DueTime,
    /// The kind of the message: request, update, cancel, response.
    Kind,
    /// A technical answer: it is never made a clinical one.
    Answer,
    /// What an answer belongs to.
    Correlation,
    /// Something that the target's own rules demand.
    Structure,
    /// The document itself: it cannot be read as what it should be.
    Document,
    /// The target takes no document so large.
    Size,
    /// A test message for a production system.
    Test,
}

impl Item {
    /// Every item.
    pub const ALL: [Item; 15] = [
        Item::Identifiers,
        Item::Verification,
        Item::Callback,
        Item::Safeguarding,
        Item::SceneSafety,
        Item::Allergies,
        Item::Disposition,
        Item::DueTime,
        Item::Kind,
        Item::Answer,
        Item::Correlation,
        Item::Structure,
        Item::Document,
        Item::Size,
        Item::Test,
    ];

    /// As it is written in reasons.
    pub fn as_str(self) -> &'static str {
        match self {
            Item::Identifiers => "patient identifiers",
            Item::Verification => "verification of the patient identifier",
            Item::Callback => "callback number",
            Item::Safeguarding => "safeguarding flag",
            Item::SceneSafety => "scene safety flag",
            Item::Allergies => "allergies",
            Item::Disposition => "disposition",
            Item::DueTime => "due time",
            Item::Kind => "kind of message",
            Item::Answer => "technical answer",
            Item::Correlation => "what it answers",
            Item::Structure => "structure",
            Item::Document => "document",
            Item::Size => "size",
            Item::Test => "test message",
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a document cannot be translated. It names items and places, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{item}: {why}")]
pub struct Untranslatable {
    /// What it is about.
    pub item: Item,
    /// Why, in words.
    pub why: String,
}

impl Untranslatable {
    /// A refusal about that item.
    pub fn new(item: Item, why: impl Into<String>) -> Self {
        Self { item, why: why.into() }
    }

    /// The reason to give to the sender or to set aside with: `NOT_TRANSLATABLE` and what it is about.
    pub fn reason(&self) -> Reason {
        Reason::new(Code::NotTranslatable, self.to_string())
    }
}
