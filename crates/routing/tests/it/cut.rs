//! A cut in a cell at work: what is open is set aside wherever it lies, and goes on only as the cut lets it.

use bulkhead_model::{
    Code, Direction, Kind, OnDeadline, Priority, Span, State, Step, TakesOver, Word, shard_of,
};
use bulkhead_routing::{Layer, Layers};
use bulkhead_wire::status::Problem;
use jiff::Timestamp;

use crate::border::{two_cells, two_cells_asking};
use crate::cell::{Draft, England, all_always, directory, directory_with, tenant};
use crate::nodes::claim_elsewhere;
use crate::sidecar::Sidecar;
use crate::switch::{Switch, cut_id, cut_of, in_seconds};

const FROM: &str = "england/sender";
pub(crate) const TO: &str = "england/receiver";
pub(crate) const CUT: &str = "england/1";

pub(crate) fn switch(england: &England) -> Switch {
    Switch::new(&england.cell.cuts, directory(OnDeadline::Return))
}

pub(crate) async fn sidecar(england: &England, tenant: &str) -> Sidecar {
    let sidecar = Sidecar::connect(&england.keys, &england.cell, tenant, "i").await;
    sidecar.grant(16, 1).await;
    sidecar
}

pub(crate) fn from_sender(since: Timestamp) -> bulkhead_model::Cut {
    cut_of(CUT, FROM, Direction::Both, since)
}

