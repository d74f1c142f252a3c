//! Whether a message has the structure REF_I12 or RRI_I12, with the tolerances that real senders need.
//!
//! ```text
//! REF_I12: MSH [{SFT}] [RF1] [AUT [CTD]] {PRD [{CTD}]} PID [{NK1}] [{GT1}] [{IN1 [IN2] [IN3]}] [ACC] [{DG1}] [{DRG}]
//!          [{AL1}] [{PR1 [AUT [CTD]]}] [{OBR [{NTE}] [{OBX [{NTE}]}]}] [PV1 [PV2]] [{NTE}]
//! RRI_I12: the same with [MSA] before RF1 and without NK1, GT1 and IN1
//! ```
//!
//! (HL7 v2.4 and v2.5, section 11.3.) Tolerated without a word: PD1 after PID (TrakCare in Scotland), local segments
//! anywhere, NTE anywhere from PID on, RF1-6 with a fifth component, MSH-9 without its third component or with the
//! event in it, MSH-7 with hyphens. Segments that are not part of the structure are a warning: a receiver ignores
//! them (HL7 v2.5 section 2.6.2). So are a missing PID-3 and PID-5, which HL7 requires: an unknown patient still
//! has to be referred.

use crate::issue::{ErrorCode, Issue, Place, Severity};
use crate::referral::{Event, ProcessingId};
use crate::view::Segment;
use crate::{Message, Ts};

/// The most issues that are reported of one message.
pub const MOST_ISSUES: usize = 50;

/// Checks `message` and says what is wrong with it. Only issues of [`Severity::Error`] speak against accepting it:
/// see [`is_acceptable`].
pub fn check(message: &Message) -> Vec<Issue> {
    let mut report = Report::default();
    if let Some(form) = message_type(message, &mut report) {
        Walk::over(message, form, &mut report);
        fields(message, &mut report);
    }
    report.0.truncate(MOST_ISSUES);
    report.0
}

/// Whether none of `issues` speaks against accepting the message.
pub fn is_acceptable(issues: &[Issue]) -> bool {
    issues.iter().all(|issue| issue.severity < Severity::Error)
}

#[derive(Default)]
struct Report(Vec<Issue>);

impl Report {
    fn error(&mut self, code: ErrorCode, place: Place, text: &str) {
        self.0.push(Issue::error(code, Some(place), text));
    }

    fn warn(&mut self, code: ErrorCode, place: Place, text: &str) {
        self.0.push(Issue::warning(code, Some(place), text));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Ref,
    Rri,
}

/// MSH-9: the type, the event, and the structure if it is stated.
fn message_type(message: &Message, report: &mut Report) -> Option<Form> {
    let place = |component| Place::field("MSH", 1, 9).component(component);
    let field = message.header().field(9);
    let form = match &*field.component(1).text() {
        "REF" => Form::Ref,
        "RRI" => Form::Rri,
        _ => {
            report.error(ErrorCode::UNSUPPORTED_MESSAGE_TYPE, place(1), "the message type is not REF or RRI");
            return None;
        }
    };
    if Event::parse(&field.component(2).text()).is_none() {
        report.error(ErrorCode::UNSUPPORTED_EVENT, place(2), "the event is not I12, I13, I14 or I15");
        return None;
    }
    let structure = field.component(3).text();
    let stated = match form {
        Form::Ref => structure.strip_prefix("REF_"),
        Form::Rri => structure.strip_prefix("RRI_"),
    };
    if !structure.is_empty() && stated.and_then(Event::parse).is_none() {
        report.error(
            ErrorCode::UNSUPPORTED_MESSAGE_TYPE,
            place(3),
            "the structure does not fit the message type",
        );
    }
    Some(form)
}

/// The segments of the structure that have a place of their own, in order, and whether they may repeat.
const ORDER: [(&str, bool); 17] = [
    ("MSH", false),
    ("SFT", true),
    ("MSA", false),
    ("RF1", false),
    ("AUT", false),
    ("PRD", true),
    ("PID", false),
    ("NK1", true),
    ("GT1", true),
    ("IN1", true),
    ("ACC", false),
    ("DG1", true),
    ("DRG", true),
    ("AL1", true),
    ("PR1", true),
    ("OBR", true),
    ("PV1", false),
];

/// The segments that belong to one before them: which, and to which.
const CHILDREN: [(&str, &[&str]); 8] = [
    ("CTD", &["AUT", "PRD", "PR1"]),
    ("AUT", &["PR1"]),
    ("PD1", &["PID"]),
    ("IN2", &["IN1"]),
    ("IN3", &["IN1"]),
    ("OBX", &["OBR"]),
    ("PV2", &["PV1"]),
    ("NTE", &["PID", "NK1", "GT1", "IN1", "ACC", "DG1", "DRG", "AL1", "PR1", "OBR", "PV1"]),
];

/// A walk along the segments of a message.
struct Walk {
    form: Form,
    /// Where in [`ORDER`] the walk is.
    at: usize,
    /// How many segments of each name there were.
    seen: Vec<(String, usize)>,
}

impl Walk {
    fn over(message: &Message, form: Form, report: &mut Report) {
        let mut walk = Self { form, at: 0, seen: Vec::new() };
        for segment in message.segments() {
            walk.meet(segment, report);
        }
        for required in ["PRD", "PID"] {
            if message.segment(required).is_none() {
                let place = Place::segment(required, 1);
                report.error(ErrorCode::SEGMENT_SEQUENCE, place, "a required segment is missing");
            }
        }
    }

