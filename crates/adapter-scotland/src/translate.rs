//! How Scottish systems speak HL7 v2, as data. The translation itself is in `bulkhead-translation`.

use bulkhead_adapter::{AckPolicy, SendMode};
use bulkhead_format_hl7::Version;
use bulkhead_protocol_hl7::{Acknowledgement, Answers, Conventions};
use bulkhead_translation::{Profile, profiles};

/// HL7 v2.4 as TrakCare sends it: `MSH RF1 PRD PID PD1 [ZWL] [ZRF]`, MSH-15 `AL` and MSH-16 `NE` for a commit
/// acknowledgement only. Which mode live boards expect is not public, so it can be configured.
pub(crate) fn conventions() -> Conventions {
    Conventions {
        versions: vec![Version::V2_3_1, Version::V2_4, Version::V2_5, Version::V2_5_1],
        version: Version::V2_4,
        profile,
        acknowledgement: Acknowledgement::AsAsked,
        answers: Answers::HL7,
        meaning: AckPolicy::default(),
        mode: SendMode::Persistent,
        own_name: ["BULKHEAD", "SCOTLAND"],
        systems: Vec::new(),
        retired: RETIRED.to_vec(),
    }
}

/// Health boards whose codes have changed: Fife, Tayside, Greater Glasgow and Clyde, Lanarkshire.
const RETIRED: [(&str, &str); 4] = [
    ("S08000018", "S08000029"),
    ("S08000027", "S08000030"),
    ("S08000021", "S08000031"),
    ("S08000023", "S08000032"),
];

fn profile(version: Version) -> Profile {
    Profile { version, ..profiles::scotland_trakcare() }
}
