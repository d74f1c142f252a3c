//! Escape sequences: from bytes to text and back (HL7 v2.5 section 2.7).
//!
//! Read: `\F\ \S\ \T\ \R\ \E\ \.br\ \Xhh..\`, and `\P\` where a truncation character is declared. All others
//! (`\H\`, `\.sp\`, `\Zxx\`, `\Cxxyy\` ...) stay in the text as they are written. Written: the first six, and
//! `\Xhh..\` for what cannot be written otherwise; the DHCW guide knows the first six only.

use std::borrow::Cow;

use crate::{Charset, Delimiters};

/// What the bytes of a message mean: its delimiters and its charset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) delimiters: Delimiters,
    pub(crate) charset: Charset,
}

enum Escape<'m> {
    Delimiter(u8),
    LineBreak,
    Hex(&'m [u8]),
    Kept,
}

/// `raw` as text.
pub(crate) fn decode(raw: &[u8], context: Context) -> Cow<'_, str> {
    let escape = context.delimiters.escape();
    if !raw.contains(&escape) {
        return context.charset.decode(raw);
    }
    let mut text = Text { context, done: String::with_capacity(raw.len()), hex: Vec::new() };
    let mut rest = raw;
    while let Some(start) = position(rest, escape) {
        text.plain(&rest[..start]);
        let after = &rest[start + 1..];
        let Some(length) = position(after, escape) else {
            text.plain(&rest[start..]);
            rest = b"";
            break;
        };
        // What is no escape sequence leaves its escape character as text: the next one may open a sequence.
        let consumed = match meaning(&after[..length], context.delimiters) {
            Some(Escape::Delimiter(byte)) => text.plain(&[byte]) + length + 2,
            Some(Escape::LineBreak) => text.plain(b"\n") + length + 2,
            Some(Escape::Hex(digits)) => text.hex(digits) + length + 2,
            Some(Escape::Kept) => text.plain(&rest[start..start + length + 2]) + length + 2,
            None => text.plain(&rest[start..=start]) + 1,
        };
        rest = &rest[start + consumed..];
    }
    text.plain(rest);
    Cow::Owned(text.finish())
}

/// Appends `text` as the content of one field, component or subcomponent.
///
/// Line ends become `\.br\`. Controls, and characters that the charset lacks, become `\Xhh..\` with their UTF-8
/// bytes. Two quotation marks alone are written so that they do not turn into HL7's null.
pub(crate) fn encode(text: &str, context: Context, out: &mut Vec<u8>) {
    if text == "\"\"" {
        out.push(b'"');
        return hex('"', context.delimiters, out);
    }
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if let Some(name) = name(character, context.delimiters) {
            sequence(name, context.delimiters, out);
        } else if character == '\r' || character == '\n' {
            if character == '\r' {
                characters.next_if_eq(&'\n');
            }
            sequence(b".br", context.delimiters, out);
        } else if (character.is_ascii_control() && character != '\t')
            || !context.charset.encode(character, out)
        {
            hex(character, context.delimiters, out);
        }
    }
}

struct Text {
    context: Context,
    done: String,
    hex: Vec<u8>,
}

impl Text {
    fn plain(&mut self, bytes: &[u8]) -> usize {
        if !bytes.is_empty() {
            self.settle_hex();
            self.done.push_str(&self.context.charset.decode(bytes));
        }
        0
    }

    /// Collects hexadecimal bytes, since one character may be spread over adjacent sequences.
    fn hex(&mut self, digits: &[u8]) -> usize {
        self.hex.extend(digits.chunks_exact(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])));
        0
    }

    /// Hexadecimal bytes are UTF-8 if they can be, else in the message's charset.
    fn settle_hex(&mut self) {
        let bytes = std::mem::take(&mut self.hex);
        match (std::str::from_utf8(&bytes), self.context.charset) {
            (Ok(text), _) => self.done.push_str(text),
            (Err(_), Charset::Ascii | Charset::Utf8) => {
                self.done.push_str(&Charset::Windows1252.decode(&bytes))
            }
            (Err(_), single) => self.done.push_str(&single.decode(&bytes)),
        }
    }

    fn finish(mut self) -> String {
        self.settle_hex();
        self.done
    }
}

/// What the sequence `name` means; `None` if it is no sequence at all, just text between two escape characters.
fn meaning(name: &[u8], delimiters: Delimiters) -> Option<Escape<'_>> {
    match name {
        b"F" => Some(Escape::Delimiter(delimiters.field())),
        b"S" => Some(Escape::Delimiter(delimiters.component())),
        b"R" => Some(Escape::Delimiter(delimiters.repetition())),
        b"E" => Some(Escape::Delimiter(delimiters.escape())),
        b"T" => Some(delimiters.subcomponent().map_or(Escape::Kept, Escape::Delimiter)),
        b"P" => Some(delimiters.truncation().map_or(Escape::Kept, Escape::Delimiter)),
        b".br" => Some(Escape::LineBreak),
        b"H" | b"N" => Some(Escape::Kept),
        [b'X', digits @ ..] if is_hex(digits) => Some(Escape::Hex(digits)),
        [b'X' | b'Z' | b'C' | b'M', rest @ ..] if all_alphanumeric(rest) => Some(Escape::Kept),
        [b'.', a, b, rest @ ..] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
            let signed = rest.strip_prefix(b"+").or(rest.strip_prefix(b"-")).unwrap_or(rest);
            signed.iter().all(u8::is_ascii_digit).then_some(Escape::Kept)
        }
        _ => None,
    }
}

