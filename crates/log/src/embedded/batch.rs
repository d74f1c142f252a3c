//! The appends of one commit: their rows, their answers, and what becomes visible once they are durable.

use std::{
    collections::{HashMap, hash_map::Entry as Slot},
    sync::Arc,
};

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{
    compaction,
    queue::{Append, Reply},
    shared::Shared,
    track::{Marks, Track, place},
};
use crate::{Appended, Entry, Error};

/// Appends that become durable together, or not at all.
#[derive(Default)]
pub(super) struct Batch {
    written: Vec<Written>,
    touched: HashMap<i64, (Arc<Track>, Marks)>,
}

struct Written {
    track: i64,
    entry: Entry,
    reply: Reply<Appended>,
}

impl Batch {
    /// The marks of this track as this commit will leave them.
    pub(super) fn marks(&mut self, track: &Arc<Track>) -> &mut Marks {
        match self.touched.entry(track.id) {
            Slot::Occupied(slot) => &mut slot.into_mut().1,
            Slot::Vacant(slot) => &mut slot.insert((track.clone(), track.marks())).1,
        }
    }

    /// Gives the record its place and time.
    pub(super) fn add(&mut self, append: Append, now: Timestamp) {
        let Append { track, record, reply } = append;
        let marks = self.marks(&track);
        // Whatever the clock does, times do not fall within a partition.
        marks.last_at = marks.last_at.max(now.as_millisecond());
        let at = Timestamp::from_millisecond(marks.last_at).unwrap_or(now);
        let offset = marks.next;
        marks.next += 1;
        let entry = Entry { partition: track.partition.clone(), offset, at, record };
        self.written.push(Written { track: track.id, entry, reply });
    }

    /// Writes the rows, within the caller's transaction.
    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut insert =
            connection.prepare_cached("insert into entry (place, at, key, value) values (?1, ?2, ?3, ?4)")?;
        for Written { track, entry, .. } in &self.written {
            let place = place(*track, entry.offset);
            let (at, record) = (entry.at.as_millisecond(), &entry.record);
            insert.execute(params![place, at, &record.key[..], &record.value[..]])?;
            if self.touched.get(track).is_some_and(|(track, _)| track.compacted) {
                compaction::supersede(connection, *track, &record.key, place, at)?;
            }
        }
        let mut update = connection
            .prepare_cached("update track set first = ?2, next = ?3, last_at = ?4 where id = ?1")?;
        for (id, (_, marks)) in &self.touched {
            update.execute(params![
                id,
                marks.first.cast_signed(),
                marks.next.cast_signed(),
                marks.last_at
            ])?;
        }
        Ok(())
    }

    /// After the commit: shows the entries, answers for them, and wakes those who wait for them.
    pub(super) fn publish(self, shared: &Shared) {
        shared.tail.push(self.written.iter().map(|w| (place(w.track, w.entry.offset), w.entry.clone())));
        for (track, marks) in self.touched.values() {
            track.publish(*marks);
            track.ring();
        }
        for Written { entry, reply, .. } in self.written {
            // Nobody may be waiting any more; the append stands.
            let _gone = reply.send(Ok(Appended { offset: entry.offset, at: entry.at }));
        }
    }

    /// After a failure: nobody knows.
    pub(super) fn fail(self, error: &Error) {
        for Written { entry, reply, .. } in self.written {
            let _gone =
                reply.send(Err(Error::Unknown { partition: entry.partition, cause: error.to_string() }));
        }
    }
}
