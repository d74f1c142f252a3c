//! The characters that divide a message, as MSH-1 and MSH-2 declare them.

use thiserror::Error;

/// The delimiters of one message (HL7 v2.5 section 2.5.4; the truncation character is HL7 v2.7's addition).
///
/// They are single bytes of ASCII punctuation, all different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiters {
    field: u8,
    component: u8,
    repetition: u8,
    escape: u8,
    subcomponent: Option<u8>,
    truncation: Option<u8>,
}

/// Why MSH-1 and MSH-2 cannot be used as delimiters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DelimiterFault {
    /// MSH-2 holds fewer than three or more than five characters.
    #[error("MSH-2 does not hold three to five characters")]
    Count,
    /// A delimiter is a letter, a digit, a space, a control or a byte outside ASCII.
    #[error("a delimiter is not ASCII punctuation")]
    NotPunctuation,
    /// The quotation mark, of which HL7's null `""` is made, cannot divide anything.
    #[error("the quotation mark cannot be a delimiter")]
    Quote,
    /// One character was given two meanings.
    #[error("the same character is declared for two delimiters")]
    Repeated,
}

impl Delimiters {
    /// `|^~\&`, the recommended values (HL7 v2.5 section 2.5.4).
    pub const STANDARD: Self = Self {
        field: b'|',
        component: b'^',
        repetition: b'~',
        escape: b'\\',
        subcomponent: Some(b'&'),
        truncation: None,
    };

    /// The delimiters that `field` (MSH-1) and `encoding` (MSH-2) declare.
    ///
    /// MSH-2 holds, in this order: component, repetition, escape, then subcomponent and truncation if they are
    /// used.
    pub fn new(field: u8, encoding: &[u8]) -> Result<Self, DelimiterFault> {
        let (&[component, repetition, escape], rest) =
            encoding.split_first_chunk().ok_or(DelimiterFault::Count)?;
        if rest.len() > 2 {
            return Err(DelimiterFault::Count);
        }
        let found = Self {
            field,
            component,
            repetition,
            escape,
            subcomponent: rest.first().copied(),
            truncation: rest.get(1).copied(),
        };
        found.verify()
    }

    fn verify(self) -> Result<Self, DelimiterFault> {
        let mut seen = [false; 128];
        for byte in std::iter::once(self.field).chain(self.encoding_characters()) {
            if !byte.is_ascii_punctuation() {
                return Err(DelimiterFault::NotPunctuation);
            }
            if byte == b'"' {
                return Err(DelimiterFault::Quote);
            }
            if std::mem::replace(&mut seen[usize::from(byte)], true) {
                return Err(DelimiterFault::Repeated);
            }
        }
        Ok(self)
    }

    /// MSH-1.
    pub fn field(&self) -> u8 {
        self.field
    }

    /// The first character of MSH-2.
    pub fn component(&self) -> u8 {
        self.component
    }

    /// The second character of MSH-2.
    pub fn repetition(&self) -> u8 {
        self.repetition
    }

    /// The third character of MSH-2.
    pub fn escape(&self) -> u8 {
        self.escape
    }

    /// The fourth character of MSH-2; without it a component is one piece.
    pub fn subcomponent(&self) -> Option<u8> {
        self.subcomponent
    }

    /// The fifth character of MSH-2.
    pub fn truncation(&self) -> Option<u8> {
        self.truncation
    }

    /// MSH-2 as it is written.
    pub fn encoding_characters(&self) -> impl Iterator<Item = u8> + use<> {
        [self.component, self.repetition, self.escape]
            .into_iter()
            .chain(self.subcomponent)
            .chain(self.truncation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_to_five_characters_are_read() {
        assert_eq!(Delimiters::new(b'|', b"^~\\&"), Ok(Delimiters::STANDARD));
        let short = Delimiters::new(b'|', b"^~}").unwrap();
        assert_eq!((short.escape(), short.subcomponent()), (b'}', None));
        let long = Delimiters::new(b'!', b"^~\\&#").unwrap();
        assert_eq!(long.truncation(), Some(b'#'));
        assert!(long.encoding_characters().eq(*b"^~\\&#"));
    }

    #[test]
    fn what_cannot_divide_is_refused() {
        let check = |field, encoding: &[u8], fault| assert_eq!(Delimiters::new(field, encoding), Err(fault));
        check(b'|', b"^~", DelimiterFault::Count);
        check(b'|', b"^~\\&#!", DelimiterFault::Count);
        check(b'|', b"^~\\\\&", DelimiterFault::Repeated);
        check(b'|', b"|~\\&", DelimiterFault::Repeated);
        check(b'A', b"^~\\&", DelimiterFault::NotPunctuation);
        check(b'|', b"^~\\\xC3", DelimiterFault::NotPunctuation);
        check(b'|', b"^~\\\"", DelimiterFault::Quote);
    }
}
