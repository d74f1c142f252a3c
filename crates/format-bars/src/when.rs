//! A moment as FHIR writes it.
//!
//! Messages carry up to seven digits of a second and any offset; all are accepted (BaRS guide, Core,
//! How-to-handle-times). A date without a time is legal FHIR and no moment.

use std::fmt;

use jiff::Timestamp;

/// A FHIR `instant` or `dateTime`: the text as it was sent, and the moment if it names one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    text: String,
    at: Option<Timestamp>,
}

impl When {
    /// Reads a moment. Anything is kept as text; only a time with an offset is a moment.
    pub fn read(text: &str) -> Self {
        let whole = shorten(text);
        let at = if whole.contains(['T', 't']) { whole.parse().ok() } else { None };
        Self { text: text.to_owned(), at }
    }

    /// The text as it was sent.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The moment, if the text names one.
    pub fn at(&self) -> Option<Timestamp> {
        self.at
    }

    /// How FHIR writes a moment; BaRS wants UTC sent.
    pub fn write(at: Timestamp) -> String {
        at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// More than nine digits of a second are legal, and more than a timestamp holds.
fn shorten(text: &str) -> String {
    let text = text.trim();
    let Some((head, tail)) = text.split_once('.') else { return text.to_owned() };
    let digits = tail.bytes().take_while(u8::is_ascii_digit).count();
    format!("{head}.{}{}", &tail[..digits.min(9)], &tail[digits..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(When::read(text).at().map(|at| at.to_string()).as_deref(), expected, "{text}");
    }

    #[test]
    fn moments_with_any_offset_and_any_precision() {
        check("2021-10-11T15:23:30.8185338+00:00", Some("2021-10-11T15:23:30.8185338Z"));
        check("2021-10-13T16:20:27+07:00", Some("2021-10-13T09:20:27Z"));
        check("2020-11-10T19:57:26.961Z", Some("2020-11-10T19:57:26.961Z"));
        check("2020-11-10T19:57:26.12345678901Z", Some("2020-11-10T19:57:26.123456789Z"));
        check("2021-11-26", None);
        check("2021-11", None);
        check("2021-11-26T10:00:00", None);
        check("yesterday", None);
        check("", None);
        check("2021-11-26T10:00:00.é", None);
    }
}
