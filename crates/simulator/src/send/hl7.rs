//! REF messages to be sent, built field by field.
//!
//! Scottish ones have the shape that TrakCare sends: PD1 behind PID, and a ZRF at the end.

use bulkhead_format_bars::{Identifier, SampleFacts, SampleReferral};
use bulkhead_format_hl7::time::Precision;
use bulkhead_format_hl7::{Builder, Charset, Draft, Message, Ts, Value, WriteError};
use bulkhead_model::{Nation, NumberKind};
use jiff::tz::TimeZone;

use super::random::Random;
use super::{Priority, Ready, SendError, SendKind, Sending, own_address, patient, text};
use crate::config::{Acknowledgement, Mllp};
use crate::digest;
use crate::receive::mllp::control_id;
use crate::system::System;

/// How much text one NTE holds.
const NOTE: usize = 1000;
/// The lengths of MSH-10 and of EI in the versions that are sent.
pub(super) const LONGEST_ID: usize = 20;
const LONGEST_CASE: usize = 30;

pub(super) fn compose(system: &System, mllp: &Mllp, send: &Sending) -> Result<Ready, SendError> {
    let message_id = send.message_id.clone().unwrap_or_else(control_id);
    check("message id", &message_id, LONGEST_ID)?;
    let seed = send.seed();
    let case = send.case.clone().unwrap_or_else(|| {
        format!("R{:014X}", digest::key(&["case", system.tenant.as_str(), &seed.to_string()]) >> 72)
    });
    check("case", &case, LONGEST_CASE)?;
    let seed = u64::try_from(digest::key(&["hl7", &case]) >> 64).unwrap_or_default();
    let now = system.times.of(send.message_id.as_deref())?.to_zoned(TimeZone::UTC);
    let referral = Referral {
        mllp,
        send,
        own: own_address(system),
        nation: system.tenant.nation(),
        seed,
        facts: SampleReferral::new(seed).facts(),
        message_id: &message_id,
        case: &case,
        now: Ts::with_offset(&now, Precision::Second).to_string(),
    };
    let message = referral.sized(send.bytes).map_err(|error| SendError::Invalid(error.to_string()))?;
    let bytes = message.as_bytes().to_vec();
    Ok(Ready { message_id, case, headers: Vec::new(), bytes })
}

pub(super) fn check(what: &str, id: &str, longest: usize) -> Result<(), SendError> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"|^~\\&".contains(&byte);
    match (1..=longest).contains(&id.len()) && id.bytes().all(plain) {
        true => Ok(()),
        false => Err(SendError::Invalid(format!("the {what} is not 1 to {longest} plain characters"))),
    }
}

/// A referral, as it is to be written.
struct Referral<'a> {
    mllp: &'a Mllp,
    send: &'a Sending,
    own: Identifier,
    nation: Nation,
    seed: u64,
    facts: SampleFacts,
    message_id: &'a str,
    case: &'a str,
    now: String,
}

