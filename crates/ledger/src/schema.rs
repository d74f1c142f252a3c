//! The file: its tables, how it is opened, and when it is made again.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bulkhead_model::Nation;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::Error;

/// Rises whenever the tables change, or what the model makes of the same events: then the file is made again.
pub(crate) const VERSION: i64 = 7;

/// A deadline that is not there, so that it sorts last.
pub(crate) const NO_DEADLINE: i64 = i64::MAX;

/// Where a referral waits, as the tables say it.
pub(crate) mod stage {
    /// Nowhere: not decided, set aside or done.
    pub(crate) const NOWHERE: i64 = 0;
    /// In the compartment of its destination.
    pub(crate) const OUT: i64 = 1;
    /// At the border, or on its way over it.
    pub(crate) const BORDER: i64 = 2;
    /// Being handed over.
    pub(crate) const OFFERED: i64 = 3;
    /// In the receiving sidecar.
    pub(crate) const DELIVERED: i64 = 4;
    /// In another nation.
    pub(crate) const AWAY: i64 = 5;
}

const TABLES: &str = "
CREATE TABLE meta (nation TEXT NOT NULL);
-- Every event as it was read; referral is null where it is about none.
CREATE TABLE event (
    partition INTEGER NOT NULL, offset INTEGER NOT NULL, referral BLOB, stands INTEGER NOT NULL,
    bytes BLOB NOT NULL, PRIMARY KEY (partition, offset)
) WITHOUT ROWID;
CREATE INDEX event_of ON event (referral) WHERE referral IS NOT NULL;
CREATE TABLE position (partition INTEGER PRIMARY KEY, next INTEGER NOT NULL);
CREATE TABLE claim (shard INTEGER PRIMARY KEY, number INTEGER NOT NULL, node TEXT NOT NULL);
-- Runs of settled offsets of each in topic.
CREATE TABLE settled (
    topic TEXT NOT NULL, first INTEGER NOT NULL, beyond INTEGER NOT NULL, PRIMARY KEY (topic, first)
) WITHOUT ROWID;
CREATE TABLE tally (
    origin TEXT NOT NULL, destination TEXT NOT NULL, state TEXT NOT NULL, count INTEGER NOT NULL,
    bytes INTEGER NOT NULL, PRIMARY KEY (origin, destination, state)
) WITHOUT ROWID;
-- When the newest hand-over to each was begun.
CREATE TABLE last_offer (destination TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
-- One row a referral whose facts are known: what it is looked for by.
CREATE TABLE referral (
    id BLOB PRIMARY KEY, origin TEXT NOT NULL, destination TEXT, state TEXT NOT NULL, stage INTEGER NOT NULL,
    open INTEGER NOT NULL, settled INTEGER NOT NULL, done INTEGER NOT NULL, unheard INTEGER NOT NULL,
    sent_after_all INTEGER NOT NULL, tell INTEGER NOT NULL, hear INTEGER NOT NULL, overdue INTEGER NOT NULL, kind TEXT NOT NULL,
    lane INTEGER NOT NULL, effective INTEGER NOT NULL, deadline INTEGER NOT NULL, accepted_at INTEGER NOT NULL,
    since INTEGER NOT NULL, message_id TEXT NOT NULL, case_id TEXT, case_key TEXT NOT NULL,
    facts_partition INTEGER NOT NULL, facts_offset INTEGER NOT NULL, predecessor BLOB, clear INTEGER NOT NULL,
    waits_partition INTEGER, waits_offset INTEGER, border TEXT, shard INTEGER NOT NULL, inbox TEXT,
    version INTEGER NOT NULL, state_since INTEGER NOT NULL, cut TEXT, not_recalled INTEGER NOT NULL,
    recalled INTEGER NOT NULL, touched TEXT, bytes INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX waiting_out ON referral
    (destination, effective, clear, waits_partition DESC, waits_offset) WHERE stage = 1;
CREATE INDEX waiting_border ON referral
    (border, shard, effective, clear, waits_partition DESC, waits_offset) WHERE stage = 2;
CREATE INDEX offered ON referral (destination, since) WHERE stage = 3;
CREATE INDEX delivered ON referral (destination, since, origin) WHERE stage = 4;
CREATE INDEX unheard ON referral (since) WHERE unheard = 1;
CREATE INDEX parked ON referral (destination, origin) WHERE state = 'parked';
CREATE INDEX aside ON referral (cut, effective, deadline, id) WHERE cut IS NOT NULL;
CREATE INDEX touched ON referral (touched, origin, state) WHERE touched IS NOT NULL;
CREATE INDEX not_recalled ON referral (origin) WHERE not_recalled = 1;
CREATE INDEX return_pending ON referral (origin) WHERE state = 'return-pending';
CREATE INDEX sent_after_all ON referral (origin) WHERE sent_after_all = 1;
CREATE INDEX tell ON referral (since) WHERE tell = 1;
CREATE INDEX hear ON referral (origin, since) WHERE hear = 1;
CREATE INDEX rejected ON referral (origin) WHERE hear = 1 AND state = 'rejected';
CREATE INDEX behind ON referral (predecessor) WHERE predecessor IS NOT NULL;
CREATE INDEX in_case ON referral (case_key, facts_offset);
CREATE INDEX by_message ON referral (message_id);
CREATE INDEX by_case ON referral (case_id) WHERE case_id IS NOT NULL;
CREATE INDEX accepted ON referral (origin, accepted_at);
CREATE INDEX by_origin ON referral (origin, settled, deadline, lane, accepted_at);
CREATE INDEX by_destination ON referral (destination, settled, deadline, lane, accepted_at);
CREATE INDEX by_urgency ON referral (settled, deadline, lane, accepted_at);
";

/// What SQLite said, as an error of ours.
pub(crate) fn failed(doing: &'static str) -> impl Fn(rusqlite::Error) -> Error {
    move |error| {
        let damaged = matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::ReadOnly
                    | ErrorCode::SystemIoFailure
            )
        );
        Error::Store { doing, cause: error.to_string(), damaged }
    }
}

