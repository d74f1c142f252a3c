//! The example settings can be used, and the fixtures are taken.

use bulkhead_adapter::Settings;
use bulkhead_format_hl7::{Message, Rules, structure};
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
fn an_address_that_is_none_is_named() {
    let mut system = system();
    system.hl7.reply_to = Some("^https://fhir.nhs.uk/Id/dos-service-id".to_owned());
    let problem = check(&system).unwrap_err().to_string();
    assert!(problem.starts_with("system.hl7.reply_to: "), "{problem}");
}

#[test]
fn both_versions_are_taken() {
    for (fixture, kind) in [
        (&include_bytes!("../fixtures/ref-i12-v24.hl7")[..], "request"),
        (include_bytes!("../fixtures/rri-i12-v251.hl7"), "response"),
    ] {
        let rules = Rules { versions: Some(translate::conventions().versions), ..Rules::default() };
        let message = Message::parse_with(fixture, &rules).unwrap();
        assert_eq!(structure::check(&message), []);
        let facts = envelope_of_ref(&message).unwrap();
        assert_eq!((facts.kind.as_str(), facts.case_id.unwrap().as_str()), (kind, "OOH-4711|DALRIADA"));
    }
}