    fn meet(&mut self, segment: Segment<'_>, report: &mut Report) {
        let Some(name) = name(segment) else {
            // The line may hold anything, so the place is that of the last segment before it.
            let place = self.last();
            return report.error(
                ErrorCode::SEGMENT_SEQUENCE,
                place,
                "a line after this segment is no segment",
            );
        };
        let place = Place::segment(name, self.count(name));
        if segment.is_local() || self.belongs(name) {
            return;
        }
        let own = ORDER.iter().position(|(own, _)| *own == name).filter(|_| self.takes(name));
        match own {
            Some(own) if own > self.at || (own == 0 && segment.index() == 0) => self.at = own,
            Some(own) if own == self.at && ORDER[own].1 => {}
            Some(own) if own == self.at => {
                report.error(ErrorCode::SEGMENT_SEQUENCE, place, "the segment may stand only once");
            }
            Some(_) => report.error(ErrorCode::SEGMENT_SEQUENCE, place, "the segment is out of order"),
            None if name == "NTE" || name == "PD1" => {
                report.warn(ErrorCode::SEGMENT_SEQUENCE, place, "the segment stands where it has no meaning");
            }
            None if CHILDREN.iter().any(|(child, _)| *child == name) => {
                report.error(
                    ErrorCode::SEGMENT_SEQUENCE,
                    place,
                    "the segment it belongs to is not before it",
                );
            }
            None => {
                report.warn(ErrorCode::SEGMENT_SEQUENCE, place, "the segment is not part of the structure")
            }
        }
    }

    /// Whether `name` belongs to the segment that the walk is at.
    fn belongs(&self, name: &str) -> bool {
        CHILDREN.iter().any(|(child, parents)| *child == name && parents.contains(&ORDER[self.at].0))
    }

    fn takes(&self, name: &str) -> bool {
        match self.form {
            Form::Ref => name != "MSA",
            Form::Rri => !matches!(name, "NK1" | "GT1" | "IN1"),
        }
    }

    /// Counts a segment called `name`, which is then the last one.
    fn count(&mut self, name: &str) -> usize {
        let known = self.seen.iter().position(|(seen, _)| seen == name);
        let count = known.map_or(1, |index| self.seen.remove(index).1 + 1);
        self.seen.push((name.to_owned(), count));
        count
    }

