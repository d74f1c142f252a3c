//! The names of the topics of a cell (architecture section 4).

use bulkhead_model::{Lane, Nation, SHARDS, TenantId};

/// Bytes as a tenant submitted them or as another nation carried them: one partition.
pub fn inward(tenant: &TenantId) -> String {
    format!("in.{}", tenant.topic_part())
}

/// Whose `in` a partition is, as it is shown (`in.wales.wast-111/0`).
pub fn sender_of(partition: &str) -> Option<TenantId> {
    let (topic, _) = partition.strip_prefix("in.")?.split_once('/')?;
    TenantId::parse(&topic.replacen('.', "/", 1)).ok()
}

/// Bytes that wait for a tenant: a partition a lane.
pub fn outward(tenant: &TenantId) -> String {
    format!("out.{}", tenant.topic_part())
}

/// Bytes that wait for another nation: a partition per shard and lane.
pub fn border(nation: Nation) -> String {
    format!("border.{nation}")
}

/// The partition of `border` for that shard and lane.
pub fn border_partition(shard: u32, lane: Lane) -> u32 {
    shard * Lane::ALL.len() as u32 + lane.partition()
}

/// How many partitions `border` has.
pub const BORDER_PARTITIONS: u32 = SHARDS * Lane::ALL.len() as u32;

/// Decisions: a partition a shard.
pub fn events(nation: Nation) -> String {
    format!("events.{nation}")
}

/// Authority: one partition, compacted.
pub fn control(nation: Nation) -> String {
    format!("control.{nation}")
}

/// Empty; whoever holds a partition owns the tenants that hash to it.
pub fn shards(nation: Nation) -> String {
    format!("shards.{nation}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_shard_and_lane_has_a_partition_of_the_border_of_its_own() {
        let partitions: BTreeSet<u32> =
            (0..SHARDS).flat_map(|shard| Lane::ALL.map(|lane| border_partition(shard, lane))).collect();
        assert_eq!(partitions, (0..BORDER_PARTITIONS).collect());
    }

    #[test]
    fn names_are_those_of_the_design() {
        let tenant = TenantId::parse("northern-ireland/gp-ooh").unwrap();
        assert_eq!(inward(&tenant), "in.northern-ireland.gp-ooh");
        assert_eq!(outward(&tenant), "out.northern-ireland.gp-ooh");
        assert_eq!(sender_of("in.northern-ireland.gp-ooh/0"), Some(tenant));
        assert_eq!([sender_of("events.wales/3"), sender_of("in.nowhere/0")], [None, None]);
        let nation = Nation::NorthernIreland;
        assert_eq!(
            [border(nation), events(nation), control(nation), shards(nation)],
            ["border", "events", "control", "shards"].map(|kind| format!("{kind}.northern-ireland"))
        );
    }
}
