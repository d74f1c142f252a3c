//! The two files of a journal: lines of JSON, and the bytes that they speak of.
//!
//! Bytes are synced before the line that names them, so a line that can be read can be relied on. What stands
//! behind the last whole line was cut off by a crash before it was answered, and is dropped when they are
//! opened.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::index::Index;
use super::record::Line;
use crate::Error;

/// Lines and bytes, read and written at places.
#[derive(Debug)]
pub(crate) struct Files {
    path: PathBuf,
    durable: bool,
    lines: File,
    bytes: File,
}

impl Files {
    /// The files of `path`, with what they hold. Without a path they vanish with the process.
    pub(crate) fn open(path: Option<&Path>) -> Result<(Self, Index), Error> {
        let Some(path) = path else {
            let failed = |error: io::Error| Error::Journal { path: PathBuf::new(), kind: error.kind() };
            let (lines, bytes) =
                (tempfile::tempfile().map_err(failed)?, tempfile::tempfile().map_err(failed)?);
            return Ok((Self { path: PathBuf::new(), durable: false, lines, bytes }, Index::default()));
        };
        let failed = |error: io::Error| Error::Journal { path: path.to_owned(), kind: error.kind() };
        let open =
            |path: &Path| OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let lines = open(path).map_err(failed)?;
        match lines.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let bytes = open(&beside(path)).map_err(failed)?;
        let files = Self { path: path.to_owned(), durable: true, lines, bytes };
        let index = files.read_all()?;
        files.cut(&index).and_then(|()| files.sync_names()).map_err(failed)?;
        Ok((files, index))
    }

    /// The file of lines; empty for files without a name.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `bytes` behind all others and `lines` behind all others, each safely before the next.
    pub(crate) fn append(&self, index: &Index, bytes: &[&[u8]], lines: &[u8]) -> Result<(), Error> {
        let mut at = index.bytes_end;
        let mut write = || {
            for part in bytes {
                self.bytes.write_all_at(part, at)?;
                at += part.len() as u64;
            }
            if self.durable && !bytes.is_empty() {
                self.bytes.sync_data()?;
            }
            self.lines.write_all_at(lines, index.lines_end())?;
            if self.durable { self.lines.sync_data() } else { Ok(()) }
        };
        write().map_err(|error| {
            // Whatever was written stands behind the end and is overwritten by what comes next; a line must
            // not be found there after a restart.
            let _ = self.cut(index);
            self.failed(&error)
        })
    }

    /// The line at that place.
    pub(crate) fn line(&self, (start, end): (u64, u64)) -> Result<Line, Error> {
        let mut text = vec![0; usize::try_from(end.saturating_sub(start)).unwrap_or_default()];
        self.lines.read_exact_at(&mut text, start).map_err(|error| self.failed(&error))?;
        serde_json::from_slice(&text).map_err(|_| self.failed(&io::ErrorKind::InvalidData.into()))
    }

    /// The bytes that a line speaks of.
    pub(crate) fn bytes(&self, line: &Line) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; usize::try_from(line.received.length).unwrap_or_default()];
        self.bytes.read_exact_at(&mut bytes, line.at).map_err(|error| self.failed(&error))?;
        Ok(bytes)
    }

    fn read_all(&self) -> Result<Index, Error> {
        let mut index = Index::default();
        let mut reader = BufReader::new(&self.lines);
        let mut text = Vec::new();
        loop {
            text.clear();
            reader.read_until(b'\n', &mut text).map_err(|error| self.failed(&error))?;
            if text.last() != Some(&b'\n') {
                return Ok(index);
            }
            match serde_json::from_slice::<Line>(&text) {
                Ok(line) => index.add(&line, text.len() as u64),
                // A torn page may hold a line end; only the last line may be torn.
                Err(_) if matches!(reader.fill_buf(), Ok(rest) if rest.is_empty()) => return Ok(index),
                Err(_) => return Err(Error::Corrupt { path: self.path.clone(), line: index.len() + 1 }),
            }
        }
    }

    fn cut(&self, index: &Index) -> io::Result<()> {
        self.lines.set_len(index.lines_end())?;
        self.bytes.set_len(index.bytes_end)
    }

    /// Makes the names of new files safe.
    fn sync_names(&self) -> io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    fn failed(&self, error: &io::Error) -> Error {
        Error::Journal { path: self.path.clone(), kind: error.kind() }
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".bytes");
    name.into()
}
