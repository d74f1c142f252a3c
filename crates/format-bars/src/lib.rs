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
pub mod bundle;
pub mod capability;
pub mod classify;
pub mod document;
pub mod echo;
pub mod headers;
pub mod ids;
mod json;
mod json_write;
pub mod message;
pub mod node;
pub mod outcome;
pub mod peer;
pub mod profile;
pub mod response;
pub mod sample;
mod schema;
pub mod service_request;
pub mod systems;
pub mod target;
pub mod view;
pub mod when;
mod xml;
mod xml_write;

pub use bundle::{Bundle, Entry};
pub use classify::{MessageKind, Profile, ResponseKind};
pub use document::{Document, Limits, ReadError, ReadFault, Syntax, WriteError};
pub use echo::echo;
pub use headers::{HeaderError, HeaderId, HeaderRules, Ids, RequestHeaders};
pub use ids::{IdMap, rewrite_ids};
pub use message::{BarsMessage, Rules};
pub use node::Node;
pub use outcome::{ErrorCode, ErrorKind, IssueType, Party, Problem};
pub use peer::{Answer, Refusal, RetryCause, Verdict};
pub use response::{Decision, RejectedReason, Response};
pub use sample::{SampleFacts, SampleReferral, SampleService};
pub use systems::{Identifier, System};
pub use view::ReferralView;
pub use when::When;
