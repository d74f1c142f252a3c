//! Public samples, when `BULKHEAD_SAMPLES` says where they are: each goes to every peer, or is refused by name.

use std::path::PathBuf;

use bulkhead_format_bars::{Document, Limits, Syntax};
use bulkhead_format_hl7::{Message, Rules, structure};
use bulkhead_translation::{
    Item, Remembered, Stamp, Target, Untranslatable, bars_to_bars, bars_to_ref, check_bars, check_ref,
    ref_to_bars, ref_to_ref,
};

use crate::support::{bars, refs, stamp};

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("BULKHEAD_SAMPLES").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: BULKHEAD_SAMPLES is not set");
    }
    folder
}

fn remembering() -> Stamp {
    let remembered = Remembered {
        control_id: Some("M1".into()),
        bundle_id: Some("b1".into()),
        sender: Some(["GPOOH".into(), "DALRIADA".into()]),
        receiver: Some(["BULKHEAD".into(), "NI".into()]),
        ..Remembered::default()
    };
    stamp().about(remembered)
}

fn files(folder: &std::path::Path, part: &str, ends: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join(part)).unwrap().flatten();
    let fits = |path: &PathBuf| ends.iter().any(|end| path.extension().is_some_and(|own| own == *end));
    entries.map(|entry| entry.path()).filter(fits).collect()
}

/// A refusal says what it is about; whatever a check lets through, a translation makes, unless it is about what only
/// the finished document shows.
fn agree<T>(name: &str, made: Result<T, Untranslatable>, checked: Result<(), Untranslatable>) -> bool {
    match (&made, &checked) {
        (Ok(_), Ok(())) => true,
        (Err(made), Err(checked)) => {
            assert!(made.item == checked.item || made.item == Item::Test, "{name}: {made}, {checked}");
            false
        }
        (Err(made), Ok(())) => {
            assert!(matches!(made.item, Item::Structure | Item::Size | Item::Test), "{name}: {made}");
            false
        }
        (Ok(_), Err(checked)) => panic!("{name} was made, and is refused: {checked}"),
    }
}

#[test]
fn every_bars_sample_goes_to_every_peer_or_is_refused_by_name() {
    let Some(folder) = folder() else { return };
    let mut made = 0;
    for part in ["england/bars-api", "england/bars-ig", "wales"] {
        for path in files(&folder, part, &["json", "xml"]) {
            let name = path.display().to_string();
            let syntax = if name.ends_with("xml") { Syntax::Xml } else { Syntax::Json };
            let Ok(document) = Document::read(&std::fs::read(&path).unwrap(), syntax, &Limits::default())
            else {
                continue;
            };
            for profile in refs() {
                let translated = bars_to_ref(&document, &profile, &remembering());
                if let Ok(translated) = &translated {
                    let issues = structure::check(&translated.document);
                    assert!(structure::is_acceptable(&issues), "{name} {}: {issues:?}", profile.name);
                }
                let checked = check_bars(&document, &Target::Ref(profile.clone()));
                made += usize::from(agree(&name, translated, checked));
            }
            for profile in bars() {
                let checked = check_bars(&document, &Target::Bars(profile.clone()));
                made += usize::from(agree(&name, bars_to_bars(&document, &profile, &remembering()), checked));
            }
        }
    }
    assert!(made > 50, "{made}");
}

#[test]
fn every_ref_sample_goes_to_every_peer_or_is_refused_by_name() {
    let Some(folder) = folder() else { return };
    let mut made = 0;
    for part in ["hl7v2", "scotland", "northern-ireland", "wales"] {
        for path in files(&folder, part, &["hl7", "txt"]) {
            let name = path.display().to_string();
            let Ok(message) = Message::parse_with(std::fs::read(&path).unwrap(), &Rules::any_version())
            else {
                continue;
            };
            for profile in refs() {
                let checked = check_ref(&message, &Target::Ref(profile.clone()));
                made += usize::from(agree(&name, ref_to_ref(&message, &profile, &remembering()), checked));
            }
            for profile in bars() {
                let checked = check_ref(&message, &Target::Bars(profile.clone()));
                made += usize::from(agree(&name, ref_to_bars(&message, &profile, &remembering()), checked));
            }
        }
    }
    assert!(made >= 20, "{made}");
}
