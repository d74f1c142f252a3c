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
        NumberKind::Chi => {
            let (day, month) = (number / 100_000_000, number / 1_000_000 % 100);
            (1..=31).contains(&day) && (1..=12).contains(&month)
        }
        NumberKind::HealthAndCare => matches!(number, 3_200_000_000..=3_999_999_999),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
