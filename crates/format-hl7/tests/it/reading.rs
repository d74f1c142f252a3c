//! Tables: what messages look like, and what is seen in them.

use bulkhead_format_hl7::{Charset, DelimiterFault, Doubt, Limits, Message, ParseErrorKind, Rules, Version};

const HEADER: &str = "MSH|^~\\&|APP^1.2.3^ISO|FAC|||20260801||REF^I12|M1|P|2.5";

/// The whole text of PID-5 and how it was read, under MSH-18 `declared`.
fn name(declared: &str, content: &[u8]) -> (String, Charset, Option<Doubt>) {
    let head = format!("{HEADER}||||||{declared}\rPID|||||");
    let message = Message::parse([head.as_bytes(), content].concat()).unwrap();
    let reading = message.reading();
    assert_eq!(message.field("PID", 5).raw(), content);
    (message.field("PID", 5).text().into_owned(), reading.used, reading.doubt)
}

#[test]
fn fields_of_the_header_are_numbered_as_hl7_does() {
    let message = Message::parse(HEADER).unwrap();
    let text = |number| message.field("MSH", number).text().into_owned();
    assert_eq!((text(1).as_str(), text(2).as_str()), ("|", "^~\\&"));
    assert_eq!((text(3).as_str(), text(4).as_str(), text(12).as_str()), ("APP^1.2.3^ISO", "FAC", "2.5"));
    assert_eq!(message.header().field(3).component(2).text(), "1.2.3");
    assert_eq!(message.header().field(2).repetitions().count(), 1);
    assert_eq!(message.header().field_count(), 12);
    assert_eq!(message.version(), Some(Version::V2_5));
    assert!(message.field("MSH", 13).is_empty() && message.field("PV1", 1).is_empty());
}

#[test]
fn every_kind_of_line_end_is_read_and_kept() {
    let check = |text: &str, names: &[&str]| {
        let message = Message::parse(format!("{HEADER}{text}")).unwrap();
        let found: Vec<_> = message.segments().skip(1).map(|segment| segment.name().to_vec()).collect();
        assert_eq!(found, names.iter().map(|name| name.as_bytes()).collect::<Vec<_>>(), "{text:?}");
        assert_eq!(message.to_bytes(), format!("{HEADER}{text}"));
    };
    check("\rPRD|RP\rPID|1\r", &["PRD", "PID"]);
    check("\rPRD|RP\rPID|1", &["PRD", "PID"]);
    check("\r\nPRD|RP\r\nPID|1\r\n", &["PRD", "PID"]);
    check("\nPRD|RP\nPID|1\n", &["PRD", "PID"]);
    check("\nPRD|RP\rPID|1\n\n", &["PRD", "PID"]);
    check("\r\rPRD|RP\r\r\nPID|1\r\n\r\n", &["PRD", "PID"]);
    check("\rNTE|1||one\ntwo\rPID|1\n", &["NTE", "PID"]);
    check("", &[]);
}

#[test]
fn a_line_feed_inside_a_segment_is_text() {
    let message = Message::parse(format!("{HEADER}\rNTE|1||one\nPID|two\r")).unwrap();
    assert_eq!(message.field("NTE", 3).text(), "one\nPID");
    assert!(message.segment("PID").is_none());
}

#[test]
fn a_byte_order_mark_is_kept_and_not_read() {
    let bytes = format!("\u{feff}\r\n{HEADER}\rPID|1");
    let message = Message::parse(bytes.clone()).unwrap();
    assert_eq!((message.header().offset(), message.to_bytes()), (5, bytes.into()));
}

