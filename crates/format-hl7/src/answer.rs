//! Reads the answer of a peer: ACK, or RRI.

use std::fmt;

use thiserror::Error;

use crate::issue::{ErrorCode, Issue, Place, Severity};
use crate::referral::ReferralId;
use crate::view::{Repetition, Segment, is_segment_name};
use crate::{AckCode, Message};

/// What a peer answered.
///
/// The text is the peer's and may speak of a patient, so `Debug` shows only its length.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// MSA-1; `None` in an RRI without MSA, whose content is the answer.
    pub code: Option<AckCode>,
    /// MSA-2: the control id of what is answered.
    pub control_id: Option<String>,
    /// MSH-10: the control id of the answer itself.
    pub own_control_id: String,
    /// MSA-3.
    pub text: String,
    /// What ERR reports, in either of its forms.
    pub issues: Vec<Issue>,
    /// RF1-6, in an RRI.
    pub referral: Option<ReferralId>,
}

/// Why a message is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotAnAnswer {
    /// It has no MSA and is no RRI.
    #[error("the message has no MSA")]
    NoMsa,
    /// MSA-1 is not in table 0008.
    #[error("MSA-1 holds no acknowledgment code")]
    Code,
}

/// Whether an answer belongs to a message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// MSA-2 is the message's MSH-10.
    ControlId,
    /// There is no MSA-2, and RF1-6 is the referral's.
    Referral,
    /// It belongs to something else.
    No,
}

impl Answer {
    /// Reads `message` as an answer. Parse it under [`Rules::any_version`](crate::Rules::any_version): some peers
    /// answer in a version of their own.
    pub fn parse(message: &Message) -> Result<Self, NotAnAnswer> {
        let msa = message.segment("MSA");
        let is_rri = message.header().field(9).component(1).text() == "RRI";
        if msa.is_none() && !is_rri {
            return Err(NotAnAnswer::NoMsa);
        }
        let code = msa.map(|msa| AckCode::parse(&msa.field(1).text()).ok_or(NotAnAnswer::Code));
        let field = |number| msa.and_then(|msa| msa.field(number).value()).map(|text| text.into_owned());
        Ok(Self {
            code: code.transpose()?,
            control_id: field(2),
            own_control_id: message.header().field(10).text().into_owned(),
            text: field(3).unwrap_or_default(),
            issues: message.all("ERR").flat_map(issues).collect(),
            referral: ReferralId::of(message),
        })
    }

