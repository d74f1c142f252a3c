//! What an answer needs to know of the message that it answers.
//!
//! A message that was refused must be answered as well, so this can also be had from bytes that are no message:
//! an unsupported version, a batch, one message too large.

use crate::charset::{Declared, Reading};
use crate::escape::Context;
use crate::scan;
use crate::view::Segment;
use crate::{Delimiters, Message, Version};

/// The header of a message that is to be answered, its values as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    pub(crate) context: Context,
    pub(crate) sender: [Vec<u8>; 2],
    pub(crate) receiver: [Vec<u8>; 2],
    pub(crate) event: String,
    pub(crate) control_id: Vec<u8>,
    pub(crate) processing_id: Vec<u8>,
    pub(crate) version: Vec<u8>,
    pub(crate) charset: Vec<u8>,
}

/// The longest first line that is looked at in bytes that are no message.
const LONGEST_HEADER: usize = 16 * 1024;

impl Original {
    /// The header of `message`.
    pub fn of(message: &Message) -> Self {
        Self::read(message.header())
    }

    /// The header in the first line of bytes that were refused; `None` if there is none that can be answered.
    ///
    /// For the envelopes FHS and BHS the sender and the receiver stand in the same fields as in MSH, and the
    /// control id in field 11 (HL7 v2.5 section 2.15.2 and 2.15.6); processing id and version are then those of
    /// HL7 UK A.3, `P` and `2.4`.
    pub fn salvage(bytes: &[u8]) -> Option<Self> {
        [b"MSH", b"FHS", b"BHS"].into_iter().find_map(|name| {
            let (start, delimiters) = match scan::opening(bytes, name) {
                Ok(opening) => (opening.start, opening.delimiters),
                Err(error) => (unusable_but_standard(bytes, error.offset, name)?, Delimiters::STANDARD),
            };
            let line = scan::first_line(bytes, start, LONGEST_HEADER)?;
            let charset = Reading::of(Declared::Nothing, line).used;
            let segment = Segment::new(line, 0, 0, Context { delimiters, charset });
            Some(if name == b"MSH" { Self::read(segment) } else { Self::read_envelope(segment) })
        })
    }

    /// MSH-10 of the message, or the control id of the envelope, as text.
    pub fn control_id(&self) -> String {
        crate::escape::decode(&self.control_id, self.context).into_owned()
    }

    pub(crate) fn parsed_version(&self) -> Version {
        let first = self.version.split(|byte| *byte == self.context.delimiters.component()).next();
        first.and_then(|raw| Version::parse(&String::from_utf8_lossy(raw))).unwrap_or(Version::V2_4)
    }

    fn read(header: Segment<'_>) -> Self {
        let raw = |number| header.field(number).raw().to_vec();
        Self {
            context: header.context(),
            sender: [raw(3), raw(4)],
            receiver: [raw(5), raw(6)],
            event: header.field(9).component(2).text().into_owned(),
            control_id: raw(10),
            processing_id: raw(11),
            version: raw(12),
            charset: raw(18),
        }
    }

    fn read_envelope(header: Segment<'_>) -> Self {
        // In an envelope the separator is field 1 too, but the view numbers only MSH so.
        let raw = |number: usize| header.field(number - 1).raw().to_vec();
        Self {
            context: header.context(),
            sender: [raw(3), raw(4)],
            receiver: [raw(5), raw(6)],
            event: String::new(),
            control_id: raw(11),
            processing_id: b"P".to_vec(),
            version: b"2.4".to_vec(),
            charset: Vec::new(),
        }
    }
}

/// Where the header is, if its delimiters are unusable but its fields are divided as usual.
fn unusable_but_standard(bytes: &[u8], offset: usize, name: &[u8]) -> Option<usize> {
    let start = offset.checked_sub(4)?;
    let line = bytes.get(start..)?;
    (line.starts_with(name) && line.get(3) == Some(&b'|')).then_some(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_message_can_still_be_answered() {
        let check = |bytes: &[u8], sender: &[u8], id: &str| {
            let original = Original::salvage(bytes).unwrap();
            assert_eq!((original.sender[0].as_slice(), original.control_id().as_str()), (sender, id));
        };
        check(b"MSH|^~\\&|APP|F|B|C|||REF^I12|M1|P|2.9\rPID", b"APP", "M1");
        check(b"\xEF\xBB\xBFMSH#*~\\&#APP######REF*I12#M1#P#2.9\nPID", b"APP", "M1");
        check(b"MSH|^~\\\\&|APP||||||REF^I12|M1|P|2.4\rPID", b"APP", "M1");
        check(b"FHS|^~\\&|APP||B||20260801||file||F1|\rBHS", b"APP", "F1");
        check(b"BHS|^~\\&|APP||B||20260801||||B1|\rMSH", b"APP", "B1");
    }

    #[test]
    fn what_has_no_header_cannot() {
        for bytes in [&b""[..], b"GET / HTTP/1.1\r\n", b"MSH", b"MS", b"MSH$^^\\&|", b"\xFF\xFEM\0S\0H\0"] {
            assert_eq!(Original::salvage(bytes), None);
        }
        let long = [b"MSH|^~\\&|".as_slice(), &vec![b'a'; LONGEST_HEADER]].concat();
        assert_eq!(Original::salvage(&long), None);
    }
}
