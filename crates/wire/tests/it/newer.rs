//! What a newer release writes is told from what nobody of ours wrote.

use bulkhead_wire::record::In;
use bulkhead_wire::{Author, EventRecord, ReadEvent, Unreadable, v1};
use bytes::Bytes;
use prost::Message;

use crate::golden;

/// A field of that number with these bytes, as a newer release would write a kind of its own.
fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut field = Vec::new();
    prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, &mut field);
    prost::encoding::encode_varint(bytes.len() as u64, &mut field);
    field.extend(bytes);
    field
}

/// Every event of the golden files, with what is in its envelope.
fn events() -> impl Iterator<Item = (ReadEvent, v1::EventRecord)> {
    golden::all().into_iter().filter_map(|(_, record)| match record {
        golden::Record::Event(event) => {
            let wire = v1::EventRecord::decode(event.encode()).unwrap();
            Some((event, wire))
        }
        _ => None,
    })
}

#[test]
fn a_kind_of_event_that_is_not_known_here_is_newer_and_says_who_wrote_it() {
    for (event, wire) in events() {
        let mut bytes = v1::EventRecord { record: None, ..wire }.encode_to_vec();
        assert_eq!(ReadEvent::decode(bytes.clone().into()), Err(Unreadable::Field("record")));
        bytes.extend(field(6, b"what comes later"));
        let bytes = Bytes::from(bytes);
        assert_eq!(ReadEvent::decode(bytes.clone()), Err(Unreadable::Newer("kind")));
        assert_eq!(Author::decode(bytes), Ok(event.author));
    }
}

#[test]
fn a_decision_of_a_kind_that_is_not_known_here_is_newer() {
    for (event, wire) in events() {
        let (EventRecord::Decision { .. }, Some(v1::event_record::Record::Decision(decision))) =
            (&event.record, wire.record.clone())
        else {
            continue;
        };
        let mut decision = v1::Decision { event: None, ..decision }.encode_to_vec();
        let envelope = v1::EventRecord { record: None, ..wire }.encode_to_vec();
        let record = |decision: &[u8]| Bytes::from([&envelope[..], &field(4, decision)].concat());
        assert_eq!(ReadEvent::decode(record(&decision)), Err(Unreadable::Field("event")));
        decision.extend(field(60, b"what comes later"));
        assert_eq!(ReadEvent::decode(record(&decision)), Err(Unreadable::Newer("kind")));
    }
}

#[test]
fn a_record_of_in_of_a_kind_that_is_not_known_here_is_newer_and_garbage_is_not() {
    let newer = In::decode(field(5, b"what comes later").into());
    assert_eq!(newer, Err(Unreadable::Newer("kind")));
    let nothing =
        [&b""[..], b"not a record", b"{\"a\": 1}", b"MSH|^~\\&|", b"\xff\xff", b"\x2a\x7fcut short"];
    for garbage in nothing {
        let read = In::decode(Bytes::copy_from_slice(garbage));
        assert!(matches!(read, Err(Unreadable::Malformed | Unreadable::Field(_))), "{garbage:?}: {read:?}");
    }
    let two = [field(5, b"one"), field(6, b"and another")].concat();
    assert_eq!(In::decode(two.into()), Err(Unreadable::Field("record")));
}

#[test]
fn a_kind_of_referral_and_a_state_that_are_not_known_here_are_newer() {
    let mut seen = 0;
    for (_, record) in golden::all() {
        let golden::Record::In(record) = record else { continue };
        let mut wire = v1::InRecord::decode(record.encode()).unwrap();
        let expected = match wire.record.as_mut().unwrap() {
            v1::in_record::Record::Accepted(accepted) => {
                accepted.envelope.as_mut().unwrap().kind = 99;
                "kind of referral"
            }
            v1::in_record::Record::Report(report) => {
                report.state = 99;
                "state"
            }
            _ => continue,
        };
        seen += 1;
        assert_eq!(In::decode(wire.encode_to_vec().into()), Err(Unreadable::Newer(expected)));
    }
    assert!(seen > 1, "the golden files have both");
}
