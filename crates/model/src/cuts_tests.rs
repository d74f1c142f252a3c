//! Cuts, their courses and the gate: the races of the cut that are pure, and properties over histories of any kind.

use std::collections::HashSet;

use jiff::ToSpan;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::directory::tests::{supplier, tenant as entry};
use crate::samples::{any_tenant, cases, tenant};
use crate::{
    Answer, Direction, FactId, Moment, Nation, OperatorId, Provenance, ReferralId, Scope, Stage, Step,
    TenantId, Word,
};

const T: &str = "wales/c";
const OTHER: &str = "england/a";

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

fn operator(text: &str) -> OperatorId {
    OperatorId::parse(text).unwrap()
}

fn cut_id(text: &str) -> CutId {
    CutId::parse(text).unwrap()
}

fn a_cut(id: &str, scope: &str, direction: Direction, since: i64) -> Cut {
    let id = cut_id(id);
    Cut {
        by: operator(&format!("{}/duty", id.nation())),
        id,
        scope: scope.parse().unwrap(),
        tenants: vec![],
        direction,
        since: second(since),
        drain_clean: false,
        reason: "signs of an intruder".into(),
    }
}

fn fact(cut: &str, number: u8, by: &str, word: Word) -> CutFact {
    CutFact { fact: FactId([number; 32]), cut: cut_id(cut), by: operator(by), word }
}

/// A set of cuts and where the next fact lies: each a second after the one before.
struct World {
    cuts: Cuts,
    next: u64,
}

impl World {
    fn new() -> Self {
        let mut cuts = Cuts::default();
        cuts.follow(Arc::new(directory()));
        Self { cuts, next: 100 }
    }

    /// At position and second `next`.
    fn hear(&mut self, fact: CutFact) -> Heard {
        let stamp = Stamp::here(self.next, second(i64::try_from(self.next).unwrap()));
        self.next += 1;
        self.cuts.hear(fact, stamp)
    }

    fn cut(cut: Cut) -> Self {
        let mut world = Self::new();
        let (id, by) = (cut.id.clone(), cut.by.clone());
        world.hear(CutFact { fact: FactId([0; 32]), cut: id, by, word: Word::Made(Box::new(cut)) });
        world
    }

    /// The way back as far as so many a minute.
    fn limit(&mut self, cut: &str, per_minute: u32) {
        let steps = [
            ("duty", Step::Proposed { certificates: vec![] }),
            ("lead", Step::Approved),
            ("duty", Step::Canary { with: vec![] }),
            ("duty", Step::Limited { per_minute }),
        ];
        for (name, step) in steps {
            self.say(cut, name, Word::Step(step));
        }
    }

    /// A fact with a name of its own, by an operator of the cut's nation.
    fn say(&mut self, cut: &str, name: &str, word: Word) {
        let by = format!("{}/{name}", cut_id(cut).nation());
        let number = u8::try_from(self.next % 250).unwrap();
        assert_eq!(self.hear(fact(cut, number, &by, word)), Heard::News);
    }

    /// The whole way back, by two people.
    fn restore(&mut self, cut: &str, first_fact: u8) {
        self.restore_with(cut, first_fact, "new");
    }

    fn restore_with(&mut self, cut: &str, first_fact: u8, certificate: &str) {
        let maker = cut_id(cut).nation();
        let [duty, lead] = ["duty", "lead"].map(|name| format!("{maker}/{name}"));
        let proposed = Step::Proposed { certificates: vec![certificate.into()] };
        let steps = [
            (&duty, proposed),
            (&lead, Step::Approved),
            (&duty, Step::Canary { with: vec![tenant("england/b")] }),
            (&duty, Step::Limited { per_minute: 6 }),
            (&duty, Step::Full),
        ];
        for ((by, step), number) in steps.into_iter().zip(first_fact..) {
            assert_eq!(self.hear(fact(cut, number, by, Word::Step(step))), Heard::News);
        }
    }

    fn ask(&self, record: &Provenance) -> Answer {
        self.cuts.ask(record)
    }

    fn stage(&self, cut: &str) -> Stage {
        self.cuts.course(&cut_id(cut)).unwrap().stage()
    }
}

