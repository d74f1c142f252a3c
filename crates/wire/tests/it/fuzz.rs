//! Bytes of any kind: nothing panics, and what can be read is written and read again as the same.

use bulkhead_wire::record::{In, Out};
use bulkhead_wire::{ReadEvent, envelope_from_wire, envelope_to_wire, v1};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use prost::Message;
use prost_types::Timestamp;

use crate::golden;
use crate::strategies::cases;

/// Reads the bytes as every kind of record.
fn try_everything(bytes: &Bytes) {
    if let Ok(record) = In::decode(bytes.clone()) {
        assert_eq!(In::decode(record.encode()), Ok(record));
    }
    if let Ok(record) = Out::decode(bytes.clone()) {
        assert_eq!(Out::decode(record.encode()), Ok(record));
    }
    if let Ok(event) = ReadEvent::decode(bytes.clone()) {
        assert_eq!(ReadEvent::decode(event.encode()), Ok(event));
    }
    if let Ok(envelope) = v1::Envelope::decode(bytes.clone()) {
        try_envelope(&envelope);
    }
}

fn try_envelope(wire: &v1::Envelope) {
    match envelope_from_wire(wire) {
        Ok(envelope) => assert_eq!(envelope_from_wire(&envelope_to_wire(&envelope)), Ok(envelope)),
        Err(error) => {
            let known = ["message_id", "to", "reply_to", "kind", "case_id", "deadline", "content_type"];
            assert!(known.contains(&error.field) || ["in_response_to", "flags"].contains(&error.field));
        }
    }
}

fn instant() -> impl Strategy<Value = Timestamp> {
    let seconds = prop_oneof![0..4_000_000_000_i64, any::<i64>()];
    let nanos = prop_oneof![0..1_000_000_000_i32, any::<i32>()];
    (seconds, nanos).prop_map(|(seconds, nanos)| Timestamp { seconds, nanos })
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-z0-9/-]{1,12}", 1 => Just(String::new()), 1 => ".{0,20}", 1 => "[a-z]{250,260}"]
}

fn address() -> impl Strategy<Value = v1::ServiceAddress> {
    (word(), word()).prop_map(|(system, value)| v1::ServiceAddress { system, value })
}

/// An envelope whose fields are of the right type and otherwise anything.
fn any_envelope() -> impl Strategy<Value = v1::Envelope> {
    let ids = (word(), any::<u32>(), prop::option::weighted(0.9, address()), prop::option::of(address()));
    let rest = (
        prop::option::of(instant()),
        word(),
        word(),
        word(),
        vec(word(), 0..18),
        prop::option::of(instant()),
    );
    (ids, -1..6_i32, word(), any::<i32>(), rest).prop_map(|(ids, kind, case_id, priority, rest)| {
        let (message_id, attempt, to, reply_to) = ids;
        let (deadline, content_type, in_response_to, traceparent, flags, spooled_at) = rest;
        v1::Envelope {
            message_id,
            attempt,
            to,
            reply_to,
            kind,
            case_id,
            priority,
            deadline,
            content_type,
            in_response_to,
            traceparent,
            flags,
            spooled_at,
        }
    })
}

proptest! {
    #![proptest_config(cases(3_000))]

    #[test]
    fn fuzz_any_bytes(bytes in vec(any::<u8>(), 0..120)) {
        try_everything(&bytes.into());
    }

    #[test]
    fn fuzz_tags_and_lengths(
        fields in vec((1..32_u8, select(vec![0_u8, 1, 2, 5]), vec(0..40_u8, 0..12)), 0..8),
    ) {
        let bytes: Vec<u8> = fields
            .into_iter()
            .flat_map(|(number, kind, value)| {
                let tag = if number < 16 { vec![number << 3 | kind] } else { vec![(number << 3 | kind) | 0x80, 1] };
                let length = if kind == 2 { vec![value.len() as u8] } else { vec![] };
                [tag, length, value].concat()
            })
            .collect();
        try_everything(&bytes.into());
    }

    #[test]
    fn fuzz_damaged_records(
        which in any::<Index>(),
        damage in vec((any::<Index>(), any::<u8>()), 0..4),
        cut in prop::option::of(any::<Index>()),
    ) {
        let golden = golden::all();
        let (_, record) = which.get(&golden);
        let mut bytes = record.encode().to_vec();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        try_everything(&bytes.into());
    }

    #[test]
    fn fuzz_envelopes(envelope in any_envelope()) {
        try_envelope(&envelope);
        try_everything(&envelope.encode_to_vec().into());
    }
}
