//! HL7's time stamps: TS of v2.3.1 to v2.5, which is DTM of later versions (HL7 v2.5 section 2.A.22).
//!
//! A time stamp says how exact it is by how much of it is written, and may leave out its zone. Both are kept: an
//! instant is only made when it is asked for.

mod read;

use std::fmt;

use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};
use thiserror::Error;

/// How much of a time stamp is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// `YYYY`
    Year,
    /// `YYYYMM`
    Month,
    /// `YYYYMMDD`
    Day,
    /// `YYYYMMDDHH`
    Hour,
    /// `YYYYMMDDHHMM`
    Minute,
    /// `YYYYMMDDHHMMSS`
    Second,
    /// `YYYYMMDDHHMMSS.` and one to four digits.
    Fraction(u8),
}

/// Why a text is no time stamp. The text itself is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TimeError {
    /// The text does not have the form of a time stamp.
    #[error("not a time stamp")]
    Form,
    /// A month, a day, an hour ... that does not exist.
    #[error("a part of the time stamp does not exist in the calendar")]
    Range,
}

/// A time stamp as it is written: date, time, precision, and the zone's offset or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ts {
    at: DateTime,
    precision: Precision,
    offset: Option<Offset>,
    hyphenated: bool,
}

impl Ts {
    /// Reads `YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]`.
    ///
    /// `2025-05-05 23:23:28`, which systems in Wales send, is tolerated with and without a time, seconds, a
    /// fraction and an offset, and flagged.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        // `2025-0100` is a year with an offset; a hyphenated date has a second hyphen.
        let hyphenated = [4, 7].iter().all(|at| text.as_bytes().get(*at) == Some(&b'-'));
        let (at, precision, offset) = read::parts(text.as_bytes(), hyphenated)?;
        Ok(Self { at, precision, offset, hyphenated })
    }

    /// `zoned` cut to `precision`, with its offset written.
    pub fn with_offset(zoned: &Zoned, precision: Precision) -> Self {
        let cut = cut(zoned.datetime(), precision);
        Self { at: cut, precision, offset: Some(zoned.offset()), hyphenated: false }
    }

    /// `instant` in the time of Europe/London, cut to `precision`, with no offset written.
    ///
    /// In the hour that is repeated in October this is ambiguous and will be read as the earlier one.
    pub fn in_london(instant: Timestamp, precision: Precision) -> Self {
        let local = instant.to_zoned(london()).datetime();
        Self { at: cut(local, precision), precision, offset: None, hyphenated: false }
    }

    /// The moment at which the time stamp begins.
    ///
    /// Without an offset it is in the time of Europe/London: the hour that is repeated in October is taken as the
    /// earlier one, the one that is left out in March as the hour after it. The rules are those in force since
    /// 1996; an older local time may be an hour off, so show it as it is written.
    pub fn instant(&self) -> Result<Timestamp, TimeError> {
        let instant = match self.offset {
            Some(offset) => offset.to_timestamp(self.at),
            None => london().to_ambiguous_timestamp(self.at).compatible(),
        };
        instant.map_err(|_| TimeError::Range)
    }

    /// The date as it is written; a year or a month begins with its first day.
    pub fn date(&self) -> Date {
        self.at.date()
    }

    /// Date and time as they are written, filled up with the earliest values.
    pub fn local(&self) -> DateTime {
        self.at
    }

    /// How much is written.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The offset, if one is written.
    pub fn offset(&self) -> Option<Offset> {
        self.offset
    }

    /// Whether it was written with hyphens, which is not HL7.
    pub fn is_hyphenated(&self) -> bool {
        self.hyphenated
    }
}

/// Writes the form that HL7 defines, whatever form was read.
impl fmt::Display for Ts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at;
        write!(f, "{:04}", at.year())?;
        let parts = [at.month(), at.day(), at.hour(), at.minute(), at.second()];
        for part in &parts[..written(self.precision)] {
            write!(f, "{part:02}")?;
        }
        if let Precision::Fraction(digits) = self.precision {
            let digits = usize::from(digits).min(4);
            let nanoseconds = format!("{:09}", at.subsec_nanosecond());
            write!(f, ".{}", &nanoseconds[..digits])?;
        }
        match self.offset {
            None => Ok(()),
            Some(offset) => {
                let minutes = offset.seconds() / 60;
                let sign = if minutes < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}{:02}", minutes.abs() / 60, minutes.abs() % 60)
            }
        }
    }
}

/// How many two-digit parts follow the year.
fn written(precision: Precision) -> usize {
    match precision {
        Precision::Year => 0,
        Precision::Month => 1,
        Precision::Day => 2,
        Precision::Hour => 3,
        Precision::Minute => 4,
        Precision::Second | Precision::Fraction(_) => 5,
    }
}

/// Europe/London as a rule, so that no file is read: summer time from the last Sunday of March, 01:00, to the last
/// Sunday of October, 02:00.
fn london() -> TimeZone {
    TimeZone::posix("GMT0BST,M3.5.0/1,M10.5.0").expect("a constant that the tests of this module read")
}

