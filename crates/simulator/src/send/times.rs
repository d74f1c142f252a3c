//! When a message was first sent.
//!
//! A sender that does not know whether its message arrived sends the same bytes again, after a crash too. What is
//! made here depends on the request and the time alone, so the time of each message id that was asked for by name
//! is remembered: beside the journal, where there is one.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::Error;

/// How many are remembered; the oldest are forgotten first. The file may hold twice as many.
const MOST: usize = 10_000;

/// The times of the messages that were sent.
#[derive(Debug)]
pub(crate) struct Times {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    times: HashMap<String, Timestamp>,
    order: VecDeque<String>,
    file: Option<File>,
}

impl Times {
    /// The times that were kept beside `journal`.
    pub(crate) fn open(journal: Option<&Path>) -> Result<Self, Error> {
        let Some(journal) = journal else {
            return Ok(Self { path: PathBuf::new(), inner: Mutex::default() });
        };
        let mut name = OsString::from(journal);
        name.push(".sent");
        let path = PathBuf::from(name);
        let inner = read(&path).map_err(|error| Error::Journal { path: path.clone(), kind: error.kind() })?;
        Ok(Self { path, inner: Mutex::new(inner) })
    }

    /// The time of a message: that of the first one with its id, or now, to the second.
    pub(crate) fn of(&self, message_id: Option<&str>) -> Result<Timestamp, Error> {
        let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
        let Some(id) = message_id else { return Ok(now) };
        // A time is added whole, so a panic elsewhere leaves the map good to use.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = inner.times.get(id) {
            return Ok(*first);
        }
        if let Some(file) = &mut inner.file {
            // One write; a process that is killed behind it has it in the file.
            file.write_all(format!("{now} {id}\n").as_bytes())
                .map_err(|error| Error::Journal { path: self.path.clone(), kind: error.kind() })?;
        }
        inner.add(id.to_owned(), now);
        Ok(now)
    }
}

impl Inner {
    fn add(&mut self, id: String, time: Timestamp) {
        if self.order.len() >= MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.times.remove(&oldest);
        }
        self.times.insert(id.clone(), time);
        self.order.push_back(id);
    }
}

fn read(path: &Path) -> io::Result<Inner> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        done => done?,
    };
    let mut inner = Inner::default();
    // The end of a line that a crash cut off is no line.
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let lines = whole.lines().filter_map(|line| line.split_once(' '));
    for (time, id) in lines {
        if let Ok(time) = time.parse() {
            inner.add(id.to_owned(), time);
        }
    }
    if whole.len() < text.len() || whole.lines().count() > 2 * MOST {
        let kept = inner.order.iter().filter_map(|id| Some(format!("{} {id}\n", inner.times.get(id)?)));
        let next = path.with_extension("sent-next");
        fs::write(&next, kept.collect::<String>())?;
        fs::rename(next, path)?;
    }
    inner.file = Some(OpenOptions::new().create(true).append(true).open(path)?);
    Ok(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_outlives_the_process_and_a_torn_line_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal");
        let file = folder.path().join("journal.sent");
        fs::write(&file, "2026-08-01T00:00:00Z M1\n2026-08-01T00:00:01Z M").unwrap();
        for _ in 0..2 {
            let times = Times::open(Some(&journal)).unwrap();
            assert_eq!(times.of(Some("M1")).unwrap().to_string(), "2026-08-01T00:00:00Z");
            let now = times.of(Some("M2")).unwrap();
            assert_eq!(times.of(Some("M2")).unwrap(), now);
            assert_eq!(fs::read_to_string(&file).unwrap(), format!("2026-08-01T00:00:00Z M1\n{now} M2\n"));
        }
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut inner = Inner::default();
        for n in 0..=MOST {
            inner.add(n.to_string(), Timestamp::default());
        }
        assert_eq!((inner.times.len(), inner.times.contains_key("0")), (MOST, false));
    }
}
