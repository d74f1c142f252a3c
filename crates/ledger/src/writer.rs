//! The one who writes the file, a batch at a time, and remembers where it stopped.
//!
//! ```text
//! entries -> Batch { claim book -> event table -> fold -> columns -> cases } -> positions -> commit -> News
//! ```
//! After an error the writer is not used again: what it holds in memory may be ahead of its file.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use bulkhead_log::Entry;
use bulkhead_model::{ClaimBook, Nation, SHARDS};
use rusqlite::{Connection, params};

use crate::batch::{Batch, Made};
use crate::intervals::Intervals;
use crate::lives::Lives;
use crate::published::News;
use crate::schema::{Identity, failed, open_or_remake, remake};
use crate::store::Store;
use crate::unsettled::{Unsettled, is_unsettled};
use crate::{Config, Error};

/// The one who writes the file.
pub(crate) struct Writer {
    nation: Nation,
    connection: Connection,
    path: PathBuf,
    identity: Option<Identity>,
    /// Who holds each shard, as of the newest event read.
    books: Vec<ClaimBook>,
    /// Where to read each partition of events on.
    positions: Vec<u64>,
    /// What is settled of each `in` topic.
    settled: HashMap<String, Intervals>,
    /// Partitions that are read no further: a newer release wrote what comes next.
    newer: BTreeSet<u32>,
    lives: Arc<Lives>,
    unsettled: Arc<Unsettled>,
}

impl Writer {
    /// Opens the file, or makes it.
    pub(crate) fn open(config: &Config) -> Result<Self, Error> {
        match Self::load(open_or_remake(&config.path, config.nation)?, config) {
            Err(error @ Error::Store { damaged: true, .. }) => {
                tracing::warn!(%error, "the ledger is damaged and is made again");
                Self::remake(config)
            }
            opened => opened,
        }
    }

    /// Makes an empty file in the place of what is there.
    pub(crate) fn remake(config: &Config) -> Result<Self, Error> {
        Self::load(remake(&config.path, config.nation)?, config)
    }

    fn load(connection: Connection, config: &Config) -> Result<Self, Error> {
        let mut books = vec![ClaimBook::default(); SHARDS as usize];
        let mut positions = vec![0; SHARDS as usize];
        let mut settled: HashMap<String, Intervals> = HashMap::new();
        let unsettled = Unsettled::default();
        let mut load = || {
            each(&connection, "SELECT shard, number, node FROM claim", |row| {
                if let Some(book) = books.get_mut(row.get::<_, usize>(0)?) {
                    *book = ClaimBook::resume(row.get(1)?, row.get(2)?);
                }
                Ok(())
            })?;
            each(&connection, "SELECT partition, next FROM position", |row| {
                if let Some(position) = positions.get_mut(row.get::<_, usize>(0)?) {
                    *position = row.get(1)?;
                }
                Ok(())
            })?;
            each(&connection, "SELECT topic, first, beyond FROM settled", |row| {
                settled.entry(row.get(0)?).or_default().add(row.get(1)?..row.get(2)?);
                Ok(())
            })?;
            each(&connection, "SELECT origin, state, bytes FROM tally", |row| {
                if is_unsettled(&row.get::<_, String>(1)?) {
                    unsettled.add([(row.get(0)?, row.get(2)?)]);
                }
                Ok(())
            })
        };
        load().map_err(failed("reading where it stopped"))?;
        let (path, nation) = (config.path.clone(), config.nation);
        let identity = Identity::of(&path);
        Ok(Self {
            nation,
            connection,
            path,
            identity,
            books,
            positions,
            settled,
            newer: BTreeSet::new(),
            lives: Arc::new(Lives::new()),
            unsettled: Arc::new(unsettled),
        })
    }

    /// The file, open to be read.
    pub(crate) fn store(&self) -> Result<Store, Error> {
        Store::open(&self.path, self.lives.clone(), self.unsettled.clone())
    }

    /// Whether another file, or none, lies in its place.
    pub(crate) fn is_gone(&self) -> bool {
        Identity::of(&self.path) != self.identity
    }

    /// Where to read each partition of events on.
    pub(crate) fn positions(&self) -> &[u64] {
        &self.positions
    }

    /// Whether that partition has been read up to there, or as far as this release can.
    pub(crate) fn has_reached(&self, partition: u32, end: u64) -> bool {
        let position = self.positions.get(partition as usize).copied().unwrap_or_default();
        position >= end || self.newer.contains(&partition)
    }

    /// What is settled of each `in` topic.
    pub(crate) fn settled(&self) -> &HashMap<String, Intervals> {
        &self.settled
    }

    /// Applies a batch and says what came of it.
    pub(crate) fn apply(&mut self, entries: &[Entry]) -> Result<News, Error> {
        let transaction = self.connection.transaction().map_err(failed("beginning a batch"))?;
        let mut batch = Batch::new(&transaction, self.nation, &mut self.books, &self.lives);
        for entry in entries {
            // A reader that was started anew may bring again what was applied.
            let partition = entry.partition.number;
            let is_next = entry.offset >= self.positions[partition as usize];
            if is_next && !self.newer.contains(&partition) && !batch.stands(partition) {
                batch.read(entry)?;
            }
        }
        let Made { news, lives, lanes, unsettled } = batch.write()?;
        write_settled(&transaction, &mut self.settled, &news.settled)
            .map_err(failed("writing what is settled"))?;
        for (partition, next) in &news.read {
            write_position(&transaction, *partition, *next).map_err(failed("writing a position"))?;
            self.positions[*partition as usize] = *next;
        }
        transaction.commit().map_err(failed("committing a batch"))?;
        self.newer.extend(news.newer.keys());
        self.lives.put(lives, &lanes);
        self.unsettled.add(unsettled);
        metrics::counter!("bulkhead_ledger_events_total", "nation" => self.nation.as_str())
            .increment(entries.len() as u64);
        Ok(news)
    }
}

fn each(
    connection: &Connection,
    query: &str,
    read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    connection.prepare(query)?.query_map([], read)?.collect()
}

fn write_position(connection: &Connection, partition: u32, next: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO position (partition, next) VALUES (?1, ?2)")?
        .execute(params![partition, next])?;
    Ok(())
}

/// Writes the runs of each topic that has news anew; they are few, because the router settles nearly in order.
fn write_settled(
    connection: &Connection,
    settled: &mut HashMap<String, Intervals>,
    news: &[(String, u64)],
) -> rusqlite::Result<()> {
    let mut topics: HashSet<&str> = HashSet::new();
    for (topic, offset) in news {
        settled.entry(topic.clone()).or_default().add(*offset..offset + 1);
        topics.insert(topic);
    }
    for topic in topics {
        connection.prepare_cached("DELETE FROM settled WHERE topic = ?1")?.execute([topic])?;
        let mut insert =
            connection.prepare_cached("INSERT INTO settled (topic, first, beyond) VALUES (?1, ?2, ?3)")?;
        for run in settled[topic].runs() {
            insert.execute(params![topic, run.start, run.end])?;
        }
    }
    Ok(())
}
