//! What counts and what does not, by place and append time alone.

use bulkhead_model::{Answer, Provenance, TenantId};
use bulkhead_wire::fact::{Advance, Statement, public_key_hex};
use bytes::Bytes;
use proptest::prelude::*;
use ring::signature::Ed25519KeyPair;

use super::*;

const OPERATORS: [(&str, u8, &str); 5] = [
    ("wales/duty", 1, ""),
    ("wales/lead", 2, ""),
    ("wales/vendor", 3, "supplier = \"meridian\"\n"),
    ("england/duty", 4, ""),
    ("wales/third", 5, ""),
];

fn operator_id(text: &str) -> OperatorId {
    OperatorId::parse(text).unwrap()
}

fn key(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn toml(extra: &str) -> String {
    let mut text = String::from(
        "[[suppliers]]\nid = \"meridian\"\n[[suppliers]]\nid = \"castell\"\n\
         [[tenants]]\nid = \"wales/wast-111\"\nsupplier = \"meridian\"\n\
         [[tenants]]\nid = \"england/nhs111\"\nsupplier = \"meridian\"\n",
    );
    for (id, seed, more) in OPERATORS {
        let public = public_key_hex(&key(seed));
        text.push_str(&format!("[[operators]]\nid = \"{id}\"\npublic_key = \"{public}\"\n{more}"));
    }
    text + extra
}

fn directory() -> Directory {
    crate::parse_directory(
        "directory.toml",
        &toml("[[tenants]]\nid = \"wales/ooh\"\nsupplier = \"castell\"\n"),
    )
    .unwrap()
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap()
}

/// A control log: facts are appended a minute apart unless it is said otherwise.
struct World {
    authority: Authority,
    position: u64,
    minute: i64,
    nonce: u8,
}

impl World {
    fn of(nation: Nation) -> Self {
        let mut authority = Authority::new(nation);
        authority.hear_unsigned(directory(), "").unwrap();
        Self { authority, position: 0, minute: 0, nonce: 0 }
    }

    fn new() -> Self {
        Self::of(Nation::Wales)
    }

    fn sign(&mut self, who: &str, scope: Option<&str>, command: Command) -> SignedFact {
        self.nonce += 1;
        let seed = OPERATORS.iter().find(|(id, ..)| *id == who).unwrap().1;
        let operator = OperatorId::parse(who).unwrap();
        let header = Header {
            kind: command.kind(),
            nation: operator.nation(),
            scope: scope.map_or(HeaderScope::None, |scope| HeaderScope::Of(scope.parse().unwrap())),
            signed_at: at(self.minute),
            expires_at: at(self.minute + 2),
            seen: self.position,
            nonce: [self.nonce; 16],
            operator,
        };
        Statement { header, command }.sign(&key(seed))
    }

    fn append(&mut self, fact: &SignedFact) -> Judged {
        self.position += 1;
        self.minute += 1;
        let here = Moment { position: self.position, at: at(self.minute) };
        let judged = self.authority.hear(&Copy {
            fact: fact.clone(),
            here,
            taken_at: None,
            home: None,
            node: "wales-1".into(),
        });
        // Whoever is answered may command at once what follows from it.
        assert_eq!(self.authority.cuts().position, self.position);
        judged
    }

    fn say(&mut self, who: &str, scope: &str, command: Command) -> Judged {
        let fact = self.sign(who, Some(scope), command);
        self.append(&fact)
    }

    fn cut(&mut self, who: &str, scope: &str) -> CutId {
        match self.say(who, scope, cut()) {
            Judged::Counts(Effect::Closed(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    fn is_cut(&self, tenant: &str) -> bool {
        self.authority.cuts().covers_from(&TenantId::parse(tenant).unwrap()).is_some()
    }

    fn restored(&mut self, id: &CutId, scope: &str) {
        self.say("wales/duty", scope, propose(id));
        let proposal = self.authority.timeline(id).unwrap().proposal.clone().unwrap().fact;
        let steps = [
            ("wales/lead", Command::Approve { cut: id.clone(), proposal }),
            (
                "wales/lead",
                advance(id, Advance::Canary { with: vec![TenantId::parse("wales/ooh").unwrap()] }),
            ),
            ("wales/duty", advance(id, Advance::Limited { per_minute: 10 })),
            ("wales/duty", advance(id, Advance::Full)),
        ];
        for (who, command) in steps {
            let judged = self.say(who, scope, command);
            assert!(matches!(judged, Judged::Counts(Effect::Step(..))), "{judged:?}");
        }
    }
}

fn cut() -> Command {
    Command::Cut {
        direction: Direction::Both,
        since: at(0),
        drain_clean: false,
        reason: "seen for sale".into(),
        plan: [0; 32],
        tenants: vec![],
    }
}

fn propose(cut: &CutId) -> Command {
    Command::Propose {
        cut: cut.clone(),
        evidence: "rebuilt".into(),
        certificates: vec!["ab".repeat(32)],
        inbox: "inbox-2".into(),
    }
}

fn advance(cut: &CutId, to: Advance) -> Command {
    Command::Advance { cut: cut.clone(), to }
}

fn refused(judged: &Judged) -> Refused {
    match judged {
        Judged::Refused(refused) => refused.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_person_cuts_one_tenant_and_a_copy_changes_nothing() {
    let mut world = World::new();
    let fact = world.sign("wales/duty", Some("wales/wast-111"), cut());
    assert!(matches!(world.append(&fact), Judged::Counts(Effect::Closed(_))));
    assert!(world.is_cut("wales/wast-111") && !world.is_cut("wales/ooh"));
    let before = world.authority.outcome(&fact.id()).cloned();
    assert_eq!(world.append(&fact), Judged::Repeat);
    assert_eq!(world.authority.outcome(&fact.id()).cloned(), before, "the first copy fixes place and time");
}

#[test]
fn who_may_not_command_has_no_effect() {
    let mut world = World::new();
    // A key that is not the operator's.
    let fact = world.sign("wales/duty", Some("wales/wast-111"), cut());
    let forged = Statement { header: fact.header().unwrap(), command: fact.command().unwrap() }.sign(&key(9));
    assert_eq!(refused(&world.append(&forged)), Refused::Signature);
    assert!(matches!(world.append(&fact), Judged::Counts(_)), "a forged copy does not stand in its way");
    // An operator of another nation.
    assert_eq!(refused(&world.say("england/duty", "wales/ooh", cut())), Refused::Foreign);
    assert!(!world.is_cut("wales/ooh"));
}

#[test]
fn expiry_is_judged_by_the_append_time_alone() {
    let mut world = World::new();
    let late = world.sign("wales/duty", Some("wales/wast-111"), cut());
    world.minute += 2;
    assert_eq!(refused(&world.append(&late)), Refused::Expired);
    // A closing that a node took in time does not expire.
    let here = Moment { position: 9, at: at(50) };
    let taken = Copy { fact: late, here, taken_at: Some(at(1)), home: None, node: "wales-1".into() };
    assert!(matches!(world.authority.hear(&taken), Judged::Counts(_)));
    // One that opens does, whatever a copy says.
    let id = world.cut("wales/duty", "wales/ooh");
    let withdraw =
        world.sign("wales/lead", Some("wales/ooh"), Command::Withdraw { cut: id, reason: "no".into() });
    let here = Moment { position: 99, at: at(40) };
    let taken = Copy { fact: withdraw, here, taken_at: Some(at(6)), home: None, node: "wales-1".into() };
    assert_eq!(refused(&world.authority.hear(&taken)), Refused::Expired);
}

#[test]
fn a_nonce_counts_once() {
    let mut world = World::new();
    world.cut("wales/duty", "wales/wast-111");
    world.nonce -= 1;
    assert_eq!(refused(&world.say("wales/duty", "wales/ooh", cut())), Refused::Replayed);
}

#[test]
fn what_opens_was_not_signed_on_a_newer_log() {
    let mut world = World::new();
    let id = world.cut("wales/duty", "wales/wast-111");
    world.position = 50;
    let withdraw =
        world.sign("wales/lead", Some("wales/wast-111"), Command::Withdraw { cut: id, reason: "no".into() });
    world.position = 5;
    assert_eq!(refused(&world.append(&withdraw)), Refused::OldLog);
    world.position = 50;
    let cut = world.sign("wales/duty", Some("wales/ooh"), cut());
    world.position = 5;
    assert!(matches!(world.append(&cut), Judged::Counts(_)), "what closes does so on an old backup too");
}

#[test]
fn a_wide_cut_is_in_force_and_waits_for_a_second_person() {
    let mut world = World::new();
    let id = world.cut("wales/duty", "supplier:meridian");
    assert!(world.is_cut("wales/wast-111") && world.is_cut("england/nhs111"));
    let confirm = || Command::Confirm { cut: id.clone() };
    assert_eq!(refused(&world.say("wales/duty", "supplier:meridian", confirm())), Refused::SamePerson);
    assert_eq!(
        world.say("wales/lead", "supplier:meridian", confirm()),
        Judged::Counts(Effect::Confirmed(id.clone()))
    );
    // And is lifted by two, never by the second person alone.
    let other = world.cut("wales/duty", "supplier:castell");
    let lift = || Command::Withdraw { cut: other.clone(), reason: "the wrong one".into() };
    let first = world.say("wales/lead", "supplier:castell", lift());
    assert_eq!(first, Judged::Counts(Effect::WithdrawalBegun(other.clone())));
    assert!(world.is_cut("wales/ooh"));
    world.say("wales/duty", "supplier:castell", lift());
    assert!(!world.is_cut("wales/ooh"));
}

#[test]
fn two_persons_withdraw_within_an_hour_and_then_nothing_is_suspect() {
    let mut world = World::new();
    let id = world.cut("wales/duty", "wales/wast-111");
    let withdraw = || Command::Withdraw { cut: id.clone(), reason: "the wrong one".into() };
    let first = world.say("wales/duty", "wales/wast-111", withdraw());
    assert_eq!(first, Judged::Counts(Effect::WithdrawalBegun(id.clone())));
    assert!(world.is_cut("wales/wast-111"));
    assert_eq!(refused(&world.say("wales/duty", "wales/wast-111", withdraw())), Refused::SamePerson);
    assert_eq!(
        world.say("wales/lead", "wales/wast-111", withdraw()),
        Judged::Counts(Effect::Withdrawn(id.clone()))
    );
    assert!(!world.is_cut("wales/wast-111"));
    let late = world.cut("wales/duty", "wales/wast-111");
    world.minute += 61;
    let too_late =
        world.say("wales/lead", "wales/wast-111", Command::Withdraw { cut: late, reason: "no".into() });
    assert!(matches!(refused(&too_late), Refused::NotNow(_)));
}

#[test]
fn r18_over_the_budget_a_second_person_closes() {
    let mut world = World::new();
    for _ in 0..3 {
        world.cut("wales/duty", "wales/wast-111");
    }
    let Judged::Counts(Effect::Pending(id)) = world.say("wales/duty", "wales/ooh", cut()) else { panic!() };
    assert!(!world.is_cut("wales/ooh"));
    let fact = world.sign("wales/duty", Some("wales/ooh"), cut());
    assert_eq!(world.authority.close_early(&fact, at(world.minute)), Err(Refused::Budget));
    let confirm = Command::Confirm { cut: id.clone() };
    assert_eq!(refused(&world.say("wales/duty", "wales/ooh", confirm.clone())), Refused::SamePerson);
    assert_eq!(world.say("wales/third", "wales/ooh", confirm), Judged::Counts(Effect::Closed(id)));
    assert!(world.is_cut("wales/ooh"));
    // An hour later the budget is whole again.
    world.minute += 61;
    world.cut("wales/duty", "wales/ooh");
}

#[test]
fn a_restore_needs_evidence_and_a_second_person_who_is_not_of_the_supplier() {
    let mut world = World::new();
    let scope = "wales/wast-111";
    let id = world.cut("wales/duty", scope);
    assert!(matches!(
        refused(&world.say("wales/lead", scope, advance(&id, Advance::Full))),
        Refused::NotNow(_)
    ));
    world.say("wales/duty", scope, propose(&id));
    let proposal = world.authority.timeline(&id).unwrap().proposal.clone().unwrap().fact;
    let approve = || Command::Approve { cut: id.clone(), proposal };
    assert_eq!(refused(&world.say("wales/duty", scope, approve())), Refused::SamePerson);
    let of_supplier = refused(&world.say("wales/vendor", scope, approve()));
    assert_eq!(of_supplier, Refused::OfTheSupplier(TenantId::parse(scope).unwrap()));
    let other = Command::Approve { cut: id.clone(), proposal: FactId([0; 32]) };
    assert_eq!(refused(&world.say("wales/lead", scope, other)), Refused::Unseen);
    assert!(matches!(world.say("wales/lead", scope, approve()), Judged::Counts(Effect::Step(..))));
    assert!(world.is_cut(scope), "approved is not open");
}

#[test]
fn r11_a_step_that_had_not_seen_the_last_one_does_not_count() {
    let mut world = World::new();
    let scope = "wales/wast-111";
    let id = world.cut("wales/duty", scope);
    let one = world.sign("wales/duty", Some(scope), propose(&id));
    let other = world.sign("wales/lead", Some(scope), propose(&id));
    assert!(matches!(world.append(&one), Judged::Counts(_)));
    assert_eq!(refused(&world.append(&other)), Refused::Unseen);
}

#[test]
fn a_restore_of_one_cut_leaves_another_in_force() {
    let mut world = World::new();
    let (one, other) =
        (world.cut("wales/duty", "wales/wast-111"), world.cut("wales/lead", "supplier:meridian"));
    world.restored(&one, "wales/wast-111");
    assert!(world.is_cut("wales/wast-111"));
    world.restored(&other, "supplier:meridian");
    assert!(!world.is_cut("wales/wast-111"));
}

#[test]
fn two_persons_release_what_is_quarantined() {
    let mut world = World::new();
    let id = world.cut("wales/duty", "wales/wast-111");
    let record = Provenance {
        id: ReferralId::of_record("in.wales.wast-111", 0, 1),
        origin: TenantId::parse("wales/wast-111").unwrap(),
        destination: None,
        accepted_at: Some(at(2)),
        admitted_at: at(2),
        spooled_at: None,
        epochs: vec![],
    };
    let release = || Command::Release { cut: id.clone(), referrals: vec![record.id] };
    for who in ["wales/duty", "wales/duty"] {
        let begun = world.say(who, "wales/wast-111", release());
        assert!(matches!(begun, Judged::Counts(Effect::ReleaseBegun(..))), "{begun:?}");
        assert_eq!(world.authority.cuts().ask(&record), Answer::Quarantine(id.clone()));
    }
    let released = world.say("wales/lead", "wales/wast-111", release());
    assert!(matches!(released, Judged::Counts(Effect::Released(..))), "{released:?}");
    assert_ne!(world.authority.cuts().ask(&record), Answer::Quarantine(id));
}

#[test]
fn r21_a_directory_keeps_whom_an_active_cut_covers() {
    let mut world = World::new();
    let id = world.cut("wales/duty", "wales/ooh");
    let apply = |text: String| {
        let digest = Bytes::copy_from_slice(digest_of(&text).as_ref());
        Command::Directory { toml: text, digest }
    };
    let without = world.sign("wales/duty", None, apply(toml("")));
    assert_eq!(
        refused(&world.append(&without)),
        Refused::RemovesCutTenant(TenantId::parse("wales/ooh").unwrap())
    );
    world.restored(&id, "wales/ooh");
    let without = world.sign("wales/duty", None, apply(toml("")));
    assert_eq!(world.append(&without), Judged::Counts(Effect::Directory));
    assert_eq!(world.authority.hear_unsigned(directory(), ""), Err(Refused::DirectoryUnsigned));
}

#[test]
fn nobody_makes_himself_an_operator_without_a_signature() {
    let mut world = World::new();
    let more = toml(&format!(
        "[[operators]]\nid = \"wales/intruder\"\npublic_key = \"{}\"\n[[tenants]]\nid = \"wales/ooh\"\nsupplier = \"castell\"\n",
        "00".repeat(32)
    ));
    let more = crate::parse_directory("directory.toml", &more).unwrap();
    assert_eq!(world.authority.hear_unsigned(more, ""), Err(Refused::DirectoryUnsigned));
    assert_eq!(world.authority.hear_unsigned(directory(), ""), Ok(()));
}

#[test]
fn r22_what_this_release_cannot_read_closes_the_scope_that_it_names_and_no_other() {
    let mut world = World::new();
    let signed = world.sign("wales/duty", Some("wales/ooh"), cut());
    let mut wire = signed.to_wire();
    wire.body = Bytes::from_static(&[0xfa, 0x3f, 0x01, 0x00]);
    let unsigned = SignedFact::from_wire(wire.clone());
    assert_eq!(refused(&world.append(&unsigned)), Refused::Signature);
    let bytes = [fact::DOMAIN, &len(&wire.header), &wire.header, &len(&wire.body), &wire.body].concat();
    wire.signature = Bytes::copy_from_slice(key(1).sign(&bytes).as_ref());
    let newer = SignedFact::from_wire(wire);
    assert!(matches!(world.append(&newer), Judged::Counts(Effect::ClosedUnread(_))));
    assert!(world.is_cut("wales/ooh") && !world.is_cut("wales/wast-111"));
}

#[test]
fn another_nation_speaks_for_its_own_tenants_only() {
    let carry = |scope: &str| {
        let mut home = World::new();
        let fact = home.sign("wales/duty", Some(scope), cut());
        let mut far = World::of(Nation::England);
        let here = Moment { position: 1, at: at(30) };
        // It is judged by its home time, though it arrives later.
        let moment = Moment { position: 7, at: at(1) };
        let judged = far.authority.hear(&Copy {
            fact,
            here,
            taken_at: None,
            home: Some((Nation::Wales, moment)),
            node: "wales-1".into(),
        });
        (judged, far)
    };
    let (judged, far) = carry("wales/wast-111");
    assert!(matches!(judged, Judged::Counts(Effect::Closed(_))), "{judged:?}");
    assert!(far.is_cut("wales/wast-111") && !far.is_cut("england/nhs111"));
    // What it says of its cuts of others is known, and closes nothing here but its own.
    for (scope, own) in [("england/nhs111", false), ("supplier:meridian", true), ("nation:wales", true)] {
        let (judged, far) = carry(scope);
        assert!(matches!(judged, Judged::Counts(Effect::Closed(_))), "{scope}: {judged:?}");
        assert_eq!(far.is_cut("wales/wast-111"), own, "{scope}");
        assert!(!far.is_cut("england/nhs111"), "{scope}");
    }
    // Any other command about another's tenant is nobody's business here.
    let mut home = World::new();
    let order = Command::Order { action: Action::Handled, referrals: vec![], note: "x".into() };
    let fact = home.sign("wales/duty", Some("england/nhs111"), order);
    let place = |position, minute| Moment { position, at: at(minute) };
    let home_place = Some((Nation::Wales, place(7, 1)));
    let copy = Copy { fact, here: place(1, 30), taken_at: None, home: home_place, node: "wales-1".into() };
    assert_eq!(refused(&World::of(Nation::England).authority.hear(&copy)), Refused::Foreign);
}

#[test]
fn an_early_closing_closes_and_its_place_comes_later() {
    let mut world = World::new();
    let fact = world.sign("wales/duty", Some("wales/wast-111"), cut());
    let id = world.authority.close_early(&fact, at(0)).unwrap();
    assert!(world.is_cut("wales/wast-111"));
    assert_eq!(world.append(&fact), Judged::Counts(Effect::Closed(id)));
    let propose = propose(&CutId::parse("wales/none").unwrap());
    let other = world.sign("wales/duty", Some("wales/wast-111"), propose);
    assert!(world.authority.close_early(&other, at(1)).is_err(), "only a cut closes early");
}

/// Cuts and restores, in any number and order: a tenant is reachable when no active cut covers it, and a replay
/// comes to the same.
#[test]
fn a_replay_comes_to_the_same() {
    let mut world = World::new();
    let mut log = Vec::new();
    for round in 0..4 {
        for who in ["wales/duty", "wales/lead", "england/duty"] {
            let scope = if round % 2 == 0 { "wales/wast-111" } else { "supplier:meridian" };
            let fact = world.sign(who, Some(scope), cut());
            log.push((fact.clone(), world.position + 1, world.minute + 1));
            world.append(&fact);
        }
    }
    let mut again = World::new();
    for (fact, position, minute) in log {
        let here = Moment { position, at: at(minute) };
        again.authority.hear(&Copy { fact, here, taken_at: None, home: None, node: "wales-1".into() });
    }
    let stages =
        |world: &World| world.authority.cuts().all().map(|c| (c.id().clone(), c.stage())).collect::<Vec<_>>();
    assert_eq!(stages(&world), stages(&again));
    assert_eq!(world.authority.cuts().digest(), again.authority.cuts().digest());
}

fn len(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap().to_be_bytes()
}

fn digest_of(text: &str) -> ring::digest::Digest {
    ring::digest::digest(&ring::digest::SHA256, text.as_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever is changed in a record of the log, it closes nothing and opens nothing, and nobody falls over.
    #[test]
    fn a_changed_record_has_no_effect(at_byte in any::<prop::sample::Index>(), mask in 1..=255_u8) {
        let mut world = World::new();
        let signed = world.sign("wales/duty", Some("wales/wast-111"), cut());
        let record = crate::fact::signed_record(&signed, "wales-1", at(0), None, None, [0; 8]);
        let mut bytes = record.value.to_vec();
        let index = at_byte.index(bytes.len());
        bytes[index] ^= mask;
        let partition = bulkhead_log::Topic::new("control.wales").unwrap().partition(0);
        let record = bulkhead_log::Record { key: record.key, value: bytes.into() };
        let entry = bulkhead_log::Entry { partition, offset: 1, at: at(1), record };
        if let Ok(crate::fact::Fact::Signed(copy)) = crate::fact::Fact::read(&entry) {
            let is_whole = copy.fact == signed && copy.home.is_none();
            let judged = world.authority.hear(&copy);
            prop_assert_eq!(matches!(judged, Judged::Counts(_)), is_whole, "{:?}", judged);
            prop_assert_eq!(world.is_cut("wales/wast-111"), is_whole);
        }
    }
}

/// As far as England was told of it: every fact with its place in Wales, a minute apart.
fn as_carried(home: &World, facts: &[SignedFact]) -> World {
    let mut far = World::of(Nation::England);
    for (n, fact) in facts.iter().enumerate() {
        let n = i64::try_from(n).unwrap() + 1;
        let place = |minute| Moment { position: u64::try_from(n).unwrap(), at: at(minute) };
        let copy = Copy {
            fact: fact.clone(),
            here: place(n + 30),
            taken_at: None,
            home: Some((home.authority.nation(), place(n))),
            node: "england-1".into(),
        };
        let judged = far.authority.hear(&copy);
        assert!(matches!(judged, Judged::Counts(_)), "{judged:?}");
    }
    far
}

#[test]
fn the_home_cells_abort_closes_what_another_nation_has_open_and_does_nothing_else() {
    let (mut home, mut facts) = (World::new(), Vec::new());
    let scope = Some("wales/wast-111");
    let mut say = |home: &mut World, who: &str, command: Command| {
        let fact = home.sign(who, scope, command);
        let judged = home.append(&fact);
        facts.push(fact);
        judged
    };
    let Judged::Counts(Effect::Closed(id)) = say(&mut home, "wales/duty", cut()) else { panic!() };
    say(&mut home, "wales/duty", propose(&id));
    let proposal = home.authority.timeline(&id).unwrap().proposal.clone().unwrap().fact;
    say(&mut home, "wales/lead", Command::Approve { cut: id.clone(), proposal });
    let canary = Advance::Canary { with: vec![TenantId::parse("wales/ooh").unwrap()] };
    for step in [canary, Advance::Limited { per_minute: 10 }, Advance::Full] {
        say(&mut home, "wales/duty", advance(&id, step));
    }
    let seen = |home: Nation, position| crate::fact::Seen {
        cut: id.clone(),
        by: operator_id("wales/wales-1"),
        what: "300 in a minute".into(),
        home: Some((home, Moment { position, at: at(20) })),
    };
    let check = |known: usize, seen: &crate::fact::Seen, closes: bool| {
        let mut far = as_carried(&home, &facts[..known]);
        let stage = |far: &World| far.authority.cuts().course(&id).map(|course| course.stage());
        let before = stage(&far);
        let here = Moment { position: 40, at: at(40) };
        assert_eq!(far.authority.hear_anomaly(seen, here).is_some(), closes, "after {known} facts: {seen:?}");
        assert_eq!(stage(&far), if closes { Some(bulkhead_model::Stage::InForce) } else { before });
        assert_eq!(far.authority.hear_anomaly(seen, here), None, "a copy");
    };
    // Cut, proposed, approved, canary, limited, restored.
    for (known, closes) in [(1, false), (2, false), (3, false), (4, true), (5, true), (6, false)] {
        check(known, &seen(Nation::Wales, 20), closes);
    }
    check(5, &seen(Nation::Wales, 5), false);
    check(5, &seen(Nation::England, 20), false);
    check(5, &seen(Nation::Scotland, 20), false);
}

#[test]
fn what_floods_its_door_on_probation_is_closed_again_and_nothing_else_is() {
    let mut world = World::new();
    let id = world.cut("wales/duty", "wales/wast-111");
    let seen = crate::fact::Seen {
        cut: id.clone(),
        by: operator_id("wales/wales-2"),
        what: "300 new referrals in a minute, and 10 are allowed".into(),
        home: None,
    };
    let hear = |world: &mut World| {
        world.position += 1;
        world.minute += 1;
        let here = Moment { position: world.position, at: at(world.minute) };
        world.authority.hear_anomaly(&seen, here)
    };
    assert_eq!(hear(&mut world), None, "it is closed as it is");
    world.say("wales/duty", "wales/wast-111", propose(&id));
    let proposal = world.authority.timeline(&id).unwrap().proposal.clone().unwrap().fact;
    world.say("wales/lead", "wales/wast-111", Command::Approve { cut: id.clone(), proposal });
    let canary = Advance::Canary { with: vec![TenantId::parse("wales/ooh").unwrap()] };
    world.say("wales/lead", "wales/wast-111", advance(&id, canary));
    assert_eq!(hear(&mut world), None, "the canary stage is a person's");
    world.say("wales/duty", "wales/wast-111", advance(&id, Advance::Limited { per_minute: 10 }));
    assert!(!world.is_cut("wales/wast-111"));

    let before = world.authority.clone();
    assert_eq!(hear(&mut world), Some(Effect::Step(id.clone(), "aborted")));
    assert!(world.is_cut("wales/wast-111"));
    let entry = world.authority.timeline(&id).unwrap().entries.last().unwrap().clone();
    assert_eq!((entry.what.as_str(), entry.by.as_str()), ("automatic abort", "wales/wales-2"));
    assert_eq!(hear(&mut world), None, "another node saw it too");
    // Nobody goes on from where it was: the way back begins anew.
    let full = world.say("wales/duty", "wales/wast-111", advance(&id, Advance::Full));
    assert!(matches!(full, Judged::Refused(Refused::NotNow(_))), "{full:?}");

    // Another nation's log says nothing about it.
    let mut foreign = before;
    foreign.nation = Nation::England;
    let here = Moment { position: world.position, at: at(world.minute) };
    assert_eq!(foreign.hear_anomaly(&seen, here), None);
}
