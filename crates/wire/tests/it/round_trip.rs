//! What is written is read again as it was, and what is missing is named.

use bulkhead_wire::record::{In, Out};
use bulkhead_wire::{
    Accepted, ReadEvent, Unreadable, envelope_from_wire, envelope_to_wire, time_from_wire, time_to_wire, v1,
};
use proptest::prelude::*;
use prost::Message;

use crate::golden;
use crate::strategies::{accepted, cases, envelope, inward, outward, read_event, timestamp};

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn envelopes(envelope in envelope()) {
        prop_assert_eq!(envelope_from_wire(&envelope_to_wire(&envelope)), Ok(envelope));
    }

    #[test]
    fn accepted_referrals_share_their_payload(accepted in accepted()) {
        let wire = accepted.to_wire();
        prop_assert_eq!(wire.payload.as_ptr(), accepted.payload.bytes().as_ptr());
        prop_assert_eq!(Accepted::from_wire(wire), Ok(accepted));
    }

    #[test]
    fn records_of_in(record in inward()) {
        prop_assert_eq!(In::decode(record.encode()), Ok(record));
    }

    #[test]
    fn records_of_out(record in outward()) {
        prop_assert_eq!(Out::decode(record.encode()), Ok(record));
    }

    #[test]
    fn a_payload_that_was_read_is_a_part_of_what_was_read(record in outward()) {
        let bytes = record.encode();
        let payload = Out::decode(bytes.clone()).unwrap().accepted.payload.into_bytes();
        prop_assume!(!payload.is_empty());
        prop_assert!(bytes.as_ptr_range().contains(&payload.as_ptr()));
    }
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn every_event(event in read_event()) {
        prop_assert_eq!(ReadEvent::decode(event.encode()), Ok(event));
    }

    #[test]
    fn instants(at in timestamp()) {
        let wire = time_to_wire(at);
        prop_assert!((0..1_000_000_000).contains(&wire.nanos));
        prop_assert_eq!(time_from_wire(wire), Some(at));
    }
}

/// The golden record of `in` with a change.
fn with(change: impl FnOnce(&mut v1::Accepted)) -> Result<In, Unreadable> {
    let (_, record) = golden::all().into_iter().find(|(name, _)| *name == "in-accepted").unwrap();
    let mut wire = v1::InRecord::decode(record.encode()).unwrap();
    let Some(v1::in_record::Record::Accepted(accepted)) = &mut wire.record else { panic!("not accepted") };
    change(accepted);
    In::decode(wire.encode_to_vec().into())
}

#[test]
fn what_is_missing_or_malformed_is_named() {
    let check = |read: Result<In, Unreadable>, field| assert_eq!(read, Err(Unreadable::Field(field)));
    check(with(|a| a.referral_id.truncate(15)), "referral_id");
    check(with(|a| a.tenant = "france/x".into()), "tenant");
    check(with(|a| a.envelope = None), "envelope");
    check(with(|a| a.digest = a.digest.slice(1..)), "digest");
    check(with(|a| a.admitted_at = None), "admitted_at");
    check(with(|a| a.admitted_at.as_mut().unwrap().seconds = i64::MAX), "admitted_at");
    check(with(|a| a.epochs[0].nation.clear()), "epochs");
    check(with(|a| a.envelope.as_mut().unwrap().message_id.clear()), "message_id");
    check(with(|a| a.envelope.as_mut().unwrap().kind = 0), "kind");
    check(with(|a| a.envelope.as_mut().unwrap().to = None), "to");
    assert_eq!(In::decode(vec![].into()), Err(Unreadable::Field("record")));
    assert_eq!(In::decode(b"\x0a\xff".to_vec().into()), Err(Unreadable::Malformed));
}

#[test]
fn an_event_of_a_newer_release_is_named_and_its_claim_is_checked() {
    let (_, record) = golden::all().into_iter().find(|(name, _)| *name == "event-offered").unwrap();
    let read = |change: &dyn Fn(&mut v1::EventRecord)| {
        let mut wire = v1::EventRecord::decode(record.encode()).unwrap();
        change(&mut wire);
        ReadEvent::decode(wire.encode_to_vec().into()).map(drop)
    };
    let check = |change: &dyn Fn(&mut v1::EventRecord), field| {
        assert_eq!(read(change), Err(Unreadable::Field(field)));
    };
    check(
        &|wire| {
            let Some(v1::event_record::Record::Decision(decision)) = &mut wire.record else { panic!() };
            decision.event = None;
        },
        "event",
    );
    check(&|wire| wire.claim = None, "claim");
    check(&|wire| wire.claim.as_mut().unwrap().shard = 32, "claim.shard");
    check(&|wire| wire.at = None, "at");
    check(&|wire| wire.record = None, "record");
}

#[test]
fn what_a_sender_leaves_out_has_its_stated_meaning() {
    let wire = v1::Envelope {
        message_id: "m".into(),
        to: Some(v1::ServiceAddress { system: String::new(), value: "wales/s".into() }),
        kind: v1::Kind::Request as i32,
        content_type: "text/plain".into(),
        traceparent: "not a trace".into(),
        ..v1::Envelope::default()
    };
    let read = |priority| envelope_from_wire(&v1::Envelope { priority, ..wire.clone() }).unwrap();
    assert_eq!((read(0).attempt, read(0).traceparent), (1, None));
    for (wire, priority) in [(0, "urgent"), (1, "emergency"), (2, "urgent"), (3, "routine"), (77, "urgent")] {
        assert_eq!(read(wire).priority.as_str(), priority, "{wire}");
    }
}
