//! Closings on this node's disk. One that it took before it was in the log is appended again until it is read back, also
//! after a restart; and every cut that covers something stays here until it is over, so that a control log that was put
//! back without it finds it closed. A closing that was taken is never forgotten.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bulkhead_model::{Cuts, FactId, Moment, Nation};
use bulkhead_process::Drain;
use bulkhead_wire::fact::{SignedFact, hex};
use bulkhead_wire::v1::SignedCopy;
use bulkhead_wire::{time_from_wire, time_to_wire};
use jiff::Timestamp;
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{error, warn};

use crate::audit::{Audit, Note};
use crate::authority::{Copy, Fate, Refused};
use crate::fact::{home_to_wire, read_home};
use crate::scribe::Scribe;

/// Between two attempts to append.
const AGAIN: Duration = Duration::from_millis(500);
/// Closings that may be on their way to the log; beyond that a command waits for room, closed already.
pub(crate) const QUEUE: usize = 256;

/// Numbers files that are being written.
static BESIDE: AtomicU64 = AtomicU64::new(0);

/// Where they are kept.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    directory: PathBuf,
}

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Closing {
    pub(crate) fact: SignedFact,
    pub(crate) taken_at: Timestamp,
    /// Where it lies in the log of the nation that made it, when that is another one.
    home: Option<(Nation, Moment)>,
    /// Where this node's newest copy of it lies.
    appended: Option<u64>,
    /// A copy is on its way into the log; it is appended again when it is not read back until then.
    again_at: Instant,
}

impl Closing {
    /// One that was taken just now. `appended` is where this node's copy lies, when it has one.
    pub(crate) fn taken(fact: SignedFact, taken_at: Timestamp) -> Self {
        Self { fact, taken_at, home: None, appended: None, again_at: Instant::now() }
    }

    /// Another node appends it.
    pub(crate) fn by_another(self) -> Self {
        Self { again_at: Instant::now() + AGAIN, ..self }
    }

    /// A copy of this node lies there.
    pub(crate) fn at(self, offset: u64) -> Self {
        Self { appended: Some(offset), ..self.by_another() }
    }

    fn of(copy: &Copy) -> Self {
        let taken_at = copy.taken_at.unwrap_or(copy.judged().at);
        Self { home: copy.home, ..Self::taken(copy.fact.clone(), taken_at) }
    }
}

