//! What is in memory of the journal: where each line begins, and which messages and cases are known.
//!
//! About 150 bytes a message, whatever its size.

use std::collections::HashMap;

use super::record::Line;

/// Where lines and bytes are.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Where each line ends.
    ends: Vec<u64>,
    /// The first line of each message.
    messages: HashMap<u128, u64>,
    /// The latest line of each case and each ServiceRequest, repeats left out.
    subjects: HashMap<u128, u64>,
    /// Where the bytes end.
    pub(crate) bytes_end: u64,
    pub(crate) repeats: u64,
    pub(crate) changed: u64,
}

impl Index {
    /// Adds a line of that many bytes, its line end included.
    pub(crate) fn add(&mut self, line: &Line, length: u64) {
        let sequence = self.len();
        self.ends.push(self.lines_end() + length);
        self.bytes_end = self.bytes_end.max(line.end());
        if line.received.repeat {
            self.repeats += 1;
            self.changed += u64::from(line.received.changed);
            return;
        }
        self.messages.entry(line.message_key()).or_insert(sequence);
        for key in line.keys() {
            self.subjects.insert(key, sequence);
        }
    }

    /// How many lines there are.
    pub(crate) fn len(&self) -> u64 {
        self.ends.len() as u64
    }

    /// Where the lines end.
    pub(crate) fn lines_end(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Where line `sequence` begins and ends.
    pub(crate) fn line(&self, sequence: u64) -> Option<(u64, u64)> {
        let place = usize::try_from(sequence).ok()?;
        let end = *self.ends.get(place)?;
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some((start, end))
    }

    /// The first line of a message.
    pub(crate) fn message(&self, key: u128) -> Option<u64> {
        self.messages.get(&key).copied()
    }

    /// The latest line of a case or a ServiceRequest.
    pub(crate) fn subject(&self, key: u128) -> Option<u64> {
        self.subjects.get(&key).copied()
    }
}
