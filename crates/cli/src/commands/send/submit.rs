//! Letters over a stream. At most a window of them is unanswered, and only those are in memory.
//!
//! An outage is tried again on the next node with the same message ids, so nothing is doubled; a refusal is
//! final. Outages together may last as long as the sender has patience, counted from the last answer that
//! settled something.

use std::time::Duration;

use bulkhead_wire::status::Problem;
use bulkhead_wire::v1;
use bulkhead_wire::v1::submit_stream_response::Answer;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::letters::{Letter, Letters, Unsendable};
use super::report::Reporter;
use crate::Exit;
use crate::cell::{Cell, Trouble};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Where a cell says "later" and not when.
const LATER: Duration = Duration::from_millis(500);

/// What became of a letter.
pub(super) enum Outcome {
    /// The cell has it.
    Accepted {
        /// Its answer.
        answer: v1::SubmitResponse,
        /// It went out more than once, so the answer "known before" may mean our own first try.
        repeated: bool,
    },
    /// The cell said no, or nobody answered for too long.
    Failed(Trouble),
    /// It did not leave the house.
    NotSent(Unsendable),
}

/// A letter under way.
struct Pending {
    letter: Letter,
    request: v1::SubmitRequest,
    /// How often it was sent.
    tries: u32,
    /// When to send it again, after the cell said "later".
    again_at: Option<Instant>,
    /// What it said when it said "later".
    later: Option<Trouble>,
}

/// The letters under way, those to come, and whom to tell.
struct Post<'a, 'screen> {
    letters: Letters,
    window: usize,
    pending: Vec<Pending>,
    patience: Duration,
    patience_ends: Instant,
    reporter: &'a mut Reporter<'screen>,
}

