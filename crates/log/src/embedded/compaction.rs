//! Compacted topics: of entries with the same key, all but the last go, a while after they were superseded.
//!
//! It happens in small steps beside the appends, never on a timer, so an idle log stays idle.

use rusqlite::{Connection, params};

/// How many superseded entries a commit drops at most. More than one commit usually supersedes.
const STEP: i64 = 1024;

/// Notes that the entry at `place` is the key's last, and that the one before it can go.
pub(super) fn supersede(
    connection: &Connection,
    track: i64,
    key: &[u8],
    place: i64,
    at: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "insert into superseded (place, at) select place, ?3 from latest where track = ?1 and key = ?2",
        )?
        .execute(params![track, key, at])?;
    connection
        .prepare_cached("insert or replace into latest (track, key, place) values (?1, ?2, ?3)")?
        .execute(params![track, key, place])?;
    Ok(())
}

/// Drops the oldest entries that were superseded before that time, a bounded number of them.
pub(super) fn step(connection: &Connection, before: i64) -> rusqlite::Result<usize> {
    let mut oldest =
        connection.prepare_cached("select id, place, at from superseded order by id limit ?1")?;
    let mut rows = oldest.query(params![STEP])?;
    let mut places: Vec<(i64, i64)> = Vec::new();
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(2)? >= before {
            break;
        }
        places.push((row.get(0)?, row.get(1)?));
    }
    drop(rows);
    let mut entry = connection.prepare_cached("delete from entry where place = ?1")?;
    let mut note = connection.prepare_cached("delete from superseded where id = ?1")?;
    for (id, place) in &places {
        entry.execute(params![place])?;
        note.execute(params![id])?;
    }
    Ok(places.len())
}
