//! Giving back the room of what was trimmed: in small steps beside the appends.
//!
//! A trim is done, for its caller, once the partition's `first` is durable; the rows below it are deleted
//! afterwards, and then the free pages at the end of the file are given back. What a crash interrupts is found
//! again at the next start.

use std::{collections::VecDeque, sync::Arc};

use rusqlite::{Connection, params};

use super::track::{Track, place};

/// How many entries one step deletes at most.
const STEP_ENTRIES: i64 = 256;
/// How many bytes of entries one step deletes, more or less.
const STEP_BYTES: i64 = 1024 * 1024;
/// How many pages one step gives back at most.
const STEP_PAGES: i64 = 512;
/// How many free pages stay in the file for the next appends: 8 MiB.
const SPARE_PAGES: i64 = 2048;

/// What is still to be given back.
#[derive(Debug, Default)]
pub(super) struct Trimming {
    tracks: VecDeque<Arc<Track>>,
    pages: bool,
    resting: bool,
}

/// What a step came to, once its transaction is committed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// There is more of the same.
    More,
    /// The first of the tracks has no rows left to delete.
    TrackDone,
    /// There are no more pages to give back than should be.
    PagesDone,
}

impl Trimming {
    /// What the last run did not get to.
    pub(super) fn left_over(connection: &Connection, tracks: &[Arc<Track>]) -> rusqlite::Result<Self> {
        let mut any = connection.prepare("select 1 from entry where place >= ?1 and place < ?2 limit 1")?;
        let mut left = Self { pages: true, ..Self::default() };
        for track in tracks.iter().filter(|track| track.first() > 0) {
            if any.exists(params![place(track.id, 0), place(track.id, track.first())])? {
                left.tracks.push_back(track.clone());
            }
        }
        Ok(left)
    }

    /// The rows of this track below its first entry are to go.
    pub(super) fn add(&mut self, track: &Arc<Track>) {
        if !self.tracks.iter().any(|other| other.id == track.id) {
            self.tracks.push_back(track.clone());
        }
    }

    /// Whether there is anything to do, and no reason to wait.
    pub(super) fn pending(&self) -> bool {
        !self.resting && (self.pages || !self.tracks.is_empty())
    }

    /// Whether to wait for the next job before trying again: the last step failed.
    pub(super) fn rest(&mut self, resting: bool) {
        self.resting = resting;
    }

    /// One step, within the caller's transaction.
    pub(super) fn step(&self, connection: &Connection) -> rusqlite::Result<Step> {
        match self.tracks.front() {
            Some(track) if delete(connection, track)? => Ok(Step::TrackDone),
            Some(_) => Ok(Step::More),
            None if self.pages && give_back(connection)? => Ok(Step::More),
            None => Ok(Step::PagesDone),
        }
    }

    /// The transaction of that step is committed.
    pub(super) fn stepped(&mut self, step: Step) {
        match step {
            Step::More => {}
            Step::TrackDone => {
                self.tracks.pop_front();
                self.pages = true;
            }
            Step::PagesDone => self.pages = false,
        }
    }
}

/// Deletes the lowest rows of the track that were trimmed; true: they were the last.
fn delete(connection: &Connection, track: &Track) -> rusqlite::Result<bool> {
    let (low, first) = (place(track.id, 0), place(track.id, track.first()));
    let mut lowest = connection.prepare_cached(
        "select place, length(key) + length(value) from entry where place >= ?1 and place < ?2
         order by place limit ?3",
    )?;
    let mut rows = lowest.query(params![low, first, STEP_ENTRIES])?;
    let (mut bytes, mut count, mut upto) = (0, 0, None);
    while let Some(row) = rows.next()? {
        upto = Some(row.get::<_, i64>(0)?);
        bytes += row.get::<_, i64>(1)?;
        count += 1;
        if bytes >= STEP_BYTES {
            break;
        }
    }
    drop(rows);
    if let Some(upto) = upto {
        connection
            .prepare_cached("delete from entry where place >= ?1 and place <= ?2")?
            .execute(params![low, upto])?;
    }
    Ok(bytes < STEP_BYTES && count < STEP_ENTRIES)
}

/// Gives free pages back to the file system; true: there are more.
fn give_back(connection: &Connection) -> rusqlite::Result<bool> {
    let free: i64 = connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    let pages = (free - SPARE_PAGES).clamp(0, STEP_PAGES);
    if pages > 0 {
        // Each row of the answer is one page: only stepping through all of them frees them.
        let mut vacuum = connection.prepare(&format!("pragma incremental_vacuum({pages})"))?;
        let mut rows = vacuum.query([])?;
        while rows.next()?.is_some() {}
    }
    Ok(free - pages > SPARE_PAGES)
}
