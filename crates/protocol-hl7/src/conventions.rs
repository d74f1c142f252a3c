//! What is usual in a nation, as data: an adapter names it, settings may say otherwise.

use bulkhead_adapter::{AckPolicy, SendMode};
use bulkhead_format_hl7::Version;
use bulkhead_translation::Profile;

use crate::{Acknowledgement, Answers};

/// The conventions of a nation's HL7 v2 systems.
#[derive(Debug, Clone)]
pub struct Conventions {
    /// The versions that are taken from the local system.
    pub versions: Vec<Version>,
    /// What the local system speaks where the settings do not say.
    pub version: Version,
    /// The profile of a system of that version: what it shows, and how much of it.
    pub profile: fn(Version) -> Profile,
    /// Which acknowledgement messages get.
    pub acknowledgement: Acknowledgement,
    /// The letters of our answers.
    pub answers: Answers,
    /// What the local system's answers mean.
    pub meaning: AckPolicy,
    /// Whether a connection to it carries one message or many.
    pub mode: SendMode,
    /// What we are called in headers: application and facility.
    pub own_name: [&'static str; 2],
    /// The systems of addresses that a nation's messages write short: short form and system. `DOS` and `ODS`, which
    /// translations write, are known anyway.
    pub systems: Vec<(&'static str, &'static str)>,
    /// Codes of organisations that are retired and still met: old and new.
    pub retired: Vec<(&'static str, &'static str)>,
}
