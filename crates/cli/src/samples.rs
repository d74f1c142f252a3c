//! Answers as cells give them, for the tests of what is made of them.
#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests may")]

use bulkhead_model::State;
use bulkhead_wire::{state_to_wire, time_to_wire, v1};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::desk::Desked;
use crate::screen::Paint;
use crate::view::{Look, World};

pub(crate) const REFERRAL: &str = "6f1f0c1e-6a52-5b53-8d1b-0f6f3f6a9a10";

/// A summer's day, so that local time is not UTC.
pub(crate) fn at(time: &str) -> Timestamp {
    format!("2026-07-01T{time}Z").parse().unwrap()
}

pub(crate) fn look(paint: Paint) -> Look {
    Look { paint, zone: TimeZone::get("Europe/London").unwrap(), now: at("09:01:00") }
}

pub(crate) fn world(demo: bool) -> World {
    World { demo, context: if demo { "dev" } else { "wales" }.into() }
}

pub(crate) fn step(time: &str, node: &str, event: &str, detail: &str) -> v1::Step {
    v1::Step {
        at: Some(time_to_wire(at(time))),
        node: node.into(),
        event: event.into(),
        detail: detail.into(),
        counts: true,
    }
}

/// A referral from England to Wales, in some state.
pub(crate) fn referral(state: State) -> v1::Referral {
    v1::Referral {
        referral_id: REFERRAL.into(),
        tenant: "england/nhs111-north".into(),
        envelope: Some(v1::Envelope {
            message_id: "0a1b2c3d".into(),
            attempt: 1,
            to: Some(v1::ServiceAddress {
                system: "https://fhir.nhs.uk/Id/dos-service-id".into(),
                value: "2000011147".into(),
            }),
            kind: v1::Kind::Request as i32,
            case_id: "CASE-7".into(),
            priority: v1::Priority::Urgent as i32,
            deadline: Some(time_to_wire(at("10:00:00"))),
            content_type: "application/fhir+json".into(),
            ..v1::Envelope::default()
        }),
        state: state_to_wire(state) as i32,
        destination: "wales/ooh-cardiff".into(),
        payload_bytes: 57_123,
        digest: "ab".repeat(32),
        accepted_at: Some(time_to_wire(at("09:00:00.100"))),
        updated_at: Some(time_to_wire(at("09:00:00.900"))),
        custody: 1,
        ..v1::Referral::default()
    }
}

/// A cut in force, made an hour before the sample's now.
pub(crate) fn cut(id: &str, scope: &str) -> v1::CutSummary {
    v1::CutSummary {
        cut_id: id.into(),
        scope: scope.into(),
        direction: "both".into(),
        stage: "in-force".into(),
        active: true,
        since: Some(time_to_wire(at("06:00:00"))),
        made_at: Some(time_to_wire(at("08:01:00"))),
        position: 57,
        by: "wales/wales-duty".into(),
        reason: "credentials seen for sale".into(),
        tenants: vec![scope.into()],
        ..v1::CutSummary::default()
    }
}

/// A duty operator's desk in Wales.
pub(crate) fn desked() -> Desked {
    Desked { world: world(false), nation: "wales".into(), operator: "wales/wales-duty".into() }
}