fn directory() -> Directory {
    let tenants = ["england/a", "england/b", T, "wales/d", "scotland/d", "northern-ireland/e"];
    Directory::new(vec![supplier()], tenants.map(entry).to_vec(), vec![], vec![]).unwrap()
}

/// Of T, accepted at that second under Wales' control position of the same number.
fn record(at: i64) -> Provenance {
    Provenance {
        id: ReferralId::of_record("in", 0, at.unsigned_abs()),
        origin: tenant(T),
        destination: Some(tenant(OTHER)),
        accepted_at: Some(second(at)),
        admitted_at: second(at),
        spooled_at: None,
        epochs: vec![(Nation::Wales, at.unsigned_abs())],
    }
}

fn towards(origin: &str, destination: &str) -> Provenance {
    Provenance { origin: tenant(origin), destination: Some(tenant(destination)), ..record(50) }
}

fn quarantined(cut: &str) -> Answer {
    Answer::Quarantine(cut_id(cut))
}

fn held(cut: &str) -> Answer {
    Answer::Hold(cut_id(cut))
}

#[test]
fn what_came_before_is_held_and_what_came_after_is_quarantined() {
    let mut world = World::cut(a_cut("wales/1", T, Direction::Both, 50));
    for (at, expected) in [(40, held("wales/1")), (47, held("wales/1")), (48, quarantined("wales/1"))] {
        assert_eq!(world.ask(&record(at)), expected, "{at}");
    }
    assert_eq!(world.cuts.severs(&tenant(T)), Some(&cut_id("wales/1")));
    world.restore("wales/1", 1);
    assert_eq!(world.ask(&record(40)), Answer::Open);
    assert_eq!(world.ask(&record(50)), quarantined("wales/1"));
    assert_eq!(world.cuts.severs(&tenant(T)), None);
}

#[test]
fn r16_skew_counts_towards_quarantine_on_both_sides() {
    let mut world = World::cut(a_cut("wales/1", T, Direction::From, 50));
    // The later of the two clocks counts against since.
    let early_broker = Provenance { accepted_at: Some(second(30)), admitted_at: second(48), ..record(0) };
    assert_eq!(world.ask(&early_broker), quarantined("wales/1"));
    let early_node = Provenance { accepted_at: Some(second(48)), admitted_at: second(30), ..record(0) };
    assert_eq!(world.ask(&early_node), quarantined("wales/1"));
    world.restore("wales/1", 1);
    // The canary step lies at 103; the earlier of the two clocks counts against it.
    let check = |accepted: i64, admitted: i64, expected: Answer| {
        let record = Provenance {
            accepted_at: Some(second(accepted)),
            admitted_at: second(admitted),
            epochs: vec![(Nation::Wales, 900)],
            ..record(0)
        };
        assert_eq!(world.ask(&record), expected, "{accepted} {admitted}");
    };
    check(105, 900, quarantined("wales/1"));
    check(900, 105, quarantined("wales/1"));
    check(106, 106, Answer::Open);
}

#[test]
fn since_in_the_future_closes_from_the_moment_it_is_made() {
    let world = World::cut(a_cut("wales/1", T, Direction::Both, 5_000));
    assert_eq!(world.ask(&record(101)), quarantined("wales/1"));
}

#[test]
fn r4_stuck_in_a_stopped_node_until_after_the_restore() {
    // Admitted under an old epoch by a node that was stopped across cut and restore; the broker took it after both.
    let mut world = World::cut(a_cut("wales/1", T, Direction::Both, 50));
    world.restore("wales/1", 1);
    let stuck = Provenance {
        accepted_at: Some(second(900)),
        admitted_at: second(900),
        epochs: vec![(Nation::Wales, 99)],
        ..record(0)
    };
    assert_eq!(world.ask(&stuck), quarantined("wales/1"));
    let fresh = Provenance { epochs: vec![(Nation::Wales, 103)], ..stuck.clone() };
    assert_eq!(world.ask(&fresh), Answer::Open);
    let none = Provenance { epochs: vec![], ..stuck };
    assert_eq!(world.ask(&none), quarantined("wales/1"));
}

