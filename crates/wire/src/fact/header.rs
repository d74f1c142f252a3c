//! The header of a signed fact: a fixed layout that every release reads alike.

use bulkhead_model::{Nation, OperatorId, Scope, SupplierId, TenantId};
use jiff::Timestamp;

const MAGIC: &[u8; 4] = b"BHF1";
/// All before the two names.
const FIXED: usize = 48;

/// Makes a fact one of a kind, so that a copy of it can be told from a second one.
pub type Nonce = [u8; 16];

/// Who signed, when, and which scope it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The number of the command's kind.
    pub kind: u16,
    /// Whose fact it is: the nation of its signer.
    pub nation: Nation,
    /// What an unreadable body would close.
    pub scope: HeaderScope,
    /// The signer's clock.
    pub signed_at: Timestamp,
    /// From then on it says nothing, judged by the append time of its record.
    pub expires_at: Timestamp,
    /// The control position up to which the signer had seen it.
    pub seen: u64,
    /// Random.
    pub nonce: Nonce,
    /// The signer.
    pub operator: OperatorId,
}

/// The scope that a fact names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderScope {
    /// None: a fact that closes nothing, however little of it can be read.
    None,
    /// This one.
    Of(Scope),
}

impl HeaderScope {
    /// The scope, when it names one.
    pub fn scope(&self) -> Option<&Scope> {
        match self {
            HeaderScope::None => None,
            HeaderScope::Of(scope) => Some(scope),
        }
    }

    fn parts(&self) -> (u8, &str) {
        match self {
            HeaderScope::None => (0, ""),
            HeaderScope::Of(Scope::Tenant(tenant)) => (1, tenant.as_str()),
            HeaderScope::Of(Scope::Supplier(supplier)) => (2, supplier.as_str()),
            HeaderScope::Of(Scope::Nation(nation)) => (3, nation.as_str()),
        }
    }

    fn read(kind: u8, name: &str) -> Option<Self> {
        Some(match kind {
            0 if name.is_empty() => HeaderScope::None,
            1 => HeaderScope::Of(Scope::Tenant(TenantId::parse(name).ok()?)),
            2 => HeaderScope::Of(Scope::Supplier(SupplierId::parse(name).ok()?)),
            3 => HeaderScope::Of(Scope::Nation(name.parse().ok()?)),
            _ => return None,
        })
    }
}

impl Header {
    /// As it is signed.
    pub fn encode(&self) -> Vec<u8> {
        let (scope_kind, scope) = self.scope.parts();
        let operator = self.operator.as_str();
        let mut bytes = Vec::with_capacity(FIXED + 2 + scope.len() + operator.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.kind.to_be_bytes());
        bytes.push(nation_number(self.nation));
        bytes.push(scope_kind);
        bytes.extend_from_slice(&self.signed_at.as_millisecond().to_be_bytes());
        bytes.extend_from_slice(&self.expires_at.as_millisecond().to_be_bytes());
        bytes.extend_from_slice(&self.seen.to_be_bytes());
        bytes.extend_from_slice(&self.nonce);
        for name in [scope, operator] {
            // Ids are at most 80 bytes.
            bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            bytes.extend_from_slice(name.as_bytes());
        }
        bytes
    }

    /// Reads all of `bytes`; `None` when it has another layout, or the signer is of another nation.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<4>()?;
        if magic != MAGIC {
            return None;
        }
        let (kind, rest) = rest.split_first_chunk::<2>()?;
        let ([nation, scope_kind], rest) = rest.split_first_chunk::<2>()?;
        let (signed_at, rest) = rest.split_first_chunk::<8>()?;
        let (expires_at, rest) = rest.split_first_chunk::<8>()?;
        let (seen, rest) = rest.split_first_chunk::<8>()?;
        let (nonce, rest) = rest.split_first_chunk::<16>()?;
        let (scope, rest) = name(rest)?;
        let (operator, rest) = name(rest)?;
        if !rest.is_empty() {
            return None;
        }
        let header = Self {
            kind: u16::from_be_bytes(*kind),
            nation: nation_of(*nation)?,
            scope: HeaderScope::read(*scope_kind, scope)?,
            signed_at: millis(*signed_at)?,
            expires_at: millis(*expires_at)?,
            seen: u64::from_be_bytes(*seen),
            nonce: *nonce,
            operator: OperatorId::parse(operator).ok()?,
        };
        (header.operator.nation() == header.nation).then_some(header)
    }
}

fn name(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(length.into())?;
    Some((std::str::from_utf8(name).ok()?, rest))
}

fn millis(bytes: [u8; 8]) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::from_be_bytes(bytes)).ok()
}

fn nation_number(nation: Nation) -> u8 {
    match nation {
        Nation::England => 1,
        Nation::Wales => 2,
        Nation::Scotland => 3,
        Nation::NorthernIreland => 4,
    }
}

fn nation_of(number: u8) -> Option<Nation> {
    Nation::ALL.into_iter().find(|nation| nation_number(*nation) == number)
}
