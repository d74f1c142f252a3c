//! Connections to the file: with the settings that durability rests on, read back before anything is written.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::EmbeddedConfig;
use crate::Error;

/// Bytes of a page. The default of SQLite, said so that limits in bytes can be counted in pages.
const PAGE: i64 = 4096;
/// The layout below. A file with another number was written by another version.
const LAYOUT: i64 = 1;

/// Entries lie in the order of their arrival, whatever their partition, so that appends to a thousand topics write
/// one stretch of the file. A small index of integers finds them: see [`super::track::place`].
const TABLES: &str = "
    create table topic (
        id integer primary key, name text not null unique, partitions integer not null, compacted integer not null
    ) strict;
    create table track (
        id integer primary key, topic integer not null, number integer not null,
        first integer not null, next integer not null, last_at integer not null, unique (topic, number)
    ) strict;
    create table entry (
        id integer primary key, place integer not null, at integer not null, key blob not null, value blob not null
    ) strict;
    create unique index entry_place on entry (place);
    create table latest (
        track integer not null, key blob not null, place integer not null, primary key (track, key)
    ) strict, without rowid;
    create table superseded (id integer primary key, place integer not null, at integer not null) strict;
";

/// The one connection that writes. Makes the tables if the file is new.
pub(super) fn to_write(path: &Path, config: &EmbeddedConfig) -> Result<Connection, Error> {
    let connection = Connection::open(path).map_err(|e| failed("opening the file", &e))?;
    settle(&connection, config).map_err(|e| failed("setting up the file", &e))?;
    read_back(&connection)?;
    lay_out(&connection)?;
    Ok(connection)
}

/// One of the connections that only read.
pub(super) fn to_read(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "cache_size", -2048)?;
        Ok(connection)
    };
    open().map_err(|e: rusqlite::Error| failed("opening the file to read", &e))
}

/// Our words for what the store says.
pub(super) fn failed(doing: &'static str, e: &rusqlite::Error) -> Error {
    match e.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::Corrupt { cause: e.to_string() },
        _ => Error::Store { doing, cause: e.to_string() },
    }
}

fn settle(connection: &Connection, config: &EmbeddedConfig) -> rusqlite::Result<()> {
    let checkpoint = i64::try_from(config.checkpoint_bytes).unwrap_or(i64::MAX);
    connection.busy_timeout(Duration::from_millis(200))?;
    connection.set_prepared_statement_cache_capacity(64);
    // Before the first table, or it has no effect.
    connection.pragma_update(None, "page_size", PAGE)?;
    connection.pragma_update(None, "auto_vacuum", "incremental")?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    // Where a plain sync does not reach the platter (macOS).
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", checkpoint / PAGE)?;
    connection.pragma_update(None, "journal_size_limit", checkpoint)?;
    connection.pragma_update(None, "cache_size", -16_384)
}

/// Many wrappers and builds quietly run with less than was asked. Then an acknowledged append survives a killed
/// process, but not a power cut; so nothing is written before this has passed.
fn read_back(connection: &Connection) -> Result<(), Error> {
    let ask = |name| connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0));
    let expect = |setting, wanted: &'static str| {
        let found = match ask(setting).map_err(|e| failed("reading a setting back", &e))? {
            rusqlite::types::Value::Integer(n) => n.to_string(),
            rusqlite::types::Value::Text(text) => text,
            other => format!("{other:?}"),
        };
        if found == wanted { Ok(()) } else { Err(Error::NotDurable { setting, found, wanted }) }
    };
    expect("journal_mode", "wal")?;
    // 2 is "full": a sync for every commit.
    expect("synchronous", "2")
}

fn lay_out(connection: &Connection) -> Result<(), Error> {
    let doing = "laying out the tables";
    let version: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|e| failed(doing, &e))?;
    match version {
        LAYOUT => Ok(()),
        0 => connection
            .execute_batch(&format!("begin immediate; {TABLES} pragma user_version = {LAYOUT}; commit;"))
            .map_err(|e| failed(doing, &e)),
        other => Err(Error::Store {
            doing,
            cause: format!("the file has layout {other}; this program knows {LAYOUT}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> (tempfile::TempDir, Connection) {
        let place = tempfile::tempdir().unwrap();
        let connection = to_write(&place.path().join("file"), &EmbeddedConfig::new(place.path())).unwrap();
        (place, connection)
    }

    #[test]
    fn what_we_open_is_durable() {
        let (_place, connection) = open();
        assert_eq!(read_back(&connection), Ok(()));
    }

    #[test]
    fn less_than_full_synchronous_is_noticed() {
        let (_place, connection) = open();
        connection.pragma_update(None, "synchronous", "normal").unwrap();
        let expected = Error::NotDurable { setting: "synchronous", found: "1".into(), wanted: "2" };
        assert_eq!(read_back(&connection), Err(expected));
    }

    #[test]
    fn a_missing_write_ahead_file_is_noticed() {
        let (_place, connection) = open();
        connection.pragma_update(None, "journal_mode", "delete").unwrap();
        assert!(matches!(read_back(&connection), Err(Error::NotDurable { setting: "journal_mode", .. })));
    }

    #[test]
    fn room_can_be_given_back() {
        let (_place, connection) = open();
        let mode: i64 = connection.pragma_query_value(None, "auto_vacuum", |row| row.get(0)).unwrap();
        assert_eq!(mode, 2, "auto_vacuum is incremental");
    }

    #[test]
    fn a_file_of_another_layout_is_refused() {
        let (place, connection) = open();
        connection.pragma_update(None, "user_version", 99).unwrap();
        drop(connection);
        let again = to_write(&place.path().join("file"), &EmbeddedConfig::new(place.path()));
        assert!(matches!(again, Err(Error::Store { .. })));
    }
}