fn cut(at: DateTime, precision: Precision) -> DateTime {
    let keep = written(precision);
    let part = |index: usize, value: i8, least: i8| if index < keep { value } else { least };
    let nanoseconds = match precision {
        Precision::Fraction(digits) => {
            let unit = 10_i32.pow(9 - u32::from(digits.min(4)));
            at.subsec_nanosecond() / unit * unit
        }
        _ => 0,
    };
    let month = part(0, at.month(), 1);
    let day = part(1, at.day(), 1);
    let (hour, minute, second) = (part(2, at.hour(), 0), part(3, at.minute(), 0), part(4, at.second(), 0));
    // Each part is either from a valid date and time, or the least that every month and day has.
    DateTime::new(at.year(), month, day, hour, minute, second, nanoseconds).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> String {
        Ts::parse(text).unwrap().instant().unwrap().to_string()
    }

    #[test]
    fn precision_and_offset_are_kept() {
        let check = |text: &str, precision| {
            let ts = Ts::parse(text).unwrap();
            assert_eq!((ts.precision(), ts.to_string().as_str()), (precision, text));
            assert!(!ts.is_hyphenated());
        };
        check("1962", Precision::Year);
        check("196203", Precision::Month);
        check("19620315", Precision::Day);
        check("2026080123", Precision::Hour);
        check("202608012315", Precision::Minute);
        check("20260801231500", Precision::Second);
        check("20260801231500.0", Precision::Fraction(1));
        check("20260801231500.1230", Precision::Fraction(4));
        check("20260801231500+0100", Precision::Second);
        check("202608012315-0330", Precision::Minute);
        check("20260801231500.12+0000", Precision::Fraction(2));
        check("2026-0100", Precision::Year);
    }

    #[test]
    fn hyphens_are_tolerated_and_flagged() {
        let check = |text: &str, written: &str| {
            let ts = Ts::parse(text).unwrap();
            assert!(ts.is_hyphenated());
            assert_eq!(ts.to_string(), written, "{text}");
        };
        check("2025-05-05 23:23:28", "20250505232328");
        check("2025-05-05", "20250505");
        check("2025-05-05T23:23", "202505052323");
        check("2025-05-05T23:23:28.5+01:00", "20250505232328.5+0100");
        check("2025-05-05T23:23:28Z", "20250505232328+0000");
        check("2025-05-05 23:23:28-0500", "20250505232328-0500");
    }

    #[test]
    fn what_is_no_time_stamp_is_refused() {
        let check = |text: &str, error| assert_eq!(Ts::parse(text), Err(error), "{text}");
        for text in [
            "",
            "202",
            "20260",
            "2026080",
            "20260801231500.",
            "20260801231500.12345",
            "2026080123150",
            "today",
        ] {
            check(text, TimeError::Form);
        }
        for text in
            ["20260801+01", "20260801 ", "20260801231500Z", "2025-05-05 23", "2025-05-05 ", "2025-05-0x"]
        {
            check(text, TimeError::Form);
        }
        for text in
            ["20261301", "20260230", "2026080124", "20260801236000", "20260801231560", "20260801+1500"]
        {
            check(text, TimeError::Range);
        }
    }

    #[test]
    fn without_an_offset_the_time_is_that_of_london() {
        assert_eq!(instant("20260801120000"), "2026-08-01T11:00:00Z");
        assert_eq!(instant("20260201120000"), "2026-02-01T12:00:00Z");
        assert_eq!(instant("20260801120000+0000"), "2026-08-01T12:00:00Z");
        assert_eq!(instant("20260801"), "2026-07-31T23:00:00Z");
        assert_eq!(instant("2026"), "2026-01-01T00:00:00Z");
    }

    #[test]
    fn the_hour_repeated_in_october_is_the_earlier_one() {
        assert_eq!(instant("20261025005959"), "2026-10-24T23:59:59Z");
        assert_eq!(instant("20261025013000"), "2026-10-25T00:30:00Z");
        assert_eq!(instant("20261025020000"), "2026-10-25T02:00:00Z");
        // The hour that March leaves out.
        assert_eq!(instant("20260329013000"), "2026-03-29T01:30:00Z");
    }

    #[test]
    fn time_stamps_are_made_from_instants() {
        let at: Timestamp = "2026-08-01T11:22:33.4567Z".parse().unwrap();
        let check = |precision, written| assert_eq!(Ts::in_london(at, precision).to_string(), written);
        check(Precision::Second, "20260801122233");
        check(Precision::Fraction(3), "20260801122233.456");
        check(Precision::Minute, "202608011222");
        check(Precision::Day, "20260801");
        check(Precision::Year, "2026");
        let zoned = at.to_zoned(london());
        assert_eq!(Ts::with_offset(&zoned, Precision::Second).to_string(), "20260801122233+0100");
        assert_eq!(Ts::in_london(at, Precision::Hour).date().to_string(), "2026-08-01");
    }
}
