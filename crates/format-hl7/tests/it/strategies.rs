//! What the properties are tried on, and what holds for every message.

use bulkhead_format_hl7::{
    Answer, Builder, Charset, Delimiters, Message, Mode, Original, Path, Referral, Rules, Value, structure,
};
use proptest::prelude::*;
use proptest::test_runner::Config;

/// `cases` cases, and no file for failures: the seed is printed.
pub(crate) fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}

/// MSH-1 and MSH-2 as they are met: usual, three and five characters, swapped, unusual.
pub(crate) fn delimiters() -> impl Strategy<Value = (u8, &'static [u8])> {
    prop_oneof![
        4 => Just((b'|', b"^~\\&".as_slice())),
        1 => Just((b'|', b"^~\\".as_slice())),
        1 => Just((b'|', b"^~}".as_slice())),
        1 => Just((b'|', b"^~\\&#".as_slice())),
        1 => Just((b'|', b"~^\\&".as_slice())),
        1 => Just((b'$', b"%*!@".as_slice())),
    ]
}

/// Text as it may stand in a field, delimiters, escapes and all, but no carriage return.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[ -~]{0,8}".prop_map(String::into_bytes),
        1 => prop::sample::select(vec!["\u{175}yn", "\\.br\\", "\\X0D\\", "\\F\\", "\"\"", "\\", "\u{1F600}"])
            .prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(0x20..=0xFF_u8, 0..4),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn segment_name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["RF1", "PRD", "PID", "PD1", "NTE", "OBX", "ZRF", "XYZ", "P", "text"])
}

/// The bytes of a message that can be read.
pub(crate) fn message() -> impl Strategy<Value = Vec<u8>> {
    let line_end = prop::sample::select(vec!["\r", "\n", "\r\n", "\r\n\n"]);
    let charset = prop::sample::select(vec!["", "UNICODE UTF-8", "8859/1", "8859/9", "ASCII", "KLINGON"]);
    let lines = prop::collection::vec((segment_name(), prop::collection::vec(content(), 0..6)), 0..6);
    (delimiters(), line_end, charset, lines, any::<bool>(), any::<bool>()).prop_map(
        |((field, encoding), line_end, charset, lines, mark, last)| {
            let mut out = if mark { b"\xEF\xBB\xBF".to_vec() } else { Vec::new() };
            out.extend_from_slice(b"MSH");
            out.push(field);
            out.extend_from_slice(encoding);
            let header =
                ["A", "", "B", "", "20260801", "", "REF", "M1", "P", "2.5", "", "", "", "", "", charset];
            for value in header {
                out.push(field);
                out.extend_from_slice(value.as_bytes());
            }
            for (name, fields) in lines {
                out.extend_from_slice(line_end.as_bytes());
                out.extend_from_slice(name.as_bytes());
                for value in fields {
                    out.push(field);
                    out.extend_from_slice(&value);
                }
            }
            if last {
                out.extend_from_slice(line_end.as_bytes());
            }
            out
        },
    )
}

/// Text for values: anything, often with what needs care.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => any::<String>(),
        2 => "[|^~\\\\&$%*!@#}.a-z\"\r\n\u{b}\u{1c}\u{e9}\u{175}]{0,12}",
        1 => Just("\"\"".to_owned()),
        1 => Just("\\.br\\".to_owned()),
    ]
}

