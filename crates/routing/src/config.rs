//! What routing is told at start.

use std::collections::HashMap;
use std::time::Duration;

use bulkhead_model::Nation;

use crate::{CrashBetweenAppends, Layers};

/// Another nation's cell: where its border door is.
#[derive(Debug, Clone)]
pub struct FarCell {
    /// `host:port` of each of its nodes, tried in turn.
    pub addresses: Vec<String>,
    /// The name on its certificate.
    pub server_name: String,
}

/// Routing's configuration; one that exists is valid.
#[derive(Debug, Clone)]
pub struct Config {
    /// The nation of this cell.
    pub nation: Nation,
    /// This node's name, for example `england-1`.
    pub node: String,
    /// The other nations' doors.
    pub far: HashMap<Nation, FarCell>,
    /// How many records of one tenant's `in` are decided at a time; the rest waits in the log.
    pub router_window: usize,
    /// How many referrals are carried to one nation at a time; the rest waits in the log.
    pub courier_window: usize,
    /// How many deliveries one sidecar has open at a time, whatever credits it grants; the rest waits in the log.
    pub delivery_window: usize,
    /// How many badly answered offers a referral may have before it is set aside.
    pub delivery_budget: u32,
    /// How long a sidecar's stream may take to say hello. Longer: it is ended.
    pub hello_timeout: Duration,
    /// How often deadlines are looked at.
    pub deadline_tick: Duration,
    /// Test-only: where the gate is not asked.
    pub layers: Layers,
    /// Test-only: end the process between the two appends of a decision.
    pub crash: CrashBetweenAppends,
}

impl Config {
    /// The defaults for a node.
    pub fn new(nation: Nation, node: impl Into<String>) -> Self {
        Self {
            nation,
            node: node.into(),
            far: HashMap::new(),
            router_window: 64,
            courier_window: 32,
            delivery_window: 64,
            delivery_budget: 8,
            hello_timeout: Duration::from_secs(10),
            deadline_tick: Duration::from_secs(1),
            layers: Layers::default(),
            crash: CrashBetweenAppends::never(),
        }
    }
}