#[test]
fn epochs_of_another_nation_say_nothing() {
    let mut world = World::cut(a_cut("wales/1", T, Direction::Both, 50));
    world.restore("wales/1", 1);
    let mut foreign = record(900);
    foreign.epochs = vec![(Nation::England, 900), (Nation::Wales, 20)];
    assert_eq!(world.ask(&foreign), quarantined("wales/1"));
    foreign.epochs = vec![(Nation::England, 1), (Nation::Wales, 900)];
    assert_eq!(world.ask(&foreign), Answer::Open);
}

#[test]
fn the_spool_of_the_cut_period_stays_suspect_with_a_new_credential() {
    let mut world = World::cut(a_cut("wales/1", T, Direction::Both, 50));
    world.restore("wales/1", 1);
    let spooled = |at| Provenance { spooled_at: Some(second(at)), ..record(900) };
    assert_eq!(world.ask(&spooled(80)), quarantined("wales/1"));
    assert_eq!(world.ask(&spooled(105)), quarantined("wales/1"));
    assert_eq!(world.ask(&spooled(899)), Answer::Open);
}

#[test]
fn a_release_names_cut_and_referral() {
    let mut world = World::cut(a_cut("wales/1", T, Direction::Both, 50));
    let second_cut = a_cut("wales/2", "supplier:meridian", Direction::From, 50);
    world.hear(fact("wales/2", 90, "wales/duty", Word::Made(Box::new(second_cut))));
    let suspect = record(60);
    let release = |cut: &str, number| fact(cut, number, "wales/lead", Word::Released(suspect.id));
    world.hear(release("wales/1", 91));
    assert_eq!(world.ask(&suspect), quarantined("wales/2"), "the release of one cut opens another");
    world.hear(release("wales/2", 92));
    assert_eq!(world.ask(&suspect), Answer::Open);
    assert_eq!(world.ask(&record(61)), quarantined("wales/1"));
}

#[test]
fn a_withdrawn_cut_makes_nothing_suspect() {
    let mut world = World::cut(a_cut("wales/1", T, Direction::Both, 50));
    world.hear(fact("wales/1", 1, "wales/duty", Word::Withdrawn));
    assert_eq!(world.ask(&record(60)), quarantined("wales/1"), "one person is not enough");
    world.hear(fact("wales/1", 2, "wales/duty", Word::Withdrawn));
    assert_eq!(world.stage("wales/1"), Stage::InForce, "nor the same twice");
    world.hear(fact("wales/1", 3, "wales/lead", Word::Withdrawn));
    assert_eq!((world.stage("wales/1"), world.ask(&record(60))), (Stage::Withdrawn, Answer::Open));
    assert_eq!(world.cuts.outdates(&tenant(T), "old", second(0)), None);
}

#[test]
fn after_an_hour_a_cut_is_no_mistake_any_more() {
    let mut world = World::cut(a_cut("wales/1", T, Direction::Both, 50));
    world.hear(fact("wales/1", 1, "wales/duty", Word::Withdrawn));
    world.next += 3_600;
    world.hear(fact("wales/1", 2, "wales/lead", Word::Withdrawn));
    assert_eq!(world.stage("wales/1"), Stage::InForce);
}

#[test]
fn the_way_back_needs_two_people_and_every_step() {
    let mut world = World::cut(a_cut("wales/1", T, Direction::Both, 50));
    let mut step = |number: u8, by: &str, step: Step, expected: Stage| {
        world.hear(fact("wales/1", number, by, Word::Step(step)));
        assert_eq!(world.stage("wales/1"), expected, "step {number}");
    };
    let proposed = Step::Proposed { certificates: vec!["new".into()] };
    step(1, "wales/duty", Step::Full, Stage::InForce);
    step(2, "wales/duty", proposed.clone(), Stage::Proposed);
    step(3, "wales/duty", Step::Approved, Stage::Proposed);
    step(4, "wales/duty", Step::Canary { with: vec![] }, Stage::Proposed);
    step(5, "wales/lead", Step::Approved, Stage::Approved);
    step(6, "wales/duty", Step::Full, Stage::Approved);
    step(7, "wales/duty", Step::Canary { with: vec![] }, Stage::Canary);
    step(8, "wales/duty", Step::Aborted, Stage::InForce);
    step(9, "wales/duty", Step::Limited { per_minute: 1 }, Stage::InForce);
    step(10, "wales/lead", proposed, Stage::Proposed);
    step(11, "wales/lead", Step::Approved, Stage::Proposed);
    step(12, "wales/duty", Step::Approved, Stage::Approved);
}

