//! Making a copy of a ledger, of a node that may be at work, for another node to go on from.
//!
//! ```text
//! FROM ── one read transaction ──▶ TO.partial ── marked, looked through, synced ──▶ TO: whole, or not there
//! ```
//! All that a ledger says follows from the events, and nothing in it is of one node: positions, claims and what is
//! settled are what any node would make of the same events. What is of a node alone (its audit, closings that are not
//! in the log yet) lies in other files of its directory and is not copied. The mark says that the file came from
//! elsewhere; the node that finds it looks before it believes it (`arrival`).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use bulkhead_model::Nation;
use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use crate::error::Unfit;
use crate::schema::{VERSION, beside, failed, file_error, open_to_read};
use crate::{Error, query};

/// In the header of a copy that no node has taken up yet: `BHLC`.
pub(crate) const MARK: i32 = 0x4248_4c43;

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Of which nation's cell.
    pub nation: Nation,
    /// How many events it has read.
    pub events: u64,
    /// How many referrals it knows.
    pub referrals: u64,
    /// How large it is.
    pub bytes: u64,
}

/// Copies one state of the ledger at `from` to `to`, where nothing may lie. A node at work on `from` goes on; its
/// write-ahead file grows until the copy is made.
///
/// # Errors
/// When `from` is no ledger that this release knows or is not whole, when something lies at `to`, or the disk fails.
/// Nothing lies at `to` then.
pub fn copy(from: &Path, to: &Path) -> Result<Copied, Error> {
    for taken in [to.to_owned(), beside(to, "-wal"), beside(to, "-shm")] {
        if taken.exists() {
            return Err(Error::unfit(&taken, Unfit::Occupied));
        }
    }
    if !from.exists() {
        return Err(Error::unfit(from, Unfit::Missing));
    }
    let partial = beside(to, ".partial");
    match OpenOptions::new().write(true).create_new(true).open(&partial) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(Error::unfit(&partial, Unfit::Unfinished));
        }
        Err(error) => return Err(file_error(&partial, &error)),
    }
    let copied = fill(from, &partial).and_then(|copied| put(&partial, to).map(|()| copied));
    // Linked to its name or given up: either way this one is not needed any more.
    fs::remove_file(&partial).ok();
    copied
}

fn fill(from: &Path, partial: &Path) -> Result<Copied, Error> {
    let source = open_to_read(from)?;
    nation(&source, from)?;
    let name = partial.to_str().ok_or_else(|| file_error(partial, &io::Error::other("is not UTF-8")))?;
    source.execute("VACUUM INTO ?1", [name]).map_err(failed("copying")).map_err(torn(from))?;
    let copy = open_alone(partial)?;
    let nation = nation(&copy, partial)?;
    mark(&copy, from).map_err(failed("marking a copy"))?;
    look_through(&copy, partial)?;
    let events = query::one(&copy, "SELECT coalesce(sum(next), 0) FROM position", &[])?;
    let referrals = query::one(&copy, "SELECT count(*) FROM referral", &[])?;
    drop(copy);
    let bytes = fs::metadata(partial).map_err(|error| file_error(partial, &error))?.len();
    Ok(Copied { nation, events, referrals, bytes })
}

/// Opens a copy that nobody else has open, to change it where it lies: without a write-ahead file.
pub(crate) fn open_alone(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).map_err(failed("opening a copy")).map_err(torn(path))
}

/// Whose ledger it is, if it is one of this release.
pub(crate) fn nation(connection: &Connection, path: &Path) -> Result<Nation, Error> {
    let read = |query: &str| connection.query_row(query, [], |row| row.get::<_, i64>(0));
    match read("SELECT count(*) FROM sqlite_schema WHERE name IN ('meta', 'event', 'position')") {
        Ok(3) => {}
        Err(error) if error.sqlite_error_code() != Some(ErrorCode::NotADatabase) => {
            return Err(torn(path)(failed("reading its tables")(error)));
        }
        Ok(_) | Err(_) => return Err(Error::unfit(path, Unfit::NoLedger)),
    }
    let found = read("PRAGMA user_version").map_err(failed("reading its version")).map_err(torn(path))?;
    if found != VERSION {
        return Err(Error::unfit(path, Unfit::OtherVersion { found, known: VERSION }));
    }
    let nation: String = connection
        .query_row("SELECT nation FROM meta", [], |row| row.get(0))
        .map_err(failed("reading its nation"))
        .map_err(torn(path))?;
    let nation = Nation::ALL.into_iter().find(|known| known.as_str() == nation);
    nation.ok_or_else(|| Error::unfit(path, Unfit::NoLedger))
}

/// Says where and when this state was copied; a copy of a copy says it of the first.
fn mark(copy: &Connection, from: &Path) -> rusqlite::Result<()> {
    copy.execute_batch("CREATE TABLE IF NOT EXISTS copied (source TEXT NOT NULL, at INTEGER NOT NULL)")?;
    copy.execute(
        "INSERT INTO copied (source, at) SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM copied)",
        params![from.display().to_string(), Timestamp::now().as_microsecond()],
    )?;
    copy.pragma_update(None, "application_id", MARK)
}

/// Reads every page of it.
pub(crate) fn look_through(connection: &Connection, path: &Path) -> Result<(), Error> {
    let said: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(failed("looking it through"))
        .map_err(torn(path))?;
    if said == "ok" { Ok(()) } else { Err(Error::unfit(path, Unfit::Torn { cause: said })) }
}

/// Damage to a file that came from elsewhere is for whoever copied it.
pub(crate) fn torn(path: &Path) -> impl Fn(Error) -> Error {
    move |error| match error {
        Error::Store { cause, damaged: true, .. } => Error::unfit(path, Unfit::Torn { cause }),
        error => error,
    }
}

/// Gives it its name, durably; unlike a rename, a link replaces nothing.
fn put(partial: &Path, to: &Path) -> Result<(), Error> {
    let directory = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let put = || {
        let owner = fs::metadata(&directory)?;
        // Copied by an administrator, it is for the node that owns the directory; anybody else may not give it away.
        match chown(partial, Some(owner.uid()), Some(owner.gid())) {
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
            Ok(()) | Err(_) => {}
        }
        File::open(partial)?.sync_all()?;
        fs::hard_link(partial, to)?;
        File::open(&directory)?.sync_all()
    };
    put().map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::unfit(to, Unfit::Occupied),
        _ => file_error(to, &error),
    })
}