    /// Whether this answers the message with `control_id` (its MSH-10) about `referral` (its RF1-6).
    pub fn matches(&self, control_id: &str, referral: Option<&ReferralId>) -> Match {
        match (&self.control_id, &self.referral) {
            (Some(answered), _) if answered == control_id => Match::ControlId,
            (None, Some(answered)) if Some(answered) == referral => Match::Referral,
            _ => Match::No,
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("code", &self.code)
            .field("control_id", &self.control_id)
            .field("own_control_id", &self.own_control_id)
            .field("text_bytes", &self.text.len())
            .field("issues", &self.issues)
            .finish_non_exhaustive()
    }
}

/// ERR-1 by repetition, or, where the later fields are used, ERR-2 to 4 and 8.
fn issues(err: Segment<'_>) -> Vec<Issue> {
    if err.field(2).is_empty() && err.field(3).is_empty() {
        return err.field(1).repetitions().filter_map(together).collect();
    }
    let words = [err.field(8).text(), err.field(3).component(2).text()];
    let text = words.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
    let places: Vec<_> = err.field(2).repetitions().map(|place| Some(located(place))).collect();
    let issue = Issue {
        code: code(&err.field(3).component(1).text()),
        severity: Severity::parse(&err.field(4).text()).unwrap_or(Severity::Error),
        place: None,
        text: text.into_owned(),
    };
    if places.is_empty() {
        return vec![issue];
    }
    places.into_iter().map(|place| Issue { place, ..issue.clone() }).collect()
}

fn together(error: Repetition<'_>) -> Option<Issue> {
    if error.is_empty() || error.is_null() {
        return None;
    }
    let coded = error.component(4);
    // The code stands where a location has its repetition.
    let place = Place { repetition: None, component: None, ..located(error) };
    let place = (!place.segment.is_empty()).then_some(place);
    Some(Issue::error(code(&coded.subcomponent(1).text()), place, coded.subcomponent(2).text()))
}

fn located(place: Repetition<'_>) -> Place {
    let number = |index| place.component(index).text().trim().parse().ok();
    Place {
        segment: segment_name(place.component(1).raw()),
        sequence: number(2).unwrap_or(1),
        field: number(3),
        repetition: number(4),
        component: number(5),
    }
}

/// Whatever else a peer writes there is left out: it may be anything.
fn segment_name(raw: &[u8]) -> String {
    if is_segment_name(raw) { String::from_utf8_lossy(raw).into_owned() } else { String::new() }
}

/// A code that is not a number is an error of no known kind.
fn code(text: &str) -> ErrorCode {
    text.trim().parse().map_or(ErrorCode::INTERNAL, ErrorCode)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(lines: &str) -> Result<Answer, NotAnAnswer> {
        Answer::parse(&Message::parse(format!("MSH|^~\\&|||||||{lines}")).unwrap())
    }

    #[test]
    fn an_ack_is_read() {
        let found =
            answer("ACK^I12^ACK|A1|P|2.4\rMSA|AE|M1|bad \\T\\ ugly\rERR|PRD^2^1^101&missing&HL70357~^^^207")
                .unwrap();
        assert_eq!(found.code, Some(AckCode::ApplicationError));
        assert_eq!((found.text.as_str(), found.own_control_id.as_str()), ("bad & ugly", "A1"));
        let expected = [
            Issue::error(ErrorCode::REQUIRED_FIELD, Some(Place::field("PRD", 2, 1)), "missing"),
            Issue::error(ErrorCode::INTERNAL, None, ""),
        ];
        assert_eq!(found.issues, expected);
        assert_eq!(found.matches("M1", None), Match::ControlId);
        assert_eq!(found.matches("M2", None), Match::No);
    }

    #[test]
    fn errors_of_version_2_5_are_read() {
        let found =
            answer("ACK|A1|P|2.5\rMSA|AR|M1\rERR||PID^1^3^2^4|204^Unknown^HL70357|W||||ask\rERR|||X|F")
                .unwrap();
        let place = Place { repetition: Some(2), ..Place::field("PID", 1, 3).component(4) };
        let expected = [
            Issue::warning(ErrorCode::UNKNOWN_KEY, Some(place), "ask"),
            Issue::error(ErrorCode::INTERNAL, None, ""),
        ];
        assert_eq!(found.issues, expected);
    }

    #[test]
    fn an_rri_without_msa_is_matched_by_its_referral() {
        let found = answer("RRI^I12^RRI_I12|A1|P|2.4\rRF1|A|||||4711^DALRIADA\rPRD|RP\rPID|1").unwrap();
        let referral = found.referral.clone().unwrap();
        assert_eq!(found.code, None);
        assert_eq!(found.matches("M1", Some(&referral)), Match::Referral);
        assert_eq!(found.matches("M1", None), Match::No);
        let other = ReferralId { value: "4712".to_owned(), ..referral };
        assert_eq!(found.matches("M1", Some(&other)), Match::No);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        assert_eq!(answer("REF^I12|A1|P|2.4\rPRD|RP"), Err(NotAnAnswer::NoMsa));
        assert_eq!(answer("ACK|A1|P|2.4\rMSA|OK|M1"), Err(NotAnAnswer::Code));
        assert!(format!("{:?}", answer("ACK|A1|P|2.4\rMSA|AE|M1|Jones").unwrap()).find("Jones").is_none());
    }
}