#[test]
fn the_canary_is_open_towards_a_few() {
    let mut world = World::cut(a_cut("wales/1", T, Direction::Both, 50));
    let proposed = Step::Proposed { certificates: vec!["new".into()] };
    world.hear(fact("wales/1", 1, "wales/duty", Word::Step(proposed)));
    world.hear(fact("wales/1", 2, "wales/lead", Word::Step(Step::Approved)));
    let canary = Step::Canary { with: vec![tenant("england/b")] };
    world.hear(fact("wales/1", 3, "wales/duty", Word::Step(canary)));
    let to = |destination: &str| Provenance { destination: Some(tenant(destination)), ..record(900) };
    assert_eq!(world.ask(&to("england/b")), Answer::Open);
    assert_eq!(world.ask(&to(OTHER)), held("wales/1"));
    assert_eq!(world.ask(&towards("england/b", T)), Answer::Open);
    assert_eq!(world.ask(&towards(OTHER, T)), Answer::DestinationCut(cut_id("wales/1")));
    assert_eq!((world.cuts.severs(&tenant(T)), world.cuts.touches(&tenant(T))), (None, true));
    // What was let through meanwhile is suspect again when the way back is given up.
    world.hear(fact("wales/1", 4, "wales/duty", Word::Step(Step::Aborted)));
    assert_eq!(world.ask(&to("england/b")), quarantined("wales/1"));
}

#[test]
fn the_limited_stage_says_how_many_a_minute_and_the_lowest_counts() {
    let mut world = World::cut(a_cut("wales/1", T, Direction::Both, 50));
    let paces = |world: &World| {
        let of = |paces: Option<(u32, &CutId)>| paces.map(|(per_minute, cut)| (per_minute, cut.to_string()));
        (of(world.cuts.paces_from(&tenant(T))), of(world.cuts.paces_to(&tenant(T))))
    };
    assert_eq!(paces(&world), (None, None));
    world.limit("wales/1", 7);
    let one = Some((7, "wales/1".to_owned()));
    assert_eq!(paces(&world), (one.clone(), one.clone()));
    world.say("wales/2", "duty", Word::Made(Box::new(a_cut("wales/2", T, Direction::From, 50))));
    assert_eq!(paces(&world), (one.clone(), one.clone()));
    world.limit("wales/2", 3);
    assert_eq!(paces(&world), (Some((3, "wales/2".to_owned())), one.clone()));
    assert_eq!(world.cuts.paces_from(&tenant(OTHER)), None);
    world.say("wales/2", "duty", Word::Step(Step::Full));
    assert_eq!(paces(&world), (one.clone(), one));
}

#[test]
fn directions_close_their_own_way() {
    let check = |direction, from: bool, to: bool| {
        let world = World::cut(a_cut("wales/1", T, direction, 50));
        assert_eq!(world.ask(&record(40)).is_open(), !from, "{direction:?} from");
        assert_eq!(world.ask(&towards(OTHER, T)).is_open(), !to, "{direction:?} to");
        let t = tenant(T);
        let covers = (world.cuts.covers_from(&t).is_some(), world.cuts.covers_to(&t).is_some());
        assert_eq!((covers, world.cuts.severs(&t).is_some()), ((from, to), from && to));
    };
    check(Direction::From, true, false);
    check(Direction::To, false, true);
    check(Direction::Both, true, true);
}

#[test]
fn draining_lets_go_only_what_is_clean() {
    let cut = Cut { drain_clean: true, ..a_cut("wales/1", T, Direction::From, 50) };
    let world = World::cut(cut);
    assert_eq!(world.ask(&record(40)), Answer::Open);
    assert_eq!(world.ask(&record(60)), quarantined("wales/1"));
}

