//! MLLP frames: `0x0B`, the payload, `0x1C 0x0D` (HL7's Minimal Lower Layer Protocol, as HL7 UK A.3 and the DHCW
//! guide require it).
//!
//! The framer takes whatever a read gave it and hands out whole payloads, the same ones however the bytes were
//! cut. Sockets and time limits belong to the caller.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;
use thiserror::Error;

/// The byte before a payload.
pub const START_BLOCK: u8 = 0x0B;
/// The first byte after a payload. Alone, without [`CARRIAGE_RETURN`] behind it, it is data.
pub const END_BLOCK: u8 = 0x1C;
/// The last byte of a frame.
pub const CARRIAGE_RETURN: u8 = 0x0D;

/// Why a stream of frames cannot be read on, or a payload cannot be framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// A payload is larger than this limit. The connection must be dropped.
    #[error("a frame holds more than {0} bytes")]
    TooLarge(usize),
    /// Outside of any frame there were more bytes than this limit. The connection must be dropped.
    #[error("more than {0} bytes outside of any frame")]
    Noise(usize),
    /// The payload holds the end of a frame: sent, it would arrive as something else.
    #[error("the payload holds the end of a frame at byte {0}")]
    EndInside(usize),
}

/// Bounds on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// The most bytes of a payload: 5 MiB by default.
    pub frame: usize,
    /// The most bytes between two frames: 1 KiB by default. A start block begins the count anew.
    pub noise: usize,
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self { frame: 5 * 1024 * 1024, noise: 1024 }
    }
}

/// Cuts a stream of bytes into payloads.
///
/// It holds at most one unfinished payload within its limit, plus the payloads of the last [`push`](Self::push)
/// that were not taken yet: take them all before the next one. After an error the stream is lost; payloads that
/// were whole before it can still be taken.
pub struct Framer {
    limits: FrameLimits,
    state: State,
    payload: Vec<u8>,
    whole: VecDeque<Bytes>,
    noise: usize,
    noise_total: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between frames. Right after one, a single LF is forgiven.
    Outside { after_frame: bool },
    /// In a payload.
    Inside,
    /// In a payload, after an end block that may be data.
    Ending,
    /// Read no further.
    Lost(FrameError),
}

impl Framer {
    /// A framer for one connection.
    pub fn new(limits: FrameLimits) -> Self {
        let state = State::Outside { after_frame: false };
        Self { limits, state, payload: Vec::new(), whole: VecDeque::new(), noise: 0, noise_total: 0 }
    }

    /// Takes in what one read gave.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), FrameError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = self.step(rest);
            match taken {
                Ok(taken) => rest = &rest[taken..],
                Err(error) => {
                    self.state = State::Lost(error);
                    self.payload = Vec::new();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// The next whole payload, in the order of arrival.
    pub fn next_frame(&mut self) -> Option<Bytes> {
        self.whole.pop_front()
    }

    /// Whether a frame has begun and not ended: what a connection that closes now leaves undone.
    pub fn is_inside(&self) -> bool {
        matches!(self.state, State::Inside | State::Ending)
    }

    /// How many bytes of the unfinished payload are held.
    pub fn held(&self) -> usize {
        self.payload.len()
    }

    /// How many bytes outside of any frame were skipped so far.
    pub fn noise(&self) -> u64 {
        self.noise_total
    }

    /// Takes in the first bytes of `bytes`, which is not empty, and says how many.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, FrameError> {
        match self.state {
            State::Lost(error) => Err(error),
            State::Outside { after_frame } => self.outside(bytes, after_frame),
            State::Inside => self.inside(bytes),
            State::Ending => self.ending(bytes),
        }
    }

    fn outside(&mut self, bytes: &[u8], after_frame: bool) -> Result<usize, FrameError> {
        self.state = State::Outside { after_frame: false };
        if after_frame && bytes[0] == b'\n' {
            return Ok(1);
        }
        let start = bytes.iter().position(|byte| *byte == START_BLOCK);
        let skipped = start.unwrap_or(bytes.len());
        self.noise = self.noise.saturating_add(skipped);
        self.noise_total = self.noise_total.saturating_add(skipped as u64);
        if self.noise > self.limits.noise {
            return Err(FrameError::Noise(self.limits.noise));
        }
        if start.is_none() {
            return Ok(skipped);
        }
        self.noise = 0;
        self.state = State::Inside;
        Ok(skipped + 1)
    }

    fn inside(&mut self, bytes: &[u8]) -> Result<usize, FrameError> {
        let end = bytes.iter().position(|byte| *byte == END_BLOCK);
        let data = end.unwrap_or(bytes.len());
        self.keep(&bytes[..data])?;
        if end.is_none() {
            return Ok(data);
        }
        self.state = State::Ending;
        Ok(data + 1)
    }

    fn ending(&mut self, bytes: &[u8]) -> Result<usize, FrameError> {
        if bytes[0] == CARRIAGE_RETURN {
            self.whole.push_back(Bytes::from(std::mem::take(&mut self.payload)));
            self.state = State::Outside { after_frame: true };
            return Ok(1);
        }
        // The end block was data; this byte is looked at anew, since it may be an end block itself.
        self.keep(&[END_BLOCK])?;
        self.state = State::Inside;
        Ok(0)
    }

    fn keep(&mut self, data: &[u8]) -> Result<(), FrameError> {
        if self.payload.len() + data.len() > self.limits.frame {
            return Err(FrameError::TooLarge(self.limits.frame));
        }
        self.payload.extend_from_slice(data);
        Ok(())
    }
}

impl Default for Framer {
    fn default() -> Self {
        Self::new(FrameLimits::default())
    }
}

impl fmt::Debug for Framer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framer")
            .field("state", &self.state)
            .field("held", &self.payload.len())
            .field("whole", &self.whole.len())
            .field("noise", &self.noise_total)
            .finish_non_exhaustive()
    }
}

