//! Two nodes of a cell with real audit files: what each knows of the other's, and what it says when that was shortened.

use std::fs;
use std::path::Path;

use bulkhead_model::{AuditHead, Pulses};
use bulkhead_wire::audit::{agree, verify};
use jiff::Timestamp;

use super::*;
use crate::follow::Follower;
use crate::samples::NATION;

/// A node: its audit file, and what it knows of the other's.
struct Node {
    name: &'static str,
    audit: Audit,
    witness: Witness,
}

impl Node {
    /// Started on what is in that directory.
    fn start(directory: &Path, name: &'static str) -> Self {
        let log =
            bulkhead_log::Embedded::open(bulkhead_log::EmbeddedConfig::new(directory.join("log"))).unwrap();
        let (_follower, following) = Follower::new(Arc::new(log), NATION);
        let audit = Audit::open(directory, name).unwrap();
        let witness = Witness::new(NATION, name.into(), audit.clone(), following);
        Self { name, audit, witness }
    }

    async fn commanded(&self, command: &str) {
        self.audit.note(Note { phase: "intent", command: command.into(), ..Note::default() });
        self.text().await;
    }

    /// The export of it; what was noted before is in it.
    async fn text(&self) -> String {
        self.audit.export(1).await.unwrap().into_iter().map(|line| line + "\n").collect()
    }

    /// Hears so many pulses of the other.
    async fn hears(&mut self, other: &Node, run: u128, numbers: std::ops::Range<u64>) {
        for number in numbers {
            let pulse = pulse(other.name, run, number, other.audit.head());
            let mut pulses = Pulses::default();
            pulses.hear(pulse, Timestamp::now());
            self.witness.following.pulses = tokio::sync::watch::channel(Arc::new(pulses)).1;
            self.witness.look();
            self.text().await;
        }
    }
}

fn pulse(node: &str, run: u128, number: u64, head: AuditHead) -> Pulse {
    Pulse {
        node: node.into(),
        address: format!("{node}:1"),
        run,
        number,
        position: 0,
        cuts: [0; 16],
        claims: BTreeMap::new(),
        at: Timestamp::now(),
        audit: Some(head),
    }
}

/// Takes the last entries of a file that nobody writes.
fn shorten(directory: &Path, by: usize) {
    let path = directory.join("audit.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let rest: String = lines[..lines.len() - by].iter().map(|line| format!("{line}\n")).collect();
    fs::write(path, rest).unwrap();
}

#[tokio::test]
async fn a_shortened_file_is_told_at_once_and_found_offline_for_ever() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut here = Node::start(one.path(), "wales-1");
    let there = Node::start(two.path(), "wales-2");
    for command in ["cut", "confirm", "withdraw"] {
        there.commanded(command).await;
    }
    here.hears(&there, 1, 1..4).await;
    assert!(here.witness.behind().all().is_empty());
    assert_eq!(agree(&there.text().await, &here.text().await), Ok(1), "noted once");
    drop(there);

    shorten(two.path(), 1);
    // Also when the node that knew was started again meanwhile.
    drop(here);
    let mut here = Node::start(one.path(), "wales-1");
    let there = Node::start(two.path(), "wales-2");
    here.hears(&there, 2, 1..2).await;
    assert!(here.witness.behind().all().is_empty(), "one pulse may be a late one");
    here.hears(&there, 2, 2..6).await;
    let told = here.witness.behind().all();
    assert_eq!(told["wales-2"], "it had 3 entries and now has 2");

    let (text, other) = (there.text().await, here.text().await);
    assert!(verify(&text).is_ok(), "by itself it holds");
    assert_eq!(agree(&text, &other).unwrap_err().line, 3);
    assert_eq!(other.matches("AUDIT_BEHIND").count(), 1, "said once: {other}");

    // It grows past what was known: nothing shows it any more but this node's file.
    for command in ["cut", "confirm"] {
        there.commanded(command).await;
    }
    here.hears(&there, 2, 6..8).await;
    assert!(here.witness.behind().all().is_empty());
    assert_eq!(agree(&there.text().await, &here.text().await).unwrap_err().line, 3);
}

#[tokio::test]
async fn another_file_of_the_same_length_is_told() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut here = Node::start(one.path(), "wales-1");
    let there = Node::start(two.path(), "wales-2");
    there.commanded("cut").await;
    here.hears(&there, 1, 1..3).await;
    drop(there);
    shorten(two.path(), 1);
    let there = Node::start(two.path(), "wales-2");
    there.commanded("something harmless").await;
    here.hears(&there, 2, 1..3).await;
    assert_eq!(here.witness.behind().all()["wales-2"], "its entry 1 is not the one that it was");
}

#[tokio::test]
async fn two_nodes_do_not_write_about_one_another_without_end() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut here, mut there) = (Node::start(one.path(), "wales-1"), Node::start(two.path(), "wales-2"));
    there.commanded("cut").await;
    for number in 1..20 {
        here.hears(&there, 1, number..number + 1).await;
        there.hears(&here, 1, number..number + 1).await;
    }
    // What was commanded, and at most one entry of each about the other's.
    let counts = (here.audit.head().count, there.audit.head().count);
    assert!(counts.0 <= 2 && counts.1 <= 3, "{counts:?}");
    assert_eq!(agree(&there.text().await, &here.text().await), Ok(1));
}

#[test]
fn a_late_pulse_of_a_former_life_is_no_alarm() {
    let head = |count| AuditHead { count, hash: [u8::try_from(count).unwrap(); 32], own: count };
    let mut other = Other::default();
    let mut look = |run, number, count| other.look(&pulse("wales-2", run, number, head(count)));
    assert_eq!(look(1, 1, 4), Seen::Grown(head(4)));
    assert_eq!(look(1, 2, 4), Seen::Nothing);
    assert_eq!(look(2, 1, 5), Seen::Grown(head(5)));
    assert_eq!(look(1, 3, 4), Seen::Nothing);
    assert_eq!(look(2, 2, 5), Seen::Nothing);
    assert_eq!(look(1, 4, 4), Seen::Nothing);
    assert_eq!(look(1, 5, 4), Seen::Behind { known: 5, shown: head(4) });
    assert_eq!(look(1, 6, 4), Seen::Nothing);
    assert_eq!(look(2, 3, 5), Seen::Again);
}
