//! Which characters the bytes of a message stand for.
//!
//! The bytes are never transcoded: a charset only says how to show them as text, and how to write new text
//! among them.

use std::borrow::Cow;

use encoding_rs::Encoding;

/// A character set of table 0211, or one met in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// `ASCII`: what an empty MSH-18 means by the standard.
    Ascii,
    /// `UNICODE UTF-8` (from v2.5), and what a bare `UNICODE` (v2.4) is taken to mean.
    Utf8,
    /// Windows-1252: not in the table, and common under an empty MSH-18.
    Windows1252,
    /// `8859/n`.
    Iso8859(IsoPart),
}

/// A part of ISO 8859 that can be read and written here: 1 to 10 and 13 to 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IsoPart(u8);

/// What MSH-18 says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared {
    /// Nothing.
    Nothing,
    /// A character set that is known here.
    Known(Charset),
    /// A name that is not known here.
    Unknown,
}

/// Why the text of a message should be looked at with care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Nothing is declared and the message is not plain ASCII: the charset was guessed.
    Guessed,
    /// ASCII is declared and the message is not.
    NotAscii,
    /// UTF-8 is declared and the message is not.
    NotUtf8,
    /// A single-byte set is declared and the message reads as UTF-8.
    LooksUtf8,
    /// What is declared is not known here.
    UnknownName,
}

/// How the text of a message is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What MSH-18 says.
    pub declared: Declared,
    /// The charset in use.
    pub used: Charset,
    /// What speaks against it.
    pub doubt: Option<Doubt>,
}

impl Charset {
    /// `8859/part`.
    pub fn iso8859(part: u8) -> Option<Self> {
        matches!(part, 1..=10 | 13..=16).then_some(Self::Iso8859(IsoPart(part)))
    }

    /// Reads a name as MSH-18 holds it: table 0211, and the usual spellings of the same.
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_uppercase();
        match name.as_str() {
            "ASCII" | "US-ASCII" => Some(Self::Ascii),
            "UNICODE" | "UNICODE UTF-8" | "UNICODE UTF8" | "UTF-8" | "UTF8" => Some(Self::Utf8),
            "WINDOWS-1252" | "CP1252" => Some(Self::Windows1252),
            other => {
                let rest =
                    other.strip_prefix("ISO").map_or(other, |rest| rest.trim_start_matches([' ', '-']));
                let part = rest.strip_prefix("8859")?.strip_prefix(['/', '-'])?;
                Self::iso8859(part.parse().ok()?)
            }
        }
    }

    /// The name to write in MSH-18; `None` where the field is better left empty.
    pub fn name(self) -> Option<String> {
        match self {
            Self::Ascii | Self::Windows1252 => None,
            Self::Utf8 => Some("UNICODE UTF-8".to_owned()),
            Self::Iso8859(IsoPart(part)) => Some(format!("8859/{part}")),
        }
    }

    pub(crate) fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        match self.single_byte() {
            Some(encoding) => encoding.decode_without_bom_handling(bytes).0,
            None => String::from_utf8_lossy(bytes),
        }
    }

    /// Appends `character` if this charset has it, and says whether it did.
    pub(crate) fn encode(self, character: char, out: &mut Vec<u8>) -> bool {
        let mut buffer = [0; 4];
        let utf8 = &*character.encode_utf8(&mut buffer);
        if character.is_ascii() || self == Self::Utf8 {
            out.extend_from_slice(utf8.as_bytes());
            return true;
        }
        let Some(encoding) = self.single_byte() else { return false };
        let (bytes, _, unmappable) = encoding.encode(utf8);
        // The ISO sets have controls where their Windows relatives have letters.
        let control =
            matches!(self, Self::Iso8859(_)) && bytes.iter().any(|byte| (0x80..0xA0).contains(byte));
        if unmappable || control {
            return false;
        }
        out.extend_from_slice(&bytes);
        true
    }

    fn single_byte(self) -> Option<&'static Encoding> {
        use encoding_rs as known;
        match self {
            Self::Ascii | Self::Utf8 => None,
            Self::Windows1252 => Some(known::WINDOWS_1252),
            Self::Iso8859(IsoPart(part)) => Some(match part {
                2 => known::ISO_8859_2,
                3 => known::ISO_8859_3,
                4 => known::ISO_8859_4,
                5 => known::ISO_8859_5,
                6 => known::ISO_8859_6,
                7 => known::ISO_8859_7,
                8 => known::ISO_8859_8,
                9 => known::WINDOWS_1254,
                10 => known::ISO_8859_10,
                13 => known::ISO_8859_13,
                14 => known::ISO_8859_14,
                15 => known::ISO_8859_15,
                16 => known::ISO_8859_16,
                _ => known::WINDOWS_1252,
            }),
        }
    }
}

