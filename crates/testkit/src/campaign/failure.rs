//! What a failure campaign makes fail, and which of it comes when.

use std::fmt;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// What was made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// SIGKILL of a node.
    NodeKilled,
    /// SIGSTOP of a node, longer than its lease and sometimes longer than its session, then SIGCONT.
    NodePaused,
    /// SIGSTOP of a node for half a minute, with appends in its queue and hand-overs half made, then SIGCONT.
    NodeStoppedMidway,
    /// Two rebalances close together: two nodes claim the same shards with the same numbers.
    ClaimedTwice,
    /// SIGTERM of a node.
    NodeStopped,
    /// SIGKILL of a node, and its ledger deleted.
    LedgerLost,
    /// SIGKILL of a sidecar; its spool and its inbox stay.
    SidecarKilled,
    /// SIGSTOP of a sidecar, then SIGCONT.
    SidecarPaused,
    /// SIGKILL of a broker.
    BrokerKilled,
    /// SIGSTOP of a broker, then SIGCONT.
    BrokerPaused,
    /// SIGKILL of the broker that leads the control log of a cell.
    ControlLeaderKilled,
    /// SIGSTOP of the broker that leads the control log of a cell, then SIGCONT.
    ControlLeaderPaused,
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
            Failure::NodeStoppedMidway => "node stopped midway",
            Failure::ClaimedTwice => "shards claimed twice",
            Failure::NodeStopped => "node stopped",
            Failure::LedgerLost => "ledger lost",
            Failure::SidecarKilled => "sidecar killed",
            Failure::SidecarPaused => "sidecar paused",
            Failure::BrokerKilled => "broker killed",
            Failure::BrokerPaused => "broker paused",
            Failure::ControlLeaderKilled => "leader of the control log killed",
            Failure::ControlLeaderPaused => "leader of the control log paused",
            Failure::TwoBrokersKilled => "two brokers killed",
            Failure::AllBrokersKilled => "all brokers killed",
            Failure::DiskFull => "disk of a broker full",
            Failure::ClockOff => "clock of a node an hour off",
        })
    }
}

/// What a row of failures has before anything twice, the most important first.
const ONE_OF_EACH: [Failure; 14] = [
    Failure::NodeKilled,
    Failure::BrokerKilled,
    Failure::SidecarKilled,
    Failure::NodePaused,
    Failure::ControlLeaderKilled,
    Failure::TwoBrokersKilled,
    Failure::AllBrokersKilled,
    Failure::LedgerLost,
    Failure::BrokerPaused,
    Failure::SidecarPaused,
    Failure::ControlLeaderPaused,
    Failure::NodeStopped,
    Failure::NodeStoppedMidway,
    Failure::ClaimedTwice,
];

/// What may come.
#[derive(Debug, Clone, Default)]
pub(super) struct Urn {
    pub(super) spare_brokers: bool,
    pub(super) spare_sidecars: bool,
    /// A cell has two further nodes.
    pub(super) pairs: bool,
    /// What was asked for beside the usual; half of what is drawn.
    pub(super) besides: Vec<Failure>,
}

impl Urn {
    /// So many in any order: first one of each as far as that goes, what was asked for before all else, and then
    /// whatever is drawn.
    pub(super) fn row(&self, count: u32, random: &mut StdRng) -> Vec<Failure> {
        let count = count as usize;
        let usual = ONE_OF_EACH.into_iter().filter(|failure| self.holds(*failure));
        let mut row: Vec<_> = self.besides.iter().copied().chain(usual).take(count).collect();
        while row.len() < count {
            row.push(self.draw(random));
        }
        row.shuffle(random);
        row
    }

    fn draw(&self, random: &mut StdRng) -> Failure {
        let node = [
            Failure::NodeKilled,
            Failure::NodeKilled,
            Failure::NodePaused,
            Failure::NodePaused,
            Failure::NodeStopped,
            Failure::LedgerLost,
        ];
        let sidecar = [Failure::SidecarKilled, Failure::SidecarKilled, Failure::SidecarPaused];
        let broker = [
            Failure::BrokerKilled,
            Failure::ControlLeaderKilled,
            Failure::BrokerPaused,
            Failure::ControlLeaderPaused,
            Failure::TwoBrokersKilled,
            Failure::AllBrokersKilled,
        ];
        let of = if !self.besides.is_empty() && random.random_bool(0.5) {
            &self.besides[..]
        } else if !self.spare_sidecars && random.random_bool(0.2) {
            &sidecar[..]
        } else if !self.spare_brokers && random.random_bool(0.4) {
            &broker[..]
        } else {
            &node[..]
        };
        of[random.random_range(0..of.len())]
    }

    fn holds(&self, failure: Failure) -> bool {
        match failure {
            Failure::SidecarKilled | Failure::SidecarPaused => !self.spare_sidecars,
            Failure::BrokerKilled
            | Failure::BrokerPaused
            | Failure::ControlLeaderKilled
            | Failure::ControlLeaderPaused
            | Failure::TwoBrokersKilled
            | Failure::AllBrokersKilled => !self.spare_brokers,
            Failure::NodeKilled | Failure::NodePaused | Failure::NodeStopped | Failure::LedgerLost => true,
            Failure::NodeStoppedMidway => !self.spare_brokers,
            Failure::ClaimedTwice => !self.spare_brokers && self.pairs,
            Failure::DiskFull | Failure::ClockOff => self.besides.contains(&failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_row_has_one_of_each_before_anything_twice() {
        let besides = vec![Failure::DiskFull, Failure::ClockOff];
        let (some, full) = (Urn::default(), Urn { besides, pairs: true, ..Urn::default() });
        for seed in 0..50 {
            let row = |urn: &Urn, count| urn.row(count, &mut StdRng::seed_from_u64(seed));
            let short = row(&some, 6);
            for failure in &ONE_OF_EACH[..6] {
                assert!(short.contains(failure), "{seed}: {failure} is not in {short:?}");
            }
            let mut long = row(&full, 16);
            long.sort_unstable();
            long.dedup();
            assert_eq!(long.len(), 16, "{seed}: {long:?}");
            assert_eq!(row(&full, 300).len(), 300);
        }
    }

    #[test]
    fn what_is_spared_is_never_drawn() {
        let urn = Urn { spare_brokers: true, spare_sidecars: true, ..Urn::default() };
        for failure in urn.row(300, &mut StdRng::seed_from_u64(1)) {
            assert!(urn.holds(failure), "{failure}");
        }
    }
}
