//! One event as people and programs see it.

use bulkhead_model::State;
use bulkhead_wire::state_to_wire;

use super::*;
use crate::samples::{REFERRAL, look, step, world};
use crate::screen::Paint;

fn seen() -> Seen {
    let event = v1::WatchEventsResponse {
        referral_id: REFERRAL.into(),
        tenant: "england/nhs111-north".into(),
        destination: "wales/ooh-cardiff".into(),
        state: state_to_wire(State::Delivered) as i32,
        step: Some(step("09:00:00.600", "wales-1", "delivered", "on attempt 1")),
        cut: None,
    };
    Seen::new(world(true), Nation::Wales, event)
}

#[test]
fn an_event_as_text() {
    insta::assert_snapshot!(render(&seen(), &look(Paint::PLAIN)));
}

#[test]
fn an_event_as_a_line_of_json() {
    insta::assert_snapshot!(serde_json::to_string(&seen()).unwrap());
}

#[test]
fn a_cut_as_text_and_as_a_line_of_json() {
    let cut = Cut::of(&crate::samples::cut("wales/3f0c9a12be77", "wales/wast-111"));
    let seen = CutSeen { world: world(true), nation: "wales".into(), cut };
    insta::assert_snapshot!("a_cut_as_text", render_cut(&seen, &look(Paint::PLAIN)));
    insta::assert_snapshot!("a_cut_as_a_line_of_json", serde_json::to_string(&seen).unwrap());
}
