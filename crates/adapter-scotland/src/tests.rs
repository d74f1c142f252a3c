//! The example settings can be used, and the fixtures are taken.

use bulkhead_adapter::Settings;
use bulkhead_format_hl7::{Condition, Message, Mode, Rules, structure};
use bulkhead_translation::envelope_of_ref;

use crate::{SystemSettings, check, translate};

fn system() -> SystemSettings {
    let example = include_str!("../config.example.toml");
    Settings::<SystemSettings>::read(example, []).unwrap().system
}

#[test]
fn the_example_can_be_used() {
    check(&system()).unwrap();
}

#[test]
fn another_version_is_named() {
    let mut system = system();
    system.hl7.version = Some("2.9".to_owned());
    let problem = check(&system).unwrap_err().to_string();
    assert!(problem.starts_with("system.hl7.version: is 2.9"), "{problem}");
}

/// `MSH RF1 PRD PID PD1 [ZWL] [ZRF]`, RF1-6 with its fifth component, and a commit only.
#[test]
fn trakcares_shape_is_taken_as_it_is() {
    for (fixture, kind) in [
        (&include_bytes!("../fixtures/ref-i12-trakcare.hl7")[..], "request"),
        (include_bytes!("../fixtures/ref-i13-trakcare.hl7"), "update"),
    ] {
        let rules = Rules { versions: Some(translate::conventions().versions), ..Rules::default() };
        let message = Message::parse_with(fixture, &rules).unwrap();
        assert_eq!(structure::check(&message), []);
        let facts = envelope_of_ref(&message).unwrap();
        assert_eq!((facts.kind.as_str(), facts.case_id.unwrap().as_str()), (kind, "24029171"));
        let commit_only = Mode::Enhanced { accept: Condition::Always, application: Condition::Never };
        assert_eq!(Mode::of(&message), commit_only);
    }
}