/// Sends all letters and reports each.
pub(super) async fn submit(
    cell: &Cell,
    letters: Letters,
    window: usize,
    patience: Duration,
    reporter: &mut Reporter<'_>,
) {
    let patience_ends = Instant::now() + patience;
    let mut post = Post { letters, window, pending: Vec::new(), patience, patience_ends, reporter };
    let mut pause = FIRST_PAUSE;
    for node in 0.. {
        post.fill();
        if post.pending.is_empty() {
            return;
        }
        let settled_before = post.patience_ends;
        let Err(trouble) = post.stream(cell, node).await else { return };
        if post.patience_ends != settled_before {
            pause = FIRST_PAUSE;
        }
        if !trouble.may_pass() || Instant::now() + pause >= post.patience_ends {
            return post.give_up(&trouble);
        }
        post.reporter.outage(cell.nation, &trouble);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

impl Post<'_, '_> {
    /// Reads letters until the window is full. What cannot be sent is settled at once.
    fn fill(&mut self) {
        while self.pending.len() < self.window
            && let Some(letter) = self.letters.next()
        {
            match self.letters.read(&letter) {
                Ok(request) => {
                    self.pending.push(Pending { letter, request, tries: 0, again_at: None, later: None });
                }
                Err(unsendable) => self.reporter.settled(letter, Outcome::NotSent(unsendable)),
            }
        }
    }

    /// One stream: until all letters are settled, or the trouble that ended it.
    async fn stream(&mut self, cell: &Cell, node: usize) -> Result<(), Trouble> {
        let no_node = || Trouble::Silent { cause: "the context names no node".into() };
        let mut client = cell.ingest(node).ok_or_else(no_node)?;
        // It never holds more than the unanswered, so there is always room.
        let (out, requests) = mpsc::channel(self.window);
        for pending in &mut self.pending {
            pending.again_at = None;
            pending.send(&out);
        }
        let opened = client.submit_stream(ReceiverStream::new(requests));
        let opened = tokio::time::timeout_at(self.patience_ends, opened).await;
        let opened = opened.map_err(|_| Trouble::no_answer(self.patience))?;
        let mut answers = opened.map_err(|status| Trouble::of(&status))?.into_inner();
        while !self.pending.is_empty() {
            self.step(&mut answers, &out).await?;
        }
        Ok(())
    }

    /// One answer, or letters that are due again, or the end of patience.
    async fn step(
        &mut self,
        answers: &mut Streaming<v1::SubmitStreamResponse>,
        out: &mpsc::Sender<v1::SubmitStreamRequest>,
    ) -> Result<(), Trouble> {
        let again = self.pending.iter().filter_map(|pending| pending.again_at).min();
        // All branches may be dropped at any time: an answer that was not taken stays in the stream.
        tokio::select! {
            answer = answers.message() => match answer {
                Ok(Some(answer)) => self.answered(answer, out),
                Ok(None) => Err(Trouble::Silent { cause: "the stream ended".into() }),
                Err(status) => Err(Trouble::of(&status)),
            },
            () = tokio::time::sleep_until(again.unwrap_or(self.patience_ends)), if again.is_some() => {
                let now = Instant::now();
                let due = |pending: &&mut Pending| pending.again_at.is_some_and(|at| at <= now);
                self.pending.iter_mut().filter(due).for_each(|pending| pending.send(out));
                Ok(())
            },
            () = tokio::time::sleep_until(self.patience_ends) => Err(Trouble::no_answer(self.patience)),
        }
    }

    fn answered(
        &mut self,
        answer: v1::SubmitStreamResponse,
        out: &mpsc::Sender<v1::SubmitStreamRequest>,
    ) -> Result<(), Trouble> {
        let found =
            self.pending.iter().position(|pending| pending.letter.message_id.as_str() == answer.message_id);
        // An answer to nobody's question changes nothing.
        let (Some(n), Some(said)) = (found, answer.answer) else { return Ok(()) };
        let problem = match said {
            Answer::Accepted(answer) => {
                self.settle(n, |pending| Outcome::Accepted { answer, repeated: pending.tries > 1 }, out);
                return Ok(());
            }
            Answer::Refused(refusal) => Problem::from(&refusal),
        };
        let retry_after = problem.retry_after.unwrap_or(LATER);
        let trouble = Trouble::Answered(problem);
        if !trouble.may_pass() {
            self.settle(n, |_| Outcome::Failed(trouble), out);
        } else if trouble.exit() == Exit::Unreachable {
            // Another node may know better.
            return Err(trouble);
        } else {
            self.pending[n].again_at = Some(Instant::now() + retry_after);
            self.pending[n].later = Some(trouble);
        }
        Ok(())
    }

    /// One letter less, and others take its place.
    fn settle(
        &mut self,
        n: usize,
        outcome: impl FnOnce(&Pending) -> Outcome,
        out: &mpsc::Sender<v1::SubmitStreamRequest>,
    ) {
        let pending = self.pending.swap_remove(n);
        let outcome = outcome(&pending);
        self.reporter.settled(pending.letter, outcome);
        self.patience_ends = Instant::now() + self.patience;
        self.fill();
        self.pending.iter_mut().filter(|pending| pending.tries == 0).for_each(|pending| pending.send(out));
    }

    /// Everything that is not settled fails: with what was said to it, or with what ended it all.
    fn give_up(mut self, trouble: &Trouble) {
        for pending in std::mem::take(&mut self.pending) {
            let trouble = pending.later.unwrap_or_else(|| trouble.clone());
            self.reporter.settled(pending.letter, Outcome::Failed(trouble));
        }
        while let Some(letter) = self.letters.next() {
            self.reporter.settled(letter, Outcome::Failed(trouble.clone()));
        }
    }
}

impl Pending {
    fn send(&mut self, out: &mpsc::Sender<v1::SubmitStreamRequest>) {
        self.tries += 1;
        self.again_at = None;
        // It fails only when the stream has ended, which its reader is about to learn.
        let _ = out.try_send(v1::SubmitStreamRequest { submit: Some(self.request.clone()) });
    }
}