/// `text` as it comes back: a line end is a line end, whatever its form.
pub(crate) fn with_plain_line_ends(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Checks what holds for every message, whatever it says: nothing is lost between the views, and nothing panics.
pub(crate) fn check_message(bytes: &[u8], message: &Message) {
    assert_eq!(message.to_bytes(), bytes);
    let mut end = 0;
    for segment in message.segments() {
        let between = &bytes[end..segment.offset()];
        let between = between.strip_prefix(b"\xEF\xBB\xBF").filter(|_| end == 0).unwrap_or(between);
        assert!(between.iter().all(|byte| matches!(byte, b'\r' | b'\n')));
        end = segment.offset() + segment.raw().len();
        assert_eq!(&bytes[segment.offset()..end], segment.raw());
        check_segment(bytes, message, segment);
    }
    assert!(bytes[end..].iter().all(|byte| matches!(byte, b'\r' | b'\n')));
    check_uses(message);
}

fn check_segment(bytes: &[u8], message: &Message, segment: bulkhead_format_hl7::Segment<'_>) {
    let separator = message.delimiters().field();
    let mut joined = segment.name().to_vec();
    for (index, field) in segment.fields().enumerate() {
        let number = index + 1;
        assert_eq!(field.raw(), segment.field(number).raw());
        assert_eq!(field.text(), segment.field(number).text());
        assert_eq!(&bytes[field.offset()..field.offset() + field.raw().len()], field.raw());
        // In MSH, field 1 is the separator before field 2.
        if !(segment.is("MSH") && number == 1) {
            joined.push(separator);
            joined.extend_from_slice(field.raw());
        }
        let repetitions: Vec<_> = field
            .repetitions()
            .map(|repetition| {
                let components: Vec<_> = repetition
                    .components()
                    .map(|component| {
                        let leaves: Vec<_> = component.subcomponents().map(|leaf| leaf.raw()).collect();
                        component.subcomponents().for_each(|leaf| drop(leaf.value()));
                        let mark = message.delimiters().subcomponent();
                        assert_eq!(leaves.join(mark.as_slice()), component.raw());
                        component.raw()
                    })
                    .collect();
                assert_eq!(components.join(&message.delimiters().component()), repetition.raw());
                repetition.raw()
            })
            .collect();
        assert_eq!(repetitions.join(&message.delimiters().repetition()), field.raw());
    }
    assert_eq!(joined, segment.raw());
    assert_eq!(segment.fields().count(), segment.field_count());
    assert!(segment.field(0).is_empty() && segment.field(usize::MAX).is_empty());
}

fn check_uses(message: &Message) {
    let _ = (Mode::of(message), Answer::parse(message), message.version(), format!("{message:?}"));
    assert!(structure::check(message).len() <= structure::MOST_ISSUES);
    assert!(Original::salvage(message.as_bytes()).is_some() || message.header().raw().len() > 16_000);
    if let Some(referral) = Referral::read(message) {
        let _ =
            (referral.status(), referral.priority(), referral.id(), referral.identity(), referral.created());
        let _ = (
            referral.identifiers().count(),
            referral.providers().filter(|provider| provider.has_role("RP")).count(),
        );
    }
    let copied = message.segments().fold(Builder::like(message), |builder, segment| builder.copy(&segment));
    let copied = copied.build().expect("segments of a message make a message");
    let raw =
        |message: &Message| message.segments().map(|segment| segment.raw().to_vec()).collect::<Vec<_>>();
    assert_eq!(raw(&copied), raw(message));
    if let Ok(changed) = message.with(&Path::new("PID", 3).component(1), Value::null()) {
        assert!(changed.field("PID", 3).component(1).is_null());
    }
}

/// Delimiters that can be declared.
pub(crate) fn known_delimiters() -> impl Strategy<Value = Delimiters> {
    delimiters().prop_map(|(field, encoding)| Delimiters::new(field, encoding).unwrap())
}

/// Character sets to write in.
pub(crate) fn charset() -> impl Strategy<Value = Charset> {
    let iso = |part| Charset::iso8859(part).unwrap();
    prop::sample::select(vec![Charset::Ascii, Charset::Utf8, iso(1), iso(9), iso(14), iso(15)])
}

/// Reads `bytes` without minding the version.
pub(crate) fn parse(bytes: &[u8]) -> Result<Message, bulkhead_format_hl7::ParseError> {
    Message::parse_with(bytes.to_vec(), &Rules::any_version())
}
