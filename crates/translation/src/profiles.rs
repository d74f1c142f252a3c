//! The peers of the four nations, as far as public sources tell what they show.
//!
//! None of these is a certified profile of a nation: no Welsh or Northern Irish REF profile is public, and of
//! Scotland's there is one vendor page. Each says what it rests on. A deployment whose system shows other
//! fields changes the data, not the code.

use bulkhead_format_bars::{self as bars, Syntax};
use bulkhead_format_hl7::{Charset, Condition, Version};
use bulkhead_model::{Nation, Protocol};

use crate::profile::{Attach, BarsProfile, Profile, Shown, Shows, Target};

/// Where a system that reads all of REF_I12 shows things: the fields that the standard has for them (HL7 v2.5
/// section 11.3), and coded OBX for what it has none for.
fn fields() -> Shows {
    Shows {
        identifiers: Shown::field("PID", 3, 250),
        verification: Shown::field("PID", 32, 20),
        callback: Shown::field("PID", 13, 40),
        safeguarding: Shown::field("OBX", 5, 4_000),
        scene_safety: Shown::field("OBX", 5, 4_000),
        allergies: Shown::field("AL1", 3, 250),
        disposition: Shown::field("OBX", 5, 4_000),
        due: Shown::field("OBX", 5, 4_000),
    }
}

/// An out-of-hours system in Wales: HL7 v2.5 REF_I12 with the conventions of the DHCW hub.
///
/// Rests on the DHCW guide (PID-32 `NSTS01` to `NSTS08`, MSH-10 up to 20 alphanumerics, the six escapes) and on
/// the Integration Hub (v2.5, MSH-17 `GBR`, MSH-19 `EN`, messages of up to 1 MB, original mode); the REF itself
/// is generic, because no Welsh one is public.
pub fn wales_ooh() -> Profile {
    Profile {
        name: "wales-ooh",
        version: Version::V2_5,
        charset: Charset::Utf8,
        charset_name: Some("UNICODE UTF-8"),
        structure_name: true,
        pd1: false,
        local_segments: false,
        clinical_segments: true,
        acknowledgment: None,
        locale: true,
        shows: fields(),
        control_id: 20,
        referral_id: 60,
        note: 60_000,
        message: 1_000_000,
        attach: Attach::PayloadOnly,
    }
}

/// TrakCare in a Scottish board: HL7 v2.4, segments MSH RF1 PRD PID PD1, Z segments and NTE.
///
/// Rests on the TrakCare page (the list of segments; `AL`/`NE`; RF1-6 with a fifth component) and HL7 UK A.3
/// (v2.4, no ED). DG1, AL1 and OBX are not in that list, so what is clinical goes into NTE, which is. Text is in
/// 8859/1, which table 0211 of v2.4 has; other characters are written as `\Xhh..\`.
pub fn scotland_trakcare() -> Profile {
    let note = || Shown::note(60_000);
    Profile {
        name: "scotland-trakcare",
        version: Version::V2_4,
        charset: Charset::iso8859(1).unwrap_or(Charset::Ascii),
        charset_name: Some("8859/1"),
        structure_name: false,
        pd1: true,
        local_segments: true,
        clinical_segments: false,
        acknowledgment: Some((Condition::Always, Condition::Never)),
        locale: false,
        shows: Shows {
            verification: note(),
            safeguarding: note(),
            scene_safety: note(),
            allergies: note(),
            disposition: note(),
            due: note(),
            ..fields()
        },
        control_id: 20,
        referral_id: 30,
        note: 60_000,
        message: 5_000_000,
        attach: Attach::PayloadOnly,
    }
}

/// A generic HL7 v2.4 system in Northern Ireland: plain REF_I12.
///
/// Rests on HL7 UK A.3 only, which says that referrals "use HL7 2.4 or later" and that ED is not supported; no
/// profile of HSC is public.
pub fn ni_v24() -> Profile {
    Profile {
        name: "ni-v24",
        version: Version::V2_4,
        charset: Charset::iso8859(1).unwrap_or(Charset::Ascii),
        charset_name: Some("8859/1"),
        structure_name: true,
        pd1: false,
        local_segments: false,
        clinical_segments: true,
        acknowledgment: None,
        locale: false,
        shows: fields(),
        control_id: 20,
        referral_id: 30,
        note: 60_000,
        message: 5_000_000,
        attach: Attach::PayloadOnly,
    }
}

