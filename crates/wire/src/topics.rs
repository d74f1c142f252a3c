//! The names of the topics of a cell (architecture section 4).

use bulkhead_model::{Lane, Nation, SHARDS, TenantId};

/// Bytes as a tenant submitted them or as another nation carried them: one partition.
pub fn inward(tenant: &TenantId) -> String {
    format!("in.{}", tenant.topic_part())
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
