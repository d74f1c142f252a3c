//! The races of a cut inside a cell. Their numbers are those of docs/guides/races.md.

use bulkhead_model::{Direction, OnDeadline, Priority, State};
use bulkhead_process::BootTime;
use bulkhead_routing::{Layer, Layers};

use crate::border::two_cells;
use crate::cell::{Draft, England, directory, tenant};
use crate::sidecar::Sidecar;
use crate::switch::{Switch, cut_of, in_seconds};

const FROM: &str = "england/sender";
const TO: &str = "england/receiver";
const CUT: &str = "england/1";

fn switch(england: &England) -> Switch {
    Switch::new(&england.cell.cuts, directory(OnDeadline::Return))
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_a_cut_between_the_bytes_and_the_event_of_a_decision() {
    let england = England::start(OnDeadline::Return).await;
    let mut receiver = Sidecar::connect(&england.keys, &england.cell, TO, "i").await;
    receiver.grant(4, 1).await;
    let mut switch = switch(&england);
    england.cell.meddled.once_durable("out.england.receiver", move || {
        switch.cut(cut_of(CUT, FROM, Direction::Both, in_seconds(-60)));
    });
    let id = england.cell.submit(&Draft::new("m1", TO)).await;
    england.cell.until(id, State::Quarantined).await;
    receiver.no_last_frame().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_a_cut_between_a_doors_append_and_its_answer() {
    let cells = two_cells(true).await;
    let wales = cells.wales.as_ref().unwrap();
    let mut receiver = Sidecar::connect(&cells.keys, wales, "wales/receiver", "i").await;
    receiver.grant(4, 1).await;
    let (mut there, mut here) = (
        Switch::new(&wales.cuts, directory(OnDeadline::Return)),
        Switch::new(&cells.england.cuts, directory(OnDeadline::Return)),
    );
    wales.meddled.once_durable("in.england.sender", move || {
        let cut = cut_of(CUT, FROM, Direction::Both, in_seconds(-60));
        here.cut(cut.clone());
        there.carried(cut);
    });
    let id = cells.england.submit(&Draft::new("m1", "wales/receiver")).await;
    wales.until(id, State::Quarantined).await;
    cells.england.until(id, State::Quarantined).await;
    receiver.no_last_frame().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_a_cut_between_offered_and_the_last_frame() {
    let england = England::start(OnDeadline::Return).await;
    let mut switch = switch(&england);
    let id = england.cell.submit(&Draft::new("m1", TO)).await;
    england.cell.until(id, State::Routed).await;
    let mut receiver = Sidecar::connect(&england.keys, &england.cell, TO, "i").await;
    // The next event of this cell is the offer.
    england.cell.meddled.once_durable("events.england", move || {
        switch.cut(cut_of(CUT, FROM, Direction::Both, in_seconds(-60)));
    });
    receiver.grant(4, 1).await;
    england.cell.until(id, State::Quarantined).await;
    assert!(england.cell.meddled.is_done());
    receiver.no_last_frame().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_a_node_whose_lease_ended_after_it_offered_sends_no_last_frame() {
    let england = England::start(OnDeadline::Return).await;
    let id = england.cell.submit(&Draft::new("m1", TO)).await;
    england.cell.until(id, State::Routed).await;
    let mut receiver = Sidecar::connect(&england.keys, &england.cell, TO, "i").await;
    let lease = england.cell.lease.clone();
    england.cell.meddled.once_durable("events.england", move || lease.lapse());
    receiver.grant(4, 1).await;
    receiver.no_last_frame().await;
    assert!(england.cell.meddled.is_done());
    // With the right to act it is handed over after all, and said to be possibly the second time.
    england.cell.lease.renew(BootTime::now());
    let mut receiver = Sidecar::connect(&england.keys, &england.cell, TO, "i").await;
    receiver.grant(4, 1).await;
    let offer = receiver.handed_over().await;
    assert_eq!((offer.referral_id.clone(), offer.possible_duplicate), (id.to_string(), true));
    receiver.acknowledged(&offer).await;
    england.cell.until(id, State::Acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_a_last_frame_that_waits_for_a_slow_sidecar_asks_the_gate_when_it_goes() {
    let england = England::start(OnDeadline::Return).await;
    let mut switch = switch(&england);
    let mut slow = Sidecar::connect_narrow(&england.keys, &england.cell, TO, "i", 4 << 10).await;
    let long = Draft { payload: vec![b'x'; 100_000], ..Draft::new("m1", TO) };
    let id = england.cell.submit(&long).await;
    slow.grant(4, 1).await;
    england.cell.until(id, State::Offered).await;
    // The node has all that it needs to send the last frame, and no room for it.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    switch.cut(cut_of(CUT, FROM, Direction::Both, in_seconds(-60)));
    slow.no_last_frame().await;
    england.cell.until(id, State::Quarantined).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_a_shard_that_passes_to_a_node_with_the_cut_is_swept_by_it() {
    // The former owner never heard of the cut; whoever claims the shard next sets aside what it left.
    let england = England::start_with(OnDeadline::Return, Layers::without([Layer::Sweep])).await;
    let id = england.cell.submit(&Draft::new("m1", TO)).await;
    england.cell.until(id, State::Routed).await;
    let england = england
        .restart_with(|cuts| {
            let mut switch = Switch::new(cuts, directory(OnDeadline::Return));
            switch.cut(cut_of(CUT, FROM, Direction::Both, in_seconds(-60)));
        })
        .await;
    england.cell.until(id, State::Quarantined).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_what_a_cut_tenant_says_of_what_it_got_is_no_fact() {
    let england = England::start(OnDeadline::Return).await;
    let mut switch = switch(&england);
    let mut receiver = Sidecar::connect(&england.keys, &england.cell, TO, "i").await;
    receiver.grant(4, 1).await;
    let id = england.cell.submit(&Draft::new("m1", TO)).await;
    let offer = receiver.handed_over().await;
    receiver.delivered(&offer).await;
    england.cell.until(id, State::Delivered).await;
    switch.cut(cut_of(CUT, TO, Direction::From, in_seconds(-60)));
    receiver.acknowledged(&offer).await;
    // Long enough for a fact to be written and read back.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    england.cell.until(id, State::Delivered).await;
    switch.restore(CUT, in_seconds(0));
    let back = Sidecar::connect(&england.keys, &england.cell, TO, "i").await;
    back.acknowledged(&offer).await;
    england.cell.until(id, State::Acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r20_what_is_held_grows_and_none_of_it_is_dropped() {
    let england = England::start(OnDeadline::Return).await;
    let mut switch = switch(&england);
    switch.cut(cut_of(CUT, FROM, Direction::To, in_seconds(-60)));
    let draft = |n: usize| Draft {
        tenant: tenant(TO),
        priority: Priority::Routine,
        payload: vec![b'x'; 20_000],
        ..Draft::new(&format!("m{n}"), FROM)
    };
    let mut ids = Vec::new();
    for n in 0..120 {
        ids.push(england.cell.submit(&draft(n)).await);
    }
    for id in &ids {
        england.cell.until(*id, State::Held).await;
    }
    // Not by a restart either.
    let england = england.restart().await;
    let mut switch = Switch::new(&england.cell.cuts, directory(OnDeadline::Return));
    switch.go_on_from(1_000);
    switch.restore(CUT, in_seconds(0));
    let mut back = Sidecar::connect(&england.keys, &england.cell, FROM, "i").await;
    back.grant(200, 1).await;
    let mut came = Vec::new();
    for _ in 0..ids.len() {
        let offer = back.handed_over().await;
        back.acknowledged(&offer).await;
        came.push(offer.referral_id);
    }
    came.sort();
    let mut expected: Vec<_> = ids.iter().map(ToString::to_string).collect();
    expected.sort();
    assert_eq!(came, expected);
}
