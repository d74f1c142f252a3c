//! MSH, MSA and RF1.

use bulkhead_format_bars::System;
use bulkhead_format_hl7::{Draft, Value};
use bulkhead_model::Priority;

use super::{End, coded};
use crate::answer::{ClinicalDecision, DID_NOT_ATTEND, ENCOUNTER};
use crate::content::{Act, Content};
use crate::ids;
use crate::profile::Profile;
use crate::stamp::{Party, Stamp};
use crate::tables::codes;
use crate::times;
use crate::translated::{Item, Untranslatable};
use crate::urgency;

/// MSH. An answer goes back to where the original came from, under the names by which it was addressed.
pub(super) fn msh(content: &Content, ends: &[End; 2], profile: &Profile, stamp: &Stamp) -> Draft {
    let remembered = stamp.remembered.as_ref().filter(|_| matches!(content.act, Act::Response(_)));
    let sender = remembered
        .and_then(|r| r.receiver.clone())
        .unwrap_or_else(|| names(&stamp.from, &ends[0], "BULKHEAD"));
    let receiver =
        remembered.and_then(|r| r.sender.clone()).unwrap_or_else(|| names(&stamp.to, &ends[1], ""));
    let [kind, event, structure] = message_type(&content.act);
    let kind = match profile.structure_name {
        true => Value::components([kind, event, structure]),
        false => Value::components([kind, event]),
    };
    let control = ids::control_id(&stamp.referral);
    let mut msh = Draft::new("MSH");
    for (number, name) in [(3, &sender[0]), (4, &sender[1]), (5, &receiver[0]), (6, &receiver[1])] {
        msh = msh.set_if(number, (!name.is_empty()).then(|| Value::components(name.split('^'))));
    }
    msh.set(7, times::stamp(stamp.now))
        .set(9, kind)
        .set(10, control.get(..profile.control_id).unwrap_or(&control))
        .set(11, if stamp.test { "T" } else { "P" })
        .set(12, profile.version.to_string())
        .set_if(15, profile.acknowledgment.map(|(accept, _)| accept.code()))
        .set_if(16, profile.acknowledgment.map(|(_, application)| application.code()))
        .set_if(17, profile.locale.then_some("GBR"))
        .set_if(18, profile.charset_name)
        .set_if(19, profile.locale.then_some("EN"))
}

/// Application and facility of a party: those of the stamp, else a name of ours and the organisation's code.
fn names(party: &Party, end: &End, application: &str) -> [String; 2] {
    let code = party.organization.as_ref().map(|o| o.value().to_owned()).or_else(|| end.code());
    [
        party.application.clone().unwrap_or_else(|| application.to_owned()),
        party.facility.clone().or(code).unwrap_or_default(),
    ]
}

fn message_type(act: &Act) -> [&'static str; 3] {
    match act {
        Act::Request => ["REF", "I12", "REF_I12"],
        Act::Update => ["REF", "I13", "REF_I12"],
        Act::Cancel => ["REF", "I14", "REF_I12"],
        Act::Response(_) => ["RRI", "I12", "RRI_I12"],
    }
}

/// MSA of a clinical answer: the original was processed, and its control id. What was decided stands in RF1-1.
pub(super) fn msa(content: &Content, stamp: &Stamp) -> Result<Option<Draft>, Untranslatable> {
    if !matches!(content.act, Act::Response(_)) {
        return Ok(None);
    }
    let control = stamp.remembered.as_ref().and_then(|remembered| remembered.control_id.as_ref());
    let forgotten =
        || Untranslatable::new(Item::Correlation, "the control id of the original is not remembered");
    Ok(Some(Draft::new("MSA").set(1, "AA").set(2, control.ok_or_else(forgotten)?)))
}

/// RF1: status, priority, the referral's number, when it was written, why, and the sender's own number.
pub(super) fn rf1(content: &Content, profile: &Profile, stamp: &Stamp) -> Draft {
    let view = &content.view;
    let reasons = view.reasons.iter().map(coded::one).reduce(Value::and);
    let external = view.identifiers.first().map(|id| match id.system.as_str() {
        "" => Value::text(&id.value),
        system => Value::components([id.value.as_str(), "", system, "URI"]),
    });
    Draft::new("RF1")
        .set_if(1, status(&content.act))
        .set(2, priority(content))
        .set(6, number(profile, stamp))
        .set_if(7, view.authored_on.as_ref().and_then(times::to_hl7))
        .set_if(10, reasons)
        .set_if(11, external)
}

/// RF1-1 (table 0283). It has no code for a cancelled referral: the event says that. The code of a rejection and the
/// state of the receiver's encounter stand beside it, in the second triple.
fn status(act: &Act) -> Option<Value> {
    let coded = |code: &str, words: &str, other: [&str; 3]| {
        Value::components([code, words, "HL70283"].into_iter().chain(other))
    };
    match act {
        Act::Request | Act::Update => Some(coded("P", "Pending", [""; 3])),
        Act::Cancel => None,
        Act::Response(ClinicalDecision::Accepted) => Some(coded("A", "Accepted", ["planned", "", ENCOUNTER])),
        Act::Response(ClinicalDecision::Finished) => {
            Some(coded("A", "Accepted", ["finished", "", ENCOUNTER]))
        }
        Act::Response(ClinicalDecision::Rejected { code, text }) => {
            let system = codes::short(System::RejectedReason.uri());
            let system = if code.is_some() { system.as_str() } else { "" };
            let [code, text] = [code, text].map(|part| part.as_deref().unwrap_or_default());
            Some(coded("R", "Rejected", [code, text, system]))
        }
        Act::Response(ClinicalDecision::DidNotAttend) => {
            Some(Value::components([DID_NOT_ATTEND, "Did not attend", crate::facts::SYSTEM]))
        }
    }
}

/// RF1-2 (table 0280): the letter of the lane, which for nothing stated is A: a system that reads an empty field as
/// routine must not slow it down. BaRS does not use `ServiceRequest.priority`, and senders are known that write
/// "routine" there without meaning it: so it can raise the letter and never lower it.
fn priority(content: &Content) -> Value {
    let lane = urgency::priority_of_bars(&content.view);
    let stated = match content.priority.as_deref() {
        Some("stat") => Priority::Emergency,
        Some("asap" | "urgent") => Priority::Urgent,
        _ => lane,
    };
    let (letter, words) = urgency::letter(lane.min(stated));
    Value::components([letter, words, "HL70280"])
}

/// RF1-6: the remembered one, whole; else the case.
fn number(profile: &Profile, stamp: &Stamp) -> Value {
    match stamp.remembered.as_ref().and_then(|remembered| remembered.rf1_6.clone()) {
        Some(parts) => Value::components(parts),
        None => Value::components([ids::referral_number(stamp, profile.referral_id), "BULKHEAD".to_owned()]),
    }
}
