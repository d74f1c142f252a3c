//! Reading and writing HL7 v2 (ER7) messages and MLLP frames, without loss and without I/O.
//!
//! A [`Message`] keeps the bytes that came and shows them as segments, fields and text; whatever it shows, it
//! gives back the same bytes. Times, control ids and sockets belong to the caller: everything here is a pure
//! function of its arguments.
//!
//! ```text
//! socket bytes ── Framer ──> payload ── Message::parse ──> Message ──┬── Referral::read, structure::check
//!                                                                    ├── Mode::of, ack::ack, ack::rri
//!                                                                    └── Answer::parse
//! Builder / Message::with ──> Message ── mllp::encode ──> socket bytes
//! ```
//!
//! Sources, as cited at each rule: "HL7 v2.5 section 2.x" is chapter 2 (Control) of HL7 version 2.5, "table
//! nnnn" an HL7 table, "HL7 UK A.3" the British profile of version 2.4, and "the DHCW guide" NHS Wales's
//! ORU_R01 v2.5.1 implementation guide, version 2.0.0.
//!
//! Errors and `Debug` output carry places and lengths, never content.

pub mod ack;
mod answer;
mod charset;
mod code;
mod delimiters;
mod edit;
mod error;
mod escape;
mod issue;
mod message;
pub mod mllp;
mod mode;
mod original;
pub mod referral;
mod rules;
mod scan;
pub mod structure;
pub mod time;
mod value;
mod version;
mod view;
mod write;

pub use answer::{Answer, Match, NotAnAnswer};
pub use charset::{Charset, Declared, Doubt, Reading};
pub use code::AckCode;
pub use delimiters::{DelimiterFault, Delimiters};
pub use edit::{EditError, Path};
pub use error::{ParseError, ParseErrorKind};
pub use issue::{ErrorCode, Issue, Place, Severity};
pub use message::Message;
pub use mllp::{FrameError, Framer};
pub use mode::{Condition, Mode};
pub use original::Original;
pub use referral::Referral;
pub use rules::{Limits, Rules};
pub use time::Ts;
pub use value::{Item, Value};
pub use version::Version;
pub use view::{Component, Field, Part, Repetition, Segment, Subcomponent};
pub use write::{Builder, Draft, WriteError};
