//! What a campaign has to say.

use std::collections::BTreeMap;
use std::fmt;

use super::kills::Kill;
use super::plan::Note;
use crate::history::{Answer, History, Tally, Wrong};

/// How many kinds of refusals are shown.
const SHOWN: usize = 40;

/// The end of a campaign.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The seed, to run it again.
    pub seed: u64,
    /// What came out.
    pub tally: Tally,
    /// Kills by kind.
    pub kills: BTreeMap<Kill, u32>,
    /// Messages that were sent more than once.
    pub sent_again: usize,
    /// Messages whose retry had other bytes.
    pub retry_differs: usize,
    /// Refusals said later, as simulators received them.
    pub responses: usize,
    /// What refusals said, and how often.
    pub refusals: BTreeMap<String, usize>,
    /// Messages without a definite answer: how often they were sent, and what was said last.
    pub unanswered: Vec<String>,
    /// What is wrong; nothing, when all is well.
    pub wrong: Vec<Wrong>,
}

impl Report {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    pub(super) fn killed(&mut self, how: Kill) {
        *self.kills.entry(how).or_default() += 1;
    }

    pub(super) fn judged(&mut self, history: &History, wrong: Vec<Wrong>, notebook: &[Note]) {
        self.tally = history.tally();
        self.wrong = wrong;
        self.sent_again = notebook.iter().filter(|note| note.tries > 1).count();
        self.retry_differs = notebook.iter().filter(|note| note.sha256.len() > 1).count();
        let open = notebook.iter().filter(|note| note.answer == Answer::Open);
        self.unanswered = open
            .map(|note| format!("{} after {} tries: {}", note.message_id, note.tries, said(&note.words)))
            .collect();
        let nation = |tenant: &str| tenant.split('/').next().unwrap_or_default().to_owned();
        for note in notebook.iter().filter(|note| note.answer == Answer::Refused) {
            let kind = note.request.get("kind").and_then(|kind| kind.as_str()).unwrap_or_default();
            let words = said(&note.words);
            let key = format!("{}>{} {kind}: {words}", nation(&note.from), nation(&note.to));
            *self.refusals.entry(key).or_default() += 1;
        }
    }

    /// Whether all is well, and something happened at all.
    pub fn is_good(&self) -> bool {
        self.wrong.is_empty() && self.tally.received > 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { sent, accepted, refused, received, repeats, states, pairs } = &self.tally;
        writeln!(f, "seed {}", self.seed)?;
        let kills: Vec<_> = self.kills.iter().map(|(how, count)| format!("{count} {how}")).collect();
        writeln!(f, "kills: {}", kills.join(", "))?;
        writeln!(
            f,
            "sent {sent} ({} more than once), accepted {accepted}, refused {refused}",
            self.sent_again
        )?;
        writeln!(
            f,
            "received {received}, recognised repeats {repeats}, refusals said later {}",
            self.responses
        )?;
        if self.retry_differs > 0 {
            writeln!(f, "{} were sent again with other bytes", self.retry_differs)?;
        }
        writeln!(f, "accepted, by state: {}", list(states))?;
        writeln!(f, "accepted, by pair of nations: {}", list(pairs))?;
        for (words, count) in self.refusals.iter().take(SHOWN) {
            writeln!(f, "refused {count} times: {words}")?;
        }
        for unanswered in self.unanswered.iter().take(SHOWN) {
            writeln!(f, "no definite answer to {unanswered}")?;
        }
        match self.wrong.len() {
            0 if !self.is_good() => writeln!(f, "WRONG: nothing was received at all"),
            0 => writeln!(f, "nothing is wrong"),
            count => {
                writeln!(f, "WRONG, {count} faults; run again with --seed {}:", self.seed)?;
                self.wrong.iter().try_for_each(|wrong| writeln!(f, "  {wrong}"))
            }
        }
    }
}

/// The reason in an answer, without the ids around it.
fn said(words: &str) -> String {
    let of_ack = words.split('\r').find_map(|segment| segment.trim().strip_prefix("MSA|"));
    let reason = of_ack.and_then(|ack| ack.splitn(3, '|').nth(2));
    reason.unwrap_or(words).chars().take(120).collect()
}

fn list<K: fmt::Display>(counts: &BTreeMap<K, usize>) -> String {
    counts.iter().map(|(what, count)| format!("{what} {count}")).collect::<Vec<_>>().join(", ")
}
