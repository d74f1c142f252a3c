//! What holds for all messages.

use bulkhead_format_hl7::ack::{Reply, Stamp, ack};
use bulkhead_format_hl7::time::{Precision, Ts};
use bulkhead_format_hl7::{
    AckCode, Answer, Builder, Draft, ErrorCode, Issue, Item, Match, Original, Path, Place, Value,
};
use proptest::prelude::*;

use crate::strategies::{
    charset, check_message, config, known_delimiters, message, parse, text, with_plain_line_ends,
};

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn what_is_read_is_given_back(bytes in message()) {
        let message = parse(&bytes).unwrap();
        check_message(&bytes, &message);
    }

    #[test]
    fn what_is_built_is_read(
        delimiters in known_delimiters(),
        charset in charset(),
        texts in prop::collection::vec(text(), 4),
        number in 1..40_usize,
    ) {
        let [a, b, c, d] = texts.as_slice() else { unreachable!() };
        let value = Value::components([Item::text(a), Item::text(b)]).and(Value::from(c)).and(Value::from("end"));
        let mut draft = Draft::new("ZZZ").set(number, value).set(number + 1, d).set(number + 2, Value::null());
        if delimiters.subcomponent().is_some() {
            draft = draft.set(number + 3, Value::components([Item::subcomponents([a.as_str(), b, "x"])]));
        }
        let header = Draft::new("MSH").set(10, a).set(12, "2.5");
        let message =
            Builder::new(charset).delimiters(delimiters).segment(header).segment(draft).build().unwrap();
        let message = parse(message.as_bytes()).unwrap();
        let field = message.field("ZZZ", number);
        let check = |found: &str, expected: &str| assert_eq!(found, with_plain_line_ends(expected));
        check(&message.field("MSH", 10).text(), a);
        check(&field.component(1).text(), a);
        check(&field.component(2).text(), b);
        check(&field.repetition(2).text(), c);
        check(&field.repetition(3).text(), "end");
        check(&message.field("ZZZ", number + 1).text(), d);
        prop_assert!(message.field("ZZZ", number + 2).is_null());
        prop_assert!(!field.component(1).is_null() && !message.field("ZZZ", number + 1).is_null());
        prop_assert_eq!(field.repetitions().count(), 3);
        if delimiters.subcomponent().is_some() {
            check(&message.field("ZZZ", number + 3).component(1).subcomponent(1).text(), a);
            check(&message.field("ZZZ", number + 3).component(1).subcomponent(3).text(), "x");
        }
        prop_assert_eq!(message.segments().count(), 2);
        prop_assert_eq!(message.delimiters(), delimiters);
    }

    #[test]
    fn an_edit_changes_only_its_field(
        bytes in message(),
        segment in 0..6_usize,
        number in 1..9_usize,
        deep in any::<Option<(u8, u8)>>(),
        text in text(),
    ) {
        let message = parse(&bytes).unwrap();
        let count = message.segments().count();
        let target = message.segments().nth(segment % count).unwrap();
        // A line may be called anything; MSH-1, 2 and 18 say how to read the others.
        let Ok(name) = std::str::from_utf8(target.name()) else { return Ok(()) };
        let number = if target.is("MSH") { number + 2 } else { number };
        let occurrence = message.all(name).position(|other| other.index() == target.index()).unwrap() + 1;
        let mut path = Path::new(name, number).occurrence(occurrence);
        if let Some((repetition, component)) = deep {
            path = path.repetition(usize::from(repetition % 3) + 1).component(usize::from(component % 4) + 1);
        }
        let changed = message.with(&path, &text).unwrap();
        check_message(changed.as_bytes(), &changed);
        prop_assert_eq!(changed.segments().count(), count);
        for (before, after) in message.segments().zip(changed.segments()) {
            if before.index() != target.index() {
                prop_assert_eq!(before.raw(), after.raw());
                continue;
            }
            for other in (1..=after.field_count()).filter(|other| *other != number) {
                prop_assert_eq!(before.field(other).raw(), after.field(other).raw());
            }
            let field = after.field(number);
            let Some((repetition, component)) = deep else { continue };
            let (repetition, component) = (usize::from(repetition % 3) + 1, usize::from(component % 4) + 1);
            for (r, c) in (1..6).flat_map(|r| (1..8).map(move |c| (r, c))) {
                if (r, c) != (repetition, component) {
                    let before = before.field(number).repetition(r).component(c);
                    prop_assert_eq!(before.raw(), field.repetition(r).component(c).raw());
                }
            }
        }
        // Bytes around the segment stay too.
        let (start, end) = (target.offset(), target.offset() + target.raw().len());
        prop_assert_eq!(&changed.as_bytes()[..start], &bytes[..start]);
        prop_assert!(changed.as_bytes().ends_with(&bytes[end..]));
        // What is written is read back, unless the charset was a guess that the edit may turn.
        if message.reading().doubt.is_none() && !name.is_empty() {
            let field = changed.segments().nth(target.index()).unwrap().field(number);
            let found = match deep {
                None => field.text(),
                Some((r, c)) => {
                    field.repetition(usize::from(r % 3) + 1).component(usize::from(c % 4) + 1).text()
                }
            };
            prop_assert_eq!(found, with_plain_line_ends(&text));
        }
    }

    #[test]
    fn an_ack_answers_its_original(bytes in message(), text in text(), new_form in any::<bool>()) {
        let bytes = if new_form { bytes } else { replace(&bytes, b"2.5", b"2.4") };
        let original = parse(&bytes).unwrap();
        let place = Place::field("PID", 2, 3);
        let issue = Issue::error(ErrorCode::UNKNOWN_KEY, Some(place), "who");
        let reply = Reply::new(AckCode::ApplicationReject).text(&text).issues([issue.clone()]);
        let stamp = Stamp { at: Ts::parse("20260801").unwrap(), control_id: "A1".to_owned() };
        let made = Original::of(&original);
        prop_assert_eq!(Original::salvage(&bytes).unwrap().control_id(), made.control_id());
        let message = ack(&made, &reply, &stamp).unwrap();
        let answer = Answer::parse(&message).unwrap();
        prop_assert_eq!(answer.code, Some(AckCode::ApplicationReject));
        prop_assert_eq!(answer.matches("M1", None), Match::ControlId);
        let subcomponents = original.delimiters().subcomponent().is_some();
        if new_form || subcomponents {
            prop_assert_eq!(&answer.issues, &[issue]);
        }
        prop_assert_eq!(message.field("MSH", 5).raw(), original.field("MSH", 3).raw());
    }

    #[test]
    fn time_stamps_are_read_as_they_are_written(
        second in -2_000_000_000..4_000_000_000_i64,
        precision in prop::sample::select(vec![
            Precision::Year, Precision::Month, Precision::Day, Precision::Hour, Precision::Minute,
            Precision::Second, Precision::Fraction(1), Precision::Fraction(4),
        ]),
        zoned in any::<bool>(),
        hours in -12..=14_i8,
    ) {
        let instant = jiff::Timestamp::new(second, 123_456_789).unwrap();
        let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(hours));
        let ts = match zoned {
            true => Ts::with_offset(&instant.to_zoned(zone), precision),
            false => Ts::in_london(instant, precision),
        };
        prop_assert_eq!(Ts::parse(&ts.to_string()), Ok(ts));
        let back = ts.instant().unwrap();
        prop_assert!(back <= instant || (!zoned && precision < Precision::Hour));
        if zoned && precision >= Precision::Second {
            prop_assert!(instant.as_nanosecond() - back.as_nanosecond() < 1_000_000_000);
        }
    }
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}