#[test]
fn r9_the_origin_is_asked_not_the_last_hop() {
    // Carried by England's door: the record still says who sent it first.
    let mut world = World::cut(a_cut("england/1", T, Direction::From, 50));
    let relayed = Provenance { epochs: vec![(Nation::Wales, 60), (Nation::England, 60)], ..record(60) };
    assert_eq!(world.ask(&relayed), quarantined("england/1"));
    world.restore("england/1", 1);
    assert_eq!(world.ask(&relayed), quarantined("england/1"));
}

#[test]
fn r11_two_cuts_and_one_restore() {
    let mut world = World::cut(a_cut("wales/1", T, Direction::Both, 50));
    let other = a_cut("england/1", T, Direction::Both, 50);
    world.hear(fact("england/1", 90, "england/duty", Word::Made(Box::new(other))));
    world.restore("wales/1", 1);
    assert_eq!(world.cuts.severs(&tenant(T)), Some(&cut_id("england/1")));
    assert_eq!(world.ask(&record(40)), held("england/1"));
    // A lift that comes after the abort of the way back, from somebody who had not seen it, opens nothing.
    let mut racing = World::cut(a_cut("wales/1", T, Direction::Both, 50));
    let proposed = Step::Proposed { certificates: vec![] };
    racing.hear(fact("wales/1", 1, "wales/duty", Word::Step(proposed)));
    racing.hear(fact("wales/1", 2, "wales/lead", Word::Step(Step::Approved)));
    racing.hear(fact("wales/1", 3, "wales/lead", Word::Step(Step::Aborted)));
    racing.hear(fact("wales/1", 4, "wales/duty", Word::Step(Step::Canary { with: vec![] })));
    assert_eq!(racing.stage("wales/1"), Stage::InForce);
}

#[test]
fn r8_a_successor_is_cut_with_its_predecessor() {
    let mut heir = entry("wales/new");
    heir.successor_of = Some(tenant(T));
    let tenants = vec![entry(T), heir, entry("wales/d")];
    let directory = Directory::new(vec![supplier()], tenants, vec![], vec![]).unwrap();
    for (scope, covered) in [(T, "wales/new"), ("wales/new", T)] {
        let mut world = World::cut(a_cut("wales/1", scope, Direction::Both, 50));
        world.cuts.follow(Arc::new(directory.clone()));
        assert!(world.cuts.severs(&tenant(covered)).is_some(), "{scope}");
        assert!(world.cuts.severs(&tenant("wales/d")).is_none(), "{scope}");
    }
}

#[test]
fn r21_a_directory_without_the_tenant_opens_nothing() {
    let cut = Cut { tenants: vec![tenant(T)], ..a_cut("wales/1", "supplier:meridian", Direction::Both, 50) };
    let mut world = World::cut(cut);
    world.cuts.follow(Arc::new(Directory::default()));
    assert!(world.cuts.severs(&tenant(T)).is_some());
    assert_eq!(world.cuts.severs(&tenant("wales/d")), None);
    let mut world = World::cut(a_cut("wales/2", "nation:wales", Direction::Both, 50));
    world.cuts.follow(Arc::new(Directory::default()));
    assert!(world.cuts.severs(&tenant("wales/nobody-knows")).is_some());
}

#[test]
fn a_carried_cut_is_about_its_makers_own_and_judged_at_home() {
    let mut world = World::new();
    let cut = a_cut("wales/1", "supplier:meridian", Direction::Both, 50);
    let carried = |home: u64, here: u64| Stamp {
        here: Moment { position: here, at: second(5_000) },
        home: Some(Moment { position: home, at: second(i64::try_from(home).unwrap()) }),
    };
    let made = fact("wales/1", 1, "wales/duty", Word::Made(Box::new(cut)));
    world.cuts.hear(made, carried(100, 7));
    assert!(world.cuts.severs(&tenant(T)).is_some());
    assert_eq!(world.cuts.severs(&tenant(OTHER)), None, "Wales has cut a tenant of England in England");
    let steps = [
        ("wales/duty", Step::Proposed { certificates: vec![] }),
        ("wales/lead", Step::Approved),
        ("wales/duty", Step::Canary { with: vec![] }),
        ("wales/duty", Step::Limited { per_minute: 1 }),
        ("wales/duty", Step::Full),
    ];
    for ((by, step), number) in steps.into_iter().zip(2_u8..) {
        world.cuts.hear(fact("wales/1", number, by, Word::Step(step)), carried(100 + u64::from(number), 7));
    }
    // Opened at 104 in Wales; read here much later.
    assert_eq!(world.ask(&record(107)), Answer::Open);
    assert_eq!(world.ask(&record(103)), quarantined("wales/1"));
}