/// The frame around `payload`, in one buffer so that it can be sent with one write: some peers read an answer
/// with a single receive and would cut one that comes in two.
///
/// A payload that holds `0x1C 0x0D` is refused: the far side would take what follows for something else.
pub fn encode(payload: &[u8]) -> Result<Vec<u8>, FrameError> {
    if let Some(at) = payload.windows(2).position(|pair| pair == [END_BLOCK, CARRIAGE_RETURN]) {
        return Err(FrameError::EndInside(at));
    }
    let mut frame = Vec::with_capacity(payload.len() + 3);
    frame.push(START_BLOCK);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&[END_BLOCK, CARRIAGE_RETURN]);
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(reads: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut framer = Framer::default();
        let mut found = Vec::new();
        for read in reads {
            framer.push(read).unwrap();
            found.extend(std::iter::from_fn(|| framer.next_frame()).map(|frame| frame.to_vec()));
        }
        found
    }

    fn check(reads: &[&[u8]], expected: &[&[u8]]) {
        assert_eq!(frames(reads), expected);
    }

    #[test]
    fn payloads_come_out_whole() {
        check(&[b"\x0BMSH|1\r\x1C\r"], &[b"MSH|1\r"]);
        check(&[b"\x0Bone\x1C\r\x0Btwo\x1C\r"], &[b"one", b"two"]);
        check(&[b"\x0Bo", b"ne\x1C", b"\r\x0Btw", b"o\x1C\r"], &[b"one", b"two"]);
        check(&[b"\x0B\x1C\r"], &[b""]);
        check(&[b"\x0Bone\x1C\r\n\x0Btwo\x1C\r\n"], &[b"one", b"two"]);
    }

    #[test]
    fn a_lone_end_block_is_data() {
        check(&[b"\x0Ba\x1Cb\x1C\r"], &[b"a\x1Cb"]);
        check(&[b"\x0Ba\x1C", b"\x1C\r"], &[b"a\x1C"]);
        check(&[b"\x0Ba\x1C", b"\x1C", b"b\x1C\r"], &[b"a\x1C\x1Cb"]);
        check(&[b"\x0Ba\x1C\n\x1C\r"], &[b"a\x1C\n"]);
    }

    #[test]
    fn noise_is_counted_up_to_its_bound() {
        let mut framer = Framer::new(FrameLimits { noise: 4, ..FrameLimits::default() });
        framer.push(b"abcd\x0Bone\x1C\r\nabcd\x0Btwo\x1C\r\n").unwrap();
        assert_eq!((framer.noise(), framer.whole.len()), (8, 2));
        framer.push(b"abcd").unwrap();
        assert_eq!(framer.push(b"e"), Err(FrameError::Noise(4)));
        assert_eq!(framer.next_frame().unwrap(), "one");
        assert_eq!(framer.push(b"\x0Bthree\x1C\r"), Err(FrameError::Noise(4)));
    }

    #[test]
    fn a_payload_over_its_bound_ends_the_stream() {
        let limits = FrameLimits { frame: 3, ..FrameLimits::default() };
        let mut framer = Framer::new(limits);
        framer.push(b"\x0Babc\x1C\r\x0Babc").unwrap();
        assert!(framer.is_inside() && framer.held() == 3);
        assert_eq!(framer.push(b"d"), Err(FrameError::TooLarge(3)));
        assert_eq!(framer.held(), 0);
        assert_eq!(framer.next_frame().unwrap(), "abc");
        let mut framer = Framer::new(limits);
        assert_eq!(framer.push(b"\x0Bab\x1C\x1C\r"), Ok(()));
        assert_eq!(framer.push(b"\x0Bab\x1C\x1Cc"), Err(FrameError::TooLarge(3)));
    }

    #[test]
    fn encoding_refuses_what_would_arrive_as_something_else() {
        assert_eq!(encode(b"MSH|\r"), Ok(b"\x0BMSH|\r\x1C\r".to_vec()));
        assert_eq!(encode(b"a\x1C"), Ok(b"\x0Ba\x1C\x1C\r".to_vec()));
        assert_eq!(encode(b"ab\x1C\r\x0Bc"), Err(FrameError::EndInside(2)));
    }
}
