//! A word is planted into every place of a document, one after the other: it must be in the translation, and in no
//! omission, flag or refusal.

use bulkhead_format_bars::{Document, Node, SampleReferral, Syntax};
use bulkhead_format_hl7::{Message, Path};
use bulkhead_translation::{Translated, Untranslatable, bars_to_ref, profiles, ref_to_bars, ref_to_ref};

use proptest::prelude::*;

use crate::support::{DALRIADA, TRAKCARE, message, refs, sample, stamp, texts_of, texts_of_message};

const PLANT: &str = "Zebulonquist";

/// Elements that say how the bundle is built, and nothing about the referral.
fn is_structure(path: &str) -> bool {
    let name = path.rsplit('.').next().unwrap_or_default();
    matches!(name, "id" | "reference" | "url")
        || path.contains(".meta.")
        || !path.contains(".resource.")
        // These decide what kind of message it is; the kind is carried, not the words.
        || ["MessageHeader.eventCoding", "MessageHeader.reason", "MessageHeader.definition", "ServiceRequest.status"]
            .iter()
            .any(|own| path.contains(own))
        // Ranks are the order of the numbers.
        || path.ends_with(".rank")
        || path.ends_with("valuePositiveInt")
}

/// The paths of all values, each as the numbers of the children that lead to it.
fn places(node: &Node, name: &str, way: &mut Vec<usize>, found: &mut Vec<(String, Vec<usize>)>) {
    if node.value().is_some() {
        found.push((name.to_owned(), way.clone()));
    }
    for (index, (child_name, child)) in node.children().enumerate() {
        way.push(index);
        let own = child
            .resource_type()
            .map_or_else(|| child_name.to_owned(), |kind| format!("{child_name}.{kind}"));
        places(child, &format!("{name}.{own}"), way, found);
        way.pop();
    }
}

fn plant(node: &mut Node, way: &[usize]) {
    match way.split_first() {
        None => node.replace_value(PLANT),
        Some((first, rest)) => {
            if let Some((_, child)) = node.children_mut().nth(*first) {
                plant(child, rest);
            }
        }
    }
}

fn silent<T>(place: &str, translated: &Result<Translated<T>, Untranslatable>) {
    let said = match translated {
        Ok(ok) => format!("{:?} {:?} {:?}", ok.omissions, ok.changed, ok.flags),
        Err(error) => format!("{error} {error:?} {}", error.reason()),
    };
    assert!(!said.contains(PLANT), "{place} is repeated");
}

#[test]
fn every_text_of_a_bars_message_is_carried() {
    let documents = [sample(10), SampleReferral::new(5).cancel(Syntax::Json)];
    for document in documents {
        let mut found = Vec::new();
        places(document.root(), "Bundle", &mut Vec::new(), &mut found);
        let mut refused = Vec::new();
        for (place, way) in found.iter().filter(|(place, _)| !is_structure(place)) {
            let mut planted = Document::new(Syntax::Json, document.root().clone());
            plant(planted.root_mut(), way);
            for profile in refs() {
                let translated = bars_to_ref(&planted, &profile, &stamp());
                silent(place, &translated);
                match translated {
                    Ok(ok) => assert!(
                        texts_of_message(&ok.document).contains(PLANT),
                        "{place} is lost in {}",
                        profile.name
                    ),
                    Err(_) => refused.push(place.clone()),
                }
            }
        }
        refused.dedup();
        assert!(refused.len() <= 3, "{refused:?}");
    }
}

/// Every component of every field of a message that says something.
fn fields(message: &Message) -> Vec<(String, Path)> {
    let mut found = Vec::new();
    let mut seen: Vec<(Vec<u8>, usize)> = Vec::new();
    for segment in message.segments() {
        let name = String::from_utf8_lossy(segment.name()).into_owned();
        let count = seen.iter().filter(|(own, _)| own == segment.name()).count() + 1;
        seen.push((segment.name().to_vec(), count));
        for number in 1..=segment.field_count() {
            let structural = name == "MSH" && !matches!(number, 3..=6 | 8);
            if structural || (number == 1 && name != "PRD" && name != "RF1") {
                continue;
            }
            for (repetition, value) in (1..).zip(segment.field(number).repetitions()) {
                for (component, part) in (1..).zip(value.components()) {
                    if part.value().is_some() {
                        let path = Path::new(&name, number)
                            .occurrence(count)
                            .repetition(repetition)
                            .component(component);
                        found.push((format!("{name}-{number}.{component}"), path));
                    }
                }
            }
        }
    }
    found
}

/// Places whose words are the form of the message: what kind of answer it is, whom a provider is.
const FORM: [&str; 6] = ["RF1-1.2", "RF1-1.3", "RF1-2.2", "RF1-2.3", "PRD-1.2", "PRD-1.3"];

#[test]
fn every_text_of_an_hl7_referral_is_carried() {
    for text in [TRAKCARE, DALRIADA] {
        let original = message(text);
        for (place, path) in
            fields(&original).into_iter().filter(|(place, _)| !FORM.contains(&place.as_str()))
        {
            let planted = original.with(&path, PLANT).unwrap();
            let translated = ref_to_bars(&planted, &profiles::england_bars(), &stamp());
            silent(&place, &translated);
            let translated = translated.unwrap_or_else(|error| panic!("{place}: {error}"));
            assert!(texts_of(&translated.document).contains(PLANT), "{place} is lost");
            for profile in refs() {
                let translated = ref_to_ref(&planted, &profile, &stamp());
                silent(&place, &translated);
                let translated = translated.unwrap_or_else(|error| panic!("{place}: {error}"));
                // The addressee is the receiving system's.
                let replaced = matches!(place.as_str(), "MSH-5.1" | "MSH-6.1");
                let kept = texts_of_message(&translated.document).contains(PLANT);
                assert!(kept || replaced, "{place} is lost in {}", profile.name);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damaged_messages_are_translated_or_refused_and_never_break(
        which: bool,
        damage in proptest::collection::vec((0_usize..1_800, any::<u8>()), 1..40),
    ) {
        let mut bytes = if which { TRAKCARE } else { DALRIADA }.as_bytes().to_vec();
        for (at, byte) in damage {
            // The header stays, so that most of them are messages.
            let length = bytes.len();
            if let Some(place) = bytes.get_mut(120 + at % (length - 120)) {
                *place = byte;
            }
        }
        if let Ok(message) = Message::parse(bytes) {
            let england = ref_to_bars(&message, &profiles::england_bars(), &stamp());
            if let Ok(translated) = england {
                for profile in refs() {
                    drop(bars_to_ref(&translated.document, &profile, &stamp()));
                }
            }
            for profile in refs() {
                drop(ref_to_ref(&message, &profile, &stamp()));
            }
        }
    }
}
