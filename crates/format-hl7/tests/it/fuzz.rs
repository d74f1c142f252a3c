//! Bytes of any kind: nothing panics, and what can be read is given back.

use bulkhead_format_hl7::ack::{Reply, Stamp, ack};
use bulkhead_format_hl7::mllp::FrameLimits;
use bulkhead_format_hl7::{AckCode, Limits, Message, Original, Rules, Ts};
use proptest::prelude::*;

use crate::frames::{frames, stream};
use crate::strategies::{check_message, config, message};

/// Reads `bytes` in every way there is.
fn try_everything(bytes: &[u8]) {
    let rules = Rules { limits: Limits { bytes: 4096, segments: 20, fields: 40 }, versions: None };
    match Message::parse_with(bytes.to_vec(), &rules) {
        Ok(message) => check_message(bytes, &message),
        Err(error) => {
            assert!(error.offset <= bytes.len());
            let _ = (error.to_string(), error.issue());
        }
    }
    let _ = Message::parse(bytes.to_vec());
    if let Some(original) = Original::salvage(bytes) {
        let stamp = Stamp { at: Ts::parse("2026").unwrap(), control_id: "A".to_owned() };
        let _ = ack(&original, &Reply::new(AckCode::ApplicationReject), &stamp);
    }
    let _ = Ts::parse(&String::from_utf8_lossy(bytes));
}

proptest! {
    #![proptest_config(config(10_000))]

    #[test]
    fn fuzz_reader_with_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        try_everything(&bytes);
    }

    #[test]
    fn fuzz_reader_behind_a_header(
        header in prop::sample::select(vec!["MSH|^~\\&|", "\u{feff}MSH|^~\\&#|", "MSH", "MSH|^~", "FHS|^~\\&|", "BHS|"]),
        rest in "[MSHPID|^~\\\\&#\r\n\"X0-9a-f.\u{b}\u{175}]{0,120}",
    ) {
        try_everything(format!("{header}{rest}").as_bytes());
    }

    #[test]
    fn fuzz_reader_with_damaged_messages(
        bytes in message(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = bytes;
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1).max(bytes.len() / 2));
        try_everything(&bytes);
    }

    #[test]
    fn fuzz_framer_with_any_bytes(
        bytes in stream(),
        cuts in prop::collection::vec(0..20_usize, 0..20),
        frame in 0..60_usize,
        noise in 0..30_usize,
    ) {
        let limits = FrameLimits { frame, noise };
        let (found, _) = frames(&bytes, &cuts, limits);
        prop_assert!(found.iter().all(|payload| payload.len() <= frame));
        for payload in found {
            try_everything(&payload);
        }
    }

    #[test]
    fn fuzz_time_stamps(text in "[0-9+:.TZ -]{0,30}") {
        if let Ok(ts) = Ts::parse(&text) {
            let written = ts.to_string();
            prop_assert_eq!(Ts::parse(&written).unwrap().to_string(), written);
            let _ = ts.instant();
        }
    }
}
