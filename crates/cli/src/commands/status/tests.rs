//! The screen of a good day and of a bad one.

use bulkhead_wire::{time_to_wire, v1};

use super::nodes::Answered;
use super::*;
use crate::samples::{at, cut, look, world};
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
    let pulse = |n: u32| v1::NodePulse {
        name: format!("{name}-{n}"),
        address: format!("127.0.0.1:{n}"),
        alive: true,
        age_ms: 130,
        position: 57,
        shards: 16,
        in_force: true,
    };
    let (nodes, pulses) = (vec![node(1), node(2)], vec![pulse(1), pulse(2)]);
    v1::GetStatusResponse { nation: name.into(), nodes, tenants, pulses, ..Default::default() }
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

/// A cut as two nations know it.
fn kept(cut: v1::CutSummary, held: u64) -> v1::CutStatus {
    v1::CutStatus {
        cut: Some(cut),
        held,
        quarantined: 2,
        overdue: 1,
        next_due: Some(time_to_wire(at("09:30:00"))),
        next: "an operator of wales proposes the way back".into(),
        ..Default::default()
    }
}

fn under_a_cut() -> Overview {
    let own = cut("wales/3f0c9a12be77", "wales/wast-111");
    let mut wast = tenant("wales/wast-111");
    (wast.connected, wast.taking, wast.cut) = (false, false, own.cut_id.clone());
    let mut wales = nation("wales", vec![wast]);
    wales.cuts = vec![kept(own.clone(), 3)];
    wales.pulses[1].in_force = false;
    wales.alerts.push(v1::Alert {
        code: "CUT_IN_FORCE".into(),
        subject: own.scope.clone(),
        count: 5,
        text: "wales/wast-111 is cut off".into(),
    });
    let mut england = nation("england", vec![]);
    england.cuts = vec![kept(v1::CutSummary { carried: true, ..own }, 4)];
    Overview::new(world(false), at("09:01:00"), vec![answered(england), answered(wales)], Vec::new(), false)
}

#[test]
fn a_cut_is_shown_once_with_what_each_nation_keeps_for_it() {
    let overview = under_a_cut();
    assert!(overview.needs_person);
    assert_eq!(overview.cuts.len(), 1);
    let kept = &overview.cuts[0];
    assert_eq!((kept.held, kept.quarantined, kept.overdue, kept.cut.carried), (7, 4, 2, false));
    insta::assert_snapshot!(text::render(&overview, &look(Paint::PLAIN)));
}

#[test]
fn a_node_that_gave_no_answer_is_known_by_its_pulse() {
    let mut answer = answered(nation("wales", vec![]));
    answer.status.nodes.truncate(1);
    answer.silent = vec![super::overview::Node {
        name: "127.0.0.1:2".into(),
        ready: false,
        shards: 0,
        pulse: None,
        problem: Some("no answer".into()),
    }];
    answer.status.pulses[1].alive = false;
    let nation = answer.into_nation(at("09:01:00"));
    let nodes: Vec<_> = nation.nodes.iter().map(|node| (node.name.as_str(), node.ready)).collect();
    assert_eq!(nodes, [("wales-1", true), ("wales-2", false)]);
    assert!(!nation.nodes[1].pulse.as_ref().unwrap().alive);
}