#[test]
fn only_the_makers_operators_have_a_say() {
    let mut world = World::cut(a_cut("wales/1", T, Direction::Both, 50));
    for (number, word) in
        [(1, Word::Withdrawn), (2, Word::Released(record(60).id)), (3, Word::Step(Step::Full))]
    {
        assert_eq!(world.hear(fact("wales/1", number, "england/lead", word)), Heard::NotTheMakers);
    }
    assert_eq!(world.ask(&record(60)), quarantined("wales/1"));
}

#[test]
fn a_wide_cut_is_confirmed_by_a_second_person() {
    let mut world = World::cut(a_cut("wales/1", "supplier:meridian", Direction::Both, 50));
    world.hear(fact("wales/1", 1, "wales/duty", Word::Confirmed));
    assert_eq!(world.cuts.course(&cut_id("wales/1")).unwrap().confirmed(), None);
    world.hear(fact("wales/1", 2, "wales/lead", Word::Confirmed));
    let by = world.cuts.course(&cut_id("wales/1")).unwrap().confirmed().map(|(by, _)| by.clone());
    assert_eq!(by, Some(operator("wales/lead")));
}

#[test]
fn an_early_close_is_in_force_and_finds_its_place_later() {
    let mut world = World::new();
    let cut = a_cut("wales/1", T, Direction::Both, 50);
    let before = world.cuts.digest();
    assert_eq!(world.cuts.close_early(cut.clone(), second(99)), Heard::News);
    assert_eq!(world.ask(&record(60)), quarantined("wales/1"));
    let early = world.cuts.digest();
    assert_ne!(before, early);
    world.hear(fact("wales/1", 1, "wales/duty", Word::Made(Box::new(cut.clone()))));
    let made = world.cuts.course(&cut_id("wales/1")).unwrap().made();
    assert_eq!(made.map(|stamp| stamp.here.position), Some(100));
    assert_eq!(world.cuts.digest(), early);
    // A push that arrives when the restore is through closes nothing.
    world.restore("wales/1", 2);
    assert_eq!(world.cuts.close_early(cut, second(900)), Heard::Repeat);
    assert_eq!(world.cuts.severs(&tenant(T)), None);
}

#[test]
fn an_old_credential_never_comes_back() {
    let mut world = World::cut(a_cut("wales/1", T, Direction::Both, 50));
    let outdates =
        |world: &World, print: &str, issued| world.cuts.outdates(&tenant(T), print, second(issued)).is_some();
    world.restore("wales/1", 1);
    for (print, issued, old) in
        [("old", 10, true), ("old", 103, true), ("new", 10, false), ("later", 104, false)]
    {
        assert_eq!(outdates(&world, print, issued), old, "{print} {issued}");
    }
    // Cut off and back once more: what the newer restore names is good, though it was issued before the first one.
    let again = a_cut("wales/2", T, Direction::Both, 150);
    world.hear(fact("wales/2", 50, "wales/duty", Word::Made(Box::new(again))));
    world.restore_with("wales/2", 51, "newer");
    for (print, issued, old) in
        [("newer", 10, false), ("new", 10, true), ("old", 10, true), ("later", 104, true)]
    {
        assert_eq!(outdates(&world, print, issued), old, "{print} {issued} after the second");
    }
    assert_eq!(world.cuts.outdates(&tenant("wales/d"), "old", second(10)), None);
    let mut foreign = World::cut(a_cut("england/1", T, Direction::Both, 50));
    foreign.restore("england/1", 1);
    assert!(!outdates(&foreign, "old", 10), "England's border says how a Welsh tenant comes to Wales");
}

