//! How systems in Northern Ireland are spoken to in HL7 v2, as data. The translation itself is in
//! `bulkhead-translation`.

use bulkhead_adapter::{AckPolicy, SendMode};
use bulkhead_format_hl7::Version;
use bulkhead_protocol_hl7::{Acknowledgement, Answers, Conventions};
use bulkhead_translation::{Profile, profiles};

/// Plain REF_I12 and RRI_I12 of v2.4 and v2.5.1, in both acknowledgement modes: no profile of HSC is public.
pub(crate) fn conventions() -> Conventions {
    Conventions {
        versions: vec![Version::V2_3_1, Version::V2_4, Version::V2_5, Version::V2_5_1],
        version: Version::V2_4,
        profile,
        acknowledgement: Acknowledgement::AsAsked,
        answers: Answers::HL7,
        meaning: AckPolicy::default(),
        mode: SendMode::Persistent,
        own_name: ["BULKHEAD", "NI"],
        systems: Vec::new(),
        retired: Vec::new(),
    }
}

fn profile(version: Version) -> Profile {
    if version > Version::V2_4 {
        Profile { version, ..profiles::ni_v251() }
    } else {
        Profile { version, ..profiles::ni_v24() }
    }
}
