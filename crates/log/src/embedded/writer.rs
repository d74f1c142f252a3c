//! The one thread that writes.
//!
//! ```text
//! callers ── queue ──> writer: one transaction, one sync ──> tail, marks, answers, bells ──> readers
//! ```
//!
//! It takes whatever has queued up while it wrote the last time, so that under load many appends share a sync and
//! an append to a quiet log waits for its own only.

use std::{
    fs::metadata,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::Duration,
};

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::watch;

use super::{
    EmbeddedConfig,
    batch::Batch,
    catalog, compaction,
    connection::failed,
    directory::Directory,
    queue::{Job, Order},
    shared::Shared,
    track::Track,
    trimming::Trimming,
};
use crate::{Error, Topic};

/// Everything that only the writing thread touches.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) shared: Arc<Shared>,
    pub(super) trimming: Trimming,
    pub(super) config: EmbeddedConfig,
    pub(super) directory: Directory,
    pub(super) closing: watch::Sender<bool>,
}

/// The outcome of one transaction for those who did not append.
#[derive(Default)]
struct Answers {
    made: Vec<(Topic, Vec<Arc<Track>>)>,
    orders: Vec<Order>,
    refused: Vec<(Order, Error)>,
}

impl Writer {
    /// Starts the thread; it ends when the queue is closed and empty, or when the store fails.
    pub(super) fn start(self) -> std::io::Result<thread::JoinHandle<()>> {
        thread::Builder::new().name("log-writer".into()).spawn(move || self.run())
    }

    fn run(mut self) {
        // A panic is a failure like others: whoever waits must hear of it.
        if catch_unwind(AssertUnwindSafe(|| self.write())).is_err() {
            tracing::error!(directory = %self.config.directory.display(), "the log stops after a panic");
        }
        self.end();
    }

    fn write(&mut self) {
        while let Some(jobs) = self.shared.queue.take(!self.trimming.pending()) {
            if let Err(error) = self.turn(jobs) {
                tracing::error!(%error, directory = %self.config.directory.display(), "the log stops");
                break;
            }
        }
    }

    /// Does these jobs, and one step of what is left to do. An error is one that the log cannot go on after: what is
    /// true now can only be read by opening it again.
    fn turn(&mut self, jobs: Vec<Job>) -> Result<(), Error> {
        self.trimming.rest(false);
        let written = self.commit(jobs)?;
        if !written && self.trimming.pending() {
            // What does not fit may have kept the step from being done that makes room for it.
            let stepped = self.commit(Vec::new())?;
            self.trimming.rest(!stepped);
        }
        Ok(())
    }

    /// Does these jobs in one transaction, and answers them. False: the disk is full and nothing was done.
    fn commit(&mut self, jobs: Vec<Job>) -> Result<bool, Error> {
        let mut batch = Batch::default();
        let mut answers = Answers::default();
        let outcome = self.transact(jobs, &mut batch, &mut answers);
        self.shared.queue.done();
        let Err(cause) = outcome else {
            self.shared.catalog.publish(answers.made);
            batch.publish(&self.shared);
            answers.orders.into_iter().for_each(|order| order.answer(Ok(())));
            answers.refused.into_iter().for_each(|(order, error)| order.answer(Err(error)));
            self.hold_down_write_ahead();
            return Ok(true);
        };
        let error = failed("writing", &cause);
        let rolled_back =
            self.connection.is_autocommit() || self.connection.execute_batch("rollback").is_ok();
        batch.fail(&error);
        answers.orders.into_iter().for_each(|order| order.answer(Err(error.clone())));
        answers.refused.into_iter().for_each(|(order, error)| order.answer(Err(error)));
        // A full disk may have room again; after anything else it is safer to start afresh.
        if rolled_back && cause.sqlite_error_code() == Some(ErrorCode::DiskFull) {
            tracing::error!(%error, "appends fail");
            return Ok(false);
        }
        Err(error)
    }

    fn transact(&mut self, jobs: Vec<Job>, batch: &mut Batch, answers: &mut Answers) -> rusqlite::Result<()> {
        let now = Timestamp::now();
        let mut compacted = false;
        // Everything gets into the batch before anything can fail, so that everything is answered.
        let mut specs = Vec::new();
        let mut trims = Vec::new();
        for job in jobs {
            match job {
                Job::Append(append) => {
                    compacted |= append.track.compacted;
                    batch.add(append, now);
                }
                Job::Ensure(wanted, order) => {
                    match self.shared.catalog.missing(&[&specs[..], &wanted].concat()) {
                        Ok(missing) => {
                            specs = missing;
                            answers.orders.push(order);
                        }
                        Err(error) => answers.refused.push((order, error)),
                    }
                }
                Job::Trim(track, before, order) => {
                    let marks = batch.marks(&track);
                    marks.first = before.min(marks.next).max(marks.first);
                    trims.push(track);
                    answers.orders.push(order);
                }
            }
        }
        self.connection.execute_batch("begin immediate")?;
        for spec in &specs {
            answers.made.push(catalog::make(&self.connection, spec)?);
        }
        batch.write(&self.connection)?;
        if compacted {
            let lag = i64::try_from(self.config.compaction_lag.as_millis()).unwrap_or(i64::MAX);
            compaction::step(&self.connection, now.as_millisecond().saturating_sub(lag))?;
        }
        let step = self.trimming.step(&self.connection)?;
        self.connection.execute_batch("commit")?;
        self.trimming.stepped(step);
        trims.iter().for_each(|track| self.trimming.add(track));
        Ok(())
    }

    /// The write-ahead file starts over by itself when nobody is reading it at that moment. Under readers who never
    /// pause it would grow for ever, so when it is far over its size they are waited for, briefly.
    fn hold_down_write_ahead(&self) {
        let size = metadata(self.directory.write_ahead()).map_or(0, |file| file.len());
        if size > 4 * self.config.checkpoint_bytes as u64 {
            let truncated =
                self.connection.query_row("pragma wal_checkpoint(truncate)", [], |row| row.get::<_, i64>(0));
            if !matches!(truncated, Ok(0)) {
                tracing::debug!(size, "the write-ahead file could not be emptied");
            }
        }
    }

    /// Answers what is left, wakes everyone, and lets go of everything, the directory last.
    fn end(self) {
        self.shared.queue.abandon();
        self.closing.send_replace(true);
        self.shared.catalog.tracks().iter().for_each(|track| track.ring());
        self.shared.shelf.close();
        // Else a later start would only have more to recover, so a failure here is of no consequence.
        let _folded = self.connection.busy_timeout(Duration::from_secs(1));
        let _folded =
            self.connection.query_row("pragma wal_checkpoint(truncate)", [], |row| row.get::<_, i64>(0));
        drop(self.connection);
        drop(self.directory);
        drop(self.closing);
    }
}