#[test]
fn delimiters_are_what_the_header_says() {
    let check = |head: &str, lines: &str, expected: [&str; 3]| {
        let message = Message::parse_with(format!("{head}\r{lines}"), &Rules::any_version()).unwrap();
        let field = message.field("PID", 3);
        let found = [
            field.repetition(2).component(2).text(),
            field.component(4).subcomponent(2).text(),
            message.field("PID", 5).text(),
        ];
        assert_eq!(found, expected, "{head}");
    };
    check("MSH|^~\\&|A", "PID|||1^^^X&Y~2^3||a\\T\\b\\P\\", ["3", "Y", "a&b\\P\\"]);
    check("MSH|^~\\&#|A", "PID|||1^^^X&Y~2^3||a\\P\\b", ["3", "Y", "a#b"]);
    check("MSH|^~\\|A", "PID|||1^^^X&Y~2^3||a&\\S\\b", ["3", "", "a&^b"]);
    check("MSH|~^\\&|A", "PID|||1~~~X&Y^2~3||a\\S\\b\\R\\", ["3", "Y", "a~b^"]);
    check("MSH$%*!@$A", "PID$$$1%%%X@Y*2%3$$a|^!F!b", ["3", "Y", "a|^$b"]);
}

#[test]
fn empty_and_null_are_two_things() {
    let message = Message::parse(format!("{HEADER}\rPID|||\"\"||\"\"^Ann|\"|\\X22\\\\X22\\")).unwrap();
    let pid = message.segment("PID").unwrap();
    assert!(pid.field(3).is_null() && !pid.field(3).is_empty() && pid.field(3).value().is_none());
    assert!(!pid.field(4).is_null() && pid.field(4).is_empty() && pid.field(4).value().is_none());
    assert!(!pid.field(5).is_null() && pid.field(5).component(1).is_null());
    assert_eq!(pid.field(6).value().unwrap(), "\"");
    assert!(!pid.field(7).is_null() && pid.field(7).value().unwrap() == "\"\"");
}

#[test]
fn text_is_read_in_the_declared_charset() {
    let latin1 = Charset::iso8859(1).unwrap();
    let welsh = "Si\u{f4}n \u{174}yn \u{176}".to_owned();
    let check = |declared, bytes: &[u8], text: &str, used, doubt| {
        assert_eq!(name(declared, bytes), (text.to_owned(), used, doubt));
    };
    check("UNICODE UTF-8", welsh.as_bytes(), &welsh, Charset::Utf8, None);
    check("UNICODE", welsh.as_bytes(), &welsh, Charset::Utf8, None);
    check("", welsh.as_bytes(), &welsh, Charset::Utf8, Some(Doubt::Guessed));
    check("", b"Si\xF4n \x80", "Si\u{f4}n \u{20ac}", Charset::Windows1252, Some(Doubt::Guessed));
    check("ASCII", b"Si\xF4n", "Si\u{f4}n", Charset::Windows1252, Some(Doubt::NotAscii));
    check("8859/1", b"Si\xF4n", "Si\u{f4}n", latin1, None);
    check("8859/1~UNICODE UTF-8", b"Si\xF4n", "Si\u{f4}n", latin1, None);
    check("8859/2", b"\xB1", "\u{105}", Charset::iso8859(2).unwrap(), None);
    check("UNICODE UTF-8", b"Si\xF4n", "Si\u{f4}n", Charset::Windows1252, Some(Doubt::NotUtf8));
    check("ISO IR87", b"Ann", "Ann", Charset::Ascii, Some(Doubt::UnknownName));
    check("", b"Ann", "Ann", Charset::Ascii, None);
}

#[test]
fn a_wrong_declaration_is_doubted_and_can_be_overruled() {
    let content = "\u{174}yn";
    let (text, _, doubt) = name("8859/1", content.as_bytes());
    assert_eq!((text.as_str(), doubt), ("\u{c5}\u{b4}yn", Some(Doubt::LooksUtf8)));
    let message = Message::parse(format!("{HEADER}||||||8859/1\rPID|||||{content}")).unwrap();
    assert_eq!(message.read_as(Charset::Utf8).field("PID", 5).text(), content);
}