    fn last(&self) -> Place {
        self.seen
            .last()
            .map_or_else(|| Place::segment("MSH", 1), |(name, count)| Place::segment(name, *count))
    }
}

/// The name of a well-named segment, which is ASCII.
fn name(segment: Segment<'_>) -> Option<&str> {
    segment.is_well_named().then(|| std::str::from_utf8(segment.name()).ok())?
}

/// The fields without which a referral cannot be handled.
fn fields(message: &Message, report: &mut Report) {
    let missing = "a required field is missing";
    for number in [7, 10, 11, 12] {
        if message.header().field(number).component(1).value().is_none() {
            report.error(ErrorCode::REQUIRED_FIELD, Place::field("MSH", 1, number), missing);
        }
    }
    let created = message.header().field(7).component(1);
    if created.value().is_some_and(|text| Ts::parse(&text).is_err()) {
        report.error(ErrorCode::DATA_TYPE, Place::field("MSH", 1, 7), "not a time stamp");
    }
    if matches!(ProcessingId::of(message), ProcessingId::Other(other) if !other.is_empty()) {
        let place = Place::field("MSH", 1, 11);
        report.error(ErrorCode::UNSUPPORTED_PROCESSING_ID, place, "the processing id is not P, T or D");
    }
    if message.segment("RF1").is_some_and(|rf1| rf1.field(6).component(1).value().is_none()) {
        report.error(ErrorCode::REQUIRED_FIELD, Place::field("RF1", 1, 6), missing);
    }
    for (index, prd) in message.all("PRD").enumerate() {
        if prd.field(1).component(1).value().is_none() {
            report.error(ErrorCode::REQUIRED_FIELD, Place::field("PRD", index + 1, 1), missing);
        }
    }
    for number in [3, 5] {
        if message.segment("PID").is_some_and(|pid| pid.field(number).value().is_none()) {
            report.warn(ErrorCode::REQUIRED_FIELD, Place::field("PID", 1, number), missing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rules;

    const HEADER: &str = "MSH|^~\\&|A||B||20260801||REF^I12^REF_I12|M1|P|2.4\r";

    /// The issues of `HEADER` and `lines`, each as `code severity place`.
    fn issues(header: &str, lines: &str) -> Vec<String> {
        let text = format!("{header}{}", lines.replace(' ', "\r"));
        let message = Message::parse_with(text, &Rules::any_version()).unwrap();
        let found = check(&message);
        assert_eq!(is_acceptable(&found), found.iter().all(|issue| issue.severity != Severity::Error));
        let place = |issue: &Issue| issue.place.as_ref().map(Place::to_string).unwrap_or_default();
        found
            .iter()
            .map(|issue| format!("{} {} {}", issue.code.0, issue.severity.code(), place(issue)))
            .collect()
    }

    fn check_lines(lines: &str, expected: &[&str]) {
        assert_eq!(issues(HEADER, lines), expected, "{lines}");
    }

    #[test]
    fn every_group_of_the_structure_is_taken() {
        check_lines("PRD|RP PID|||1||A", &[]);
        check_lines(
            "RF1||||||1 AUT CTD PRD|RP CTD CTD PRD|RT PID|||1||A NK1 NK1 GT1 IN1 IN2 IN3 IN1 ACC DG1 DG1 DRG AL1 \
             PR1 AUT CTD PR1 OBR NTE OBX NTE OBX OBR PV1 PV2 NTE NTE",
            &[],
        );
        let response = HEADER.replace("REF^I12^REF_I12", "RRI^I12^RRI_I12");
        assert!(issues(&response, "MSA|AA|1 RF1||||||1 PRD|RP PID|||1||A DG1 NTE").is_empty());
        assert!(issues(&HEADER.replace("2.4", "2.5"), "SFT SFT PRD|RP PID|||1||A").is_empty());
    }

    #[test]
    fn what_real_senders_do_is_tolerated() {
        check_lines("RF1||||||1^^^^REFID PRD|RP PID|||1||A PD1 ZWL ZRF", &[]);
        check_lines("ZAA PRD|RP ZBB PID|||1||A NTE ZCC DG1 NTE ZDD", &[]);
        for spelling in ["REF^I12", "REF^I14^REF_I14", "REF^I13^REF_I12"] {
            assert!(issues(&HEADER.replace("REF^I12^REF_I12", spelling), "PRD|RP PID|||1||A").is_empty());
        }
        assert!(issues(&HEADER.replace("20260801", "2026-08-01 10:00:00"), "PRD|RP PID|||1||A").is_empty());
        check_lines("PRD|RP PID EVN", &["100 W EVN[1]", "101 W PID[1]-3", "101 W PID[1]-5"]);
    }

    #[test]
    fn segments_out_of_place_are_located() {
        check_lines("PID|||1||A", &["100 E PRD[1]"]);
        check_lines("PRD|RP", &["100 E PID[1]"]);
        check_lines("PRD|RP PID|||1||A RF1||||||1", &["100 E RF1[1]"]);
        check_lines("PRD|RP PID|||1||A PID|||2||B", &["100 E PID[2]"]);
        check_lines("PRD|RP PID|||1||A OBX OBR OBX", &["100 E OBX[1]"]);
        check_lines("PRD|RP PID|||1||A PRD|RT", &["100 E PRD[2]"]);
        check_lines("PRD|RP PD1 NTE PID|||1||A", &["100 W PD1[1]", "100 W NTE[1]"]);
        check_lines("MSA|AA|1 PRD|RP PID|||1||A", &["100 W MSA[1]"]);
        check_lines("PRD|RP PID|||1||A NTE||a NTE||b lost|x", &["100 E NTE[2]"]);
    }

    #[test]
    fn fields_are_located() {
        check_lines("RF1|P PRD|RP PRD|^x PID|||1||A", &["101 E RF1[1]-6", "101 E PRD[2]-1"]);
        let empty = "MSH|^~\\&|||||||REF^I12\r";
        let expected = ["101 E MSH[1]-7", "101 E MSH[1]-10", "101 E MSH[1]-11", "101 E MSH[1]-12"];
        assert_eq!(issues(empty, "PRD|RP PID|||1||A"), expected);
        let wrong = HEADER.replace("20260801", "soon").replace("|P|", "|X|");
        assert_eq!(issues(&wrong, "PRD|RP PID|||1||A"), ["102 E MSH[1]-7", "202 E MSH[1]-11"]);
    }

    #[test]
    fn other_messages_are_refused_by_type_and_event() {
        let check = |message_type: &str, expected: &str| {
            let header = HEADER.replace("REF^I12^REF_I12", message_type);
            assert_eq!(issues(&header, "PRD|RP PID|||1||A"), [expected]);
        };
        check("ADT^A28", "200 E MSH[1]-9.1");
        check("REF^I99", "201 E MSH[1]-9.2");
        check("REF^I12^ADT_A01", "200 E MSH[1]-9.3");
    }

    #[test]
    fn the_report_is_bounded() {
        let lines = format!("PRD|RP PID|||1||A{}", " x".repeat(MOST_ISSUES * 2));
        assert_eq!(issues(HEADER, &lines).len(), MOST_ISSUES);
    }
}
