//! NHS, CHI and H&C numbers: kind and check digit. What fails is flagged, never rejected, because the
//! NHS's own published examples fail the check digit.

/// Whose number it is, by the system that the sender declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NumberKind {
    /// England, Wales, Isle of Man.
    Nhs,
    /// Scotland.
    Chi,
    /// Northern Ireland.
    HealthAndCare,
}

impl NumberKind {
    /// As it is written in flags.
    pub fn as_str(self) -> &'static str {
        match self {
            NumberKind::Nhs => "nhs",
            NumberKind::Chi => "chi",
            NumberKind::HealthAndCare => "hc",
        }
    }
}

/// Something odd about a number. Policy per route decides what follows; ingest never refuses for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NumberWarning {
    /// Not ten digits.
    Length,
    /// Modulus 11 does not hold (NHS Data Dictionary, NHS NUMBER).
    CheckDigit,
    /// Outside the range of its kind.
    Range,
}

impl NumberWarning {
    /// As a flag of the envelope: the kind and what is odd, never the number.
    pub fn flag(self, kind: NumberKind) -> String {
        let what = match self {
            NumberWarning::Length => "length",
            NumberWarning::CheckDigit => "check-digit",
            NumberWarning::Range => "range",
        };
        format!("{}-number-{what}", kind.as_str())
    }
}

/// A number with the kind that its sender declared; the kind never changes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PatientNumber {
    kind: NumberKind,
    value: String,
}

impl std::fmt::Debug for PatientNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PatientNumber({})", self.kind.as_str())
    }
}

impl PatientNumber {
    /// A number as it came; spaces and hyphens between digits are dropped.
    pub fn new(kind: NumberKind, text: &str) -> Self {
        Self { kind, value: text.chars().filter(|c| !matches!(c, ' ' | '-')).collect() }
    }

    /// The declared kind.
    pub fn kind(&self) -> NumberKind {
        self.kind
    }

    /// The digits.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What is odd about it.
    pub fn warnings(&self) -> Vec<NumberWarning> {
        let digits: Vec<u64> = self.value.chars().filter_map(|c| c.to_digit(10).map(u64::from)).collect();
        if digits.len() != 10 || self.value.chars().count() != 10 {
            return vec![NumberWarning::Length];
        }
        let mut warnings = Vec::new();
        if !modulus_11(&digits) {
            warnings.push(NumberWarning::CheckDigit);
        }
        if !in_range(self.kind, digits.iter().fold(0, |n, d| n * 10 + d)) {
            warnings.push(NumberWarning::Range);
        }
        warnings
    }
}

/// Weights 10 to 2 on nine digits; 11 less the remainder is the tenth; 11 is 0, 10 is no number.
fn modulus_11(digits: &[u64]) -> bool {
    let sum: u64 = digits.iter().take(9).zip((2..=10).rev()).map(|(digit, weight)| digit * weight).sum();
    match 11 - sum % 11 {
        11 => digits[9] == 0,
        10 => false,
        check => digits[9] == check,
    }
}

fn in_range(kind: NumberKind, number: u64) -> bool {
    match kind {
        NumberKind::Nhs => {
            matches!(number, 4_000_000_000..=4_999_999_999 | 6_000_000_000..=7_999_999_999 | 9_000_000_000..=9_999_999_999)
        }
        NumberKind::Chi => is_date_of_birth(number / 10_000),
        NumberKind::HealthAndCare => matches!(number, 3_200_000_000..=3_999_999_999),
    }
}

