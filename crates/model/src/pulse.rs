//! Pulses: what each node of a cell says of itself, over and over, in the control log.
//!
//! A pulse that came back is the proof under which a node acts; the newest of every node together are the
//! membership of the cell: who is alive, who holds which shard and where it is reached, whose clock is off.
//! Times are the log's own, so that every node that has read as far judges alike.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A node whose newest pulse lies this far behind the newest of all is taken for gone.
pub const GONE_AFTER: Duration = Duration::from_secs(3);
/// A node whose newest pulse lies this far behind may still be alive, but is not sent to: its lease has run out or is
/// about to.
const SILENT_AFTER: Duration = Duration::from_secs(1);
/// A node that was renamed or taken away is not remembered for ever.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(24);
/// A clock that is further than this from most others does not decide about deadlines.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// How far a node's audit file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditHead {
    /// How many entries it has.
    pub count: u64,
    /// SHA-256 of the last one, chained over all before it.
    pub hash: [u8; 32],
    /// How many of them are about anything but other nodes' audit files.
    pub own: u64,
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulse {
    /// Its name, for example `england-1`.
    pub node: String,
    /// `host:port` at which its tenants reach it.
    pub address: String,
    /// Made anew at each start, so that a node that was restarted is told from its former life.
    pub run: u128,
    /// From 1, rises with each pulse of a run.
    pub number: u64,
    /// The newest control record that it knew when it sent this.
    pub position: u64,
    /// Of the cuts that it had in force.
    pub cuts: [u8; 16],
    /// The shards that it held, with the numbers of its claims.
    pub claims: BTreeMap<u32, u64>,
    /// Its clock when it sent this.
    pub at: Timestamp,
    /// How far its audit file goes; none: it does not say.
    pub audit: Option<AuditHead>,
}

/// A node, by its newest pulse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What the node said.
    pub pulse: Pulse,
    /// When the log took it, by the log's clock.
    pub heard_at: Timestamp,
}

/// The newest pulse of each node of a cell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pulses {
    newest: BTreeMap<String, Member>,
}

impl Pulses {
    /// Takes the next pulse of the log. Offsets order them, so the later one of a node replaces the earlier.
    pub fn hear(&mut self, pulse: Pulse, heard_at: Timestamp) {
        self.newest.insert(pulse.node.clone(), Member { pulse, heard_at });
        let latest = self.latest();
        self.newest.retain(|_, heard| is_near(heard.heard_at, latest, FORGOTTEN_AFTER));
    }

    /// Every node that was heard within a day, gone or not, by name.
    pub fn all(&self) -> impl Iterator<Item = &Member> {
        self.newest.values()
    }

    /// The nodes that are alive as far as the log shows, by name.
    pub fn alive(&self) -> impl Iterator<Item = &Member> {
        let latest = self.latest();
        self.newest.values().filter(move |heard| is_near(heard.heard_at, latest, GONE_AFTER))
    }

    /// The node of that name, when it is alive.
    pub fn node(&self, name: &str) -> Option<&Member> {
        self.alive().find(|heard| heard.pulse.node == name)
    }

    /// Whether somebody who is sent to the node of that name would find it: it is alive and was heard just now.
    pub fn answers(&self, name: &str) -> Option<&Member> {
        self.node(name).filter(|heard| is_near(heard.heard_at, self.latest(), SILENT_AFTER))
    }

    /// Whether a node's clock is further from most of the others than it may be. It is compared with the log's
    /// clock and those of the other living nodes; one that was not heard has not been compared.
    pub fn clock_is_off(&self, name: &str) -> bool {
        let Some(own) = self.node(name) else { return false };
        let own = offset(own);
        let others = self.alive().filter(|heard| heard.pulse.node != name).map(offset);
        let others: Vec<_> = others.chain([SignedDuration::ZERO]).collect();
        let far = others.iter().filter(|other| (own - **other).unsigned_abs() > CLOCK_TOLERANCE).count();
        far * 2 > others.len()
    }

    fn latest(&self) -> Timestamp {
        self.newest.values().map(|heard| heard.heard_at).max().unwrap_or(Timestamp::MIN)
    }
}

/// How far its clock was before the log's.
fn offset(heard: &Member) -> SignedDuration {
    heard.pulse.at.duration_since(heard.heard_at)
}

fn is_near(at: Timestamp, latest: Timestamp, within: Duration) -> bool {
    latest.duration_since(at).unsigned_abs() <= within
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    /// A node, how far its clock is off, when it was heard.
    type Row<'a> = (&'a str, i64, i64);

    fn heard(pulses: &[Row<'_>]) -> Pulses {
        let mut all = Pulses::default();
        for (node, off, at) in pulses {
            let pulse = Pulse {
                node: (*node).to_owned(),
                address: format!("{node}:1"),
                run: 1,
                number: 1,
                position: 0,
                cuts: [0; 16],
                claims: BTreeMap::new(),
                at: second(at + off),
                audit: None,
            };
            all.hear(pulse, second(*at));
        }
        all
    }

    #[test]
    fn a_node_answers_while_it_was_heard_just_now() {
        let check = |pulses: &[Row<'_>], expected: bool| {
            assert_eq!(heard(pulses).answers("a").is_some(), expected, "{pulses:?}");
        };
        check(&[], false);
        check(&[("a", 0, 0)], true);
        check(&[("a", 0, 0), ("b", 0, 1)], true);
        check(&[("a", 0, 0), ("b", 0, 2)], false);
        check(&[("a", 0, 0), ("b", 0, 2), ("a", 0, 2)], true);
    }

    #[test]
    fn a_clock_is_off_when_most_others_say_so() {
        let check = |pulses: &[Row<'_>], expected: &[&str]| {
            let all = heard(pulses);
            let off: Vec<_> = ["a", "b", "c"].into_iter().filter(|name| all.clock_is_off(name)).collect();
            assert_eq!(off, expected, "{pulses:?}");
        };
        check(&[], &[]);
        check(&[("a", 4, 0)], &[]);
        check(&[("a", 3600, 0)], &["a"]);
        check(&[("a", -3600, 0), ("b", 0, 0)], &["a"]);
        check(&[("a", 3600, 0), ("b", 0, 0), ("c", 1, 0)], &["a"]);
        // The log's own clock is the one that is wrong.
        check(&[("a", 3600, 0), ("b", 3601, 0), ("c", 3602, 0)], &[]);
        // One that is gone is not compared with.
        check(&[("b", 3600, 0), ("a", 3600, 9)], &["a"]);
    }

    #[test]
    fn of_one_node_the_later_pulse_counts() {
        let all = heard(&[("a", 0, 0), ("a", 7, 1)]);
        assert_eq!(all.all().map(|heard| heard.heard_at).collect::<Vec<_>>(), [second(1)]);
    }
}
