//! What a failure campaign makes fail, and which of it is drawn.

use std::fmt;

use rand::Rng;
use rand::rngs::StdRng;

/// What was made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// SIGKILL of a node.
    NodeKilled,
    /// SIGSTOP of a node, longer than its lease and sometimes longer than its session, then SIGCONT.
    NodePaused,
    /// SIGTERM of a node.
    NodeStopped,
    /// SIGKILL of a node, and its ledger deleted.
    LedgerLost,
    /// SIGKILL of a broker.
    BrokerKilled,
    /// SIGSTOP of a broker, then SIGCONT.
    BrokerPaused,
    /// SIGKILL of two brokers: none may acknowledge.
    TwoBrokersKilled,
    /// SIGKILL of all of them.
    AllBrokersKilled,
    /// The disk of a broker is full until it has given up; then there is room again, and it is started again.
    DiskFull,
    /// A node with a wall clock an hour before or behind.
    ClockOff,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failure::NodeKilled => "node killed",
            Failure::NodePaused => "node paused",
            Failure::NodeStopped => "node stopped",
            Failure::LedgerLost => "ledger lost",
            Failure::BrokerKilled => "broker killed",
            Failure::BrokerPaused => "broker paused",
            Failure::TwoBrokersKilled => "two brokers killed",
            Failure::AllBrokersKilled => "all brokers killed",
            Failure::DiskFull => "disk of a broker full",
            Failure::ClockOff => "clock of a node an hour off",
        })
    }
}

/// What may be drawn.
#[derive(Debug, Clone, Default)]
pub(super) struct Urn {
    pub(super) spare_brokers: bool,
    /// What was asked for beside the usual; half of all.
    pub(super) besides: Vec<Failure>,
}

impl Urn {
    pub(super) fn draw(&self, random: &mut StdRng) -> Failure {
        let node = [
            Failure::NodeKilled,
            Failure::NodeKilled,
            Failure::NodePaused,
            Failure::NodePaused,
            Failure::NodeStopped,
            Failure::LedgerLost,
        ];
        let broker = [
            Failure::BrokerKilled,
            Failure::BrokerKilled,
            Failure::BrokerPaused,
            Failure::TwoBrokersKilled,
            Failure::AllBrokersKilled,
        ];
        let of = if !self.besides.is_empty() && random.random_bool(0.5) {
            &self.besides[..]
        } else if !self.spare_brokers && random.random_bool(0.35) {
            &broker[..]
        } else {
            &node[..]
        };
        of[random.random_range(0..of.len())]
    }
}
