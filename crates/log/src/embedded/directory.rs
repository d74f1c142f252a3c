//! The directory of a log: made durably, and used by one process at a time.

use std::{
    fs::{File, OpenOptions, TryLockError, create_dir_all},
    io,
    path::{Path, PathBuf},
};

use crate::Error;

/// A directory that is ours until this is dropped. The lock goes with the process, however it ends.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Makes the directory if it is not there, and takes it, or says that it is taken.
    pub(super) fn take(path: &Path) -> Result<Self, Error> {
        make(path).map_err(|e| failed("making the directory", &e))?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join("lock"));
        let lock = lock.map_err(|e| failed("opening the lock file", &e))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked { directory: path.to_owned() }),
            Err(TryLockError::Error(e)) => Err(failed("locking the directory", &e)),
        }
    }

    /// The file that holds everything.
    pub(super) fn database(&self) -> PathBuf {
        self.path.join("log.sqlite")
    }

    /// The write-ahead file beside it.
    pub(super) fn write_ahead(&self) -> PathBuf {
        self.path.join("log.sqlite-wal")
    }
}

/// A new directory is only there after a power cut if its parent was synced.
fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    create_dir_all(path)?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

fn failed(doing: &'static str, e: &io::Error) -> Error {
    Error::Store { doing, cause: e.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_taken_once() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b");
        let first = Directory::take(&path).unwrap();
        assert_eq!(Directory::take(&path).unwrap_err(), Error::Locked { directory: path.clone() });
        drop(first);
        Directory::take(&path).unwrap();
    }
}
