//! A FHIR document: one read model over FHIR JSON and FHIR XML.
//!
//! Reading is bounded (bytes, depth, elements) and refuses what FHIR and prudence forbid: other encodings
//! than UTF-8, DOCTYPE and entities, duplicate JSON members, foreign elements. An error says where, by line
//! and column, and never repeats content. The bytes that were read are not kept here and never changed; a
//! caller that forwards a message forwards its own bytes, and writes this tree only where it has changed it.

use crate::node::Node;
use crate::outcome::{ErrorKind, IssueType, Problem};
use crate::{json, json_write, xml, xml_write};

/// The two syntaxes of FHIR that BaRS uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Syntax {
    /// `application/fhir+json`
    Json,
    /// `application/fhir+xml`
    Xml,
}

impl Syntax {
    /// The media type, without a charset.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/fhir+json",
            Self::Xml => "application/fhir+xml",
        }
    }
}

/// What a reader accepts before it gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of a document.
    pub bytes: usize,
    /// The deepest nesting of elements.
    pub depth: usize,
    /// The most elements.
    pub nodes: usize,
}

impl Limits {
    /// No configuration goes deeper than this: reading and writing recurse.
    pub const DEEPEST: usize = 256;
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 5 * 1024 * 1024, depth: 64, nodes: 200_000 }
    }
}

/// Why a document could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadFault {
    /// More bytes than the limit.
    #[error("document is over {limit} bytes")]
    TooLarge {
        /// The limit that was in force.
        limit: usize,
    },
    /// Nested deeper than the limit.
    #[error("elements are nested deeper than {limit}")]
    TooDeep {
        /// The limit that was in force.
        limit: usize,
    },
    /// More elements than the limit.
    #[error("more than {limit} elements")]
    TooMany {
        /// The limit that was in force.
        limit: usize,
    },
    /// Bytes that are not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// The document ends too early.
    #[error("the document ends too early")]
    Truncated,
    /// Not well-formed JSON or XML.
    #[error("not well-formed: {0}")]
    Malformed(&'static str),
    /// Well-formed, and something that is refused on purpose.
    #[error("not accepted: {0}")]
    Forbidden(&'static str),
    /// Well-formed, and not what FHIR allows.
    #[error("not a FHIR document: {0}")]
    Structure(&'static str),
}

/// Why a document could not be read, and where. It never contains content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault} (line {line}, column {column})")]
pub struct ReadError {
    /// What is wrong.
    pub fault: ReadFault,
    /// The line, from 1.
    pub line: usize,
    /// The column in bytes, from 1.
    pub column: usize,
}

impl ReadError {
    pub(crate) fn at(fault: ReadFault, bytes: &[u8], offset: usize) -> Self {
        let before = &bytes[..offset.min(bytes.len())];
        let line = 1 + before.iter().filter(|b| **b == b'\n').count();
        let column = 1 + before.iter().rev().take_while(|b| **b != b'\n').count();
        Self { fault, line, column }
    }

    /// The answer to the sender: 400 `structure` (BaRS guide, Error-Handling).
    pub fn problem(&self) -> Problem {
        Problem::rec(ErrorKind::BadRequest, IssueType::Structure, &self.to_string())
    }
}

/// Why a tree could not be written: it holds something that the syntax has no way to say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// XML 1.0 cannot carry most control characters.
    #[error("{path} holds a character that XML cannot carry")]
    NotInXml {
        /// The element, by name.
        path: String,
    },
}

/// A parsed FHIR document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    syntax: Syntax,
    made_here: bool,
    root: Node,
}

impl Document {
    /// Reads a document in that syntax.
    pub fn read(bytes: &[u8], syntax: Syntax, limits: &Limits) -> Result<Self, ReadError> {
        if bytes.len() > limits.bytes {
            return Err(ReadError::at(ReadFault::TooLarge { limit: limits.bytes }, &[], 0));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|e| ReadError::at(ReadFault::NotUtf8, bytes, e.valid_up_to()))?;
        let limits = Limits { depth: limits.depth.min(Limits::DEEPEST), ..*limits };
        let root = match syntax {
            Syntax::Json => json::read(text, &limits)?,
            Syntax::Xml => xml::read(text, &limits)?,
        };
        Ok(Self { syntax, made_here: false, root })
    }

    /// A document made here, to be written in that syntax.
    pub fn new(syntax: Syntax, root: Node) -> Self {
        Self { syntax, made_here: true, root }
    }

    /// The syntax that the document came in, or is to be written in.
    pub fn syntax(&self) -> Syntax {
        self.syntax
    }

    /// The outermost resource.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The outermost resource, to be changed.
    pub fn root_mut(&mut self) -> &mut Node {
        &mut self.root
    }

    /// The type of the outermost resource.
    pub fn resource_type(&self) -> &str {
        self.root.resource_type().unwrap_or_default()
    }

    /// Writes the tree in the syntax it came in.
    pub fn write(&self) -> Result<Vec<u8>, WriteError> {
        self.write_as(self.syntax)
    }

    /// Writes the tree in that syntax. What is converted to XML, or was made here, is put in the order of
    /// the specification; what came as XML keeps its order.
    pub fn write_as(&self, syntax: Syntax) -> Result<Vec<u8>, WriteError> {
        match syntax {
            Syntax::Json => Ok(json_write::write(&self.root)),
            Syntax::Xml => xml_write::write(&self.root, self.made_here || self.syntax == Syntax::Json),
        }
    }
}
