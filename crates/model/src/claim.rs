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

    /// Reads a claim; true when it counts from here on. Numbers begin at 1: one of 0 never counts.
    pub fn claimed(&mut self, claim: &Claim) -> bool {
        let newer = claim.number > self.current().0;
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
    use proptest::prelude::*;

    use super::*;
    use crate::Nation;
    use crate::samples::cases;

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
        let check = |id, shard| assert_eq!(shard_of(&TenantId::parse(id).unwrap()), shard, "{id}");
        check("england/nhs111-north", 9);
        check("wales/ooh-cardiff", 18);
        check("scotland/nhs24", 7);
        check("northern-ireland/gp-ooh", 6);
    }

    #[test]
    fn tenants_spread_over_all_shards() {
        let mut counts = [0_u32; SHARDS as usize];
        for nation in Nation::ALL {
            for number in 0..800 {
                let id = TenantId::parse(&format!("{nation}/practice-{number}")).unwrap();
                counts[shard_of(&id) as usize] += 1;
            }
        }
        assert!(counts.iter().all(|count| (50..=150).contains(count)), "mean 100: {counts:?}");
    }

    /// Claims of a few nodes, and events under claims that were or were not made, as a partition holds them.
    fn partition() -> impl Strategy<Value = Vec<(bool, Claim)>> {
        let node = prop::sample::select(vec!["a", "b", "c"]);
        prop::collection::vec((any::<bool>(), (0..6_u64, node).prop_map(|(n, node)| claim(n, node))), 0..24)
    }

    /// What a reader learns of each record of the partition, when it stores its book before some of them.
    fn read(records: &[(bool, Claim)], stored_before: impl Fn(usize) -> bool) -> Vec<(bool, u64, String)> {
        let mut book = ClaimBook::default();
        let mut learnt = Vec::new();
        for (at, (is_claim, claim)) in records.iter().enumerate() {
            if stored_before(at) {
                let (number, node) = book.current();
                book = ClaimBook::resume(number, node.to_owned());
            }
            let counts = if *is_claim { book.claimed(claim) } else { book.counts(claim) };
            let (number, node) = book.current();
            learnt.push((counts, number, node.to_owned()));
        }
        learnt
    }

    proptest! {
        #![proptest_config(cases(1_000))]

        #[test]
        fn every_reader_of_a_partition_learns_the_same(records in partition(), stops in any::<u32>()) {
            let read_on = read(&records, |_| false);
            let with_stops = read(&records, |at| stops & (1 << at) != 0);
            prop_assert_eq!(read_on, with_stops);
        }

        #[test]
        fn at_most_one_holder_counts_and_the_number_never_falls(records in partition()) {
            let mut book = ClaimBook::default();
            let mut before = 0;
            for (_, made) in records.iter().filter(|(is_claim, _)| *is_claim) {
                let number = made.number;
                prop_assert_eq!(book.claimed(made), number > before);
                before = before.max(number);
                let holders = (0..7)
                    .flat_map(|number| ["a", "b", "c"].map(|node| claim(number, node)))
                    .filter(|claim| book.counts(claim))
                    .count();
                prop_assert_eq!(holders, usize::from(before > 0));
                prop_assert_eq!(book.current().0, before);
            }
        }
    }
}