fn name(character: char, delimiters: Delimiters) -> Option<&'static [u8]> {
    let byte = u8::try_from(character).ok()?;
    let is = |delimiter: Option<u8>| delimiter == Some(byte);
    match () {
        () if byte == delimiters.field() => Some(b"F"),
        () if byte == delimiters.component() => Some(b"S"),
        () if byte == delimiters.repetition() => Some(b"R"),
        () if byte == delimiters.escape() => Some(b"E"),
        () if is(delimiters.subcomponent()) => Some(b"T"),
        () if is(delimiters.truncation()) => Some(b"P"),
        () => None,
    }
}

fn sequence(name: &[u8], delimiters: Delimiters, out: &mut Vec<u8>) {
    out.push(delimiters.escape());
    out.extend_from_slice(name);
    out.push(delimiters.escape());
}

fn hex(character: char, delimiters: Delimiters, out: &mut Vec<u8>) {
    let mut buffer = [0; 4];
    let mut name = vec![b'X'];
    for byte in character.encode_utf8(&mut buffer).bytes() {
        name.extend_from_slice(format!("{byte:02X}").as_bytes());
    }
    sequence(&name, delimiters, out);
}

fn position(bytes: &[u8], wanted: u8) -> Option<usize> {
    bytes.iter().position(|byte| *byte == wanted)
}

fn is_hex(digits: &[u8]) -> bool {
    !digits.is_empty() && digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit)
}

fn all_alphanumeric(rest: &[u8]) -> bool {
    !rest.is_empty() && rest.iter().all(u8::is_ascii_alphanumeric)
}

/// The value of one hexadecimal digit, as [`is_hex`] has checked it.
fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10) & 0x0F,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UTF8: Context = Context { delimiters: Delimiters::STANDARD, charset: Charset::Utf8 };
    const ASCII: Context = Context { delimiters: Delimiters::STANDARD, charset: Charset::Ascii };

    #[test]
    fn sequences_are_read() {
        let check = |raw: &str, text: &str| assert_eq!(decode(raw.as_bytes(), UTF8), text, "{raw}");
        check(r"a\F\b\S\c\T\d\R\e\E\f", r"a|b^c&d~e\f");
        check(r"one\.br\two", "one\ntwo");
        check(r"Caf\XC3A9\", "Caf\u{e9}");
        check(r"Caf\XC3\\XA9\", "Caf\u{e9}");
        check(r"Caf\XE9\", "Caf\u{e9}");
        check(r"Si\Xc3a2\n", "Si\u{e2}n");
    }

    #[test]
    fn unknown_sequences_stay_as_they_are() {
        for raw in
            [r"\H\bold\N\", r"\.sp2\", r"\.in+4\", r"\Z99\", r"\C2842\", r"\XABC\", r"\P\", r"C:\temp", r"a\"]
        {
            assert_eq!(decode(raw.as_bytes(), UTF8), raw);
        }
    }

    #[test]
    fn a_stray_escape_character_does_not_swallow_a_sequence() {
        assert_eq!(decode(br"C:\temp\.br\next", UTF8), "C:\\temp\nnext");
    }

    #[test]
    fn a_subcomponent_escape_without_its_delimiter_stays() {
        let delimiters = Delimiters::new(b'|', b"^~\\").unwrap();
        let context = Context { delimiters, ..UTF8 };
        assert_eq!(decode(br"a\T\b", context), r"a\T\b");
        let mut out = Vec::new();
        encode("a&b", context, &mut out);
        assert_eq!(out, b"a&b");
    }

    #[test]
    fn text_is_written_with_escapes() {
        let check = |context, text: &str, raw: &str| {
            let mut out = Vec::new();
            encode(text, context, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), raw);
        };
        check(UTF8, r"a|b^c&d~e\f", r"a\F\b\S\c\T\d\R\e\E\f");
        check(UTF8, "one\r\ntwo\rthree\nfour", r"one\.br\two\.br\three\.br\four");
        check(UTF8, "\u{175}yn", "\u{175}yn");
        check(ASCII, "\u{175}yn", r"\XC5B5\yn");
        check(ASCII, "a\u{b}b\tc", "a\\X0B\\b\tc");
        check(ASCII, "\"\"", r#""\X22\"#);
    }
}
