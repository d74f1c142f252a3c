//! Ids: those of messages as the broker keeps them, and those of translated messages.
//!
//! Everything about a translated message is derived from the referral's id, so that a retry has the same ids and
//! the receiver can recognise it.

use bulkhead_format_bars::Ids;
use bulkhead_format_hl7::Message;
use bulkhead_format_hl7::referral::ReferralId as Rf1Id;
use bulkhead_model::{CaseId, IdError, MessageId, ReferralId};
use uuid::Uuid;

use crate::stamp::Stamp;

/// The message id of a BaRS message: its `X-Request-Id`, the same on a retry (BaRS guide,
/// Transactional-integrity). It is a UUID, so it is written in lower case whatever the sender wrote.
pub fn message_id_of_bars(ids: &Ids) -> Result<MessageId, IdError> {
    MessageId::parse(&ids.request.uuid().to_string())
}

/// The message id of an HL7 message: MSH-3, MSH-4, MSH-10 and MSH-7 together, because counters restart after a
/// rebuild (architecture, section 2).
///
/// They are joined with `|` as they are written, escapes and all; `%` and `|` in them, controls, and bytes that are
/// not UTF-8 are written as `%hh`, so that no two quadruples have the same text. What would be longer than 255 bytes
/// is shortened: the first 200 bytes of the text, then `|uuid-` and the name-based UUID of the whole.
pub fn message_id_of_ref(message: &Message) -> Result<MessageId, IdError> {
    let header = message.header();
    let parts = [3, 4, 10, 7].map(|number| escaped(header.field(number).raw()));
    MessageId::parse(&bounded(&parts.join("|")))
}

/// The case id of an HL7 message: RF1-6 with its authority, joined in the same way; `None` without RF1-6.
pub fn case_id_of_ref(message: &Message) -> Option<CaseId> {
    let id = Rf1Id::of(message)?;
    let authority = [&id.authority.namespace, &id.authority.universal_id, &id.authority.universal_id_type];
    let stated: Vec<String> =
        std::iter::once(&id.value).chain(authority).map(|part| escaped(part.as_bytes())).collect();
    CaseId::parse(&bounded(stated.join("|").trim_end_matches('|'))).ok()
}

fn escaped(part: &[u8]) -> String {
    let mut text = String::new();
    for chunk in part.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '%' | '|' => text.push_str(&format!("%{:02X}", u32::from(character))),
                control if control.is_control() => text.push_str(&format!("%{:02X}", u32::from(control))),
                other => text.push(other),
            }
        }
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("%{byte:02X}")));
    }
    text
}

fn bounded(text: &str) -> String {
    if text.len() <= MessageId::MAX {
        return text.to_owned();
    }
    let mut end = 200;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}|uuid-{}", &text[..end], Uuid::new_v5(&NAMESPACE, text.as_bytes()))
}

const NAMESPACE: Uuid = Uuid::from_u128(0x2f0c_9d1e_6b6a_4f0e_8a57_3c1d_9e2b_7a44);

fn derived(referral: &ReferralId, name: &str) -> Uuid {
    Uuid::new_v5(&Uuid::from_bytes(*referral.as_bytes()), name.as_bytes())
}

/// MSH-10 of a translated message: 20 characters of `A-Z 2-7`, the most that the DHCW guide allows, with 100 of the
/// referral id's bits.
pub fn control_id(referral: &ReferralId) -> String {
    short(&derived(referral, "MSH-10"))
}

/// `X-Request-Id` of a translated message.
pub fn request_id(referral: &ReferralId) -> Uuid {
    derived(referral, "X-Request-Id")
}

/// `Bundle.id` of a translated message.
pub fn bundle_id(referral: &ReferralId) -> Uuid {
    derived(referral, "Bundle")
}

