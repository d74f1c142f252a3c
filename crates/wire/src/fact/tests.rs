//! A signed fact holds as it was signed, and in no other form.

use bulkhead_model::{CutId, Direction, Nation, OperatorId, ReferralId, Scope, SupplierId, TenantId};
use proptest::prelude::*;

use super::*;

/// A key that anybody may know.
pub(crate) fn key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

fn cut() -> CutId {
    CutId::parse("wales/c0ffee012345").unwrap()
}

fn commands() -> Vec<Command> {
    let referrals = vec![ReferralId::of_record("in.wales.wast-111", 0, 1)];
    vec![
        Command::Cut {
            direction: Direction::Both,
            since: "2026-03-01T09:00:00Z".parse().unwrap(),
            drain_clean: false,
            reason: "credentials were seen for sale".into(),
            plan: [3; 32],
            tenants: vec![TenantId::parse("wales/wast-111").unwrap()],
        },
        Command::Confirm { cut: cut() },
        Command::Withdraw { cut: cut(), reason: "the wrong one".into() },
        Command::Propose {
            cut: cut(),
            evidence: "rebuilt from clean images; report 17".into(),
            certificates: vec!["ab".repeat(32)],
            inbox: "inbox-2".into(),
        },
        Command::Approve { cut: cut(), proposal: FactId([9; 32]) },
        Command::Advance { cut: cut(), to: Advance::Limited { per_minute: 20 } },
        Command::Advance { cut: cut(), to: Advance::Full },
        Command::Abort { cut: cut(), reason: "seen again".into() },
        Command::Release { cut: cut(), referrals: referrals.clone() },
        Command::Reject { cut: cut(), referrals: referrals.clone(), reason: "forged".into() },
        Command::Order { action: Action::Handled, referrals: referrals.clone(), note: String::new() },
        Command::Directory { toml: "# none\n".into(), digest: Bytes::from_static(&[1; 32]) },
        Command::Open { reason: "continuity".into(), referrals: vec![] },
    ]
}

fn statement(command: Command, scope: HeaderScope) -> Statement {
    let header = Header {
        kind: command.kind(),
        nation: Nation::Wales,
        scope,
        signed_at: "2026-03-01T10:00:00Z".parse().unwrap(),
        expires_at: "2026-03-01T10:02:00Z".parse().unwrap(),
        seen: 42,
        nonce: *b"sixteen bytes it",
        operator: OperatorId::parse("wales/wales-duty").unwrap(),
    };
    Statement { header, command }
}

fn scopes() -> Vec<HeaderScope> {
    vec![
        HeaderScope::None,
        HeaderScope::Of(Scope::Tenant(TenantId::parse("wales/wast-111").unwrap())),
        HeaderScope::Of(Scope::Supplier(SupplierId::parse("meridian").unwrap())),
        HeaderScope::Of(Scope::Nation(Nation::NorthernIreland)),
    ]
}

#[test]
fn every_command_is_read_as_it_was_signed() {
    let public = *key().public_key();
    for command in commands() {
        for scope in scopes() {
            let statement = statement(command.clone(), scope);
            let signed = SignedFact::from_wire(statement.sign(&key()).to_wire());
            assert_eq!(signed.verify(public.as_ref()), Ok(()));
            assert_eq!(signed.header().unwrap(), statement.header);
            assert_eq!(signed.command().unwrap(), command);
        }
    }
}

#[test]
fn a_body_that_is_not_canonical_is_not_read() {
    let statement = statement(commands().remove(1), HeaderScope::None);
    let mut wire = statement.sign(&key()).to_wire();
    // An unknown field, as a newer release may write it.
    wire.body = [&wire.body[..], &[0xf8, 0x3f, 0x01]].concat().into();
    let signed = SignedFact::from_wire(wire);
    assert!(signed.command().is_err());
    assert!(signed.header().is_ok(), "whom it names is known all the same");
    assert_eq!(signed.verify(key().public_key().as_ref()), Err(Forged::Signature));
}

#[test]
fn the_kind_in_the_header_is_the_bodys() {
    let mut statement = statement(commands().remove(1), HeaderScope::None);
    statement.header.kind = 3;
    assert_eq!(statement.sign(&key()).command(), Err(Unreadable::Field("kind")));
}

#[test]
fn an_operator_speaks_for_its_own_nation() {
    let mut statement = statement(commands().remove(1), HeaderScope::None);
    statement.header.nation = Nation::England;
    assert_eq!(statement.sign(&key()).header(), Err(Forged::Header));
}

#[test]
fn a_public_key_is_written_as_the_directory_has_it() {
    let text = public_key_hex(&key());
    assert_eq!(public_key_from_hex(&text).unwrap(), key().public_key().as_ref());
    for wrong in ["", "00", &"zz".repeat(32), &"é".repeat(32)] {
        assert_eq!(public_key_from_hex(wrong), None, "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever is changed, the fact does not hold: and nothing panics that reads it.
    #[test]
    fn a_changed_fact_does_not_hold(
        which in 0..13_usize, scope in 0..4_usize, at in any::<prop::sample::Index>(), change in mutation(),
    ) {
        let signed = statement(commands().remove(which), scopes().remove(scope)).sign(&key());
        let before = signed.to_wire().encode_to_vec();
        let mut bytes = before.clone();
        change.apply(&mut bytes, at);
        if let Ok(wire) = v1::SignedFact::decode(&bytes[..]) {
            let changed = SignedFact::from_wire(wire);
            let _ = (changed.header(), changed.command(), changed.id());
            let holds = changed.verify(key().public_key().as_ref()).is_ok();
            prop_assert_eq!(holds, changed == signed);
        }
    }
}

#[derive(Debug, Clone)]
enum Mutation {
    Flip(u8),
    Insert(u8),
    Remove,
    Truncate,
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>, at: prop::sample::Index) {
        let at = at.index(bytes.len());
        match self {
            Mutation::Flip(mask) => bytes[at] ^= mask,
            Mutation::Insert(byte) => bytes.insert(at, *byte),
            Mutation::Remove => drop(bytes.remove(at)),
            Mutation::Truncate => bytes.truncate(at),
        }
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        (1..=255_u8).prop_map(Mutation::Flip),
        any::<u8>().prop_map(Mutation::Insert),
        Just(Mutation::Remove),
        Just(Mutation::Truncate),
    ]
}
