//! Who may decide for a shard, and which events of a partition count for that reason.

use crate::TenantId;

/// How many shards a cell has: partitions of `shards.<nation>` and of `events.<nation>`.
pub const SHARDS: u32 = 32;

/// The shard that decides for a tenant: FNV-1a of its id, so that every node and release agrees.
pub fn shard_of(tenant: &TenantId) -> u32 {
    let hash = tenant
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    (hash % u64::from(SHARDS)) as u32
}

/// The numbered right of a node to decide for a shard.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claim {
    /// 0 to 31.
    pub shard: u32,
    /// Rises with each owner.
    pub number: u64,
    /// Who holds it.
    pub node: String,
}

/// The claims of one partition of events, read in order: it tells which events count.
///
/// Of equal numbers the first counts; an event of an older claim behind a newer one is void
/// (architecture section 4). Both lie in one partition, so every reader agrees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimBook {
    holder: Option<(u64, String)>,
}

impl ClaimBook {
    /// A book that continues from a stored one.
    pub fn resume(number: u64, node: String) -> Self {
        Self { holder: (number > 0).then_some((number, node)) }
    }

    /// Reads a claim; true when it counts from here on.
    pub fn claimed(&mut self, claim: &Claim) -> bool {
        let newer = self.holder.as_ref().is_none_or(|(number, _)| claim.number > *number);
        if newer {
            self.holder = Some((claim.number, claim.node.clone()));
        }
        newer
    }

    /// Whether an event written under this claim counts here.
    pub fn counts(&self, claim: &Claim) -> bool {
        self.holder.as_ref().is_some_and(|(number, node)| claim.number == *number && claim.node == *node)
    }

    /// The number and node in force; 0 before the first claim.
    pub fn current(&self) -> (u64, &str) {
        self.holder.as_ref().map_or((0, ""), |(number, node)| (*number, node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(number: u64, node: &str) -> Claim {
        Claim { shard: 3, number, node: node.into() }
    }

    #[test]
    fn an_older_claim_behind_a_newer_one_is_void() {
        let mut book = ClaimBook::default();
        assert!(!book.counts(&claim(1, "a")));
        assert!(book.claimed(&claim(1, "a")));
        assert!(book.counts(&claim(1, "a")));
        assert!(book.claimed(&claim(2, "b")));
        assert!(!book.counts(&claim(1, "a")));
        assert!(book.counts(&claim(2, "b")));
    }

    #[test]
    fn of_equal_numbers_the_first_counts() {
        let mut book = ClaimBook::default();
        assert!(book.claimed(&claim(4, "a")));
        assert!(!book.claimed(&claim(4, "b")));
        assert!(book.counts(&claim(4, "a")) && !book.counts(&claim(4, "b")));
    }

    #[test]
    fn a_tenants_shard_never_changes() {
        let shard = |id| shard_of(&TenantId::parse(id).unwrap());
        assert_eq!(
            (shard("england/nhs111-north"), shard("wales/ooh-cardiff")),
            (shard("england/nhs111-north"), shard("wales/ooh-cardiff"))
        );
        assert!(shard("scotland/nhs24") < SHARDS);
    }
}
