//! Reading from the file, for what is no longer among the newest.
//!
//! A read here may meet the disk, so it runs on a thread for blocking work, with a connection of its own: the
//! writer never waits for a reader, nor a reader for the writer. Each read is one short statement.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use tokio::{sync::Semaphore, task::spawn_blocking};

use super::{
    connection::{failed, to_read},
    lock::hold,
    track::{Track, offset_of, place},
};
use crate::{Entry, Error, Partition, Record, budget::Budget};

/// How many reads of the file run at a time; more wait for their turn.
const READS: usize = 4;

/// The connections that read, at most as many as reads may run at a time.
#[derive(Debug)]
pub(super) struct Shelf {
    database: PathBuf,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Shelf {
    pub(super) fn new(database: PathBuf) -> Arc<Self> {
        Arc::new(Self { database, permits: Arc::new(Semaphore::new(READS)), idle: Mutex::default() })
    }

    /// Closes what is idle and lends out no more.
    pub(super) fn close(&self) {
        self.permits.close();
        hold(&self.idle).clear();
    }

    /// Runs a read with one of the connections. Whoever stops waiting for it leaves it running, permit and all.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| Error::Closed)?;
        let shelf = self.clone();
        let job = move || {
            let _permit = permit;
            let idle = hold(&shelf.idle).pop();
            let connection = idle.map_or_else(|| to_read(&shelf.database), Ok)?;
            let answer = work(&connection).map_err(|e| failed("reading entries", &e));
            let mut idle = hold(&shelf.idle);
            if !shelf.permits.is_closed() {
                idle.push(connection);
            }
            answer
        };
        // It does not panic; a runtime that is going down may cancel it.
        spawn_blocking(job).await.unwrap_or(Err(Error::Closed))
    }
}

/// The entries from `from` to `end` as far as the budget goes, and where to read on.
pub(super) fn run(
    connection: &Connection,
    track: &Track,
    from: u64,
    end: u64,
    budget: &mut Budget,
) -> rusqlite::Result<(Vec<Entry>, u64)> {
    let mut statement = connection.prepare_cached(
        "select place, at, key, value from entry where place >= ?1 and place < ?2 order by place",
    )?;
    let mut rows = statement.query(params![place(track.id, from), place(track.id, end)])?;
    let mut entries = Vec::new();
    let mut next = from;
    while let Some(row) = rows.next()? {
        let bytes = row.get_ref(2)?.as_blob()?.len() + row.get_ref(3)?.as_blob()?.len();
        if !budget.take(bytes) {
            return Ok((entries, next));
        }
        let entry = entry(row, &track.partition)?;
        next = entry.offset + 1;
        entries.push(entry);
    }
    // Nothing more lies before the end: what is missing was trimmed or compacted away.
    Ok((entries, end))
}

/// The entry at that place.
pub(super) fn at(connection: &Connection, track: &Track, offset: u64) -> rusqlite::Result<Option<Entry>> {
    let mut statement =
        connection.prepare_cached("select place, at, key, value from entry where place = ?1")?;
    let mut rows = statement.query(params![place(track.id, offset)])?;
    rows.next()?.map(|row| entry(row, &track.partition)).transpose()
}

fn entry(row: &Row<'_>, partition: &Partition) -> rusqlite::Result<Entry> {
    let at: i64 = row.get(1)?;
    let at = Timestamp::from_millisecond(at).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(1, at))?;
    let (key, value): (Vec<u8>, Vec<u8>) = (row.get(2)?, row.get(3)?);
    let record = Record { key: key.into(), value: value.into() };
    Ok(Entry { partition: partition.clone(), offset: offset_of(row.get(0)?), at, record })
}