/// `X-Correlation-Id` of a translated message: the remembered one, the case id if it is a UUID, else one derived
/// from the case, so that all messages of a case have the same.
pub fn correlation_id(stamp: &Stamp) -> Uuid {
    let remembered = stamp.remembered.as_ref().and_then(|remembered| remembered.correlation_id.as_deref());
    let case = stamp.case_id.as_ref().map(CaseId::as_str);
    let own = remembered.or(case).and_then(|text| Uuid::try_parse(text).ok());
    own.unwrap_or_else(|| match case {
        Some(case) => Uuid::new_v5(&NAMESPACE, case.as_bytes()),
        None => derived(&stamp.referral, "X-Correlation-Id"),
    })
}

/// The id of the ServiceRequest in a translated message: the remembered one, else one derived from the case, so
/// that an update or a cancellation names the request that it is about.
pub fn service_request_id(stamp: &Stamp) -> String {
    let remembered = stamp.remembered.as_ref().and_then(|remembered| remembered.service_request_id.clone());
    remembered.unwrap_or_else(|| Uuid::new_v5(&correlation_id(stamp), b"ServiceRequest").to_string())
}

/// RF1-6.1 of a translated message: the case id if it fits, else 20 characters derived from it; without a case,
/// derived from the referral.
pub(crate) fn referral_number(stamp: &Stamp, max: usize) -> String {
    match &stamp.case_id {
        Some(case) if case.as_str().len() <= max => case.to_string(),
        Some(case) => short(&Uuid::new_v5(&NAMESPACE, case.as_str().as_bytes())),
        None => short(&derived(&stamp.referral, "RF1-6")),
    }
}

/// The first 100 bits of a UUID, five to a character.
fn short(uuid: &Uuid) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits = uuid.as_u128();
    (0..20).map(|index| char::from(ALPHABET[(bits >> (123 - index * 5)) as usize & 31])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(sender: &str, facility: &str, created: &str, control: &str) -> Message {
        let text = format!("MSH|^~\\&|{sender}|{facility}|||{created}||REF^I12|{control}|P|2.4\r");
        Message::parse(text).unwrap()
    }

    #[test]
    fn hl7_ids_are_joined_without_ambiguity() {
        let id = |message| message_id_of_ref(&message).unwrap().to_string();
        assert_eq!(id(message("TRAK", "S08^1.2^ISO", "20260801", "M1")), "TRAK|S08^1.2^ISO|M1|20260801");
        assert_ne!(id(message("A", "B\\F\\C", "1", "M")), id(message("A\\F\\B", "C", "1", "M")));
        assert_eq!(id(message("A", "B\\S\\C%", "1", "M")), "A|B\\S\\C%25|M|1");
        assert_ne!(id(message("A", "B\\S\\C", "1", "M")), id(message("A", "B^C", "1", "M")));
        let long = id(message(&"X".repeat(300), "F", "1", "M1"));
        assert!(long.len() <= 255);
        assert_ne!(long, id(message(&"X".repeat(300), "F", "1", "M2")));
        assert!(message_id_of_ref(&message("", "", "", "")).is_ok());
    }

    #[test]
    fn derived_ids_are_the_same_at_each_attempt() {
        let referral = ReferralId::parse("7b1e0d52-6a57-4c39-9a3e-4cbb51c40e11").unwrap();
        let control = control_id(&referral);
        assert_eq!(control, control_id(&referral));
        assert!(control.len() == 20 && control.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_ne!(request_id(&referral), bundle_id(&referral));
        let stamp = Stamp::new(referral, MessageId::parse("m").unwrap(), jiff::Timestamp::UNIX_EPOCH);
        let case = |text: &str| stamp.clone().in_case(CaseId::parse(text).ok());
        assert_eq!(correlation_id(&case("4711|X")), correlation_id(&case("4711|X")));
        assert_ne!(correlation_id(&case("4711|X")), correlation_id(&case("4711|Y")));
        let uuid = "3d2c1b0a-0000-4000-8000-000000000002";
        assert_eq!(correlation_id(&case(uuid)).to_string(), uuid);
        assert_eq!(service_request_id(&case(uuid)), service_request_id(&case(uuid)));
        assert_eq!(referral_number(&case("4711"), 30), "4711");
        assert_eq!(referral_number(&case(uuid), 30).len(), 20);
    }
}
