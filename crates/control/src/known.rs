//! What this node has known of the control log, on its disk: the place of every fact that counted. A log that is put
//! back without one of them, shorter or another, is not followed: what was cut would be open without a word.
//!
//! ```text
//! control.known: one line a fact, "<position> <SHA-256 of what was signed, hex>"
//! ```
//!
//! Only what counted is written, so that nobody who can merely append to the log can make a node refuse it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bulkhead_model::FactId;
use bulkhead_wire::fact::hex;
use tracing::{error, warn};

/// Facts that may wait for the disk. More: they are written at the next start, when they are read again.
const QUEUE: usize = 1_024;
const FILE: &str = "control.known";

/// What was known, and what of it this log has shown so far.
pub(crate) struct Known {
    facts: BTreeMap<u64, FactId>,
    /// Known and not read yet.
    missing: BTreeMap<u64, FactId>,
    /// Read before it is certain that this is the log that was known.
    unchecked: Option<Vec<(u64, FactId)>>,
    writer: SyncSender<(u64, FactId)>,
}

/// A log that lacks what this node had known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lacking {
    /// How many facts were known.
    pub(crate) known: usize,
    /// How many of them are not there.
    pub(crate) missing: usize,
    /// Where the first of them lay.
    pub(crate) first: u64,
}

impl Known {
    /// What is in that directory; nothing the first time.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        let path = directory.join(FILE);
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            // It was being written when the node was killed.
            file.set_len(whole as u64)?;
        }
        let facts = text[..whole].lines().map(read).collect::<Option<BTreeMap<_, _>>>();
        let facts =
            facts.ok_or_else(|| io::Error::other(format!("{FILE} has a line that cannot be read")))?;
        let (writer, written) = sync_channel(QUEUE);
        std::thread::Builder::new().name("control-known".into()).spawn(move || write(file, &written))?;
        Ok(Self { missing: facts.clone(), facts, unchecked: Some(vec![]), writer })
    }

    /// A signed fact was read there.
    pub(crate) fn read(&mut self, position: u64, fact: FactId, counts: bool) {
        if self.missing.get(&position) == Some(&fact) {
            self.missing.remove(&position);
        }
        if !counts || self.facts.get(&position) == Some(&fact) {
            return;
        }
        match &mut self.unchecked {
            Some(unchecked) => unchecked.push((position, fact)),
            None => self.learn(position, fact),
        }
    }

    /// All of the log was read: it must have shown all that was known.
    pub(crate) fn check(&mut self) -> Result<(), Lacking> {
        if let Some((first, _)) = self.missing.first_key_value() {
            return Err(Lacking { known: self.facts.len(), missing: self.missing.len(), first: *first });
        }
        for (position, fact) in self.unchecked.take().unwrap_or_default() {
            self.learn(position, fact);
        }
        Ok(())
    }

    fn learn(&mut self, position: u64, fact: FactId) {
        self.facts.insert(position, fact);
        if self.writer.try_send((position, fact)).is_err() {
            warn!(position, "what is known of the control log is not written now; it is at the next start");
        }
    }
}

fn read(line: &str) -> Option<(u64, FactId)> {
    let (position, digits) = line.split_once(' ')?;
    let byte = |n: usize| u8::from_str_radix(digits.get(2 * n..2 * n + 2)?, 16).ok();
    let bytes: Vec<u8> = (0..32).map(byte).collect::<Option<_>>()?;
    Some((position.parse().ok()?, FactId(bytes.try_into().ok()?)))
}

fn write(mut file: File, facts: &Receiver<(u64, FactId)>) {
    while let Ok(first) = facts.recv() {
        let waiting = std::iter::once(first).chain(facts.try_iter());
        let lines: String =
            waiting.map(|(position, fact)| format!("{position} {}\n", hex(&fact.0))).collect();
        if let Err(cause) = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data()) {
            error!(%cause, "what is known of the control log cannot be written");
        }
    }
}

#[cfg(test)]
#[path = "known_tests.rs"]
mod tests;