/// A generic HL7 v2.5.1 system in Northern Ireland: REF_I12 in UTF-8, with the original in an OBX of type ED.
///
/// Rests on the standard only; no profile of HSC is public.
pub fn ni_v251() -> Profile {
    Profile {
        name: "ni-v251",
        version: Version::V2_5_1,
        charset: Charset::Utf8,
        charset_name: Some("UNICODE UTF-8"),
        referral_id: 60,
        attach: Attach::Document,
        ..ni_v24()
    }
}

/// A BaRS receiver in England: everything has an element of its own.
///
/// Rests on the BaRS guide: callback, flags ("must be shown to the user"), dispositions, allergies and the due
/// time are in its payload tables. The use case of a referral from another nation is a1t10, "111 to UEC", the
/// nearest that CodeSystem usecases-categories-bars has.
pub fn england_bars() -> BarsProfile {
    let element = |path| Shown::element(path, usize::MAX);
    BarsProfile {
        name: "england-bars",
        rules: bars::Profile::England,
        syntax: Syntax::Json,
        application: "1.1.0",
        use_case: "a1t10",
        shows: Shows {
            identifiers: element("Patient.identifier"),
            verification: element(
                "Patient.identifier.extension(Extension-UKCore-NHSNumberVerificationStatus)",
            ),
            callback: element("Patient.contact.telecom"),
            safeguarding: element("Flag"),
            scene_safety: element("Flag"),
            allergies: element("AllergyIntolerance"),
            disposition: element("CarePlan.activity.outcomeCodeableConcept"),
            due: element("ServiceRequest.occurrencePeriod.end"),
        },
        needs_nhs_number: false,
        needs_condition: false,
        updates: true,
        message: 5_000_000,
        attach: Attach::Document,
    }
}

/// A BaRS receiver in Wales that keeps NWRI's rules and shows what the bundle holds.
///
/// Rests on NWRI: JSON, two organisations with literal names, an NHS number and a condition in every new
/// referral, nothing but new and cancel. A system that refers hears the answer all the same, by the guide's rules.
pub fn wales_bars() -> BarsProfile {
    BarsProfile {
        name: "wales-bars",
        rules: bars::Profile::WalesNwri,
        needs_nhs_number: true,
        needs_condition: true,
        updates: false,
        attach: Attach::PayloadOnly,
        ..england_bars()
    }
}

/// NWRI in front of WPAS, as it is public: the data set DSCN 2024-11 has room for the NHS number and its status,
/// and for no telephone number, flag, allergy, disposition or due time. So nothing that has those may go there.
pub fn wales_bars_wpas() -> BarsProfile {
    let bars = wales_bars();
    let shows = Shows {
        identifiers: Shown::element("PatientDetails.NhsNumber", 10),
        verification: Shown::element("PatientDetails.NhsNumberStatusIndicator", 2),
        callback: None,
        safeguarding: None,
        scene_safety: None,
        allergies: None,
        disposition: None,
        due: None,
    };
    BarsProfile { name: "wales-bars-wpas", shows, ..bars }
}

/// The profile of a peer as the directory names it: protocol and version of its service, nation of its tenant.
///
/// A Welsh BaRS service whose version ends in `wpas` is NWRI in front of WPAS. A version that no profile knows is
/// written into the nearest one. `None`: no profile of HL7 referrals in England is known.
pub fn profile_for(protocol: Protocol, version: &str, nation: Nation) -> Option<Target> {
    let stated = Version::parse(version);
    let at = |profile: Profile| {
        let version = stated.unwrap_or(profile.version);
        // Table 0211 knows `UNICODE UTF-8` from v2.5 on, and `UNICODE` before.
        let charset_name = match profile.charset {
            Charset::Utf8 if version < Version::V2_5 => Some("UNICODE"),
            _ => profile.charset_name,
        };
        Target::Ref(Profile { version, charset_name, ..profile })
    };
    match (protocol, nation) {
        (Protocol::Bars, _) => Some(Target::Bars(england_bars())),
        (Protocol::BarsWales, _) if version.ends_with("wpas") => Some(Target::Bars(wales_bars_wpas())),
        (Protocol::BarsWales, _) => Some(Target::Bars(wales_bars())),
        (Protocol::Hl7v2, Nation::Wales) => Some(at(wales_ooh())),
        (Protocol::Hl7v2, Nation::Scotland) => Some(at(scotland_trakcare())),
        (Protocol::Hl7v2, Nation::NorthernIreland) if stated >= Some(Version::V2_5) => Some(at(ni_v251())),
        (Protocol::Hl7v2, Nation::NorthernIreland) => Some(at(ni_v24())),
        (Protocol::Hl7v2, Nation::England) => None,
    }
}
