//! Coded elements (CE): code, words, system, and the same again for a second code.

use bulkhead_format_bars::view::{Coding, Concept};
use bulkhead_format_hl7::Value;

use crate::tables::codes;

/// A concept in one repetition: its first two codes. Words that are not those of its code stand in CE-5.
pub(crate) fn one(concept: &Concept) -> Value {
    let mut codings = concept.codings.iter();
    let words = concept.text.as_deref();
    let Some(first) = codings.next() else {
        return Value::components(["", words.unwrap_or_default()]);
    };
    let mut items = triple(first).to_vec();
    let other = words.filter(|words| first.display.as_deref() != Some(*words));
    match (codings.next(), other) {
        (Some(second), _) => items.extend(triple(second)),
        (None, Some(words)) => items.extend([String::new(), words.to_owned()]),
        (None, None) => {}
    }
    Value::components(items)
}

/// A concept in as many repetitions as its codes need.
pub(crate) fn repeated(concept: &Concept) -> Value {
    if concept.codings.len() <= 2 {
        return one(concept);
    }
    let pairs = concept.codings.chunks(2).enumerate().map(|(index, pair)| {
        let text = concept.text.clone().filter(|_| index == 0);
        one(&Concept { codings: pair.to_vec(), text })
    });
    pairs.reduce(Value::and).unwrap_or_else(Value::empty)
}

fn triple(coding: &Coding) -> [String; 3] {
    let system = coding.system.as_deref().map(codes::short);
    [coding.code.clone(), coding.display.clone(), system].map(Option::unwrap_or_default)
}
