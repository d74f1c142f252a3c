//! The example is a configuration that works.

use bulkhead_adapter_england::{SystemSettings, check};

const EXAMPLE: &str = include_str!("../../config.example.toml");

#[test]
fn the_example_can_be_used() {
    let settings = bulkhead_adapter::Settings::<SystemSettings>::read(EXAMPLE, []).unwrap();
    check(&settings.system).unwrap();
    assert!(settings.inbox.hand_over_timeout > settings.system.bars.answer_timeout);
    let again = toml::to_string(&settings).unwrap();
    assert!(bulkhead_adapter::Settings::<SystemSettings>::read(&again, []).is_ok());
}

#[test]
fn what_cannot_be_used_is_named() {
    for (variable, value, named) in [
        ("BULKHEAD__SYSTEM__BARS__BASE_URL", "https://x/", "system.bars.base_url"),
        ("BULKHEAD__SYSTEM__BARS__IN_FLIGHT", "0", "system.bars.in_flight"),
        ("BULKHEAD__SYSTEM__BARS__ANSWER_TIMEOUT", "0s", "system.bars.answer_timeout"),
    ] {
        let variables = [(variable.to_owned(), value.to_owned())];
        let settings = bulkhead_adapter::Settings::<SystemSettings>::read(EXAMPLE, variables).unwrap();
        let error = check(&settings.system).unwrap_err().to_string();
        assert!(error.starts_with(named), "{error}");
    }
}
