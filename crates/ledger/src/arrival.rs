//! A copy in the place of a node's ledger: looked at, held against the log, and taken up, before anything is asked of it.
//!
//! A ledger of a node's own that cannot be used is made again, because nobody but the node can know. A copy that cannot
//! be used was somebody's mistake: the node says what is wrong with it and does not start.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use bulkhead_log::{Log, Topic};
use jiff::Timestamp;
use rusqlite::Connection;
use tokio::time::sleep;

use crate::copy::{MARK, look_through, nation, open_alone, torn};
use crate::error::Unfit;
use crate::follow::{blocking, ends};
use crate::schema::{failed, file_error};
use crate::{Config, Error};

/// Where a SQLite file has its `application_id`.
const MARK_AT: usize = 68;
/// How often an event is looked for that brokers may not show for a moment.
const LOOKS: u32 = 3;
/// How long between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// A copy that is whole and of this nation.
struct Arrival {
    source: String,
    taken_at: Timestamp,
    /// How many events it has read.
    read: u64,
    /// The newest event of each partition.
    newest: Vec<Newest>,
}

struct Newest {
    partition: u32,
    offset: u64,
    bytes: Vec<u8>,
}

/// Takes a copy up that lies in the ledger's place; does nothing when none does.
pub(crate) async fn take_up(config: &Config, log: &dyn Log, topic: &Topic) -> Result<(), Error> {
    let own = config.clone();
    let Some(arrival) = blocking(move || look(&own)).await?? else { return Ok(()) };
    compare(&arrival, config, log, topic).await?;
    let behind = ends(log, topic).await?.iter().sum::<u64>().saturating_sub(arrival.read);
    let path = config.path.clone();
    blocking(move || unmark(&path)).await??;
    tracing::info!(
        path = %config.path.display(),
        source = arrival.source,
        taken_at = %arrival.taken_at,
        read = arrival.read,
        behind,
        "the ledger is a copy; it goes on from where the copy was taken"
    );
    Ok(())
}

fn look(config: &Config) -> Result<Option<Arrival>, Error> {
    let path = &config.path;
    if !is_marked(path).map_err(|error| file_error(path, &error))? {
        return Ok(None);
    }
    let connection = open_alone(path)?;
    let found = nation(&connection, path)?;
    if found != config.nation {
        return Err(Error::unfit(path, Unfit::OtherNation { found, wanted: config.nation }));
    }
    look_through(&connection, path)?;
    read(&connection).map(Some).map_err(failed("reading a copy")).map_err(torn(path))
}

/// By its first bytes alone, so that a copy that is torn is known for one.
fn is_marked(path: &Path) -> io::Result<bool> {
    let mut header = [0; MARK_AT + 4];
    match File::open(path).and_then(|mut file| file.read_exact(&mut header)) {
        Ok(()) => Ok(header[MARK_AT..] == MARK.to_be_bytes()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn read(connection: &Connection) -> rusqlite::Result<Arrival> {
    let (source, at): (String, i64) =
        connection.query_row("SELECT source, at FROM copied", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let read = connection.query_row("SELECT coalesce(sum(next), 0) FROM position", [], |row| row.get(0))?;
    let newest = connection
        .prepare(
            "SELECT partition, offset, bytes FROM event
             WHERE (partition, offset) IN (SELECT partition, max(offset) FROM event GROUP BY partition)",
        )?
        .query_map([], |row| Ok(Newest { partition: row.get(0)?, offset: row.get(1)?, bytes: row.get(2)? }))?
        .collect::<rusqlite::Result<_>>()?;
    let taken_at = Timestamp::from_microsecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(Arrival { source, taken_at, read, newest })
}

/// The newest events that it has read must lie in this log, where it has them. Neither another prefix nor other brokers
/// have these, nor has a log that was trimmed past them.
async fn compare(arrival: &Arrival, config: &Config, log: &dyn Log, topic: &Topic) -> Result<(), Error> {
    let pointers: Vec<_> =
        arrival.newest.iter().map(|newest| topic.partition(newest.partition).at(newest.offset)).collect();
    if pointers.is_empty() {
        return Ok(());
    }
    let mut looks = 1;
    loop {
        let there = match log.read_at(&pointers).await {
            Err(bulkhead_log::Error::UnknownTopic { .. } | bulkhead_log::Error::UnknownPartition { .. }) => {
                vec![None; pointers.len()]
            }
            there => there?,
        };
        let differs = arrival.newest.iter().zip(&there).position(|(newest, there)| {
            there.as_ref().is_none_or(|there| there.record.value[..] != newest.bytes[..])
        });
        match differs {
            None => return Ok(()),
            // What was read by another node may be hidden for a moment while brokers change.
            Some(n) if there[n].is_none() && looks < LOOKS => {
                looks += 1;
                sleep(PAUSE).await;
            }
            Some(n) => {
                let at = pointers[n].to_string();
                return Err(Error::unfit(&config.path, Unfit::OtherLog { at }));
            }
        }
    }
}

/// From now on it is this node's own.
fn unmark(path: &Path) -> Result<(), Error> {
    let mut connection = open_alone(path)?;
    let mut unmark = || {
        let transaction = connection.transaction()?;
        transaction.execute_batch("DROP TABLE copied; PRAGMA application_id = 0")?;
        transaction.commit()
    };
    unmark().map_err(failed("taking up a copy"))
}