/// Which file lies at a path, so that another one in its place is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// Of the file that lies there now; `None` when there is none, or it is empty.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok().filter(|found| found.len() > 0)?;
        Some(Self { device: found.dev(), inode: found.ino() })
    }
}

/// Opens the file to write, making it again where it cannot be used.
pub(crate) fn open_or_remake(path: &Path, nation: Nation) -> Result<Connection, Error> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(|error| file_error(directory, &error))?;
    }
    if Identity::of(path).is_none() {
        return remake(path, nation);
    }
    match open(path, nation) {
        Ok(Some(connection)) => Ok(connection),
        Ok(None) => {
            tracing::warn!("the ledger is of another version or nation and is made again");
            remake(path, nation)
        }
        Err(error @ Error::Store { damaged: true, .. }) => {
            tracing::warn!(%error, "the ledger is damaged and is made again");
            remake(path, nation)
        }
        Err(error) => Err(error),
    }
}

/// Makes an empty file; one that lies there is kept beside it.
pub(crate) fn remake(path: &Path, nation: Nation) -> Result<Connection, Error> {
    set_aside(path)?;
    open(path, nation)?.ok_or_else(|| file_error(path, &io::Error::other("appeared while it was made")))
}

/// `None` when it is of another version or nation.
fn open(path: &Path, nation: Nation) -> Result<Option<Connection>, Error> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = connect(path, flags)?;
    let settings = || {
        // The directories of a ledger are local: a WAL with syncs at checkpoints only. What a crash takes from
        // its end is read from the log again.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "cache_size", -32_768)?;
        connection.pragma_update(None, "wal_autocheckpoint", 2_000)?;
        connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
        connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
    };
    let version = settings().map_err(failed("opening"))?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(failed("opening"))?;
    if version == 0 && tables == 0 {
        make_tables(&mut connection, nation).map_err(failed("making the tables"))?;
        return Ok(Some(connection));
    }
    if version != VERSION {
        return Ok(None);
    }
    let of: String = connection
        .query_row("SELECT nation FROM meta", [], |row| row.get(0))
        .map_err(failed("reading its nation"))?;
    Ok((of == nation.as_str()).then_some(connection))
}

fn make_tables(connection: &mut Connection, nation: Nation) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.execute("INSERT INTO meta (nation) VALUES (?1)", [nation.as_str()])?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// Opens the file to read.
pub(crate) fn open_to_read(path: &Path) -> Result<Connection, Error> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, Error> {
    let connect = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.set_prepared_statement_cache_capacity(64);
        // Without it a cached statement is parsed and planned anew whenever a value bound to it changes.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        // Closing must leave the files alone: by then another ledger may lie at this path.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        Ok(connection)
    };
    connect().map_err(failed("opening"))
}

/// Keeps what lies there as `<file>.aside`, in the place of an earlier one, and removes what belongs to it.
fn set_aside(path: &Path) -> Result<(), Error> {
    let ignore_missing = |path: &Path, result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file_error(path, &error)),
        _ => Ok(()),
    };
    ignore_missing(path, fs::rename(path, beside(path, ".aside")))?;
    // A write-ahead file of the old one must not be taken for the new one's.
    for suffix in ["-wal", "-shm"] {
        let path = beside(path, suffix);
        ignore_missing(&path, fs::remove_file(&path))?;
    }
    Ok(())
}

pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub(crate) fn file_error(path: &Path, error: &io::Error) -> Error {
    Error::File { path: path.to_owned(), cause: error.to_string() }
}
