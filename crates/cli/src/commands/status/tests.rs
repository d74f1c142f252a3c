//! The screen of a good day and of a bad one.

use bulkhead_wire::{time_to_wire, v1};

use super::nodes::Answered;
use super::*;
use crate::samples::{at, look, world};
use crate::screen::Paint;

fn tenant(name: &str) -> v1::TenantStatus {
    let count = |state: v1::State, count| v1::StateCount { state: state as i32, count };
    v1::TenantStatus {
        tenant: name.into(),
        connected: true,
        taking: true,
        sent: vec![count(v1::State::Acknowledged, 1_200), count(v1::State::Routed, 3)],
        received: vec![count(v1::State::Acknowledged, 40)],
        credential_expires: Some(time_to_wire("2027-07-01T09:00:00Z".parse().unwrap())),
        ..v1::TenantStatus::default()
    }
}

fn nation(name: &str, tenants: Vec<v1::TenantStatus>) -> v1::GetStatusResponse {
    let node = |n: u32| v1::NodeStatus { name: format!("{name}-{n}"), ready: true, shards: 16 };
    v1::GetStatusResponse { nation: name.into(), nodes: vec![node(1), node(2)], tenants, alerts: Vec::new() }
}

fn answered(status: v1::GetStatusResponse) -> Answered {
    Answered { status, silent: Vec::new() }
}

fn good() -> Overview {
    let england = nation("england", vec![tenant("england/nhs111-north")]);
    let answers = vec![answered(england), answered(nation("wales", vec![]))];
    Overview::new(world(true), at("09:01:00"), answers, Vec::new(), false)
}

fn bad() -> Overview {
    let mut cardiff = tenant("wales/ooh-cardiff");
    cardiff.taking = false;
    cardiff.received.push(v1::StateCount { state: v1::State::Delivered as i32, count: 4 });
    (cardiff.waiting_emergency, cardiff.waiting_urgent, cardiff.waiting_routine) = (1, 2, 3);
    cardiff.next_due = Some(time_to_wire(at("08:58:00")));
    let mut wast = tenant("wales/wast-111");
    wast.connected = false;
    wast.spooled = 12;
    wast.credential_expires = Some(time_to_wire(at("15:00:00")));
    let mut wales = nation("wales", vec![cardiff, wast]);
    wales.nodes[1].ready = false;
    wales.alerts.push(v1::Alert {
        code: "OVERDUE".into(),
        subject: "wales/ooh-cardiff".into(),
        count: 2,
        text: "phone the receiving service".into(),
    });
    let silent = Unanswered {
        nation: "scotland".into(),
        reason: "CANNOT_REACH".into(),
        message: "cannot be reached: Connection refused (os error 111)".into(),
    };
    Overview::new(world(false), at("09:01:00"), vec![answered(wales)], vec![silent], true)
}

#[test]
fn a_good_day_as_text() {
    assert!(!good().needs_person);
    insta::assert_snapshot!(text::render(&good(), &look(Paint::PLAIN)));
}

#[test]
fn a_bad_day_as_text() {
    assert!(bad().needs_person);
    insta::assert_snapshot!(text::render(&bad(), &look(Paint::PLAIN)));
}

#[test]
fn a_bad_day_as_json() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&bad()).unwrap());
}

#[test]
fn each_of_these_needs_a_person() {
    let check = |answer: v1::GetStatusResponse, silent: bool, expected: bool| {
        let overview =
            Overview::new(world(false), at("09:01:00"), vec![answered(answer)], Vec::new(), silent);
        assert_eq!(overview.needs_person, expected);
    };
    let well = || nation("wales", vec![tenant("wales/wast-111")]);
    check(well(), false, false);
    check(well(), true, true);
    let mut down = well();
    down.nodes.iter_mut().for_each(|node| node.ready = false);
    check(down, false, true);
    let mut alerted = well();
    alerted.alerts.push(v1::Alert::default());
    check(alerted, false, true);
}