impl Referral<'_> {
    /// The message with as much text as reaches that size.
    fn sized(&self, bytes: usize) -> Result<Message, WriteError> {
        let bare = self.build(&[])?;
        let room = bytes.saturating_sub(bare.as_bytes().len());
        // A note costs its segment's frame: `NTE|n||text` and the line end.
        let mut random = Random::new(self.seed);
        let mut notes = Vec::new();
        let mut left = room;
        loop {
            let frame = format!("NTE|{}||\r", notes.len() + 1).len();
            match left.checked_sub(frame) {
                None | Some(0) => break,
                // No room may be left over that is too small for a note of its own.
                Some(text) if text <= NOTE + 2 * frame => {
                    notes.push(text::of_length(&mut random, text));
                    break;
                }
                Some(_) => {
                    notes.push(text::of_length(&mut random, NOTE));
                    left -= frame + NOTE;
                }
            }
        }
        self.build(&notes)
    }

    fn build(&self, notes: &[String]) -> Result<Message, WriteError> {
        let mut builder = Builder::new(self.charset())
            .segment(self.header())
            .segment(self.request())
            .segment(self.provider("RP", "Referring Provider", &self.own))
            .segment(self.provider("RT", "Referred to Provider", &self.to()))
            .segment(self.patient());
        if self.nation == Nation::Scotland {
            builder =
                builder.segment(Draft::new("PD1").set(4, Value::components(["9900001", "Murray", "Ann"])));
        }
        for segment in self.clinical() {
            builder = builder.segment(segment);
        }
        for (index, note) in notes.iter().enumerate() {
            builder = builder.segment(Draft::new("NTE").set(1, (index + 1).to_string()).set(3, note));
        }
        if self.nation == Nation::Scotland {
            builder = builder.segment(Draft::new("ZRF").set(1, "1").set(2, "opaque-site-data"));
        }
        builder.build()
    }

    /// UTF-8 has a name only from v2.5 on.
    fn charset(&self) -> Charset {
        match self.mllp.version.starts_with("2.5") {
            true => Charset::Utf8,
            false => Charset::iso8859(1).unwrap_or(Charset::Ascii),
        }
    }

    fn to(&self) -> Identifier {
        Identifier { system: self.send.to.system.clone(), value: self.send.to.value.clone() }
    }

    fn header(&self) -> Draft {
        let event = match self.send.kind {
            SendKind::Request => "I12",
            SendKind::Update => "I13",
            SendKind::Cancel => "I14",
        };
        let enhanced = self.mllp.acknowledgement == Acknowledgement::Enhanced;
        Draft::new("MSH")
            .set(3, &self.mllp.application)
            .set(4, &self.mllp.facility)
            .set(5, "BULKHEAD")
            .set(6, &self.send.to.value)
            .set(7, &self.now)
            .set(9, Value::components(["REF", event, "REF_I12"]))
            .set(10, self.message_id)
            .set(11, "P")
            .set(12, &self.mllp.version)
            .set_if(15, enhanced.then_some("AL"))
            .set_if(16, enhanced.then_some("NE"))
    }

    fn request(&self) -> Draft {
        let priority = match self.send.priority {
            Priority::Emergency => ["S", "STAT", "HL70280"],
            Priority::Urgent => ["A", "ASAP", "HL70280"],
            Priority::Routine => ["R", "Routine", "HL70280"],
        };
        Draft::new("RF1")
            .set(1, Value::components(["P", "Pending", "HL70283"]))
            .set(2, Value::components(priority))
            .set(3, Value::components(["MED", "Medical", "HL70281"]))
            .set(6, Value::components([self.case, self.mllp.application.as_str()]))
            .set(7, &self.now)
    }

    /// PRD-7 names the service as `value^system`: what the sidecar addresses by.
    fn provider(&self, role: &str, meaning: &str, service: &Identifier) -> Draft {
        let mut provider = Draft::new("PRD").set(1, Value::components([role, meaning, "HL70286"]));
        if role == "RP" {
            provider = provider.set(2, Value::components(["Quinn", "Sarah", "", "", "Dr"]));
        }
        provider.set(7, Value::components([service.value.as_str(), service.system.as_str()]))
    }

    fn patient(&self) -> Draft {
        let kind = patient::kind_of(self.nation);
        let number = patient::number(kind, &self.facts, self.seed);
        let authority = match kind {
            NumberKind::Nhs => "NHS",
            NumberKind::Chi => "CHI",
            NumberKind::HealthAndCare => "HSC",
        };
        let sex = if self.facts.gender == "female" { "F" } else { "M" };
        Draft::new("PID")
            .set(1, "1")
            .set(3, Value::components([number.as_str(), "", "", authority, "NH"]))
            .set(5, Value::components([self.facts.family, self.facts.given]))
            .set(7, self.facts.birth_date.replace('-', ""))
            .set(8, sex)
            .set(11, Value::components(["1 High Street", "", "Harbourton", "", "ZZ99 3WZ", "", "H"]))
            .set(13, Value::components([self.facts.callback.as_str(), "PRN"]))
    }

    fn clinical(&self) -> [Draft; 3] {
        let mut random = Random::new(self.seed);
        let complaint =
            random.pick(&["Chest pain, unspecified", "Acute abdomen", "Fever & vomiting", "Back pain"]);
        let summary = Value::components(["OOH", "Out of hours summary", "L"]);
        [
            Draft::new("DG1").set(1, "1").set(3, Value::components(["", complaint, "L"])).set(6, "W"),
            Draft::new("OBR").set(1, "1").set(4, summary.clone()),
            Draft::new("OBX")
                .set(1, "1")
                .set(2, "TX")
                .set(3, summary)
                .set(5, text::of_length(&mut random, 180))
                .set(11, "F"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::send::Address;
    use bulkhead_format_hl7::structure;

    fn referral(nation: Nation, version: &str, bytes: usize, kind: SendKind) -> Message {
        let mllp = Mllp::new(version, "GPOOH", "DALRIADA");
        let to =
            Address { system: "https://fhir.nhs.uk/Id/dos-service-id".to_owned(), value: "42".to_owned() };
        let send = Sending { kind, bytes, ..Sending::new(to) };
        let seed = bytes as u64;
        let own = Identifier::dos("7");
        let facts = SampleReferral::new(seed).facts();
        let (message_id, case) = ("M1", "C1");
        let now = "20260801120000+0000".to_owned();
        let made = Referral { mllp: &mllp, send: &send, own, nation, seed, facts, message_id, case, now };
        made.sized(bytes).unwrap()
    }

    #[test]
    fn every_shape_is_a_good_message_of_its_exact_size() {
        for nation in [Nation::Wales, Nation::Scotland, Nation::NorthernIreland] {
            for version in ["2.3.1", "2.4", "2.5", "2.5.1"] {
                for bytes in (1_200..4_000).step_by(7).chain([57_000, 437_000]) {
                    let message = referral(nation, version, bytes, SendKind::Request);
                    let length = message.as_bytes().len();
                    // Where not even an empty note fits, a few bytes are missing.
                    assert!(length <= bytes && bytes - length < 16, "{version} {bytes} {length}");
                    assert!(structure::is_acceptable(&structure::check(&message)));
                }
            }
        }
    }

    #[test]
    fn the_address_stands_where_the_sidecar_looks() {
        let message = referral(Nation::Scotland, "2.4", 2_000, SendKind::Cancel);
        let read = bulkhead_format_hl7::Referral::read(&message).unwrap();
        assert_eq!(message.field("MSH", 6).text(), "42");
        let to: Vec<_> = read.provider("RT").unwrap().identifiers().collect();
        assert_eq!(to, [("42".to_owned(), "https://fhir.nhs.uk/Id/dos-service-id".to_owned())]);
        assert_eq!(message.field("MSH", 9).text(), "REF^I14^REF_I12");
        assert_eq!(message.field("RF1", 6).text(), "C1^GPOOH");
        assert_eq!(read.identifiers().next().unwrap().authority.name(), "CHI");
    }

    #[test]
    fn ids_that_hl7_cannot_carry_are_refused() {
        assert!(check("case", "", 20).is_err() && check("case", "a|b", 20).is_err());
        assert!(check("case", &"x".repeat(21), 20).is_err() && check("case", "OOH-4711", 20).is_ok());
    }
}
