//! Numbers for patients that do not exist, with the right check digit.
//!
//! NHS numbers are of the test range 999 000 0000 on. There is no test range of CHI or H&C numbers: CHI numbers
//! are made from the date of birth, with a sequence from 990 on, and H&C numbers from 320 000 001 on.

use bulkhead_format_bars::SampleFacts;
use bulkhead_model::{Nation, NumberKind};

use super::random::Random;

/// Which number a patient of that nation has.
pub(crate) fn kind_of(nation: Nation) -> NumberKind {
    match nation {
        Nation::England | Nation::Wales => NumberKind::Nhs,
        Nation::Scotland => NumberKind::Chi,
        Nation::NorthernIreland => NumberKind::HealthAndCare,
    }
}

/// The number of a patient, who is `facts`.
pub(crate) fn number(kind: NumberKind, facts: &SampleFacts, seed: u64) -> String {
    let mut random = Random::new(seed);
    match kind {
        NumberKind::Nhs => facts.nhs_number.clone(),
        NumberKind::Chi => {
            // `YYYY-MM-DD` as DDMMYY.
            let date = facts.birth_date.replace('-', "");
            let born = [6..8, 4..6, 2..4].map(|part| date.get(part).unwrap_or("01").to_owned()).concat();
            checked(|| format!("{born}{}", 990 + random.below(10)))
                .unwrap_or_else(|| facts.nhs_number.clone())
        }
        NumberKind::HealthAndCare => checked(|| format!("3200{:05}", 1 + random.below(99_999)))
            .unwrap_or_else(|| facts.nhs_number.clone()),
    }
}

/// The first nine digits that have a check digit, with it.
fn checked(mut nine: impl FnMut() -> String) -> Option<String> {
    (0..100).find_map(|_| {
        let nine = nine();
        let digits = nine.chars().filter_map(|digit| digit.to_digit(10));
        let sum: u32 = digits.zip((2..=10).rev()).map(|(digit, weight)| digit * weight).sum();
        match 11 - sum % 11 {
            10 => None,
            11 => Some(format!("{nine}0")),
            check => Some(format!("{nine}{check}")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bulkhead_format_bars::SampleReferral;
    use bulkhead_model::PatientNumber;

    #[test]
    fn numbers_are_good_ones() {
        for seed in 0..200 {
            let facts = SampleReferral::new(seed).facts();
            for kind in [NumberKind::Nhs, NumberKind::Chi, NumberKind::HealthAndCare] {
                let number = number(kind, &facts, seed);
                assert_eq!(PatientNumber::new(kind, &number).warnings(), [], "{}", kind.as_str());
            }
        }
    }
}
