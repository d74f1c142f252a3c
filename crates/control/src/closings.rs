//! Closings that this node took before they were in the log. Each is kept on its disk and appended again until it
//! is read back, also after a restart: a closing that was taken is never forgotten.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bulkhead_model::FactId;
use bulkhead_process::Drain;
use bulkhead_wire::fact::{SignedFact, hex};
use bulkhead_wire::v1::SignedCopy;
use bulkhead_wire::{time_from_wire, time_to_wire};
use jiff::Timestamp;
use prost::Message;
use tokio::sync::mpsc;
use tracing::{error, warn};

use crate::scribe::Scribe;

/// Between two attempts to append.
const AGAIN: Duration = Duration::from_millis(500);
/// Closings that may be on their way to the log; beyond that a command waits for room, closed already.
pub(crate) const QUEUE: usize = 256;

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
    /// A copy of it is on its way into the log already; it is appended again when it is not read back.
    pub(crate) is_appended: bool,
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
            ..SignedCopy::default()
        };
        let path = self.path(&closing.fact.id());
        let beside = path.with_extension("new");
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
    Some(Closing { fact: SignedFact::from_wire(copy.fact?), taken_at, is_appended: false })
}

/// Appends what is kept until it is read back. It closes again first what an earlier run had taken.
pub(crate) async fn run(
    kept: Kept,
    scribe: Scribe,
    mut taken: mpsc::Receiver<Closing>,
    drain: Drain,
) -> io::Result<()> {
    let mut waiting = kept.all()?;
    for closing in &waiting {
        if let Err(refused) = scribe.book().close_early(&closing.fact, closing.taken_at) {
            warn!(%refused, "a kept closing closes nothing");
        }
    }
    loop {
        waiting.retain(|closing| {
            let id = closing.fact.id();
            let is_settled = scribe.book().ask(|authority| authority.outcome(&id).is_some());
            if is_settled && let Err(cause) = kept.forget(&id) {
                warn!(%cause, "a closing that is in the log stays on the disk as well");
            }
            !is_settled
        });
        let missing = waiting.iter().filter(|closing| !closing.is_appended);
        let appending = missing.map(|closing| scribe.append(&closing.fact, Some(closing.taken_at), None));
        for appended in futures::future::join_all(appending).await {
            if let Err(cause) = appended {
                warn!(%cause, "a closing is in force here and not yet in the log");
            }
        }
        waiting.iter_mut().for_each(|closing| closing.is_appended = false);
        let is_idle = waiting.is_empty();
        let next = async {
            match is_idle {
                true => taken.recv().await,
                false => tokio::time::timeout(AGAIN, taken.recv()).await.unwrap_or_default(),
            }
        };
        tokio::select! {
            () = drain.started() => return Ok(()),
            // Safe to cancel: what was received is in `waiting` before the next turn.
            closing = next => waiting.extend(closing),
        }
    }
}
