//! The senders' systems: each message again, with the same id, until there is a definite answer.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::http;
use super::plan::{Note, Plan};
use super::world::DevJson;
use crate::history::Answer;

/// Between two tries, and between two messages.
const PAUSE: Duration = Duration::from_millis(120);
/// How long after the last start a message may be without an answer.
const LAST_TRY: Duration = Duration::from_secs(90);

/// Senders at work.
pub(super) struct Senders {
    stop: watch::Sender<bool>,
    tasks: JoinSet<Vec<Note>>,
}

/// What a simulator says of a sending.
#[derive(Debug, Deserialize)]
struct Sent {
    sha256: String,
    outcome: String,
    answer: String,
    detail: String,
}

impl Senders {
    /// Between all tenants, and some of it in a hurry.
    pub(super) fn start(dev: &DevJson, seed: u64, count: u32) -> Self {
        let plan = |random, name| Plan::new(random, name).hurried(true);
        Self::of(plan, dev, seed, count, PAUSE, &watch::channel(None).1)
    }

    /// At that pace, and half of what they send is to or from the tenant that is named at the time.
    pub(super) fn about(
        dev: &DevJson,
        seed: u64,
        count: u32,
        pace: Duration,
        about: &watch::Receiver<Option<String>>,
    ) -> Self {
        Self::of(Plan::new, dev, seed, count, pace, about)
    }

    fn of(
        plan: impl Fn(StdRng, String) -> Plan,
        dev: &DevJson,
        seed: u64,
        count: u32,
        pace: Duration,
        about: &watch::Receiver<Option<String>>,
    ) -> Self {
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let random =
                StdRng::seed_from_u64(seed ^ (u64::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let plan = plan(random, format!("{number}"));
            tasks.spawn(send_on(plan, dev.clone(), stopping.clone(), pace, about.clone()));
        }
        Self { stop, tasks }
    }

    /// No new cases; what was begun is sent until it is answered. Everything that was sent.
    pub(super) async fn finish(mut self) -> Vec<Note> {
        self.stop.send_replace(true);
        let mut notes = Vec::new();
        while let Some(of_one) = self.tasks.join_next().await {
            notes.extend(of_one.unwrap_or_default());
        }
        notes
    }
}

async fn send_on(
    mut plan: Plan,
    dev: DevJson,
    stopping: watch::Receiver<bool>,
    pace: Duration,
    about: watch::Receiver<Option<String>>,
) -> Vec<Note> {
    let mut notes = Vec::new();
    while !*stopping.borrow() {
        let one = about.borrow().clone();
        for mut note in plan.case(&dev, one.as_deref()) {
            if let Ok(sender) = dev.tenant(&note.from) {
                until_answered(&mut note, sender.simulator.http, &stopping).await;
            }
            notes.push(note);
            tokio::time::sleep(pace).await;
            if *stopping.borrow() {
                break;
            }
        }
    }
    notes
}

/// A repeat that is answered with what became of the first, in the words of BaRS' and HL7's sidecars.
fn says_taken(detail: &str) -> bool {
    ["the message was received", "taken before; now"].iter().any(|words| detail.contains(words))
}

async fn until_answered(note: &mut Note, simulator: SocketAddr, stopping: &watch::Receiver<bool>) {
    let mut give_up: Option<Instant> = None;
    loop {
        note.tries += 1;
        if let Ok(page) = http::post(simulator, "/send", &note.request).await {
            match page.json::<Sent>() {
                Ok(sent) => {
                    if !note.sha256.contains(&sent.sha256) {
                        note.sha256.push(sent.sha256.clone());
                    }
                    match sent.outcome.as_str() {
                        "accepted" | "duplicate" => note.answer = Answer::Accepted,
                        // The broker has it, and no retry would change what became of it.
                        "refused" if says_taken(&sent.detail) => note.answer = Answer::Accepted,
                        "refused" => note.answer = Answer::Refused,
                        _ => {}
                    }
                    note.words = format!("{} {}", sent.answer, sent.detail);
                }
                Err(_) => note.words = page.text(),
            }
        }
        if note.answer != Answer::Open {
            note.accepted = (note.answer == Answer::Accepted).then(Timestamp::now);
            return;
        }
        if *stopping.borrow() && Instant::now() > *give_up.get_or_insert_with(|| Instant::now() + LAST_TRY) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
