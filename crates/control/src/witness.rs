//! What this node knows of the other nodes' audit files: their heads, as pulses tell them.
//!
//! ```text
//! pulse/<node> { audit head } ──▶ Witness ──▶ an entry of its own audit file, when that node's own entries grew
//!                                     └────▶ an alarm, when its file is shorter or other than it was
//! ```
//!
//! Who has a node's disk and key can end its audit file earlier, and it holds by itself; then this one says so. Entries
//! about others' files are not counted as a node's own, so that two nodes do not write about one another without end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bulkhead_model::{AuditHead, Nation, Pulse};
use bulkhead_process::Drain;
use bulkhead_wire::audit::{WITNESS, Witnessed, hash_bytes};
use tokio::time::{MissedTickBehavior, interval};
use tracing::error;

use crate::audit::{Audit, Note};
use crate::follow::Following;

/// How often it looks; so many entries a second at most, for each other node.
const EVERY: Duration = Duration::from_secs(1);

/// The loop that watches the others' audit files.
pub struct Witness {
    nation: Nation,
    node: String,
    audit: Audit,
    following: Following,
    others: BTreeMap<String, Other>,
    behind: Behind,
}

/// The nodes whose audit file is not what it was, each with what is wrong. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Behind(Arc<Mutex<BTreeMap<String, String>>>);

/// What is known of one node's file.
#[derive(Debug, Default)]
struct Other {
    /// As far as it was ever seen.
    known: Option<(u64, [u8; 32])>,
    /// How many own entries it had when it was last noted.
    noted: Option<u64>,
    /// The pulse that was looked at last.
    pulse: Option<(u128, u64)>,
    /// The run whose last pulse showed another file than is known.
    doubted: Option<u128>,
    is_behind: bool,
}

/// What one look at a pulse comes to.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    /// It grew.
    Grown(AuditHead),
    /// It is shorter, or another one.
    Behind {
        known: u64,
        shown: AuditHead,
    },
    /// It is again as far as it was.
    Again,
}

impl Behind {
    /// By node.
    pub fn all(&self) -> BTreeMap<String, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, node: &str, what: Option<String>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match what {
            Some(what) => drop(all.insert(node.to_owned(), what)),
            None => drop(all.remove(node)),
        }
    }
}

impl Witness {
    /// One that knows what this node's own audit file says of the others.
    pub fn new(nation: Nation, node: String, audit: Audit, following: Following) -> Self {
        let known = |head: &Witnessed| Other {
            known: hash_bytes(&head.hash).map(|hash| (head.count, hash)),
            ..Other::default()
        };
        let others = audit.witnessed().iter().map(|(node, head)| (node.clone(), known(head))).collect();
        Self { nation, node, audit, following, others, behind: Behind::default() }
    }

    /// Where the alarms are read.
    pub fn behind(&self) -> Behind {
        self.behind.clone()
    }

    /// Looks until the drain begins. What lay in the log before it had caught up may be older than what is known.
    pub async fn run(mut self, drain: Drain) {
        tokio::select! {
            () = drain.started() => return,
            () = self.following.caught_up() => {}
        }
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = drain.started() => return,
                _ = tick.tick() => self.look(),
            }
        }
    }

    fn look(&mut self) {
        let pulses = self.following.pulses.borrow().clone();
        for pulse in pulses.all().map(|member| &member.pulse).filter(|pulse| pulse.node != self.node) {
            let other = self.others.entry(pulse.node.clone()).or_default();
            let seen = other.look(pulse);
            match seen {
                Seen::Nothing => {}
                Seen::Grown(head) => {
                    self.audit.note(note(&pulse.node, "", Witnessed::detail(head.count, &head.hash)))
                }
                Seen::Behind { known, shown } => {
                    let what = behind(known, shown.count);
                    error!(nation = %self.nation, node = %pulse.node, %what, "an audit file is not what it was");
                    self.audit.note(note(&pulse.node, "AUDIT_BEHIND", what.clone()));
                    self.behind.set(&pulse.node, Some(what));
                }
                Seen::Again => self.behind.set(&pulse.node, None),
            }
            let labels = [
                ("nation", self.nation.to_string()),
                ("node", self.node.clone()),
                ("of", pulse.node.clone()),
            ];
            let is_behind = f64::from(u8::from(other.is_behind));
            metrics::gauge!("bulkhead_audit_behind", &labels).set(is_behind);
        }
    }
}

impl Other {
    fn look(&mut self, pulse: &Pulse) -> Seen {
        let (Some(head), mark) = (pulse.audit, (pulse.run, pulse.number)) else { return Seen::Nothing };
        if self.pulse.replace(mark) == Some(mark) {
            return Seen::Nothing;
        }
        if let Some((count, hash)) = self.known
            && (head.count < count || (head.count == count && head.hash != hash))
        {
            // What a node sent in its former life may arrive behind the first pulse of the next one.
            let is_sure = self.doubted.replace(pulse.run) == Some(pulse.run);
            if !is_sure || self.is_behind {
                return Seen::Nothing;
            }
            self.is_behind = true;
            return Seen::Behind { known: count, shown: head };
        }
        let is_as_known = self.known.replace((head.count, head.hash)) == Some((head.count, head.hash));
        self.doubted = None;
        if std::mem::take(&mut self.is_behind) {
            return Seen::Again;
        }
        let has_more = head.count > 0 && !is_as_known && self.noted.is_none_or(|noted| noted < head.own);
        self.noted = Some(head.own);
        if has_more { Seen::Grown(head) } else { Seen::Nothing }
    }
}

fn note(node: &str, code: &str, detail: String) -> Note {
    Note {
        phase: WITNESS,
        command: "audit head".into(),
        subject: node.to_owned(),
        code: code.into(),
        detail,
        ..Note::default()
    }
}

fn behind(known: u64, shown: u64) -> String {
    match shown < known {
        true => format!("it had {known} entries and now has {shown}"),
        false => format!("its entry {known} is not the one that it was"),
    }
}

#[cfg(test)]
#[path = "witness_tests.rs"]
mod tests;