/// The stream has ended with a refusal of that code.
async fn refused(sidecar: &mut Sidecar, code: Code) {
    loop {
        match sidecar.next().await {
            Err(status) => {
                let problem = bulkhead_wire::status::Problem::from(&status);
                assert_eq!(problem.code, Some(code), "{status:?}");
                assert!(problem.is_refusal(), "an outage, and not a no");
                return;
            }
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ended without a word"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_in_out_for_an_absent_receiver_stays_in_quarantine_until_a_release_names_it() {
    let england = England::start(OnDeadline::Return).await;
    let mut switch = switch(&england);
    let suspect = england.cell.submit(&Draft::new("m1", TO)).await;
    let other = england.cell.submit(&Draft::new("m2", TO)).await;
    england.cell.until(suspect, State::Routed).await;
    england.cell.until(other, State::Routed).await;

    switch.cut(from_sender(in_seconds(-60)));
    let row = england.cell.until(suspect, State::Quarantined).await;
    assert_eq!(row.referral.lifecycle.cut(), Some(&cut_id(CUT)));
    england.cell.until(other, State::Quarantined).await;
    switch.restore(CUT, in_seconds(1));
    let mut receiver = sidecar(&england, TO).await;
    receiver.nothing_comes().await;

    switch.release(CUT, suspect);
    assert_eq!(receiver.handed_over().await.referral_id, suspect.to_string());
    england.cell.until(other, State::Quarantined).await;
    receiver.nothing_comes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_seen_to_by_whoever_comes_to_own_the_referral() {
    let england = England::start(OnDeadline::Return).await;
    let mut switch = switch(&england);
    let suspect = england.cell.submit(&Draft::new("m1", TO)).await;
    england.cell.until(suspect, State::Routed).await;
    switch.cut(from_sender(in_seconds(-60)));
    england.cell.until(suspect, State::Quarantined).await;
    switch.restore(CUT, in_seconds(1));

    // Another node claims the shard and dies without seeing to the release; this one hears of it as no owner.
    let receiver = sidecar(&england, TO).await;
    claim_elsewhere(&england, shard_of(&tenant(TO))).await;
    assert_eq!(Problem::from(&receiver.ended().await).code, Some(Code::NotOwner));
    switch.release(CUT, suspect);
    let mut receiver = sidecar(&england, TO).await;
    assert_eq!(receiver.handed_over().await.referral_id, suspect.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_suspect_is_held_and_goes_on_in_order_of_its_case_after_the_restore() {
    let england = England::start(OnDeadline::Return).await;
    let mut switch = switch(&england);
    let draft = |message: &str| Draft { case: Some("c"), ..Draft::new(message, TO) };
    let first = england.cell.submit(&draft("m1")).await;
    england.cell.until(first, State::Routed).await;
    // Accepted before since, so not suspect.
    switch.cut(from_sender(in_seconds(3_600)));
    england.cell.until(first, State::Held).await;
    // This one is set aside before it is decided where it goes.
    let second = england.cell.submit(&Draft { kind: Kind::Update, ..draft("m2") }).await;
    let row = england.cell.until(second, State::Held).await;
    assert!(row.referral.lifecycle.waits_undecided());

    let mut receiver = sidecar(&england, TO).await;
    receiver.nothing_comes().await;
    switch.restore(CUT, in_seconds(7_200));
    for id in [first, second] {
        let offer = receiver.handed_over().await;
        assert_eq!(offer.referral_id, id.to_string());
        receiver.acknowledged(&offer).await;
    }
    england.cell.until(second, State::Acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistaken_cut_is_taken_back_and_all_goes_on() {
    let england = England::start(OnDeadline::Return).await;
    let mut switch = switch(&england);
    let id = england.cell.submit(&Draft::new("m1", TO)).await;
    england.cell.until(id, State::Routed).await;
    switch.cut(from_sender(in_seconds(-60)));
    england.cell.until(id, State::Quarantined).await;
    let later = england.cell.submit(&Draft::new("m2", TO)).await;
    england.cell.until(later, State::Quarantined).await;
    switch.withdraw(CUT, Timestamp::now());
    let mut receiver = sidecar(&england, TO).await;
    let mut came = [receiver.handed_over().await.referral_id, receiver.handed_over().await.referral_id];
    let mut expected = [id.to_string(), later.to_string()];
    came.sort();
    expected.sort();
    assert_eq!(came, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn stuck_in_a_stopped_node_until_after_the_restore() {
    // Admitted under an epoch before the cut; the log takes it when all is over.
    let england = England::start(OnDeadline::Return).await;
    let mut switch = switch(&england);
    switch.cut(from_sender(in_seconds(-3_600)));
    switch.restore(CUT, in_seconds(-1_800));
    let stuck = Draft { epoch: Some(99), ..Draft::new("m1", TO) };
    let fresh = Draft { epoch: Some(200), ..Draft::new("m2", TO) };
    let (stuck, fresh) = (england.cell.submit(&stuck).await, england.cell.submit(&fresh).await);
    england.cell.until(stuck, State::Quarantined).await;
    let mut receiver = sidecar(&england, TO).await;
    assert_eq!(receiver.handed_over().await.referral_id, fresh.to_string());
    receiver.nothing_comes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spool_of_the_cut_period_comes_with_the_new_credential() {
    let england = England::start(OnDeadline::Return).await;
    let mut switch = switch(&england);
    switch.cut(from_sender(in_seconds(-3_600)));
    switch.restore(CUT, in_seconds(-1_800));
    let draft = |message: &str, spooled: i64| Draft {
        epoch: Some(200),
        spooled_at: Some(in_seconds(spooled)),
        ..Draft::new(message, TO)
    };
    let old = england.cell.submit(&draft("m1", -2_000)).await;
    let new = england.cell.submit(&draft("m2", -60)).await;
    england.cell.until(old, State::Quarantined).await;
    england.cell.until(new, State::Routed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_a_cut_tenant_is_diverted_and_its_stream_is_refused() {
    let england = England::start(OnDeadline::Return).await;
    let mut switch = switch(&england);
    let mut receiver = Sidecar::connect(&england.keys, &england.cell, TO, "i").await;
    let waiting = england.cell.submit(&Draft::new("m1", TO)).await;
    england.cell.until(waiting, State::Routed).await;
    switch.cut(cut_of(CUT, TO, Direction::Both, in_seconds(-60)));
    refused(&mut receiver, Code::TenantCut).await;
    // The English sender has agreed to take over for the receiver.
    england.cell.until(waiting, State::Diverted).await;
    let later = england.cell.submit(&Draft::new("m2", TO)).await;
    let row = england.cell.until(later, State::Diverted).await;
    assert_eq!(row.referral.lifecycle.destination().map(|to| to.as_str()), Some(FROM));
    let mut fallback = sidecar(&england, FROM).await;
    assert_eq!(fallback.handed_over().await.referral_id, waiting.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_fallback_what_is_urgent_is_returned_and_the_rest_is_held() {
    let england = England::start(OnDeadline::Return).await;
    let mut switch = switch(&england);
    let from_receiver = |message: &str, priority| Draft {
        tenant: crate::cell::tenant(TO),
        priority,
        ..Draft::new(message, FROM)
    };
    let urgent = england.cell.submit(&from_receiver("m1", Priority::Urgent)).await;
    let routine = england.cell.submit(&from_receiver("m2", Priority::Routine)).await;
    england.cell.until(urgent, State::Routed).await;
    england.cell.until(routine, State::Routed).await;
    switch.cut(cut_of(CUT, FROM, Direction::To, in_seconds(-60)));
    let row = england.cell.until(urgent, State::ReturnPending).await;
    assert_eq!(row.referral.lifecycle.reason().unwrap().known(), Some(Code::DestinationCut));
    assert_eq!(row.referral.lifecycle.destination().map(|to| to.as_str()), Some(FROM));
    england.cell.until(routine, State::Held).await;
    let later = england.cell.submit(&from_receiver("m3", Priority::Routine)).await;
    england.cell.until(later, State::Held).await;
    switch.restore(CUT, Timestamp::now());
    let mut back = sidecar(&england, FROM).await;
    let mut came = [back.handed_over().await.referral_id, back.handed_over().await.referral_id];
    let mut expected = [routine.to_string(), later.to_string()];
    came.sort();
    expected.sort();
    assert_eq!(came, expected);
}

async fn england_with(word: Option<TakesOver>) -> (England, Switch) {
    let directory = directory_with(OnDeadline::Return, word);
    let england = England::start_in(directory.clone(), Layers::default()).await;
    let switch = Switch::new(&england.cell.cuts, directory);
    (england, switch)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_takes_what_its_host_has_said_and_later_ones_of_a_case_follow_whatever_they_are() {
    let word = TakesOver {
        kinds: Some(vec![Kind::Request]),
        priorities: Some(vec![Priority::Urgent]),
        hours: Some(vec![Span::parse("mon-sun 00:00-24:00").unwrap()]),
        ..all_always()
    };
    let (england, mut switch) = england_with(Some(word)).await;
    let draft =
        |message: &str, kind, priority, case| Draft { kind, priority, case, ..Draft::new(message, TO) };
    let first = draft("m1", Kind::Request, Priority::Urgent, Some("c"));
    let before = england.cell.submit(&first).await;
    england.cell.until(before, State::Routed).await;
    switch.cut(cut_of(CUT, TO, Direction::Both, in_seconds(-60)));
    england.cell.until(before, State::Diverted).await;
    let later = draft("m2", Kind::Update, Priority::Routine, Some("c"));
    let later = england.cell.submit(&later).await;

    let update = england.cell.submit(&draft("m3", Kind::Update, Priority::Urgent, None)).await;
    let row = england.cell.until(update, State::ReturnPending).await;
    assert_eq!(row.referral.lifecycle.destination().map(|to| to.as_str()), Some(TO));
    let emergency = england.cell.submit(&draft("m4", Kind::Request, Priority::Emergency, None)).await;
    england.cell.until(emergency, State::ReturnPending).await;
    let routine = england.cell.submit(&draft("m5", Kind::Request, Priority::Routine, None)).await;
    england.cell.until(routine, State::Held).await;

    let mut fallback = sidecar(&england, FROM).await;
    for (id, code) in [(before, Some("DESTINATION_CUT")), (later, None)] {
        let offer = fallback.handed_over().await;
        assert_eq!(offer.referral_id, id.to_string());
        // The bytes are the sender's; who takes them over is told beside them.
        assert_eq!(offer.envelope.as_ref().unwrap().to.as_ref().unwrap().value, TO);
        let diverted = offer.diverted.clone().unwrap();
        assert_eq!((&*diverted.from, &*diverted.to), (TO, FROM));
        assert_eq!(diverted.to_addresses[0].value, "of england/sender");
        assert_eq!(diverted.reason.as_ref().map(|reason| &*reason.code), code);
        fallback.acknowledged(&offer).await;
    }
    fallback.nothing_comes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_without_its_hosts_word_or_out_of_hours_is_none() {
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).weekday().to_monday_zero_offset();
    let in_two_days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][(today as usize + 2) % 7];
    let closed = Span::parse(&format!("{in_two_days} 08:00-18:00")).unwrap();
    for word in [None, Some(TakesOver { hours: Some(vec![closed]), ..all_always() })] {
        let (england, mut switch) = england_with(word).await;
        let urgent = england.cell.submit(&Draft::new("m1", TO)).await;
        let routine = Draft { priority: Priority::Routine, ..Draft::new("m2", TO) };
        let routine = england.cell.submit(&routine).await;
        england.cell.until(urgent, State::Routed).await;
        england.cell.until(routine, State::Routed).await;
        switch.cut(cut_of(CUT, TO, Direction::Both, in_seconds(-60)));
        england.cell.until(urgent, State::ReturnPending).await;
        england.cell.until(routine, State::Held).await;
        let later = england.cell.submit(&Draft::new("m3", TO)).await;
        england.cell.until(later, State::ReturnPending).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_for_its_receiver_becomes_suspect_when_its_sender_is_cut_off_too() {
    let england = England::start(OnDeadline::Return).await;
    let mut switch = switch(&england);
    switch.cut(cut_of(CUT, FROM, Direction::To, in_seconds(-60)));
    let tenant = crate::cell::tenant(TO);
    let draft = Draft { tenant, priority: Priority::Routine, ..Draft::new("m1", FROM) };
    let id = england.cell.submit(&draft).await;
    england.cell.until(id, State::Held).await;
    let second = "england/2";
    switch.cut(cut_of(second, TO, Direction::From, in_seconds(-60)));
    let row = england.cell.until(id, State::Quarantined).await;
    assert_eq!(row.referral.lifecycle.cut(), Some(&cut_id(second)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_waiting_in_another_nation_that_did_not_cut() {
    let cells = two_cells(true).await;
    let wales = cells.wales.as_ref().unwrap();
    let id = cells.england.submit(&Draft::new("m1", "wales/receiver")).await;
    wales.until(id, State::Routed).await;
    // England cuts its own tenant; its cut is carried to Wales and stands there as England's.
    let cut = from_sender(in_seconds(-60));
    Switch::new(&cells.england.cuts, directory(OnDeadline::Return)).cut(cut.clone());
    Switch::new(&wales.cuts, directory(OnDeadline::Return)).carried(cut);
    wales.until(id, State::Quarantined).await;
    cells.england.until(id, State::Quarantined).await;
    let mut receiver = Sidecar::connect(&cells.keys, wales, "wales/receiver", "i").await;
    receiver.grant(4, 1).await;
    receiver.nothing_comes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_before_the_cut_and_lands_abroad_after_it_is_not_suspect_there() {
    let cells = two_cells(true).await;
    let wales = cells.wales.as_ref().unwrap();
    wales.meddled.stop("in.england.sender");
    let id = cells.england.submit(&Draft::new("m1", "wales/receiver")).await;
    // The skew counts towards quarantine.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let cut = from_sender(Timestamp::now());
    let mut home = Switch::new(&cells.england.cuts, directory(OnDeadline::Return));
    let mut far = Switch::new(&wales.cuts, directory(OnDeadline::Return));
    home.cut(cut.clone());
    far.carried(cut);
    home.restore(CUT, Timestamp::now());
    far.restore(CUT, Timestamp::now());
    wales.meddled.go_on();
    let mut receiver = Sidecar::connect(&cells.keys, wales, "wales/receiver", "i").await;
    receiver.grant(4, 1).await;
    assert_eq!(receiver.handed_over().await.referral_id, id.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_nations_cut_closes_its_own_border_and_no_other() {
    let cells = two_cells(true).await;
    let wales = cells.wales.as_ref().unwrap();
    Switch::new(&wales.cuts, directory(OnDeadline::Return)).cut(cut_of(
        "wales/1",
        FROM,
        Direction::Both,
        in_seconds(-60),
    ));
    let over = cells.england.submit(&Draft::new("m1", "wales/receiver")).await;
    let home = cells.england.submit(&Draft::new("m2", TO)).await;
    let row = cells.england.until(over, State::Held).await;
    assert_eq!(row.referral.lifecycle.reason().unwrap().known(), Some(Code::TenantCut));
    assert_eq!(row.referral.lifecycle.cut(), Some(&cut_id("wales/1")));
    cells.england.until(home, State::Routed).await;
    assert!(wales.ledger.get(&over).unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_nations_cut_kept_out_goes_on_when_that_cut_ends() {
    let cells = two_cells(true).await;
    let wales = cells.wales.as_ref().unwrap();
    let cut = cut_of("wales/1", FROM, Direction::Both, in_seconds(3_600));
    let mut there = Switch::new(&wales.cuts, directory(OnDeadline::Return));
    let mut here = Switch::new(&cells.england.cuts, directory(OnDeadline::Return));
    there.cut(cut.clone());
    // England hears of it, and it closes nothing in England.
    here.carried(cut);
    let over = cells.england.submit(&Draft::new("m1", "wales/receiver")).await;
    let home = cells.england.submit(&Draft::new("m2", TO)).await;
    cells.england.until(over, State::Held).await;
    cells.england.until(home, State::Routed).await;
    for switch in [&mut there, &mut here] {
        switch.restore("wales/1", in_seconds(7_200));
    }
    cells.england.until(over, State::Carried).await;
    let mut receiver = Sidecar::connect(&cells.keys, wales, "wales/receiver", "i").await;
    receiver.grant(4, 1).await;
    assert_eq!(receiver.handed_over().await.referral_id, over.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_carried_is_set_aside_at_home_and_the_far_answer_still_counts() {
    let cells = two_cells(true).await;
    let wales = cells.wales.as_ref().unwrap();
    // The door takes it, and its answer does not come: the log of Wales stands still.
    wales.meddled.stop("in.england.sender");
    let id = cells.england.submit(&Draft::new("m1", "wales/receiver")).await;
    wales.meddled.waiting(1).await;
    let is_carrying =
        || cells.england.ledger.get(&id).unwrap().is_some_and(|row| row.referral.lifecycle.is_carrying());
    let cut = from_sender(in_seconds(-60));
    Switch::new(&cells.england.cuts, directory(OnDeadline::Return)).cut(cut.clone());
    cells.england.until(id, State::Quarantined).await;
    assert!(is_carrying(), "it is forgotten that Wales may have it");
    // It has it, and is not told of the cut yet; then it is.
    wales.meddled.go_on();
    wales.until(id, State::Routed).await;
    cells.england.until(id, State::Carried).await;
    Switch::new(&wales.cuts, directory(OnDeadline::Return)).carried(cut);
    wales.until(id, State::Quarantined).await;
    cells.england.until(id, State::Quarantined).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_place_where_the_gate_is_asked_holds_alone() {
    for alone in [Layer::Router, Layer::Sweep, Layer::Offer, Layer::LastFrame] {
        let england = England::start_with(OnDeadline::Return, only(alone)).await;
        let mut switch = switch(&england);
        switch.cut(from_sender(in_seconds(-60)));
        let id = england.cell.submit(&Draft::new("m1", TO)).await;
        let mut receiver = Sidecar::connect(&england.keys, &england.cell, TO, "i").await;
        if alone == Layer::Sweep {
            // It runs beside what is handed over: by itself it needs its half second.
            england.cell.until(id, State::Quarantined).await;
        }
        receiver.grant(4, 1).await;
        england.cell.until(id, State::Quarantined).await;
        receiver.no_last_frame().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_place_at_a_border_holds_alone() {
    for (alone, state) in [(Layer::Courier, State::Quarantined), (Layer::Door, State::Held)] {
        let cells = two_cells_asking(true, OnDeadline::Return, &only(alone)).await;
        let wales = cells.wales.as_ref().unwrap();
        let cut = from_sender(in_seconds(-60));
        Switch::new(&cells.england.cuts, directory(OnDeadline::Return)).cut(cut.clone());
        Switch::new(&wales.cuts, directory(OnDeadline::Return)).carried(cut);
        let id = cells.england.submit(&Draft::new("m1", "wales/receiver")).await;
        let row = cells.england.until(id, state).await;
        assert_eq!(row.referral.lifecycle.cut(), Some(&cut_id(CUT)), "{alone:?}");
        assert!(wales.ledger.get(&id).unwrap().is_none(), "{alone:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_a_cut_tenant_is_ended_when_nothing_else_asks() {
    let england = England::start_with(OnDeadline::Return, only(Layer::Streams)).await;
    let mut receiver = Sidecar::connect(&england.keys, &england.cell, TO, "i").await;
    let id = england.cell.submit(&Draft::new("m1", TO)).await;
    england.cell.until(id, State::Routed).await;
    switch(&england).cut(cut_of(CUT, TO, Direction::Both, in_seconds(-60)));
    refused(&mut receiver, Code::TenantCut).await;
    assert!(Sidecar::try_connect(&england.keys, &england.cell, TO, "i").await.is_none());
    england.cell.until(id, State::Routed).await;
}

/// The gate is asked there and nowhere else.
fn only(alone: Layer) -> Layers {
    let all = [
        Layer::Router,
        Layer::Sweep,
        Layer::Door,
        Layer::Courier,
        Layer::Offer,
        Layer::LastFrame,
        Layer::Streams,
    ];
    Layers::without(all.into_iter().filter(|layer| *layer != alone))
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_a_cut_is_met_again_after_a_restart() {
    let england = England::start(OnDeadline::Return).await;
    let id = england.cell.submit(&Draft::new("m1", TO)).await;
    england.cell.until(id, State::Routed).await;
    // It comes up with the cut, and has not swept before.
    let england = england.restart_with(|cuts| {
        Switch::new(cuts, directory(OnDeadline::Return)).cut(from_sender(in_seconds(-60)));
    });
    let england = england.await;
    england.cell.until(id, State::Quarantined).await;
    let england = england.restart().await;
    england.cell.until(id, State::Quarantined).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_on_its_way_back_is_handed_so_many_a_minute_and_the_rest_when_it_is_over() {
    let england = England::start(OnDeadline::Return).await;
    let mut switch = switch(&england);
    switch.cut(cut_of(CUT, TO, Direction::Both, in_seconds(-60)));
    switch.limit(CUT, 2, in_seconds(-30));
    for number in 0..5 {
        let id = england.cell.submit(&Draft::new(&format!("m{number}"), TO)).await;
        england.cell.until(id, State::Routed).await;
    }
    let mut receiver = sidecar(&england, TO).await;
    for _ in 0..2 {
        let offer = receiver.handed_over().await;
        receiver.acknowledged(&offer).await;
    }
    receiver.nothing_comes().await;
    // Who connects anew finds what was handed over before.
    drop(receiver);
    let mut receiver = sidecar(&england, TO).await;
    receiver.nothing_comes().await;

    switch.say(&cut_id(CUT), "duty", Word::Step(Step::Full), Timestamp::now(), false);
    for _ in 0..3 {
        receiver.handed_over().await;
    }
}