impl Kept {
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        let directory = directory.join("closings");
        fs::create_dir_all(&directory)?;
        Ok(Self { directory })
    }

    /// Keeps it, durably.
    pub(crate) fn keep(&self, closing: &Closing) -> io::Result<()> {
        let copy = SignedCopy {
            fact: Some(closing.fact.to_wire()),
            taken_at: Some(time_to_wire(closing.taken_at)),
            home: closing.home.map(home_to_wire),
            ..SignedCopy::default()
        };
        let path = self.path(&closing.fact.id());
        // The command and the loop may keep the same one at the same time.
        let number = BESIDE.fetch_add(1, Ordering::Relaxed);
        let beside = path.with_extension(format!("{number}.new"));
        let mut file = File::create(&beside)?;
        file.write_all(&copy.encode_to_vec())?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        File::open(&self.directory)?.sync_all()
    }

    pub(crate) fn forget(&self, fact: &FactId) -> io::Result<()> {
        match fs::remove_file(self.path(fact)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Those that were kept; what cannot be read is named in the log and left where it is.
    pub(crate) fn all(&self) -> io::Result<Vec<Closing>> {
        let mut all = Vec::new();
        for found in fs::read_dir(&self.directory)? {
            let path = found?.path();
            if path.extension().is_some_and(|extension| extension == "fact") {
                match SignedCopy::decode(&fs::read(&path)?[..]).ok().and_then(read) {
                    Some(closing) => all.push(closing),
                    None => error!(path = %path.display(), "a kept closing cannot be read"),
                }
            }
        }
        Ok(all)
    }

    fn path(&self, fact: &FactId) -> PathBuf {
        self.directory.join(format!("{}.fact", hex(&fact.0)))
    }
}

fn read(copy: SignedCopy) -> Option<Closing> {
    let taken_at = time_from_wire(copy.taken_at?)?;
    let home = copy.home.map(read_home).transpose().ok()?;
    Some(Closing { home, ..Closing::taken(SignedFact::from_wire(copy.fact?), taken_at) })
}

fn fact_text(fact: &SignedFact) -> String {
    hex(&fact.id().0)
}

/// Brings early closings into the log, and keeps on the disk whatever covers something.
pub struct Closer {
    scribe: Scribe,
    kept: Kept,
    taken: mpsc::Receiver<Closing>,
    audit: Audit,
    /// Not settled by the log yet.
    waiting: Vec<Closing>,
    on_disk: HashSet<FactId>,
    /// Up to what the disk is right.
    seen: Arc<Cuts>,
}

impl Closer {
    /// What an earlier life kept is closed again here, before anything is served.
    pub(crate) fn open(
        scribe: Scribe,
        kept: Kept,
        taken: mpsc::Receiver<Closing>,
        audit: Audit,
    ) -> io::Result<Self> {
        let all = kept.all()?;
        let on_disk = all.iter().map(|closing| closing.fact.id()).collect();
        let mut closer = Self { scribe, kept, taken, audit, waiting: vec![], on_disk, seen: Arc::default() };
        for closing in all {
            closer.resume(closing);
        }
        Ok(closer)
    }

    fn resume(&mut self, closing: Closing) {
        let book = self.scribe.book();
        if matches!(book.ask(|authority| authority.fate(&closing.fact.id())), Fate::InForce | Fate::Over) {
            return;
        }
        // Another nation's takes effect by its place in the log alone.
        let closed = match closing.home {
            Some(_) => Ok(()),
            None => book.close_again(&closing.fact, closing.taken_at).map(drop),
        };
        match closed {
            Ok(()) => self.waiting.push(closing),
            Err(refused) => {
                error!(%refused, fact = fact_text(&closing.fact), "a kept closing closes nothing; it stays on the disk");
                self.note(
                    &closing.fact,
                    refused.code().to_string(),
                    format!("a kept closing closes nothing: {refused}"),
                );
            }
        }
    }

    /// Runs until the drain begins.
    pub async fn run(mut self, drain: Drain) {
        let mut cuts = self.scribe.book().cuts();
        loop {
            self.settle();
            self.append().await;
            let newest = cuts.borrow_and_update().clone();
            if !newest.says_the_same(&self.seen) {
                match self.keep_what_covers().await {
                    Ok(()) => self.seen = newest,
                    // Tried again when something is said of a cut; what is closed does not depend on it.
                    Err(cause) => error!(%cause, "a cut in force cannot be kept on this node's disk"),
                }
            }
            let next = async {
                match self.waiting.is_empty() {
                    true => self.taken.recv().await,
                    false => tokio::time::timeout(AGAIN, self.taken.recv()).await.unwrap_or_default(),
                }
            };
            tokio::select! {
                () = drain.started() => return,
                // Safe to cancel: what was received is in `waiting` before the next turn.
                closing = next => {
                    self.on_disk.extend(closing.iter().map(|closing| closing.fact.id()));
                    self.waiting.extend(closing);
                }
                Ok(()) = cuts.changed() => {}
            }
        }
    }

    /// Lets go of what the log has the last word on.
    fn settle(&mut self) {
        for closing in std::mem::take(&mut self.waiting) {
            match self.scribe.book().ask(|authority| authority.fate(&closing.fact.id())) {
                Fate::Refused(refused, position) if closing.appended.is_some_and(|own| own <= position) => {
                    self.end(&closing, &refused);
                }
                Fate::Unheard | Fate::Waiting | Fate::Refused(..) => self.waiting.push(closing),
                // The disk has it as long as it covers something.
                Fate::InForce | Fate::Over => {}
            }
        }
    }

    /// The log refused this node's own copy. Nothing opens unnoticed: it is said wherever somebody may look.
    fn end(&mut self, closing: &Closing, refused: &Refused) {
        let cut = self.scribe.book().end_early(&closing.fact.id());
        let detail =
            format!("the log refused it: {refused}; what this node had closed as {cut} is open again");
        error!(%cut, %refused, "an early closing is refused by the log, and open again on this node");
        metrics::counter!("bulkhead_early_closings_ended_total").increment(1);
        self.note(&closing.fact, refused.code().to_string(), detail);
        self.forget(&closing.fact.id());
    }

    fn note(&self, fact: &SignedFact, code: String, detail: String) {
        let header = fact.header().ok();
        self.audit.note(Note {
            phase: "outcome",
            who: header.as_ref().map(|header| header.operator.to_string()).unwrap_or_default(),
            command: "cut".into(),
            subject: header.and_then(|header| Some(header.scope.scope()?.to_string())).unwrap_or_default(),
            fact: fact_text(fact),
            code,
            detail,
            ..Note::default()
        });
    }

    async fn append(&mut self) {
        let (scribe, now) = (&self.scribe, Instant::now());
        let book = scribe.book();
        let is_missing = |closing: &Closing| {
            closing.again_at <= now
                && book.ask(|authority| authority.fate(&closing.fact.id())) != Fate::Waiting
        };
        let appending = self.waiting.iter_mut().filter(|closing| is_missing(closing)).map(async |closing| {
            let taken_at = Some(closing.taken_at).filter(|_| closing.home.is_none());
            let appended = scribe.append(&closing.fact, taken_at, closing.home).await;
            closing.again_at = Instant::now() + AGAIN;
            match appended {
                Ok(appended) => closing.appended = Some(appended.offset),
                Err(cause) => warn!(%cause, "a closing is in force here and not yet in the log"),
            }
        });
        futures::future::join_all(appending).await;
    }

    /// Every cut that covers something is on this node's disk as well, so that a log that was put back without it finds
    /// it closed; one that covers nothing any more is not.
    async fn keep_what_covers(&mut self) -> io::Result<()> {
        let covering: Vec<Closing> =
            self.scribe.book().ask(|authority| authority.in_force().map(Closing::of).collect());
        let names: HashSet<FactId> = covering.iter().map(|closing| closing.fact.id()).collect();
        for closing in covering {
            if self.on_disk.contains(&closing.fact.id()) {
                continue;
            }
            let (kept, keeping) = (self.kept.clone(), closing.clone());
            tokio::task::spawn_blocking(move || kept.keep(&keeping)).await.map_err(io::Error::other)??;
            self.on_disk.insert(closing.fact.id());
        }
        let book = self.scribe.book();
        let is_over = |fact: &&FactId| {
            !names.contains(*fact) && book.ask(|authority| authority.fate(fact)) == Fate::Over
        };
        let over: Vec<FactId> = self.on_disk.iter().filter(is_over).copied().collect();
        over.iter().for_each(|fact| self.forget(fact));
        Ok(())
    }

    fn forget(&mut self, fact: &FactId) {
        self.on_disk.remove(fact);
        if let Err(cause) = self.kept.forget(fact) {
            warn!(%cause, "a closing that is over stays on the disk");
        }
    }
}