#[test]
fn what_cannot_be_read_says_why_and_where() {
    use ParseErrorKind as Kind;
    let check = |bytes: &[u8], kind, segment, field, offset| {
        let error = Message::parse(bytes.to_vec()).unwrap_err();
        assert_eq!((error.kind, error.segment, error.field, error.offset), (kind, segment, field, offset));
    };
    check(b"", Kind::Empty, 1, None, 0);
    check(b"\xEF\xBB\xBF\r\n", Kind::Empty, 1, None, 5);
    check(b"\xFF\xFEM\0", Kind::Utf16, 1, None, 0);
    check(b"PID|1\rMSH|^~\\&|", Kind::NoHeader, 1, None, 0);
    check(b"msh|^~\\&|", Kind::NoHeader, 1, None, 0);
    check(b"FHS|^~\\&|A", Kind::Batch, 1, None, 0);
    check(b"\nBHS|^~\\&|A", Kind::Batch, 1, None, 1);
    check(b"MSH", Kind::Delimiters(DelimiterFault::Count), 1, Some(2), 3);
    check(b"MSH|^~|A", Kind::Delimiters(DelimiterFault::Count), 1, Some(2), 4);
    check(b"MSH|^~\\&#!|A", Kind::Delimiters(DelimiterFault::Count), 1, Some(2), 4);
    check(b"MSH|^~\\\\&|A", Kind::Delimiters(DelimiterFault::Repeated), 1, Some(2), 4);
    check(b"MSHA^~\\&A", Kind::Delimiters(DelimiterFault::NotPunctuation), 1, Some(2), 4);
    check(b"MSH|^~\\&||||||||||2.9", Kind::UnsupportedVersion, 1, Some(12), 18);
    check(b"MSH|^~\\&|A", Kind::UnsupportedVersion, 1, Some(12), 10);
    let header = HEADER.len();
    let after = |rest: &str| format!("{HEADER}{rest}").into_bytes();
    check(&after("\rPID|1\rMSH|^~\\&|B"), Kind::SecondMessage, 3, None, header + 7);
    check(&after("\rPID|1\rMSH$%*!@$B"), Kind::SecondMessage, 3, None, header + 7);
    check(&after("\rPID|1|half\u{b}MSH|^~\\&|B"), Kind::SecondMessage, 2, None, header + 11);
    check(&after("\rPID|1\rBTS|1"), Kind::Batch, 3, None, header + 7);
}

#[test]
fn limits_are_kept() {
    let limits = Limits { bytes: 80, segments: 2, fields: 12 };
    let check = |rest: &str, kind| {
        let read = Message::parse_with(format!("{HEADER}{rest}"), &Rules { limits, ..Rules::default() });
        assert_eq!(read.map_err(|error| error.kind).err(), kind);
    };
    check("\rPID|1", None);
    check("\rPID|1\rZZZ", Some(ParseErrorKind::TooManySegments(2)));
    check("\rPID|||||||||||||", Some(ParseErrorKind::TooManyFields(12)));
    check("\rPID|1234567890123456789012345", Some(ParseErrorKind::TooLarge(80)));
}

#[test]
fn errors_and_debug_output_show_no_content() {
    let message = Message::parse(format!("{HEADER}\rPID|||1234567881||Jones")).unwrap();
    let shown = format!(
        "{message:?} {:?} {:?} {:?}",
        message.segment("PID"),
        message.field("PID", 5),
        message.field("PID", 3).component(1)
    );
    assert!(!shown.contains("Jones") && !shown.contains("1234567881"));
    let error = Message::parse("MSH|^~\\&||||||||||Jones").unwrap_err();
    assert_eq!(error.to_string(), "the version is not supported (segment 1, field 12, byte 18)");
    assert_eq!(error.issue().code.0, 203);
    assert_eq!(Message::parse("FHS|^~\\&|").unwrap_err().issue().code.0, 200);
}

#[test]
fn unknown_and_malformed_segments_stay_in_their_places() {
    let message = Message::parse(format!("{HEADER}\rZAA|1\rXYZ|2\rfree text\rPIDX|3")).unwrap();
    let found: Vec<_> = message
        .segments()
        .map(|segment| {
            (
                String::from_utf8_lossy(segment.name()).into_owned(),
                segment.is_well_named(),
                segment.is_local(),
            )
        })
        .collect();
    let expected = [
        ("MSH", true, false),
        ("ZAA", true, true),
        ("XYZ", true, false),
        ("free text", false, false),
        ("PIDX", false, false),
    ];
    assert_eq!(found, expected.map(|(name, well, local)| (name.to_owned(), well, local)));
    assert!(message.segment("PID").is_none());
}
