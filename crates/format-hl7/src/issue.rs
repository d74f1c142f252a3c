//! A located fault as HL7's ERR segment can carry it.

use std::fmt;

/// A code of table 0357, message error condition codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u16);

impl ErrorCode {
    /// Message accepted.
    pub const ACCEPTED: Self = Self(0);
    /// Segments out of order, or a required one missing.
    pub const SEGMENT_SEQUENCE: Self = Self(100);
    /// A required field is missing.
    pub const REQUIRED_FIELD: Self = Self(101);
    /// A field holds the wrong type of data.
    pub const DATA_TYPE: Self = Self(102);
    /// A value is not in its table.
    pub const TABLE_VALUE: Self = Self(103);
    /// The message type is not supported.
    pub const UNSUPPORTED_MESSAGE_TYPE: Self = Self(200);
    /// The event is not supported.
    pub const UNSUPPORTED_EVENT: Self = Self(201);
    /// The processing id is not supported.
    pub const UNSUPPORTED_PROCESSING_ID: Self = Self(202);
    /// The version is not supported.
    pub const UNSUPPORTED_VERSION: Self = Self(203);
    /// The patient, order or the like is not known.
    pub const UNKNOWN_KEY: Self = Self(204);
    /// What should be new exists already.
    pub const DUPLICATE_KEY: Self = Self(205);
    /// It could not be done because something is locked.
    pub const RECORD_LOCKED: Self = Self(206);
    /// Anything else.
    pub const INTERNAL: Self = Self(207);

    /// The wording of table 0357, or nothing for a code that is not in it.
    pub fn meaning(self) -> &'static str {
        match self.0 {
            0 => "Message accepted",
            100 => "Segment sequence error",
            101 => "Required field missing",
            102 => "Data type error",
            103 => "Table value not found",
            200 => "Unsupported message type",
            201 => "Unsupported event code",
            202 => "Unsupported processing id",
            203 => "Unsupported version id",
            204 => "Unknown key identifier",
            205 => "Duplicate key identifier",
            206 => "Application record locked",
            207 => "Application internal error",
            _ => "",
        }
    }
}

/// A code of table 0516, error severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// `I`: for information.
    Information,
    /// `W`: carried out, with something to look at.
    Warning,
    /// `E`: not carried out.
    Error,
}

impl Severity {
    /// The letter of table 0516.
    pub fn code(self) -> &'static str {
        match self {
            Self::Information => "I",
            Self::Warning => "W",
            Self::Error => "E",
        }
    }

    pub(crate) fn parse(code: &str) -> Option<Self> {
        match code {
            "I" => Some(Self::Information),
            "W" => Some(Self::Warning),
            "E" | "F" => Some(Self::Error),
            _ => None,
        }
    }
}

/// Where in a message: ELD of v2.4 and ERL of v2.5 (HL7 v2.5 section 2.A.28).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The segment's name.
    pub segment: String,
    /// Which segment of that name, counted from 1.
    pub sequence: usize,
    /// The field, numbered as HL7 does; `None` for the whole segment.
    pub field: Option<usize>,
    /// The repetition of the field, counted from 1.
    pub repetition: Option<usize>,
    /// The component, counted from 1.
    pub component: Option<usize>,
}

impl Place {
    /// A whole segment.
    pub fn segment(segment: &str, sequence: usize) -> Self {
        Self { segment: segment.to_owned(), sequence, field: None, repetition: None, component: None }
    }

    /// A field.
    pub fn field(segment: &str, sequence: usize, field: usize) -> Self {
        Self { field: Some(field), ..Self::segment(segment, sequence) }
    }

    /// This place, narrowed to one component.
    pub fn component(self, component: usize) -> Self {
        Self { component: Some(component), ..self }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.segment, self.sequence)?;
        if let Some(field) = self.field {
            write!(f, "-{field}")?;
        }
        match self.component {
            Some(component) => write!(f, ".{component}"),
            None => Ok(()),
        }
    }
}

/// One fault: what it is, where, and how grave.
///
/// Those that this crate makes hold fixed wording. In an issue read from a peer's answer the text is the peer's
/// and may speak of a patient, so `Debug` shows only its length.
#[derive(Clone, PartialEq, Eq)]
pub struct Issue {
    /// What it is.
    pub code: ErrorCode,
    /// How grave it is.
    pub severity: Severity,
    /// Where it is, if it is about a place.
    pub place: Option<Place>,
    /// In words.
    pub text: String,
}

impl Issue {
    /// An issue that stops the message.
    pub fn error(code: ErrorCode, place: Option<Place>, text: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, place, text: text.into() }
    }

    /// An issue to look at, which stops nothing.
    pub fn warning(code: ErrorCode, place: Option<Place>, text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, place, text) }
    }
}

impl fmt::Debug for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issue")
            .field("code", &self.code.0)
            .field("severity", &self.severity)
            .field("place", &self.place.as_ref().map(Place::to_string))
            .field("text_bytes", &self.text.len())
            .finish()
    }
}
