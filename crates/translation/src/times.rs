//! Moments between the two formats.
//!
//! FHIR names an offset with every moment. HL7 may leave it out, and then means Europe/London; the hour that
//! October repeats is taken as the earlier one (format-hl7, `Ts::instant`). What is written here always has its
//! offset, so it is never ambiguous.

use bulkhead_format_bars::When;
use bulkhead_format_hl7::Ts;
use bulkhead_format_hl7::time::Precision;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The time of Europe/London by its rule, or UTC if a rule could not be read.
fn london() -> TimeZone {
    TimeZone::posix("GMT0BST,M3.5.0/1,M10.5.0").unwrap_or(TimeZone::UTC)
}

/// A moment as a time stamp of HL7: local time of London, with its offset; a fraction only where there is one.
pub(crate) fn stamp(at: Timestamp) -> String {
    let precision = if at.subsec_nanosecond() == 0 { Precision::Second } else { Precision::Fraction(4) };
    Ts::with_offset(&at.to_zoned(london()), precision).to_string()
}

/// The same for people: `01/08/2026 14:30`.
pub(crate) fn words(at: Timestamp) -> String {
    at.to_zoned(london()).strftime("%d/%m/%Y %H:%M").to_string()
}

/// A FHIR dateTime as a time stamp of HL7: a moment, or a date whole or in part. `None` for anything else.
pub(crate) fn to_hl7(when: &When) -> Option<String> {
    if let Some(at) = when.at() {
        return Some(stamp(at));
    }
    date_to_hl7(when.text())
}

/// `1962-03-15`, `1962-03` or `1962` without hyphens.
pub(crate) fn date_to_hl7(text: &str) -> Option<String> {
    let text = text.trim();
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { 'd' } else { c }).collect();
    matches!(shape.as_str(), "dddd" | "dddd-dd" | "dddd-dd-dd").then(|| text.replace('-', ""))
}

/// A time stamp of HL7 as a FHIR dateTime: a date as a date, anything finer as a moment in UTC.
pub(crate) fn to_fhir(text: &str) -> Option<String> {
    let ts = Ts::parse(text).ok()?;
    let date = ts.date();
    Some(match ts.precision() {
        Precision::Year => format!("{:04}", date.year()),
        Precision::Month => format!("{:04}-{:02}", date.year(), date.month()),
        Precision::Day => date.to_string(),
        Precision::Hour | Precision::Minute | Precision::Second => When::write(ts.instant().ok()?),
        Precision::Fraction(_) => ts.instant().ok()?.to_string(),
    })
}

/// A time stamp of HL7 as a FHIR date.
pub(crate) fn date_to_fhir(text: &str) -> Option<String> {
    let ts = Ts::parse(text).ok()?;
    let date = ts.date();
    Some(match ts.precision() {
        Precision::Year => format!("{:04}", date.year()),
        Precision::Month => format!("{:04}-{:02}", date.year(), date.month()),
        _ => date.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_turn_both_ways() {
        let check = |fhir: &str, hl7: &str| {
            assert_eq!(to_hl7(&When::read(fhir)).as_deref(), Some(hl7), "{fhir}");
            let again = When::read(&to_fhir(hl7).unwrap());
            assert_eq!(again.at(), When::read(fhir).at(), "{hl7}");
        };
        check("2026-08-01T13:30:00+00:00", "20260801143000+0100");
        check("2026-02-01T13:30:00Z", "20260201133000+0000");
        check("2021-10-13T16:20:27+07:00", "20211013102027+0100");
        check("2026-08-01T13:30:00.25Z", "20260801143000.2500+0100");
        assert_eq!(to_hl7(&When::read("1962-03")).as_deref(), Some("196203"));
        assert_eq!(to_fhir("196203").as_deref(), Some("1962-03"));
        assert_eq!(to_hl7(&When::read("soon")), None);
    }

    #[test]
    fn the_hour_that_october_repeats() {
        let check = |hl7: &str, fhir: &str| assert_eq!(to_fhir(hl7).as_deref(), Some(fhir), "{hl7}");
        check("20261025005959", "2026-10-24T23:59:59+00:00");
        check("20261025010000", "2026-10-25T00:00:00+00:00");
        check("20261025013000", "2026-10-25T00:30:00+00:00");
        check("20261025013000+0100", "2026-10-25T00:30:00+00:00");
        check("20261025013000+0000", "2026-10-25T01:30:00+00:00");
        check("20261025020000", "2026-10-25T02:00:00+00:00");
        // What is written says which of the two hours it is.
        for text in ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"] {
            let written = to_hl7(&When::read(text)).unwrap();
            assert_eq!(When::read(&to_fhir(&written).unwrap()).at(), When::read(text).at());
        }
    }
}