fn any_cut() -> impl Strategy<Value = Cut> {
    let scope = prop_oneof![
        any_tenant().prop_map(Scope::Tenant),
        Just("supplier:meridian".parse().unwrap()),
        select(Nation::ALL.to_vec()).prop_map(Scope::Nation),
    ];
    let direction = select(vec![Direction::From, Direction::To, Direction::Both]);
    (any_cut_id(), scope, direction, 0..60_i64, any::<bool>()).prop_map(
        |(id, scope, direction, since, drain_clean)| Cut {
            scope,
            drain_clean,
            ..a_cut(id.as_str(), T, direction, since)
        },
    )
}

fn any_cut_id() -> impl Strategy<Value = CutId> {
    select(vec!["wales/1", "wales/2", "england/1"]).prop_map(cut_id)
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Proposed { certificates: vec!["new".into()] }),
        Just(Step::Approved),
        Just(Step::Canary { with: vec![tenant("england/b")] }),
        Just(Step::Limited { per_minute: 1 }),
        Just(Step::Full),
        Just(Step::Aborted),
    ]
}

fn any_word() -> impl Strategy<Value = Word> {
    prop_oneof![
        3 => any_cut().prop_map(|cut| Word::Made(Box::new(cut))),
        1 => Just(Word::Confirmed),
        1 => Just(Word::Withdrawn),
        8 => any_step().prop_map(Word::Step),
        1 => (0..100_u64).prop_map(|n| Word::Released(ReferralId::of_record("in", 0, n))),
    ]
}

/// Facts that lie one after the other in a control log.
fn any_facts() -> impl Strategy<Value = Vec<(CutFact, Stamp)>> {
    let operators = select(vec!["wales/duty", "wales/lead", "england/duty", "england/lead"]);
    prop::collection::vec((any_cut_id(), operators, any_word()), 1..40).prop_map(|said| {
        let place = |(number, (cut, by, word)): (u8, (CutId, &str, Word))| {
            let word = match word {
                Word::Made(made) => Word::Made(Box::new(Cut { id: cut.clone(), by: operator(by), ..*made })),
                word => word,
            };
            let fact = CutFact { fact: FactId([number; 32]), cut, by: operator(by), word };
            (fact, Stamp::here(u64::from(number), second(i64::from(number))))
        };
        (0_u8..).zip(said).map(place).collect()
    })
}

fn few_facts() -> impl Strategy<Value = Vec<(CutFact, Stamp)>> {
    any_facts().prop_map(|facts| facts.into_iter().take(4).collect())
}

fn folded(facts: &[(CutFact, Stamp)]) -> Cuts {
    let mut cuts = Cuts::default();
    cuts.follow(Arc::new(directory()));
    for (fact, stamp) in facts {
        cuts.hear(fact.clone(), *stamp);
    }
    cuts
}

