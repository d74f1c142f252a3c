//! Answers to a message: ACK, or RRI where the referral itself is answered.
//!
//! An answer is written with the delimiters and the charset of what it answers, so that its values can be given
//! back as they came. The time and the control id of the answer come from the caller.

use crate::issue::{Issue, Place};
use crate::value::{Item, Value};
use crate::write::{Builder, Draft, WriteError};
use crate::{AckCode, Condition, EditError, Message, Original, Path, Ts};

/// What is to be answered.
///
/// Its text and issues go to the peer: no patient data belongs in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: AckCode,
    text: Option<String>,
    issues: Vec<Issue>,
    accept: Option<Condition>,
}

/// When an answer is made, and under which control id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// MSH-7.
    pub at: Ts,
    /// MSH-10 of the answer. It is the answer's own; the one answered stands in MSA-2.
    pub control_id: String,
}

impl Reply {
    /// An answer with `code` and nothing else.
    pub fn new(code: AckCode) -> Self {
        Self { code, text: None, issues: Vec::new(), accept: None }
    }

    /// Sets MSA-3.
    pub fn text(self, text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..self }
    }

    /// Adds what ERR reports.
    pub fn issues(mut self, issues: impl IntoIterator<Item = Issue>) -> Self {
        self.issues.extend(issues);
        self
    }

    /// Asks for an accept acknowledgment in MSH-15, as the application acknowledgment of enhanced mode may.
    pub fn asking(self, accept: Condition) -> Self {
        Self { accept: Some(accept), ..self }
    }
}

/// `ACK`: sender and receiver change places (MSH-3 to 6), MSH-11 and 12 are copied, MSA-2 is the original's MSH-10
/// (HL7 v2.5 section 2.9.2 and 2.14.1). ERR has the form of the original's version.
pub fn ack(original: &Original, reply: &Reply, stamp: &Stamp) -> Result<Message, WriteError> {
    let builder = Builder::within(original.context)
        .segment(header(original, reply, stamp, ["ACK", "ACK"]))
        .segment(msa(original, reply));
    err(original, reply).into_iter().fold(builder, Builder::segment).build()
}

/// `RRI`: the same header and MSA, then RF1, the PRDs and PID of the referral as they came, as structure RRI_I12
/// asks for (HL7 v2.5 section 11.3). `status`, if given, is written into RF1-1 (table 0283 or a local code).
///
/// RRI has no ERR, so the reply's issues are not written.
pub fn rri(
    original: &Message,
    reply: &Reply,
    status: Option<Value>,
    stamp: &Stamp,
) -> Result<Message, EditError> {
    let changed = match (status, original.segment("RF1")) {
        (Some(status), Some(_)) => original.with(&Path::new("RF1", 1), status)?,
        _ => original.clone(),
    };
    let header_of = Original::of(original);
    let mut builder = Builder::within(header_of.context)
        .segment(header(&header_of, reply, stamp, ["RRI", "RRI_I12"]))
        .segment(msa(&header_of, reply));
    for segment in ["RF1", "PRD", "PID"].iter().flat_map(|name| changed.all(name)) {
        builder = builder.copy(&segment);
    }
    Ok(builder.build()?)
}

fn header(original: &Original, reply: &Reply, stamp: &Stamp, [code, structure]: [&str; 2]) -> Draft {
    let raw = |raw: &[u8]| Value::raw(raw, original.context);
    let message_type = match original.event.as_str() {
        "" => Value::text(code),
        event => Value::components([code, event, structure]),
    };
    Draft::new("MSH")
        .set(3, raw(&original.receiver[0]))
        .set(4, raw(&original.receiver[1]))
        .set(5, raw(&original.sender[0]))
        .set(6, raw(&original.sender[1]))
        .set(7, stamp.at.to_string())
        .set(9, message_type)
        .set(10, &stamp.control_id)
        .set(11, raw(&original.processing_id))
        .set(12, raw(&original.version))
        .set_if(15, reply.accept.map(Condition::code))
        .set_if(18, (!original.charset.is_empty()).then(|| raw(&original.charset)))
}

fn msa(original: &Original, reply: &Reply) -> Draft {
    Draft::new("MSA")
        .set(1, reply.code.as_str())
        .set(2, Value::raw(&original.control_id, original.context))
        .set_if(3, reply.text.as_ref())
}

/// One ERR with repetitions before v2.5 (section 2.16.5 of v2.4), one ERR for each issue from v2.5 on (HL7 v2.5
/// section 2.15.5).
fn err(original: &Original, reply: &Reply) -> Vec<Draft> {
    if original.parsed_version().has_error_locations() {
        return reply.issues.iter().map(located).collect();
    }
    let all = reply.issues.iter().map(|issue| together(original, issue)).reduce(Value::and);
    all.map(|value| Draft::new("ERR").set(1, value)).into_iter().collect()
}

/// ERR-1 of v2.4: segment, sequence, field, and the code as a coded element, or alone where MSH-2 has no delimiter
/// for its parts.
fn together(original: &Original, issue: &Issue) -> Value {
    let [segment, sequence, field] = place(issue.place.as_ref());
    let code = issue.code.0.to_string();
    let code = match original.context.delimiters.subcomponent() {
        Some(_) => Item::subcomponents([code, wording(issue), "HL70357".to_owned()]),
        None => Item::text(code),
    };
    Value::components([Item::text(segment), Item::text(sequence), Item::text(field), code])
}

