//! Takes a time stamp apart: its digits, and the marks between them where it is written with hyphens.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

use super::{Precision, TimeError};

/// Date and time, how much of them is written, and the offset.
pub(super) fn parts(
    text: &[u8],
    hyphenated: bool,
) -> Result<(DateTime, Precision, Option<Offset>), TimeError> {
    let mut cursor = Cursor(text);
    let (at, precision) =
        if hyphenated { hyphenated_parts(&mut cursor)? } else { compact_parts(&mut cursor)? };
    let offset = cursor.offset(hyphenated)?;
    if cursor.0.is_empty() { Ok((at, precision, offset)) } else { Err(TimeError::Form) }
}

fn compact_parts(cursor: &mut Cursor<'_>) -> Result<(DateTime, Precision), TimeError> {
    let mut parts = Parts::new(cursor.number(4).ok_or(TimeError::Form)?);
    while parts.count < 5 && cursor.0.first().is_some_and(u8::is_ascii_digit) {
        parts.push(cursor.number(2).ok_or(TimeError::Form)?);
    }
    parts.finish(cursor)
}

fn hyphenated_parts(cursor: &mut Cursor<'_>) -> Result<(DateTime, Precision), TimeError> {
    let mut parts = Parts::new(cursor.number(4).ok_or(TimeError::Form)?);
    for marks in [b"--", b"--", b" T", b"::", b"::"] {
        if !cursor.0.first().is_some_and(|byte| marks.contains(byte)) {
            break;
        }
        // After the date only a time may follow; a hyphen there begins an offset.
        cursor.0 = &cursor.0[1..];
        parts.push(cursor.number(2).ok_or(TimeError::Form)?);
    }
    if parts.count == 3 {
        return Err(TimeError::Form);
    }
    parts.finish(cursor)
}

/// Year, and the two-digit parts after it.
struct Parts {
    year: i16,
    values: [i8; 5],
    count: usize,
}

impl Parts {
    fn new(year: i16) -> Self {
        Self { year, values: [1, 1, 0, 0, 0], count: 0 }
    }

    fn push(&mut self, value: i16) {
        self.values[self.count] = i8::try_from(value).unwrap_or(i8::MAX);
        self.count += 1;
    }

    fn finish(self, cursor: &mut Cursor<'_>) -> Result<(DateTime, Precision), TimeError> {
        let [month, day, hour, minute, second] = self.values;
        let fraction = if self.count == 5 { cursor.fraction()? } else { None };
        let precision = match (self.count, fraction) {
            (0, _) => Precision::Year,
            (1, _) => Precision::Month,
            (2, _) => Precision::Day,
            (3, _) => Precision::Hour,
            (4, _) => Precision::Minute,
            (_, None) => Precision::Second,
            (_, Some((digits, _))) => Precision::Fraction(digits),
        };
        let nanoseconds = fraction.map_or(0, |(_, nanoseconds)| nanoseconds);
        let date = Date::new(self.year, month, day).map_err(|_| TimeError::Range)?;
        let time = Time::new(hour, minute, second, nanoseconds).map_err(|_| TimeError::Range)?;
        Ok((date.to_datetime(time), precision))
    }
}

/// What is left to read.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    /// A number of exactly `digits` digits, at most four.
    fn number(&mut self, digits: usize) -> Option<i16> {
        let (head, rest) = self.0.split_at_checked(digits)?;
        let value = head
            .iter()
            .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i16::from(byte - b'0')))?;
        self.0 = rest;
        Some(value)
    }

    /// A point and one to four digits: how many, and the nanoseconds that they mean.
    fn fraction(&mut self) -> Result<Option<(u8, i32)>, TimeError> {
        let Some(rest) = self.0.strip_prefix(b".") else { return Ok(None) };
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits =
            u8::try_from(count).ok().filter(|digits| (1..=4).contains(digits)).ok_or(TimeError::Form)?;
        self.0 = rest;
        let value = self.number(count).ok_or(TimeError::Form)?;
        Ok(Some((digits, i32::from(value) * 10_i32.pow(9 - u32::from(digits)))))
    }

    /// `+HHMM` or `-HHMM`; with `lax` also `+HH:MM` and `Z`.
    fn offset(&mut self, lax: bool) -> Result<Option<Offset>, TimeError> {
        let sign = match self.0.first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            Some(b'Z') if lax => {
                self.0 = &self.0[1..];
                return Ok(Some(Offset::UTC));
            }
            _ => return Ok(None),
        };
        self.0 = &self.0[1..];
        let hours = self.number(2).ok_or(TimeError::Form)?;
        if lax {
            self.0 = self.0.strip_prefix(b":").unwrap_or(self.0);
        }
        let minutes = self.number(2).ok_or(TimeError::Form)?;
        if hours > 14 || minutes > 59 {
            return Err(TimeError::Range);
        }
        let seconds = sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60);
        Offset::from_seconds(seconds).map(Some).map_err(|_| TimeError::Range)
    }
}
