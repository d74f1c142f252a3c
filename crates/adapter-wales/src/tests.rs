//! The example settings can be used, and the fixtures are taken.

use bulkhead_adapter::Settings;
use bulkhead_format_hl7::{Message, Rules, structure};
use bulkhead_translation::envelope_of_ref;

use crate::{Protocol, SystemSettings, check, translate};

fn read(example: &str) -> SystemSettings {
    Settings::<SystemSettings>::read(example, []).unwrap().system
}

#[test]
fn both_examples_can_be_used() {
    check(&read(include_str!("../config.example.toml"))).unwrap();
    check(&read(include_str!("../config.bars.example.toml"))).unwrap();
}

#[test]
fn the_section_must_be_that_of_the_protocol() {
    let mut system = read(include_str!("../config.example.toml"));
    system.protocol = Protocol::Bars;
    assert!(check(&system).unwrap_err().to_string().starts_with("system.protocol: is bars"));
    let mut system = read(include_str!("../config.bars.example.toml"));
    system.hl7 = read(include_str!("../config.example.toml")).hl7;
    assert!(check(&system).is_err());
}

#[test]
fn the_fixtures_are_taken() {
    for (fixture, kind) in [
        (&include_bytes!("../fixtures/ref-i12-v25.hl7")[..], "request"),
        (include_bytes!("../fixtures/ref-i14-v25.hl7"), "cancel"),
    ] {
        let rules = Rules { versions: Some(translate::conventions().versions), ..Rules::default() };
        let message = Message::parse_with(fixture, &rules).unwrap();
        assert_eq!(structure::check(&message), []);
        let facts = envelope_of_ref(&message).unwrap();
        assert_eq!((facts.kind.as_str(), facts.case_id.unwrap().as_str()), (kind, "OOH-1001|CAV"));
        assert!(message.header().field(10).text().len() <= 20);
    }
}