impl Reading {
    /// How to read a message whose MSH-18 is `declared` and whose bytes are `bytes`.
    ///
    /// What is declared is believed, unless the bytes contradict it outright. Where nothing usable is declared,
    /// UTF-8 is tried, then Windows-1252.
    pub(crate) fn of(declared: Declared, bytes: &[u8]) -> Self {
        let ascii = bytes.is_ascii();
        let utf8 = ascii || std::str::from_utf8(bytes).is_ok();
        let guess = match (ascii, utf8) {
            (true, _) => Charset::Ascii,
            (_, true) => Charset::Utf8,
            (_, false) => Charset::Windows1252,
        };
        let (used, doubt) = match declared {
            Declared::Nothing => (guess, (!ascii).then_some(Doubt::Guessed)),
            Declared::Unknown => (guess, Some(Doubt::UnknownName)),
            Declared::Known(Charset::Ascii) => (guess, (!ascii).then_some(Doubt::NotAscii)),
            Declared::Known(Charset::Utf8) if !utf8 => (Charset::Windows1252, Some(Doubt::NotUtf8)),
            Declared::Known(Charset::Utf8) => (Charset::Utf8, None),
            Declared::Known(single) => (single, (utf8 && !ascii).then_some(Doubt::LooksUtf8)),
        };
        Self { declared, used, doubt }
    }
}

impl Declared {
    /// What the raw bytes of MSH-18 declare. Of several repetitions the first is the charset of the message
    /// (HL7 v2.5 section 2.15.9.18).
    pub(crate) fn parse(raw: &[u8]) -> Self {
        match std::str::from_utf8(raw).map(str::trim) {
            Ok("" | "\"\"") => Self::Nothing,
            Ok(name) => Charset::parse(name).map_or(Self::Unknown, Self::Known),
            Err(_) => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_table_and_their_spellings_are_read() {
        let check = |name, expected| assert_eq!(Charset::parse(name), expected, "{name}");
        check("UNICODE UTF-8", Some(Charset::Utf8));
        check("unicode", Some(Charset::Utf8));
        check("ASCII", Some(Charset::Ascii));
        check("8859/1", Charset::iso8859(1));
        check("8859/15", Charset::iso8859(15));
        check("ISO-8859-14", Charset::iso8859(14));
        check("ISO 8859/2", Charset::iso8859(2));
        check("8859/12", None);
        check("ISO IR87", None);
        check("8859", None);
    }

    #[test]
    fn every_part_writes_its_own_name() {
        for part in (1..=10).chain(13..=16) {
            let charset = Charset::iso8859(part).unwrap();
            assert_eq!(Charset::parse(&charset.name().unwrap()), Some(charset));
        }
    }

    #[test]
    fn what_contradicts_the_declaration_is_doubted() {
        let check = |declared: &str, bytes: &[u8], used, doubt| {
            let reading = Reading::of(Declared::parse(declared.as_bytes()), bytes);
            assert_eq!((reading.used, reading.doubt), (used, doubt), "{declared}");
        };
        let latin1 = Charset::iso8859(1).unwrap();
        check("", b"plain", Charset::Ascii, None);
        check("", "\u{175}".as_bytes(), Charset::Utf8, Some(Doubt::Guessed));
        check("", b"Caf\xE9", Charset::Windows1252, Some(Doubt::Guessed));
        check("ASCII", b"Caf\xE9", Charset::Windows1252, Some(Doubt::NotAscii));
        check("UNICODE UTF-8", b"Caf\xE9", Charset::Windows1252, Some(Doubt::NotUtf8));
        check("UNICODE UTF-8", b"plain", Charset::Utf8, None);
        check("8859/1", b"Caf\xE9", latin1, None);
        check("8859/1", "Caf\u{e9}".as_bytes(), latin1, Some(Doubt::LooksUtf8));
        check("GB 18030-2000", b"plain", Charset::Ascii, Some(Doubt::UnknownName));
    }

    #[test]
    fn a_character_that_a_set_lacks_is_not_written() {
        let check = |charset: Charset, character, expected: Option<&[u8]>| {
            let mut out = Vec::new();
            let written = charset.encode(character, &mut out);
            assert_eq!(written.then_some(out.as_slice()), expected, "{charset:?} {character}");
        };
        let iso = |part| Charset::iso8859(part).unwrap();
        check(Charset::Utf8, '\u{175}', Some(&[0xC5, 0xB5]));
        check(Charset::Ascii, '\u{175}', None);
        check(iso(1), '\u{175}', None);
        check(iso(14), '\u{175}', Some(&[0xF0]));
        check(iso(1), '\u{20AC}', None);
        check(iso(15), '\u{20AC}', Some(&[0xA4]));
        check(Charset::Windows1252, '\u{20AC}', Some(&[0x80]));
    }
}
