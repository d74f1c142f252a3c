//! Answers of people and services, told apart from those of machines.
//!
//! A clinical answer says that a person or service accepted or rejected the referral: in HL7 an RRI with A or R in
//! RF1-1 (table 0283), in BaRS a servicerequest-response. An ACK, an RRI that reports an error, and an RRI that
//! gives the referral back with its pending status are technical, and never become clinical (architecture,
//! section 2).

use bulkhead_format_bars::{BarsMessage, MessageKind, ResponseKind, System};
use bulkhead_format_hl7::referral::{Form, Status};
use bulkhead_format_hl7::{AckCode, Answer, Message, Referral};

use crate::tables::codes;
use crate::translated::{Item, Untranslatable};

/// The name of FHIR's encounter states in RF1-1.6.
pub(crate) const ENCOUNTER: &str = "FHIR-ENCOUNTER";
/// The local code of RF1-1 for a patient who did not attend: table 0283 has none.
pub(crate) const DID_NOT_ATTEND: &str = "DNA";

/// What a person or service decided.
#[derive(Clone, PartialEq, Eq)]
pub enum ClinicalDecision {
    /// The referral was accepted for care.
    Accepted,
    /// What was asked for is done.
    Finished,
    /// It was rejected.
    Rejected {
        /// The code of CodeSystem rejected-reasons-bars, if one is stated.
        code: Option<String>,
        /// Why, in words.
        text: Option<String>,
    },
    /// The patient did not attend.
    DidNotAttend,
}

impl std::fmt::Debug for ClinicalDecision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Accepted => f.write_str("Accepted"),
            Self::Finished => f.write_str("Finished"),
            Self::Rejected { code, .. } => {
                f.debug_struct("Rejected").field("code", code).finish_non_exhaustive()
            }
            Self::DidNotAttend => f.write_str("DidNotAttend"),
        }
    }
}

/// A clinical answer, and what it says it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clinical {
    /// The decision.
    pub decision: ClinicalDecision,
    /// The message that it names: MSA-2, or the `Bundle.id` of a BaRS response.
    pub answers: Option<String>,
    /// RF1-6.1, in HL7.
    pub referral: Option<String>,
}

/// The clinical answer that an HL7 message is.
pub fn clinical_answer(message: &Message) -> Result<Clinical, Untranslatable> {
    let technical = |why: &str| Err(Untranslatable::new(Item::Answer, why));
    let Some(referral) = Referral::read(message).filter(|referral| referral.form() == Form::Response) else {
        return technical("an ACK says what a system did, not what a person decided");
    };
    let Ok(answer) = Answer::parse(message) else { return technical("MSA-1 holds no acknowledgment code") };
    if !matches!(answer.code, None | Some(AckCode::ApplicationAccept | AckCode::CommitAccept)) {
        return technical("the RRI reports an error of a system");
    }
    let field = message.field("RF1", 1);
    let alternate = |number: usize| field.component(number).value().map(|text| text.into_owned());
    let [code, text, system] = [4, 5, 6].map(alternate);
    let decision = match referral.status() {
        Status::Accepted if system.as_deref() == Some(ENCOUNTER) && code.as_deref() == Some("finished") => {
            ClinicalDecision::Finished
        }
        Status::Accepted => ClinicalDecision::Accepted,
        Status::Rejected => {
            let rejected = codes::short(System::RejectedReason.uri());
            let code = code.filter(|_| system.as_deref() == Some(rejected.as_str()));
            ClinicalDecision::Rejected { code, text }
        }
        Status::Local(coded) if coded.code == DID_NOT_ATTEND => ClinicalDecision::DidNotAttend,
        Status::Local(_) | Status::Expired | Status::Pending | Status::NotStated => {
            return technical("RF1-1 neither accepts nor rejects the referral");
        }
    };
    Ok(Clinical { decision, answers: answer.control_id, referral: answer.referral.map(|id| id.value) })
}

/// The clinical answer that a BaRS message is; `None` for requests.
pub fn clinical_answer_of_bars(message: &BarsMessage) -> Option<Clinical> {
    let MessageKind::Response(kind) = message.kind else { return None };
    let decision = match kind {
        ResponseKind::Interim => ClinicalDecision::Accepted,
        ResponseKind::Final => ClinicalDecision::Finished,
        ResponseKind::Rejection => ClinicalDecision::Rejected { code: message.rejection.clone(), text: None },
        ResponseKind::DidNotAttend => ClinicalDecision::DidNotAttend,
    };
    Some(Clinical { decision, answers: message.response_to.clone(), referral: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: &str, lines: &str) -> Result<ClinicalDecision, Item> {
        let text = format!("MSH|^~\\&|A|B|C|D|20260801||{kind}|M1|P|2.4\r{lines}");
        clinical_answer(&Message::parse(text).unwrap()).map(|c| c.decision).map_err(|u| u.item)
    }

    #[test]
    fn only_an_rri_that_accepts_or_rejects_is_clinical() {
        let check = |kind, lines, expected| assert_eq!(answer(kind, lines), expected, "{kind} {lines}");
        let rejected = |code: Option<&str>, text: Option<&str>| ClinicalDecision::Rejected {
            code: code.map(str::to_owned),
            text: text.map(str::to_owned),
        };
        check("RRI^I12", "MSA|AA|X\rRF1|A|||||1\r", Ok(ClinicalDecision::Accepted));
        check("RRI^I12", "RF1|A|||||1\r", Ok(ClinicalDecision::Accepted));
        check("RRI^I12", "RF1|A^^HL70283^finished^^FHIR-ENCOUNTER|||||1\r", Ok(ClinicalDecision::Finished));
        check(
            "RRI^I12",
            "RF1|R^^HL70283^FC^Failed^NHS-REJECTED|||||1\r",
            Ok(rejected(Some("FC"), Some("Failed"))),
        );
        check("RRI^I12", "RF1|R|||||1\r", Ok(rejected(None, None)));
        check("RRI^I12", "RF1|DNA^Did not attend^L|||||1\r", Ok(ClinicalDecision::DidNotAttend));
        for (kind, lines) in [
            ("ACK^I12", "MSA|AA|X\r"),
            ("ACK^I12", "MSA|AR|X\r"),
            ("RRI^I12", "MSA|AA|X\rRF1|P|||||1\r"),
            ("RRI^I12", "MSA|AE|X\rRF1|R|||||1\r"),
            ("RRI^I12", "MSA|AA|X\rRF1|AB^Booked^TRAKCARE|||||1\r"),
            ("RRI^I12", "MSA|AA|X\r"),
            ("REF^I12", "RF1|A|||||1\r"),
        ] {
            check(kind, lines, Err(Item::Answer));
        }
    }
}
