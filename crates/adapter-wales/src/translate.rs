//! How Welsh systems speak HL7 v2, as data. The translation itself is in `bulkhead-translation`.

use bulkhead_adapter::{AckPolicy, OnAck, SendMode};
use bulkhead_format_hl7::Version;
use bulkhead_protocol_hl7::{Acknowledgement, Answers, Conventions};
use bulkhead_translation::{BarsProfile, Profile, profiles};

/// The conventions of the DHCW guide and of the Integration Hub: original mode whatever MSH-15 says (MSH-16 is
/// ignored there), AE for a technical fault that is worth another try, AR for what a person must look at, one
/// message to a connection. The REF itself is generic: no Welsh profile of it is public.
pub(crate) fn conventions() -> Conventions {
    Conventions {
        versions: vec![Version::V2_3_1, Version::V2_4, Version::V2_5, Version::V2_5_1],
        version: Version::V2_5,
        profile,
        acknowledgement: Acknowledgement::Original,
        answers: Answers::DHCW,
        meaning: AckPolicy { ae: OnAck::Retry, ar: OnAck::Refuse, ce: OnAck::Retry, cr: OnAck::Refuse },
        mode: SendMode::PerMessage,
        own_name: ["BULKHEAD", "cymru.nhs.uk"],
        systems: Vec::new(),
    }
}

fn profile(version: Version) -> Profile {
    Profile { version, ..profiles::wales_ooh() }
}

/// BaRS as the Welsh e-referrals service has it.
pub(crate) fn bars_profile() -> BarsProfile {
    profiles::wales_bars()
}
