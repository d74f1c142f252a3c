//! How Welsh systems speak HL7 v2, and what they show of a referral, as data. The translation itself is in
//! `bulkhead-translation`.

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
        retired: Vec::new(),
    }
}

fn profile(version: Version) -> Profile {
    Profile { version, ..profiles::wales_ooh() }
}

/// What a Welsh BaRS system shows of a referral that came in HL7 v2. Behind the public service stands WPAS, whose
/// data set has no place for a telephone number, flags, allergies, a disposition or a due time.
pub(crate) fn bars_profile(wpas: bool) -> BarsProfile {
    if wpas { profiles::wales_bars_wpas() } else { profiles::wales_bars() }
}
