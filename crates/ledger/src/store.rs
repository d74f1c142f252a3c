//! The connections that queries use, and reading one referral or one event.

use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bulkhead_model::{Lane, ReferralId, TenantId, Verdict};
use bulkhead_wire::ReadEvent;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::columns::id_of;
use crate::fold::{Decided, Life, void_claim};
use crate::lives::{Kept, Lives};
use crate::schema::{failed, open_to_read};
use crate::unsettled::Unsettled;
use crate::{Error, Row};

/// How many queries run at a time; more wait their turn.
const READERS: usize = 4;

/// One ledger file, open to be read. All its connections are opened at once: later another file may lie at its path.
#[derive(Debug)]
pub(crate) struct Store {
    readers: Vec<Mutex<Connection>>,
    turn: AtomicUsize,
    lives: Arc<Lives>,
    unsettled: Arc<Unsettled>,
}

/// One state of the ledger, with the folds that are remembered; these may be newer.
pub(crate) struct View<'s> {
    snapshot: Transaction<'s>,
    lives: &'s Lives,
}

impl Deref for View<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.snapshot
    }
}

impl Store {
    /// Opens the connections. `lives` and `unsettled` are of whoever writes this file.
    pub(crate) fn open(path: &Path, lives: Arc<Lives>, unsettled: Arc<Unsettled>) -> Result<Self, Error> {
        let readers = (0..READERS).map(|_| open_to_read(path).map(Mutex::new)).collect::<Result<_, _>>()?;
        Ok(Self { readers, turn: AtomicUsize::new(0), lives, unsettled })
    }

    /// A referral that is remembered. `None` says nothing: it may lie in the file.
    pub(crate) fn remembered(&self, id: &ReferralId) -> Option<Row> {
        self.lives.get(id)?.row(id)
    }

    /// What the referrals of that sender weigh that are not settled.
    pub(crate) fn unsettled_bytes(&self, origin: &TenantId) -> u64 {
        self.unsettled.bytes(origin)
    }

    /// Runs a query that sees one state of the ledger throughout.
    pub(crate) fn read<T>(
        &self,
        doing: &'static str,
        query: impl FnOnce(&View<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let connection = self.reader();
        let snapshot = connection.unchecked_transaction().map_err(failed(doing))?;
        let view = View { snapshot, lives: &self.lives };
        let answer = query(&view)?;
        view.snapshot.finish().map_err(failed(doing))?;
        Ok(answer)
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        if let Some(free) = self.readers.iter().find_map(|reader| reader.try_lock().ok()) {
            return free;
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.readers.len();
        // A query that panicked leaves a connection that is still good: its transaction is rolled back.
        self.readers[turn].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The events of one referral in the order of its life.
pub(crate) fn decided(connection: &Connection, id: &ReferralId) -> Result<Vec<Decided>, Error> {
    let read = || {
        let mut statement = connection
            .prepare_cached("SELECT partition, offset, stands, bytes FROM event WHERE referral = ?1")?;
        let rows = statement.query_map([id.as_bytes()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, Vec<u8>>(3)?))
        })?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    let mut events: Vec<Decided> = read()
        .map_err(failed("reading a referral's events"))?
        .into_iter()
        .map(|(partition, offset, stands, bytes)| {
            Decided::read(bytes, partition, offset, stands).ok_or(Error::Event { id: *id })
        })
        .collect::<Result<_, _>>()?;
    events.sort_by_key(|decided| decided.key);
    Ok(events)
}

/// One referral, once its facts are known.
pub(crate) fn row(view: &View<'_>, id: &ReferralId) -> Result<Option<Row>, Error> {
    if let Some(kept) = view.lives.get(id) {
        return Ok(kept.row(id));
    }
    let lane = || {
        view.prepare_cached("SELECT effective FROM referral WHERE id = ?1")?
            .query_row([id.as_bytes()], |row| row.get::<_, u32>(0))
            .optional()
    };
    let Some(lane) = lane().map_err(failed("reading a referral"))? else { return Ok(None) };
    let (life, _) = Life::of(&decided(view, id)?);
    Ok(Kept { life: Arc::new(life), lane: Lane::from_partition(lane) }.row(id))
}

/// The attempts of a referral that its sender took back, even before its facts are known.
pub(crate) fn withdrawn_up_to(view: &View<'_>, id: &ReferralId) -> Result<u32, Error> {
    match view.lives.get(id) {
        Some(kept) => Ok(kept.life.referral.withdrawn_up_to),
        None => Ok(Life::of(&decided(view, id)?).0.referral.withdrawn_up_to),
    }
}

/// What became of the record at that place of events, which has been read.
pub(crate) fn verdict(connection: &Connection, partition: u32, offset: u64) -> Result<Verdict, Error> {
    let find = || {
        let mut statement = connection.prepare_cached(
            "SELECT referral, stands, bytes FROM event WHERE partition = ?1 AND offset = ?2",
        )?;
        let mut rows = statement.query(params![partition, offset])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let id = id_of(row.get_ref(0)?.as_blob_or_null()?);
        Ok(Some((id, row.get::<_, bool>(1)?, row.get::<_, Vec<u8>>(2)?)))
    };
    let Some((id, stands, bytes)) = find().map_err(failed("reading an event"))? else {
        return Ok(Verdict::Void("no event can be read there".into()));
    };
    if !stands {
        return Ok(match ReadEvent::decode(bytes.into()) {
            Ok(read) => void_claim(&read.author),
            Err(_) => Verdict::Void("no event can be read there".into()),
        });
    }
    let Some(id) = id else { return Ok(Verdict::Counts) };
    let all = decided(connection, &id)?;
    let (_, verdicts) = Life::of(&all);
    let own = all
        .iter()
        .zip(verdicts)
        .find(|(decided, _)| (decided.key.partition, decided.key.offset) == (partition, offset));
    Ok(own.map_or_else(|| Verdict::Void("no event can be read there".into()), |(_, verdict)| verdict))
}