/// DDMMYY. The century is not known; 29 February is one where 1900 or 2000 and the year give a leap year.
fn is_date_of_birth(ddmmyy: u64) -> bool {
    let part = |number: u64| i8::try_from(number % 100).unwrap_or(0);
    let (day, month, year) = (part(ddmmyy / 10_000), part(ddmmyy / 100), part(ddmmyy));
    jiff::civil::Date::new(2000 + i16::from(year), month, day).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::samples::cases;

    fn check(kind: NumberKind, text: &str, expected: &[NumberWarning]) {
        assert_eq!(PatientNumber::new(kind, text).warnings(), expected, "{}", kind.as_str());
    }

    #[test]
    fn odd_numbers_are_flagged() {
        use NumberWarning::{CheckDigit, Length, Range};
        check(NumberKind::Nhs, "947 671 9931", &[]);
        check(NumberKind::Nhs, "999-000-0018", &[]);
        check(NumberKind::Nhs, "3478526985", &[CheckDigit, Range]);
        check(NumberKind::Nhs, "0000000000", &[Range]);
        check(NumberKind::Nhs, "12345", &[Length]);
        check(NumberKind::Chi, "0101011237", &[]);
        check(NumberKind::Chi, "9999999999", &[Range]);
        check(NumberKind::HealthAndCare, "3478526981", &[]);
    }

    #[test]
    fn a_number_is_never_printed() {
        assert_eq!(format!("{:?}", PatientNumber::new(NumberKind::Nhs, "9476719931")), "PatientNumber(nhs)");
    }

    #[test]
    fn a_chi_number_begins_with_a_date() {
        use NumberWarning::Range;
        check(NumberKind::Chi, "2902201230", &[]);
        check(NumberKind::Chi, "2902199929", &[Range]);
        check(NumberKind::Chi, "3104994323", &[Range]);
        check(NumberKind::Chi, "0113012217", &[Range]);
    }

    /// Numbers with what is known of them, made from the published rules.
    #[test]
    fn the_sample_numbers_are_judged_as_published() {
        let Some(folder) = std::env::var_os("BULKHEAD_SAMPLES").map(std::path::PathBuf::from) else {
            println!("skipped: BULKHEAD_SAMPLES is not set");
            return;
        };
        let table = std::fs::read_to_string(folder.join("identifiers/identifiers.csv")).unwrap();
        let mut judged = 0;
        for line in table.lines().skip(1) {
            let [number, range, valid, why] = line.splitn(4, ',').collect::<Vec<_>>()[..] else {
                panic!("not four columns: {line}")
            };
            let warnings = |kind| PatientNumber::new(kind, number).warnings();
            match range {
                "nhs" | "nhs-synthetic" => {
                    assert_eq!(warnings(NumberKind::Nhs).is_empty(), valid == "yes", "{line}")
                }
                "hc" => assert_eq!(warnings(NumberKind::HealthAndCare).is_empty(), valid == "yes", "{line}"),
                "chi" | "chi-range" => {
                    assert_eq!(warnings(NumberKind::Chi).is_empty(), valid == "yes", "{line}")
                }
                "reserved" | "ihi-range" | "unallocated" => {
                    let found = warnings(NumberKind::Nhs);
                    assert!(found.contains(&NumberWarning::Range), "{line}");
                    let digit_is_right = valid == "yes" || why.contains("right digit");
                    assert_eq!(found.contains(&NumberWarning::CheckDigit), !digit_is_right, "{line}");
                }
                other => panic!("a range that this test does not know: {other}"),
            }
            judged += 1;
        }
        assert!(judged > 70, "{judged}");
    }

    proptest! {
        #![proptest_config(cases(1_000))]

        #[test]
        fn of_ten_check_digits_at_most_one_is_right(nine in 0..1_000_000_000_u64) {
            let right = (0..10)
                .filter(|digit| {
                    let number = PatientNumber::new(NumberKind::Nhs, &format!("{nine:09}{digit}"));
                    !number.warnings().contains(&NumberWarning::CheckDigit)
                })
                .count();
            prop_assert!(right <= 1);
        }

        #[test]
        fn any_text_is_judged_and_never_refused(text in ".{0,14}") {
            for kind in [NumberKind::Nhs, NumberKind::Chi, NumberKind::HealthAndCare] {
                let number = PatientNumber::new(kind, &text);
                let digits = number.value().len() == 10 && number.value().bytes().all(|b| b.is_ascii_digit());
                prop_assert_eq!(number.warnings() == [NumberWarning::Length], !digits);
                prop_assert_eq!(number.kind(), kind);
            }
        }
    }
}
