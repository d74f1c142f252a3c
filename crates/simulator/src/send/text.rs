//! Words to fill a referral with: plain ASCII without any delimiter, so that a text is as long when it is
//! written as it is here.

use super::random::Random;

const SAID: [&str; 12] = [
    "An illness or health problem was the main problem.",
    "The individual was not fighting for breath.",
    "Heavy bleeding had not occurred in the previous 2 hours.",
    "The skin on the torso felt normal, warm or hot.",
    "The main reason for contact was not new confusion.",
    "There was no pain in the chest, upper abdomen, back or arms.",
    "The individual did not use anticoagulant medication.",
    "There was a temperature above 38 degrees for more than a day.",
    "Fluids were being kept down and urine had been passed today.",
    "Advised to call back if there are any new symptoms or if the condition gets worse.",
    "The caller was content with the advice and will wait for a call.",
    "Medication list was read out and agreed with the record.",
];

/// A text of exactly `length` characters.
pub(crate) fn of_length(random: &mut Random, length: usize) -> String {
    let mut text = String::with_capacity(length + 96);
    while text.len() < length {
        text.push_str(random.pick(&SAID));
        text.push(' ');
    }
    text.truncate(length);
    // A space at the end might be trimmed on the way.
    if text.ends_with(' ') {
        text.pop();
        text.push('.');
    }
    text
}
