//! BaRS messages, read and written without I/O.
//!
//! BaRS, the NHS Booking and Referral Standard, carries referrals as FHIR R4 message bundles in JSON or XML
//! over HTTP; England and Wales use it. This crate knows the documents and the headers: what a message is
//! (`message`), whether it may be taken (`profile`, `headers`, `outcome`), what is answered (`echo`,
//! `response`, `capability`), and what a translator may read from it (`view`). Sending, storing and deciding
//! are the adapters' work.
//!
//! ```text
//! bytes ──document──▶ tree ──message──▶ BarsMessage ──▶ echo, response, outcome ──▶ bytes
//!                      └────view──▶ ReferralView ──▶ a translator
//! ```
//!
//! Sources named in the documentation: "BaRS guide" is the live implementation guide 1.12.0 of
//! NHSDigital/NHSDigital-FHIR-BookingAndReferrals, "API specification" is booking-and-referral 1.4.0 of
//! NHSDigital/booking-and-referral-fhir-api, "NWRI" is DHCW's NWRI-eReferrals-Service-App.

pub mod accept;
pub mod document;
pub mod headers;
mod json;
mod json_write;
pub mod node;
pub mod outcome;
mod schema;
pub mod systems;
pub mod target;
pub mod when;
mod xml;
mod xml_write;

pub use document::{Document, Limits, ReadError, ReadFault, Syntax, WriteError};
pub use headers::{HeaderError, HeaderId, HeaderRules, Ids, RequestHeaders};
pub use node::Node;
pub use outcome::{ErrorCode, ErrorKind, IssueType, Party, Problem};
pub use systems::{Identifier, System};
pub use when::When;
