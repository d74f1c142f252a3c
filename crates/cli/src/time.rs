//! Durations and moments, as people write and read them.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp};

/// Reads `2h`, `90s`, `1h30m`, `500ms` or `2d`; a day has 24 hours.
///
/// # Errors
/// When it is not a duration, or a negative one.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let not_one = || "not a duration: expected for example 500ms, 90s, 2h or 1d".to_owned();
    let span: Span = text.parse().map_err(|_| not_one())?;
    let signed = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| not_one())?;
    Duration::try_from(signed).map_err(|_| not_one())
}

/// A moment: a duration from or before now, or a time with its offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// That far from now.
    Away(Duration),
    /// Then.
    At(Timestamp),
}

impl Moment {
    /// That long after `now`.
    pub fn after(self, now: Timestamp) -> Timestamp {
        match self {
            Moment::Away(duration) => now.saturating_add(duration).unwrap_or(Timestamp::MAX),
            Moment::At(at) => at,
        }
    }

    /// That long before `now`.
    pub fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Moment::Away(duration) => now.saturating_sub(duration).unwrap_or(Timestamp::MIN),
            Moment::At(at) => at,
        }
    }
}

/// Reads `2h` or `2026-03-01T09:00:00Z`.
///
/// # Errors
/// When it is neither.
pub fn parse_moment(text: &str) -> Result<Moment, String> {
    let at = text.parse::<Timestamp>().map(Moment::At);
    at.or_else(|_| parse_duration(text).map(Moment::Away)).map_err(|_| {
        "neither a duration (2h, 30m) nor a time with its offset (2026-03-01T09:00:00Z)".to_owned()
    })
}

/// `2026-03-01 09:00:00.123Z`.
pub fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S.%3fZ").to_string()
}

/// `10:00:00 +01:00`: the same moment on the clock of `zone`.
pub fn local(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M:%S %:z").to_string()
}

/// `in 2h 5m`, `12s ago`: the two largest parts that matter.
pub fn distance(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.as_second() - now.as_second();
    let text = span(seconds.unsigned_abs());
    if seconds >= 0 { format!("in {text}") } else { format!("{text} ago") }
}

fn span(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest}s"),
        (0, 0, _) => format!("{minutes}m {rest}s"),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn durations_as_people_write_them() {
        let check = |text: &str, millis: u64| {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        };
        check("500ms", 500);
        check("90s", 90_000);
        check("2h", 7_200_000);
        check("1h30m", 5_400_000);
        check("2d", 172_800_000);
        for wrong in ["", "2", "-2h", "soon", "1 month"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_moment_is_a_distance_or_a_time() {
        let now = at("2026-03-01T09:00:00Z");
        assert_eq!(parse_moment("2h").unwrap().after(now), at("2026-03-01T11:00:00Z"));
        assert_eq!(parse_moment("2h").unwrap().before(now), at("2026-03-01T07:00:00Z"));
        let fixed = parse_moment("2026-07-01T10:00:00+01:00").unwrap();
        assert_eq!(fixed.after(now), at("2026-07-01T09:00:00Z"));
        assert!(parse_moment("2026-07-01T10:00:00").is_err(), "a time without its offset is a guess");
    }

    #[test]
    fn moments_as_people_read_them() {
        let zone = TimeZone::get("Europe/London").unwrap();
        let summer = at("2026-07-01T09:00:00.1234Z");
        assert_eq!(utc(summer), "2026-07-01 09:00:00.123Z");
        assert_eq!(local(summer, &zone), "10:00:00 +01:00");
        assert_eq!(distance(summer, at("2026-07-01T06:55:00Z")), "in 2h 5m");
        assert_eq!(distance(summer, at("2026-07-01T09:00:12Z")), "12s ago");
    }
}