fn any_record() -> impl Strategy<Value = Provenance> {
    (any_tenant(), any_tenant(), 0..100_i64, 0..100_i64, 0..60_u64, 0..60_u64).prop_map(
        |(origin, destination, accepted, admitted, wales, england)| Provenance {
            origin,
            destination: Some(destination),
            accepted_at: Some(second(accepted)),
            admitted_at: second(admitted),
            epochs: vec![(Nation::Wales, wales), (Nation::England, england)],
            ..record(accepted)
        },
    )
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn facts_in_any_order_and_number_give_the_same_set(
        facts in any_facts(),
        order in prop::collection::vec(any::<Index>(), 1..80),
    ) {
        let expected = folded(&facts);
        let mut shuffled: Vec<_> = order.iter().map(|index| index.get(&facts).clone()).collect();
        // Copies that lie later than the first.
        for (_, stamp) in &mut shuffled {
            stamp.here.position += 1_000;
        }
        shuffled.extend(facts.iter().rev().cloned());
        let got = folded(&shuffled);
        prop_assert_eq!(got.digest(), expected.digest());
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn another_nations_word_changes_nothing(facts in any_facts()) {
        let own: Vec<_> =
            facts.iter().filter(|(fact, _)| fact.by.nation() == fact.cut.nation()).cloned().collect();
        let (all, own) = (folded(&facts), folded(&own));
        let of = |cuts: &Cuts| cuts.all().filter(|c| c.cut().is_some()).cloned().collect::<Vec<_>>();
        prop_assert_eq!(of(&all), of(&own));
    }

    #[test]
    fn suspect_stays_suspect_until_released_or_withdrawn(facts in any_facts(), record in any_record()) {
        // Facts come one second after the other; the record is there before the first that finds it suspect.
        let mut cuts = Cuts::default();
        cuts.follow(Arc::new(directory()));
        let mut suspect: HashSet<CutId> = HashSet::new();
        for (fact, stamp) in &facts {
            cuts.hear(fact.clone(), *stamp);
            let is_there = [record.accepted_at.unwrap(), record.admitted_at].into_iter().all(|at| at <= stamp.here.at)
                && record.epochs.iter().all(|(_, epoch)| *epoch <= stamp.here.position);
            if !is_there {
                continue;
            }
            let ended = |cut: &CutId| {
                let course = cuts.course(cut).unwrap();
                course.stage() == Stage::Withdrawn || course.releases().contains_key(&record.id)
            };
            suspect.retain(|cut| !ended(cut));
            let answer = cuts.ask(&record);
            if !suspect.is_empty() {
                prop_assert!(matches!(answer, Answer::Quarantine(_)), "{:?} after {:?}", answer, fact);
            }
            if let Answer::Quarantine(cut) = answer {
                suspect.insert(cut);
            }
        }
    }

    #[test]
    fn what_all_cuts_say_together_is_what_they_say_one_by_one(facts in any_facts(), record in any_record()) {
        let cuts = folded(&facts);
        prop_assert_eq!(cuts.ask(&record), cuts.ask_each(&record));
    }

    #[test]
    fn a_restore_alone_never_empties_the_quarantine(at in 50..103_i64, late in 0..10_000_i64) {
        let mut world = World::cut(a_cut("wales/1", T, Direction::Both, 50));
        world.restore("wales/1", 1);
        world.next += late.unsigned_abs();
        prop_assert_eq!(world.ask(&record(at)), quarantined("wales/1"));
    }

    #[test]
    fn others_do_not_notice(facts in few_facts(), origin in any_tenant(), to in any_tenant(), at in 0..100_i64) {
        let cuts = folded(&facts);
        let covered = |tenant: &TenantId| {
            cuts.all().any(|course| course.cut().is_some_and(|cut| cut.scope.tenants(&directory()).contains(tenant)))
        };
        if !covered(&origin) && !covered(&to) {
            let record = Provenance { origin, destination: Some(to), ..record(at) };
            prop_assert_eq!(cuts.ask(&record), Answer::Open);
        }
    }
}

#[test]
fn times_beyond_the_calendar_do_not_panic() {
    let world = World::cut(Cut { since: Timestamp::MAX, ..a_cut("wales/1", T, Direction::Both, 0) });
    let far = Provenance { accepted_at: Some(Timestamp::MAX), admitted_at: Timestamp::MIN, ..record(0) };
    assert_eq!(world.ask(&far), quarantined("wales/1"));
    let past = Timestamp::MIN.checked_add(1.second()).unwrap();
    let world = World::cut(Cut { since: past, ..a_cut("wales/1", T, Direction::Both, 0) });
    assert_eq!(world.ask(&record(40)), quarantined("wales/1"));
}

#[test]
fn r5_a_tenant_that_is_added_after_the_cut_is_covered_from_its_first_record() {
    // A new compartment has no marker of its own to wait for: its gate is made from the cuts that are in force.
    let mut world = World::cut(a_cut("wales/1", "supplier:meridian", Direction::Both, 50));
    let new = tenant("wales/new");
    let first = Provenance { origin: new.clone(), destination: None, ..record(60) };
    assert_eq!(world.ask(&first), Answer::Open, "nobody knows whose it is");
    let mut tenants = vec![crate::directory::tests::tenant("wales/new")];
    tenants.extend(["england/b", T].map(crate::directory::tests::tenant));
    let suppliers = vec![crate::directory::tests::supplier()];
    world
        .cuts
        .follow(std::sync::Arc::new(crate::Directory::new(suppliers, tenants, vec![], vec![]).unwrap()));
    assert_eq!(world.ask(&first), quarantined("wales/1"));
    assert!(world.cuts.severs(&new).is_some());
}
