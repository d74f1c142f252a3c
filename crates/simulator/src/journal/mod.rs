//! What was received, kept before it is answered: the database of a real system.
//!
//! A process that dies at any moment has kept everything it answered for, and knows it again after a restart.

mod files;
mod index;
mod record;
mod writer;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::{mpsc, oneshot};

use crate::Error;
use files::Files;
use index::Index;
pub(crate) use record::{Arrival, Line, case_key, message_key, request_key};
pub use record::{Kind, Received};
use writer::Job;

/// How many messages may wait to be kept; more wait with their connections.
const WAITING: usize = 64;

/// What became of an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) sequence: u64,
    pub(crate) repeat: bool,
    pub(crate) changed: bool,
}

/// A journal, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
}

/// What readers and the writer share.
#[derive(Debug)]
pub(crate) struct Shared {
    files: Files,
    index: RwLock<Index>,
}

/// Counts of what is in a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) messages: u64,
    pub(crate) repeats: u64,
    pub(crate) changed: u64,
}

impl Journal {
    /// Opens a journal and starts its writer, which ends with the last clone.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, Error> {
        let (files, index) = Files::open(path)?;
        let shared = Arc::new(Shared { files, index: RwLock::new(index) });
        let (jobs, waiting) = mpsc::channel(WAITING);
        let writing = shared.clone();
        std::thread::Builder::new()
            .name("simulator-journal".to_owned())
            .spawn(move || writer::run(&writing, waiting))
            .map_err(|error| shared.failed(error.kind()))?;
        Ok(Self { shared, jobs })
    }

    /// Keeps a message; when this returns it is safe.
    pub(crate) async fn keep(&self, arrival: Arrival) -> Result<Kept, Error> {
        let (done, kept) = oneshot::channel();
        self.jobs.send(Job { arrival, done }).await.map_err(|_| Error::Stopped)?;
        kept.await.map_err(|_| Error::Stopped)?
    }

    /// The sequence of a message that was taken before.
    pub(crate) fn message(&self, key: u128) -> Option<u64> {
        self.shared.index().message(key)
    }

    /// The sequence of the latest message about a case or a ServiceRequest.
    pub(crate) fn subject(&self, key: u128) -> Option<u64> {
        self.shared.index().subject(key)
    }

    /// How much there is.
    pub(crate) fn extent(&self) -> Extent {
        let index = self.shared.index();
        Extent { messages: index.len(), repeats: index.repeats, changed: index.changed }
    }

    /// At most `most` lines from that sequence on.
    pub(crate) async fn lines(&self, from: u64, most: u64) -> Result<Vec<Line>, Error> {
        self.read(move |shared| {
            let places: Vec<_> = {
                let index = shared.index();
                (from..index.len().min(from.saturating_add(most))).filter_map(|n| index.line(n)).collect()
            };
            places.into_iter().map(|place| shared.files.line(place)).collect()
        })
        .await
    }

    /// A line and its bytes.
    pub(crate) async fn whole(&self, sequence: u64) -> Result<Option<(Line, Vec<u8>)>, Error> {
        self.read(move |shared| {
            let Some(place) = shared.index().line(sequence) else { return Ok(None) };
            let line = shared.files.line(place)?;
            let bytes = shared.files.bytes(&line)?;
            Ok(Some((line, bytes)))
        })
        .await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let shared = self.shared.clone();
        tokio::task::spawn_blocking(move || work(&shared)).await.map_err(|_| Error::Stopped)?
    }
}

impl Shared {
    // An index is whole after every line, so a panic elsewhere leaves it good to use.
    fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, kind: ErrorKind) -> Error {
        Error::Journal { path: self.files.path().to_owned(), kind }
    }
}

#[cfg(test)]
mod tests;
