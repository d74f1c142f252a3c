//! What tests of this crate sign and are known by.

use bulkhead_model::{Direction, Nation, OperatorId, Scope, TenantId};
use bulkhead_wire::fact::{Command, Header, HeaderScope, SignedFact, Statement, public_key_hex};
use jiff::Timestamp;
use ring::signature::Ed25519KeyPair;

pub(crate) const NATION: Nation = Nation::Wales;
const TENANT: &str = "wales/wast-111";

/// Who is cut off.
pub(crate) fn tenant() -> TenantId {
    TenantId::parse(TENANT).unwrap()
}

/// The key of the nation's operator.
pub(crate) fn operator() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

/// A cut, a different one for each number.
pub(crate) fn cut(by: &Ed25519KeyPair, number: u8) -> SignedFact {
    let command = Command::Cut {
        direction: Direction::Both,
        since: Timestamp::now(),
        drain_clean: false,
        reason: "signs of an intruder".into(),
        plan: [0; 32],
        tenants: vec![tenant()],
    };
    let header = Header {
        kind: command.kind(),
        nation: NATION,
        scope: HeaderScope::Of(Scope::Tenant(tenant())),
        signed_at: Timestamp::now(),
        expires_at: Timestamp::now() + jiff::SignedDuration::from_secs(60),
        seen: 0,
        nonce: [number; 16],
        operator: OperatorId::parse("wales/duty").unwrap(),
    };
    Statement { header, command }.sign(by)
}

/// The tenant, its supplier, and the operator.
pub(crate) fn directory() -> String {
    format!(
        "[[suppliers]]\nid = \"meridian\"\n[[tenants]]\nid = \"{TENANT}\"\nsupplier = \"meridian\"\n\
         [[operators]]\nid = \"wales/duty\"\npublic_key = \"{}\"\n",
        public_key_hex(&operator())
    )
}
