//! Side doors: ways round a cut. Each is armed before the cut and sprung after it; nothing may leak.
//!
//! The cut tenant is `england/sender`. It has sent to an English and to a Welsh receiver, and others send to it. What
//! leaks is a last frame: of something that it sent, to anybody; of anything at all, to it.

use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::{
    Cut, Direction, Kind, Moment, OnDeadline, OperatorId, Order, Ordered, Priority, ReferralId, State, Step,
    Word,
};
use bulkhead_process::BootTime;
use jiff::{SignedDuration, Timestamp};

use crate::border::{TwoCells, two_cells_with};
use crate::cell::{Cell, Draft, directory, tenant};
use crate::sidecar::Sidecar;
use crate::switch::{Switch, cut_id, cut_of, in_seconds};

const CUT_OFF: &str = "england/sender";
const HERE: &str = "england/receiver";
const THERE: &str = "wales/receiver";
const CUT: &str = "england/1";

macro_rules! doors {
    ($($(#[$why:meta])* $name:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            $(#[$why])*
            async fn $name() {
                let mut scene = Scene::new().await;
                doors::$name(&mut scene).await;
                scene.nothing_leaked(stringify!($name)).await;
            }
        )*
        const DOORS: &[&str] = &[$(stringify!($name)),*];
    };
}

doors![
    a_retry_timer,
    a_retry_timer_abroad,
    prefetched_credits,
    credits_that_come_later,
    what_waits_for_an_absent_receiver,
    what_waits_for_an_absent_receiver_abroad,
    an_offer_without_its_last_frame,
    an_offer_whose_stream_was_lost,
    a_new_and_empty_inbox,
    a_new_and_empty_inbox_abroad,
    a_second_stream_of_the_receiver,
    between_the_bytes_and_the_event,
    the_queue_of_a_stopped_node,
    the_queue_of_a_stopped_node_until_after_the_restore,
    the_queue_of_a_stopped_far_door,
    the_queue_of_a_stopped_border,
    a_lease_that_comes_back,
    the_next_of_a_case,
    an_urgent_one_that_lifts_its_case,
    a_cancel_of_its_case,
    a_response,
    an_update,
    a_repeat_of_the_same_message,
    a_withdrawal,
    a_parked_one_that_is_tried_again,
    an_order_that_was_given_before,
    a_held_one_that_is_tried_again,
    a_held_one_that_is_diverted,
    a_deadline_that_diverts,
    the_spool_of_the_cut_period,
    the_release_of_another_cut,
    the_release_of_another_referral,
    the_restore_alone,
    the_canary_of_somebody_else,
    an_opening_that_is_aborted,
    its_own_stream_with_credits,
    its_own_stream_that_reconnects,
    its_own_retry_timer,
    an_offer_to_it_without_its_last_frame,
    what_waits_for_it,
    a_deadline_that_diverts_to_it,
    what_comes_for_it_from_abroad,
    the_next_of_a_case_for_it,
    an_emergency_for_it,
];

#[test]
fn at_least_thirty_are_tried() {
    assert!(DOORS.len() >= 30, "{}", DOORS.len());
}

/// Two cells, the switches of both, and who listens.
struct Scene {
    cells: TwoCells,
    here: Switch,
    there: Switch,
    listening: Vec<Sidecar>,
    /// Whose last frame would be a leak.
    suspect: Vec<ReferralId>,
}

impl Scene {
    async fn new() -> Self {
        let cells = two_cells_with(true, OnDeadline::Divert).await;
        let here = Switch::new(&cells.england.cuts, directory(OnDeadline::Divert));
        let there = Switch::new(&cells.wales.as_ref().unwrap().cuts, directory(OnDeadline::Divert));
        Self { cells, here, there, listening: Vec::new(), suspect: Vec::new() }
    }

    fn england(&self) -> &Cell {
        &self.cells.england
    }

    fn wales(&self) -> &Cell {
        self.cells.wales.as_ref().unwrap()
    }

    async fn connect(&self, who: &str, inbox: &str) -> Sidecar {
        let cell = if who.starts_with("wales") { self.wales() } else { self.england() };
        Sidecar::connect(&self.cells.keys, cell, who, inbox).await
    }

    async fn with_credits(&self, who: &str, inbox: &str) -> Sidecar {
        let sidecar = self.connect(who, inbox).await;
        sidecar.grant(16, 1).await;
        sidecar
    }

    /// From now on whatever is handed over to this one is looked at.
    async fn listen(&mut self, who: &str) {
        let sidecar = self.with_credits(who, "i").await;
        self.listening.push(sidecar);
    }

    /// Something that the tenant sends.
    async fn sends(&mut self, draft: &Draft) -> ReferralId {
        let id = self.england().submit(draft).await;
        self.suspect.push(id);
        id
    }

    async fn sends_and_it_waits(&mut self, draft: &Draft) -> ReferralId {
        let id = self.sends(draft).await;
        let cell = if draft.to == THERE { self.wales() } else { self.england() };
        cell.until(id, State::Routed).await;
        id
    }

    /// Something that is sent to it.
    async fn is_sent(&mut self, from: &str, draft: &Draft) -> ReferralId {
        let cell = if from.starts_with("wales") { self.wales() } else { self.england() };
        let draft = Draft { tenant: tenant(from), to: CUT_OFF, ..draft.clone() };
        let id = cell.submit(&draft).await;
        self.suspect.push(id);
        id
    }

    fn made(&mut self, cut: Cut) {
        self.here.cut(cut.clone());
        self.there.carried(cut);
    }

    /// It is cut off, in both nations; all that it sent in the last minute is suspect.
    fn cut(&mut self) {
        self.made(cut_of(CUT, CUT_OFF, Direction::Both, in_seconds(-60)));
    }

    /// It is cut off, and nothing that it has sent so far is suspect.
    fn cut_without_suspicion(&mut self) {
        self.made(cut_of(CUT, CUT_OFF, Direction::Both, in_seconds(3_600)));
    }

    fn both(&mut self, say: impl Fn(&mut Switch)) {
        say(&mut self.here);
        say(&mut self.there);
    }

    fn order(&self, ordered: Ordered, referral: ReferralId) {
        self.england().orders.send_modify(|orders| {
            Arc::make_mut(orders).push(Order {
                moment: Moment { position: 500, at: Timestamp::now() },
                by: OperatorId::parse("england/duty").unwrap(),
                ordered,
                referrals: vec![referral],
                note: "phoned".into(),
            });
        });
    }

    async fn nothing_leaked(&mut self, door: &str) {
        let watched: Vec<_> = self.suspect.iter().map(ToString::to_string).collect();
        for sidecar in &mut self.listening {
            for handed_over in sidecar.all_handed_over().await {
                assert!(!watched.contains(&handed_over), "{handed_over} leaked by {door}");
            }
        }
        for id in &self.suspect {
            for cell in [self.england(), self.wales()] {
                let row = cell.ledger.get(id).unwrap();
                let state = row.map(|row| row.referral.lifecycle.state());
                let through = matches!(state, Some(State::Acknowledged));
                assert!(!through, "{id} was acknowledged in {} by {door}", cell.nation);
            }
        }
    }
}

fn to(to: &'static str) -> Draft {
    Draft::new("m1", to)
}

fn soon() -> Option<Timestamp> {
    Some(Timestamp::now() + SignedDuration::from_millis(600))
}

async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

/// How each is armed and sprung.
mod doors {
    use super::*;

    pub(super) async fn a_retry_timer(scene: &mut Scene) {
        let mut receiver = scene.with_credits(HERE, "i").await;
        scene.sends(&to(HERE)).await;
        let offer = receiver.handed_over().await;
        receiver.retry_after(&offer, 400).await;
        a_moment().await;
        scene.cut();
        scene.listening.push(receiver);
    }

    pub(super) async fn a_retry_timer_abroad(scene: &mut Scene) {
        let mut receiver = scene.with_credits(THERE, "i").await;
        scene.sends(&to(THERE)).await;
        let offer = receiver.handed_over().await;
        receiver.retry_after(&offer, 400).await;
        a_moment().await;
        scene.cut();
        scene.listening.push(receiver);
    }

    pub(super) async fn prefetched_credits(scene: &mut Scene) {
        for who in [HERE, THERE] {
            scene.listen(who).await;
        }
        scene.cut();
        scene.sends(&to(HERE)).await;
        scene.sends(&Draft::new("m2", THERE)).await;
    }

    pub(super) async fn credits_that_come_later(scene: &mut Scene) {
        let receiver = scene.connect(HERE, "i").await;
        scene.sends_and_it_waits(&to(HERE)).await;
        scene.cut();
        receiver.grant(16, 1).await;
        scene.listening.push(receiver);
    }

    pub(super) async fn what_waits_for_an_absent_receiver(scene: &mut Scene) {
        scene.sends_and_it_waits(&to(HERE)).await;
        scene.cut();
        scene.listen(HERE).await;
    }

    pub(super) async fn what_waits_for_an_absent_receiver_abroad(scene: &mut Scene) {
        scene.sends_and_it_waits(&to(THERE)).await;
        scene.cut();
        scene.listen(THERE).await;
    }

    pub(super) async fn an_offer_without_its_last_frame(scene: &mut Scene) {
        scene.sends_and_it_waits(&to(HERE)).await;
        let receiver = scene.connect(HERE, "i").await;
        let mut switch = Switch::new(&scene.england().cuts, directory(OnDeadline::Divert));
        scene.england().meddled.once_durable("events.england", move || {
            switch.cut(cut_of(CUT, CUT_OFF, Direction::Both, in_seconds(-60)));
        });
        receiver.grant(16, 1).await;
        scene.listening.push(receiver);
    }

    pub(super) async fn an_offer_whose_stream_was_lost(scene: &mut Scene) {
        let mut receiver = scene.with_credits(HERE, "i").await;
        scene.sends(&to(HERE)).await;
        receiver.handed_over().await;
        drop(receiver);
        scene.cut();
        scene.listen(HERE).await;
    }

    pub(super) async fn a_new_and_empty_inbox(scene: &mut Scene) {
        let mut receiver = scene.with_credits(HERE, "i").await;
        let id = scene.sends(&to(HERE)).await;
        let offer = receiver.handed_over().await;
        receiver.delivered(&offer).await;
        scene.england().until(id, State::Delivered).await;
        drop(receiver);
        scene.cut();
        let receiver = scene.with_credits(HERE, "another").await;
        scene.listening.push(receiver);
    }

    pub(super) async fn a_new_and_empty_inbox_abroad(scene: &mut Scene) {
        let mut receiver = scene.with_credits(THERE, "i").await;
        let id = scene.sends(&to(THERE)).await;
        let offer = receiver.handed_over().await;
        receiver.delivered(&offer).await;
        scene.wales().until(id, State::Delivered).await;
        drop(receiver);
        scene.cut();
        let receiver = scene.with_credits(THERE, "another").await;
        scene.listening.push(receiver);
    }

    pub(super) async fn a_second_stream_of_the_receiver(scene: &mut Scene) {
        let first = scene.connect(HERE, "i").await;
        scene.sends_and_it_waits(&to(HERE)).await;
        let second = scene.connect(HERE, "i").await;
        scene.cut();
        for receiver in [first, second] {
            receiver.try_grant(16).await;
            scene.listening.push(receiver);
        }
    }

    pub(super) async fn between_the_bytes_and_the_event(scene: &mut Scene) {
        scene.listen(HERE).await;
        let mut switch = Switch::new(&scene.england().cuts, directory(OnDeadline::Divert));
        scene.england().meddled.once_durable("out.england.receiver", move || {
            switch.cut(cut_of(CUT, CUT_OFF, Direction::Both, in_seconds(-60)));
        });
        scene.sends(&to(HERE)).await;
    }

    pub(super) async fn the_queue_of_a_stopped_node(scene: &mut Scene) {
        scene.listen(HERE).await;
        scene.england().meddled.stop("in.england.sender");
        let stuck = scene.stuck(&to(HERE));
        a_moment().await;
        scene.cut();
        scene.england().meddled.go_on();
        stuck.await.unwrap();
    }

    pub(super) async fn the_queue_of_a_stopped_node_until_after_the_restore(scene: &mut Scene) {
        scene.listen(HERE).await;
        scene.england().meddled.stop("in.england.sender");
        let stuck = scene.stuck(&Draft { epoch: Some(1), ..to(HERE) });
        a_moment().await;
        scene.made(cut_of(CUT, CUT_OFF, Direction::Both, in_seconds(-3_600)));
        scene.both(|switch| switch.restore(CUT, in_seconds(-1_800)));
        scene.england().meddled.go_on();
        stuck.await.unwrap();
    }

    pub(super) async fn the_queue_of_a_stopped_far_door(scene: &mut Scene) {
        scene.listen(THERE).await;
        scene.wales().meddled.stop("in.england.sender");
        scene.sends(&to(THERE)).await;
        a_moment().await;
        scene.cut();
        scene.wales().meddled.go_on();
    }

    pub(super) async fn the_queue_of_a_stopped_border(scene: &mut Scene) {
        scene.listen(THERE).await;
        scene.england().meddled.stop("border.wales");
        scene.sends(&to(THERE)).await;
        a_moment().await;
        scene.cut();
        scene.england().meddled.go_on();
    }

    pub(super) async fn a_lease_that_comes_back(scene: &mut Scene) {
        scene.sends_and_it_waits(&to(HERE)).await;
        scene.england().lease.lapse();
        scene.cut();
        scene.england().lease.renew(BootTime::now());
        scene.listen(HERE).await;
    }

    pub(super) async fn the_next_of_a_case(scene: &mut Scene) {
        let draft = |message| Draft { case: Some("c"), ..Draft::new(message, HERE) };
        let mut receiver = scene.with_credits(HERE, "i").await;
        scene.england().submit(&draft("m1")).await;
        let offer = receiver.handed_over().await;
        scene.sends_and_it_waits(&Draft { kind: Kind::Update, ..draft("m2") }).await;
        scene.cut();
        receiver.acknowledged(&offer).await;
        scene.listening.push(receiver);
    }

    pub(super) async fn an_urgent_one_that_lifts_its_case(scene: &mut Scene) {
        let draft = |message, priority| Draft { case: Some("c"), priority, ..Draft::new(message, HERE) };
        scene.sends_and_it_waits(&draft("m1", Priority::Routine)).await;
        scene.cut();
        let emergency = Draft { kind: Kind::Update, ..draft("m2", Priority::Emergency) };
        scene.sends(&emergency).await;
        scene.listen(HERE).await;
    }

    pub(super) async fn a_cancel_of_its_case(scene: &mut Scene) {
        let draft = |message| Draft { case: Some("c"), ..Draft::new(message, HERE) };
        scene.sends_and_it_waits(&draft("m1")).await;
        scene.cut();
        scene.sends(&Draft { kind: Kind::Cancel, ..draft("m2") }).await;
        scene.listen(HERE).await;
    }

    pub(super) async fn a_response(scene: &mut Scene) {
        scene.sends_and_it_waits(&Draft { kind: Kind::Response, ..to(HERE) }).await;
        scene.cut();
        scene.sends(&Draft { kind: Kind::Response, ..Draft::new("m2", HERE) }).await;
        scene.listen(HERE).await;
    }

    pub(super) async fn an_update(scene: &mut Scene) {
        scene.sends_and_it_waits(&Draft { kind: Kind::Update, ..to(THERE) }).await;
        scene.cut();
        scene.listen(THERE).await;
    }

    pub(super) async fn a_repeat_of_the_same_message(scene: &mut Scene) {
        scene.sends_and_it_waits(&to(HERE)).await;
        scene.cut();
        scene.sends(&Draft { attempt: 2, ..to(HERE) }).await;
        scene.listen(HERE).await;
    }

    pub(super) async fn a_withdrawal(scene: &mut Scene) {
        let draft = to(HERE);
        scene.sends_and_it_waits(&draft).await;
        scene.cut();
        scene.england().withdraw(&draft, 1).await;
        scene.sends(&Draft { attempt: 2, ..draft }).await;
        scene.listen(HERE).await;
    }

    pub(super) async fn a_parked_one_that_is_tried_again(scene: &mut Scene) {
        let id = scene.parked().await;
        scene.cut();
        scene.order(Ordered::Release, id);
        scene.listen(HERE).await;
    }

    pub(super) async fn an_order_that_was_given_before(scene: &mut Scene) {
        let id = scene.parked().await;
        scene.order(Ordered::Release, id);
        scene.england().until(id, State::Routed).await;
        scene.cut();
        scene.listen(HERE).await;
    }

    pub(super) async fn a_held_one_that_is_tried_again(scene: &mut Scene) {
        let id = scene.sends_and_it_waits(&to(HERE)).await;
        scene.cut_without_suspicion();
        scene.england().until(id, State::Held).await;
        scene.order(Ordered::Release, id);
        scene.listen(HERE).await;
    }

    pub(super) async fn a_held_one_that_is_diverted(scene: &mut Scene) {
        let id = scene.sends_and_it_waits(&to(HERE)).await;
        scene.cut_without_suspicion();
        scene.england().until(id, State::Held).await;
        scene.order(Ordered::Divert, id);
        for who in [HERE, CUT_OFF] {
            scene.try_listen(who).await;
        }
    }

    pub(super) async fn a_deadline_that_diverts(scene: &mut Scene) {
        scene.sends_and_it_waits(&Draft { deadline: soon(), ..to(HERE) }).await;
        scene.cut();
        scene.listen(HERE).await;
        scene.try_listen(CUT_OFF).await;
        a_moment().await;
    }

    pub(super) async fn the_spool_of_the_cut_period(scene: &mut Scene) {
        scene.listen(HERE).await;
        scene.made(cut_of(CUT, CUT_OFF, Direction::Both, in_seconds(-3_600)));
        scene.both(|switch| switch.restore(CUT, in_seconds(-1_800)));
        let spooled_at = Some(in_seconds(-2_000));
        scene.sends(&Draft { epoch: Some(200), spooled_at, ..to(HERE) }).await;
    }

    pub(super) async fn the_release_of_another_cut(scene: &mut Scene) {
        let id = scene.sends_and_it_waits(&to(HERE)).await;
        scene.cut();
        let second =
            Cut { id: cut_id("england/2"), ..cut_of(CUT, CUT_OFF, Direction::Both, in_seconds(-50)) };
        scene.made(second);
        scene.both(|switch| switch.release("england/2", id));
        scene.listen(HERE).await;
    }

    pub(super) async fn the_release_of_another_referral(scene: &mut Scene) {
        scene.sends_and_it_waits(&to(HERE)).await;
        scene.cut();
        let other = ReferralId::of_record("in.england.sender", 0, 99);
        scene.both(|switch| switch.release(CUT, other));
        scene.listen(HERE).await;
    }

    pub(super) async fn the_restore_alone(scene: &mut Scene) {
        for receiver in [HERE, THERE] {
            scene.sends_and_it_waits(&Draft::new(receiver, receiver)).await;
        }
        scene.cut();
        scene.both(|switch| switch.restore(CUT, in_seconds(0)));
        for receiver in [HERE, THERE] {
            scene.listen(receiver).await;
        }
    }

    pub(super) async fn the_canary_of_somebody_else(scene: &mut Scene) {
        let id = scene.sends_and_it_waits(&to(HERE)).await;
        scene.cut_without_suspicion();
        scene.england().until(id, State::Held).await;
        scene.both(|switch| switch.opens_for(CUT, THERE));
        scene.listen(HERE).await;
    }

    pub(super) async fn an_opening_that_is_aborted(scene: &mut Scene) {
        scene.made(cut_of(CUT, CUT_OFF, Direction::Both, in_seconds(-3_600)));
        scene.both(|switch| switch.opens_for(CUT, HERE));
        scene.sends(&Draft { epoch: Some(200), ..to(HERE) }).await;
        a_moment().await;
        scene.both(|switch| {
            switch.say_now(CUT, "duty", Word::Step(Step::Aborted));
        });
        scene.listen(HERE).await;
    }

    pub(super) async fn its_own_stream_with_credits(scene: &mut Scene) {
        let own = scene.with_credits(CUT_OFF, "i").await;
        scene.cut();
        scene.is_sent(HERE, &to(CUT_OFF)).await;
        scene.listening.push(own);
    }

    pub(super) async fn its_own_stream_that_reconnects(scene: &mut Scene) {
        let own = scene.with_credits(CUT_OFF, "i").await;
        scene.is_sent_and_delivered(own).await;
        scene.cut();
        for inbox in ["i", "another"] {
            scene.try_listen_with(CUT_OFF, inbox).await;
        }
    }

    pub(super) async fn its_own_retry_timer(scene: &mut Scene) {
        let mut own = scene.with_credits(CUT_OFF, "i").await;
        scene.is_sent(HERE, &to(CUT_OFF)).await;
        let offer = own.handed_over().await;
        own.retry_after(&offer, 400).await;
        a_moment().await;
        scene.cut();
        scene.listening.push(own);
        scene.try_listen(CUT_OFF).await;
    }

    pub(super) async fn an_offer_to_it_without_its_last_frame(scene: &mut Scene) {
        let id = scene.is_sent(HERE, &to(CUT_OFF)).await;
        scene.england().until(id, State::Routed).await;
        let own = scene.connect(CUT_OFF, "i").await;
        let mut switch = Switch::new(&scene.england().cuts, directory(OnDeadline::Divert));
        scene.england().meddled.once_durable("events.england", move || {
            switch.cut(cut_of(CUT, CUT_OFF, Direction::Both, in_seconds(-60)));
        });
        own.grant(16, 1).await;
        scene.listening.push(own);
    }

    pub(super) async fn what_waits_for_it(scene: &mut Scene) {
        let draft = Draft { priority: Priority::Routine, ..to(CUT_OFF) };
        let id = scene.is_sent(HERE, &draft).await;
        scene.england().until(id, State::Routed).await;
        scene.cut();
        scene.try_listen(CUT_OFF).await;
    }

    pub(super) async fn a_deadline_that_diverts_to_it(scene: &mut Scene) {
        // The receiver's fallback is the tenant that is cut off.
        let draft = Draft { tenant: tenant(THERE), deadline: soon(), ..to(HERE) };
        let id = scene.wales().submit(&draft).await;
        scene.suspect.push(id);
        scene.england().until(id, State::Routed).await;
        scene.cut();
        scene.try_listen(CUT_OFF).await;
        tokio::time::sleep(Duration::from_millis(900)).await;
        let row = scene.england().ledger.get(&id).unwrap().unwrap();
        let to = row.referral.lifecycle.destination().map(ToString::to_string);
        assert_ne!(to.as_deref(), Some(CUT_OFF), "it lies with the cut tenant: {:?}", row.referral.lifecycle);
    }

    pub(super) async fn what_comes_for_it_from_abroad(scene: &mut Scene) {
        let own = scene.with_credits(CUT_OFF, "i").await;
        scene.wales().meddled.stop("border.england");
        let draft = Draft { priority: Priority::Routine, ..to(CUT_OFF) };
        scene.is_sent(THERE, &draft).await;
        a_moment().await;
        scene.cut();
        scene.wales().meddled.go_on();
        scene.listening.push(own);
        scene.try_listen(CUT_OFF).await;
    }

    pub(super) async fn the_next_of_a_case_for_it(scene: &mut Scene) {
        let draft =
            |message| Draft { case: Some("c"), priority: Priority::Routine, ..Draft::new(message, CUT_OFF) };
        let mut own = scene.with_credits(CUT_OFF, "i").await;
        scene.is_sent(HERE, &draft("m1")).await;
        let offer = own.handed_over().await;
        scene.suspect.clear();
        scene.is_sent(HERE, &Draft { kind: Kind::Update, ..draft("m2") }).await;
        scene.cut();
        own.try_acknowledged(&offer).await;
        scene.listening.push(own);
        scene.try_listen(CUT_OFF).await;
    }

    pub(super) async fn an_emergency_for_it(scene: &mut Scene) {
        let own = scene.with_credits(CUT_OFF, "i").await;
        scene.cut();
        scene.is_sent(HERE, &Draft { priority: Priority::Emergency, ..to(CUT_OFF) }).await;
        scene.listening.push(own);
        scene.try_listen(CUT_OFF).await;
    }
}

impl Scene {
    /// Submits into a log that stands still.
    fn stuck(&mut self, draft: &Draft) -> tokio::task::JoinHandle<()> {
        let (log, record) = (self.england().log.clone(), draft.record());
        self.suspect.push(draft.id());
        tokio::spawn(async move {
            let topic = bulkhead_log::Topic::new("in.england.sender").unwrap();
            log.append(&topic.partition(0), record).await.unwrap();
        })
    }

    /// Parked for a person to look at: its receiver would not take it.
    async fn parked(&mut self) -> ReferralId {
        let mut receiver = self.with_credits(HERE, "i").await;
        let id = self.sends(&to(HERE)).await;
        for _ in 0..2 {
            let offer = receiver.handed_over().await;
            receiver.retry(&offer, true).await;
        }
        self.england().until(id, State::Parked).await;
        id
    }

    /// Something is with the tenant, unanswered.
    async fn is_sent_and_delivered(&mut self, mut own: Sidecar) {
        let id = self.is_sent(HERE, &to(CUT_OFF)).await;
        let offer = own.handed_over().await;
        own.delivered(&offer).await;
        self.england().until(id, State::Delivered).await;
    }

    /// It may be refused a stream; if it gets one, that is looked at.
    async fn try_listen(&mut self, who: &str) {
        self.try_listen_with(who, "i").await;
    }

    async fn try_listen_with(&mut self, who: &str, inbox: &str) {
        if let Some(sidecar) = Sidecar::try_connect(&self.cells.keys, self.england(), who, inbox).await {
            sidecar.try_grant(16).await;
            self.listening.push(sidecar);
        }
    }
}
