//! Refusals that whoever reaches the log or a port can cause as often as they like: each is in the audit once, and no
//! more of them in a minute than a person can read. How many were left out is said.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::audit::{Audit, Note};

/// In a minute.
const MOST: u64 = 60;
const MINUTE: Duration = Duration::from_secs(60);
/// So many of the newest are remembered, so that one that is repeated is noted once.
const REMEMBERED: usize = 256;

/// Notes them. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Refusals {
    audit: Audit,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    since: Instant,
    noted: u64,
    left_out: u64,
    newest: VecDeque<(String, String)>,
}

impl Refusals {
    pub(crate) fn new(audit: Audit) -> Self {
        let state = State { since: Instant::now(), noted: 0, left_out: 0, newest: VecDeque::new() };
        Self { audit, state: Arc::new(Mutex::new(state)) }
    }

    /// `about` is the same for what is the same.
    pub(crate) fn note(&self, about: String, mut note: Note) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (about, note.code.clone());
        if state.newest.contains(&key) {
            return;
        }
        if state.since.elapsed() >= MINUTE {
            (state.since, state.noted) = (Instant::now(), 0);
        }
        if state.noted >= MOST {
            state.left_out += 1;
            return;
        }
        if state.left_out > 0 {
            note.detail = format!("{} ({} more were refused and not noted)", note.detail, state.left_out);
        }
        state.noted += 1;
        state.left_out = 0;
        state.newest.push_back(key);
        if state.newest.len() > REMEMBERED {
            state.newest.pop_front();
        }
        self.audit.note(Note { phase: "refused", ..note });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_repeated_is_noted_once_and_a_flood_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let audit = Audit::open(dir.path(), "wales-1").unwrap();
        let refusals = Refusals::new(audit.clone());
        for n in 0..200 {
            for _ in 0..2 {
                refusals.note(n.to_string(), Note { detail: "forged".into(), ..Note::default() });
            }
        }
        let lines = audit.export(1).await.unwrap();
        assert_eq!(lines.len() as u64, MOST + 1, "and the head");
        if let Ok(mut state) = refusals.state.lock() {
            state.since -= MINUTE;
        }
        refusals.note("again".into(), Note { detail: "forged".into(), ..Note::default() });
        let lines = audit.export(MOST + 1).await.unwrap().concat();
        assert!(lines.contains("forged (280 more were refused and not noted)"), "{lines}");
    }
}