/// ERR-2 location, ERR-3 code, ERR-4 severity, ERR-8 the wording for a person.
fn located(issue: &Issue) -> Draft {
    let number = |number: Option<usize>| number.map(|number| number.to_string()).unwrap_or_default();
    let [segment, sequence, field] = place(issue.place.as_ref());
    let repetition = number(issue.place.as_ref().and_then(|place| place.repetition));
    let component = number(issue.place.as_ref().and_then(|place| place.component));
    let code = [issue.code.0.to_string(), issue.code.meaning().to_owned(), "HL70357".to_owned()];
    Draft::new("ERR")
        .set(2, Value::components([segment, sequence, field, repetition, component]))
        .set(3, Value::components(code))
        .set(4, issue.severity.code())
        .set_if(8, (!issue.text.is_empty()).then_some(&issue.text))
}

fn place(place: Option<&Place>) -> [String; 3] {
    let Some(place) = place else { return Default::default() };
    let field = place.field.map(|field| field.to_string()).unwrap_or_default();
    [place.segment.clone(), place.sequence.to_string(), field]
}

fn wording(issue: &Issue) -> String {
    if issue.text.is_empty() { issue.code.meaning().to_owned() } else { issue.text.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorCode, Rules};

    const REF: &str = "MSH|^~\\&|APP^1.2^ISO|F&1|BULKHEAD|NI|20260801||REF^I13^REF_I12|M\\F\\1|T|2.4^GBR|||AL|NE||8859/1\r\
        RF1|P||||| 4711^X\rPRD|RP\rPID|1||1^^^HSC^NH||Caf\u{e9}\rNTE|1||note\r";

    fn reply() -> Reply {
        Reply::new(AckCode::ApplicationError).text("no | good").issues([
            Issue::error(ErrorCode::REQUIRED_FIELD, Some(Place::field("PRD", 2, 1)), ""),
            Issue::error(ErrorCode::SEGMENT_SEQUENCE, Some(Place::segment("PV1", 1)), "PV1 & more"),
        ])
    }

    fn stamp() -> Stamp {
        Stamp { at: Ts::parse("20260801120000+0100").unwrap(), control_id: "A1".to_owned() }
    }

    fn lines(message: &Message) -> Vec<String> {
        message.segments().map(|segment| String::from_utf8_lossy(segment.raw()).into_owned()).collect()
    }

    #[test]
    fn an_ack_turns_the_header_round() {
        let original = Original::of(&Message::parse(REF).unwrap());
        let expected = [
            "MSH|^~\\&|BULKHEAD|NI|APP^1.2^ISO|F&1|20260801120000+0100||ACK^I13^ACK|A1|T|2.4^GBR||||||8859/1",
            "MSA|AE|M\\F\\1|no \\F\\ good",
            "ERR|PRD^2^1^101&Required field missing&HL70357~PV1^1^^100&PV1 \\T\\ more&HL70357",
        ];
        assert_eq!(lines(&ack(&original, &reply(), &stamp()).unwrap()), expected);
    }

    #[test]
    fn from_version_2_5_each_issue_has_an_err_of_its_own() {
        let message = Message::parse(REF.replace("2.4^GBR", "2.5.1")).unwrap();
        let answer = ack(&Original::of(&message), &reply(), &stamp()).unwrap();
        let expected = [
            "ERR||PRD^2^1|101^Required field missing^HL70357|E",
            "ERR||PV1^1|100^Segment sequence error^HL70357|E||||PV1 \\T\\ more",
        ];
        assert_eq!(lines(&answer)[2..], expected);
    }

    #[test]
    fn an_rri_carries_the_referral_back() {
        let latin1 = REF.chars().map(|c| c as u8).collect::<Vec<_>>();
        let message = Message::parse(latin1).unwrap();
        let reply = Reply::new(AckCode::ApplicationAccept).asking(Condition::Always);
        let answer = rri(&message, &reply, Some("A".into()), &stamp()).unwrap();
        let expected = [
            "MSH|^~\\&|BULKHEAD|NI|APP^1.2^ISO|F&1|20260801120000+0100||RRI^I13^RRI_I12|A1|T|2.4^GBR|||AL|||8859/1",
            "MSA|AA|M\\F\\1",
            "RF1|A||||| 4711^X",
            "PRD|RP",
            "PID|1||1^^^HSC^NH||Caf\u{FFFD}",
        ];
        assert_eq!(lines(&answer), expected);
        assert_eq!(answer.field("PID", 5).text(), "Caf\u{e9}");
    }

    #[test]
    fn a_message_without_event_or_id_is_answered_too() {
        let message = Message::parse_with("MSH|^~\\&|A", &Rules::any_version()).unwrap();
        let answer = ack(&Original::of(&message), &Reply::new(AckCode::CommitReject), &stamp()).unwrap();
        assert_eq!(lines(&answer), ["MSH|^~\\&|||A||20260801120000+0100||ACK|A1||", "MSA|CR|"]);
    }
}
