//! Breaks a restore off when the tenant that is coming back floods its door: the one thing that this cell does about a
//! cut without a person.
//!
//! It only closes, only what was open on probation, and only by a record in the log that every node reads alike. A
//! node that is not to be believed could keep a tenant out that way, and do nothing else. Ingest says what a flood is.

use std::sync::Arc;
use std::time::Duration;

use bulkhead_log::Log;
use bulkhead_model::{CutId, Nation, OperatorId, Stage};
use bulkhead_process::Drain;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tracing::{error, warn};

use crate::Error;
use crate::book::Book;
use crate::fact::{Seen, anomaly_record};
use crate::follow::Control;

/// Between two attempts to append.
const AGAIN: Duration = Duration::from_millis(500);
/// What waits to be appended. More: it is forgotten here, and seen again by whoever counts.
const QUEUE: usize = 16;

/// What was seen of a tenant on its way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anomaly {
    /// The cut whose restore it is.
    pub cut: CutId,
    /// In words.
    pub what: String,
}

/// The loop that brings what was seen into the log.
pub struct Sentry {
    log: Arc<dyn Log>,
    nation: Nation,
    node: String,
    book: Book,
    seen: mpsc::Receiver<Anomaly>,
}

/// Where what is seen is told. Cheap to clone.
#[derive(Clone)]
pub struct Alarm(mpsc::Sender<Anomaly>);

impl Alarm {
    /// It is written, unless too much is waiting to be.
    pub fn raise(&self, anomaly: Anomaly) {
        if let Err(lost) = self.0.try_send(anomaly) {
            warn!(%lost, "an anomaly is not written");
        }
    }
}

impl Sentry {
    /// One that has seen nothing.
    pub fn new(log: Arc<dyn Log>, nation: Nation, node: String, book: Book) -> (Self, Alarm) {
        let (raised, seen) = mpsc::channel(QUEUE);
        (Self { log, nation, node, book, seen }, Alarm(raised))
    }

    /// Runs until the drain begins.
    ///
    /// # Errors
    /// When there is no control topic.
    pub async fn run(mut self, drain: Drain) -> Result<(), Error> {
        let control = Control::open(&*self.log, self.nation).await?;
        loop {
            tokio::select! {
                () = drain.started() => return Ok(()),
                Some(anomaly) = self.seen.recv() => {
                    tokio::select! {
                        () = drain.started() => return Ok(()),
                        () = self.write(&control, &anomaly) => {}
                    }
                }
            }
        }
    }

    /// Appends it until it is there or means nothing any more.
    async fn write(&self, control: &Control, anomaly: &Anomaly) {
        if self.is_on_probation(&anomaly.cut) {
            error!(cut = %anomaly.cut, what = %anomaly.what, "the restore is broken off: it is closed again");
            metrics::counter!("bulkhead_anomalies_total", "nation" => self.nation.as_str()).increment(1);
        }
        while self.is_on_probation(&anomaly.cut) {
            let Some(seen) = self.seen_of(anomaly) else { return };
            match self.log.append(control.partition(), anomaly_record(&seen, Timestamp::now())).await {
                Ok(_) => return,
                Err(cause) => warn!(cut = %anomaly.cut, %cause, "an anomaly is not yet in the log"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn is_on_probation(&self, cut: &CutId) -> bool {
        self.book.ask(|authority| {
            authority.cuts().course(cut).is_some_and(|course| course.stage() == Stage::Limited)
        })
    }

    /// In this node's name. A name that is none cannot be: it is in the node's certificate.
    fn seen_of(&self, anomaly: &Anomaly) -> Option<Seen> {
        let by = OperatorId::parse(&format!("{}/{}", self.nation, self.node)).ok()?;
        Some(Seen { cut: anomaly.cut.clone(), by, what: anomaly.what.clone(), home: None })
    }
}
