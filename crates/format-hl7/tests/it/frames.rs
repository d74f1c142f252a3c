//! The framer: however the bytes are cut, the same frames come out, and another implementation agrees.

use bulkhead_format_hl7::mllp::{FrameLimits, encode};
use bulkhead_format_hl7::{FrameError, Framer};
use proptest::prelude::*;

use crate::strategies::config;

/// Bytes in which the framing bytes are frequent.
pub(crate) fn stream() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        2 => Just(0x0B_u8),
        3 => Just(0x1C_u8),
        3 => Just(0x0D_u8),
        1 => Just(0x0A_u8),
        4 => any::<u8>(),
    ];
    prop::collection::vec(byte, 0..80)
}

/// Payloads that can be framed.
fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let payload = stream().prop_filter("holds the end of a frame", |payload| encode(payload).is_ok());
    prop::collection::vec(payload, 0..5)
}

/// The frames of `bytes`, cut at `cuts`, and the error that ended them.
pub(crate) fn frames(
    bytes: &[u8],
    cuts: &[usize],
    limits: FrameLimits,
) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let mut framer = Framer::new(limits);
    let mut found = Vec::new();
    let mut error = None;
    let mut at = 0;
    let sizes = cuts.iter().copied().chain(std::iter::once(usize::MAX));
    for size in sizes {
        let end = at + size.min(bytes.len() - at);
        error = error.or(framer.push(&bytes[at..end]).err());
        found.extend(std::iter::from_fn(|| framer.next_frame()).map(|frame| frame.to_vec()));
        assert!(framer.held() <= limits.frame);
        at = end;
    }
    (found, error)
}

fn tight() -> FrameLimits {
    FrameLimits { frame: 40, noise: 20 }
}

proptest! {
    #![proptest_config(config(1024))]

    #[test]
    fn frames_come_out_as_they_went_in(payloads in payloads(), cuts in prop::collection::vec(0..9_usize, 0..60)) {
        let bytes: Vec<u8> = payloads.iter().flat_map(|payload| encode(payload).unwrap()).collect();
        let (found, error) = frames(&bytes, &cuts, FrameLimits::default());
        prop_assert_eq!((found, error), (payloads, None));
    }

    #[test]
    fn where_the_bytes_are_cut_makes_no_difference(
        bytes in stream(),
        cuts in prop::collection::vec(0..9_usize, 0..40),
    ) {
        let single = vec![1; bytes.len()];
        let whole = frames(&bytes, &[], tight());
        prop_assert_eq!(&frames(&bytes, &cuts, tight()), &whole);
        prop_assert_eq!(&frames(&bytes, &single, tight()), &whole);
    }

    #[test]
    fn another_implementation_finds_the_same_frames(
        payloads in payloads(),
        noise in "[a-z\r\n]{0,6}",
        cuts in prop::collection::vec(0..9_usize, 0..60),
    ) {
        let mut bytes = noise.into_bytes();
        bytes.extend(payloads.iter().flat_map(|payload| mllp::frame(payload)));
        let mut theirs = Vec::new();
        let mut decoder = mllp::Decoder::new();
        let mut at = 0;
        for size in cuts.iter().copied().chain(std::iter::once(usize::MAX)) {
            let end = at + size.min(bytes.len() - at);
            decoder.push(&bytes[at..end]);
            theirs.extend(std::iter::from_fn(|| decoder.next_frame()).filter_map(Result::ok));
            at = end;
        }
        prop_assert_eq!(frames(&bytes, &cuts, FrameLimits::default()), (theirs, None));
        for payload in &payloads {
            prop_assert_eq!(mllp::frame(payload), encode(payload).unwrap());
        }
    }
}
