//! One batch of events on its way into the file: what stands, what each does to its referral, and what that changes
//! for others.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bulkhead_log::Entry;
use bulkhead_model::{ClaimBook, Event, Lane, Lifecycle, Nation, Place, ReferralId, TenantId, Verdict};
use bulkhead_wire::{Author, EventRecord, ReadEvent, Unreadable};
use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};

use crate::cases::{self, Lifted};
use crate::columns::Tally;
use crate::fold::{Decided, Key, Life, void_claim};
use crate::lives::{Kept, Lives};
use crate::published::{News, Woken};
use crate::schema::failed;
use crate::store::decided;
use crate::unsettled::is_unsettled;
use crate::{Change, Error, columns};

/// What a batch has made, to be made known once it is committed.
pub(crate) struct Made {
    pub(crate) news: News,
    /// The folds of the referrals that it is about.
    pub(crate) lives: HashMap<ReferralId, Kept>,
    /// Those whose lane its referrals have changed.
    pub(crate) lanes: Lifted,
    /// What each sender's referrals that are not settled weigh more, or less.
    pub(crate) unsettled: HashMap<String, i64>,
}

/// One batch.
pub(crate) struct Batch<'a> {
    transaction: &'a Transaction<'a>,
    nation: Nation,
    books: &'a mut [ClaimBook],
    lives: &'a Lives,
    /// Referrals that this batch is about.
    touched: HashMap<ReferralId, Life>,
    /// Shards that were claimed.
    claimed: HashSet<u32>,
    /// The newest hand-over to each that this batch begins.
    offered: HashMap<TenantId, Timestamp>,
    /// What each sender's referrals that are not settled weigh more, or less.
    unsettled: HashMap<String, i64>,
    news: News,
}

impl<'a> Batch<'a> {
    /// An empty one.
    pub(crate) fn new(
        transaction: &'a Transaction<'a>,
        nation: Nation,
        books: &'a mut [ClaimBook],
        lives: &'a Lives,
    ) -> Self {
        Self {
            transaction,
            nation,
            books,
            lives,
            touched: HashMap::new(),
            claimed: HashSet::new(),
            offered: HashMap::new(),
            unsettled: HashMap::new(),
            news: News::default(),
        }
    }

    /// Whether that partition is read no further: a newer release wrote what comes next in it.
    pub(crate) fn stands(&self, partition: u32) -> bool {
        self.news.newer.contains_key(&partition)
    }

    /// Reads one entry. What cannot be read is passed over, but for what a newer release wrote.
    pub(crate) fn read(&mut self, entry: &Entry) -> Result<(), Error> {
        let (partition, offset) = (entry.partition.number, entry.offset);
        let bytes = &entry.record.value;
        let read = ReadEvent::decode(bytes.clone());
        if let Err(Unreadable::Newer(_)) = read
            && self.may_count(partition, bytes)
        {
            self.news.newer.insert(partition, offset);
            return Ok(());
        }
        self.news.read.insert(partition, offset + 1);
        let Ok(ReadEvent { author, record }) = read else {
            metrics::counter!("bulkhead_ledger_unreadable_events_total", "nation" => self.nation.as_str())
                .increment(1);
            tracing::warn!(at = %entry.pointer(), "an event cannot be read and is passed over");
            return Ok(());
        };
        let stands = self.is_allowed(partition, &author, &record);
        let store =
            |id: Option<&ReferralId>| store_event(self.transaction, (partition, offset), id, stands, bytes);
        match record {
            EventRecord::Claimed => {
                store(None)?;
                self.judged((partition, offset), stands, &author);
                Ok(())
            }
            EventRecord::Settled { source, .. } => {
                store(None)?;
                self.judged((partition, offset), stands, &author);
                if stands {
                    self.settle(source);
                }
                Ok(())
            }
            EventRecord::Decision { id, numbered, facts, source } => {
                let life = if stands { Some(self.life(&id)?) } else { None };
                store(Some(&id))?;
                if !stands {
                    self.judged((partition, offset), false, &author);
                }
                let key = Key { custody: numbered.custody, partition, offset };
                let decided = Decided { key, stands, author, event: numbered.event, facts, source };
                match life {
                    Some(life) => self.decide(id, life, &decided),
                    None => Ok(()),
                }
            }
        }
    }

    /// Notes the verdict on what its claim alone decides.
    fn judged(&mut self, at: (u32, u64), stands: bool, author: &Author) {
        let verdict = if stands { Verdict::Counts } else { void_claim(author) };
        self.news.verdicts.push((at, verdict));
    }

    /// Whether an event of a newer release may count: an older claim than the one in force makes any event void.
    fn may_count(&self, partition: u32, bytes: &Bytes) -> bool {
        let (Ok(Author { claim, .. }), Some(book)) =
            (Author::decode(bytes.clone()), self.books.get(partition as usize))
        else {
            return false;
        };
        claim.shard == partition && (book.counts(&claim) || claim.number > book.current().0)
    }

    /// Whether the claims of its partition allow this event.
    fn is_allowed(&mut self, partition: u32, author: &Author, record: &EventRecord) -> bool {
        let Some(book) = self.books.get_mut(partition as usize) else { return false };
        if author.claim.shard != partition {
            return false;
        }
        match record {
            EventRecord::Claimed => {
                let newer = book.claimed(&author.claim);
                if newer {
                    self.claimed.insert(partition);
                }
                newer
            }
            EventRecord::Decision { .. } | EventRecord::Settled { .. } => book.counts(&author.claim),
        }
    }

    /// The fold as it was before this event.
    fn life(&mut self, id: &ReferralId) -> Result<Life, Error> {
        if let Some(life) = self.touched.remove(id) {
            return Ok(life);
        }
        match self.lives.get(id) {
            Some(kept) => Ok(Life::clone(&kept.life)),
            None => Ok(Life::of(&decided(self.transaction, id)?).0),
        }
    }

    fn decide(&mut self, id: ReferralId, mut life: Life, event: &Decided) -> Result<(), Error> {
        let verdict = if life.takes(event.key) {
            let verdict = life.add(event);
            self.tell(id, &life, event, &verdict);
            verdict
        } else {
            let all = decided(self.transaction, &id)?;
            let waited = life.early;
            let verdicts;
            (life, verdicts) = Life::of(&all);
            let mut own = Verdict::Void(String::new());
            for (other, verdict) in all.iter().zip(verdicts) {
                if other.key == event.key || waited.contains(&other.key) {
                    self.tell(id, &life, other, &verdict);
                }
                if other.key == event.key {
                    own = verdict;
                }
            }
            own
        };
        self.news.verdicts.push(((event.key.partition, event.key.offset), verdict.clone()));
        if event.settles(&verdict)
            && let Some(source) = &event.source
        {
            self.settle(source.clone());
        }
        self.touched.insert(id, life);
        Ok(())
    }

    /// Notes a change for those who listen; one whose referral nobody knows yet is told with its facts.
    fn tell(&mut self, id: ReferralId, life: &Life, event: &Decided, verdict: &Verdict) {
        let Some(known) = life.known.as_ref().filter(|_| *verdict == Verdict::Counts) else { return };
        let lifecycle = &life.referral.lifecycle;
        if let (Event::Offered { .. }, Some(to)) = (&event.event, lifecycle.destination()) {
            let newest = self.offered.entry(to.clone()).or_insert(event.author.at);
            *newest = event.author.at.max(*newest);
        }
        let change = Change {
            id,
            origin: known.facts.tenant.clone(),
            destination: lifecycle.destination().cloned(),
            state: lifecycle.state(),
            from_nation: known.facts.from_nation,
            at_border: at_border(lifecycle),
            step: event.step(verdict),
        };
        self.news.changes.push(((event.key.partition, event.key.offset), change));
    }

    fn settle(&mut self, source: Place) {
        self.news.settled.push((source.topic, source.offset));
    }

    /// Writes what follows from all that was read.
    pub(crate) fn write(mut self) -> Result<Made, Error> {
        let (lanes, lifted) = self.write_referrals().map_err(failed("writing referrals"))?;
        self.write_claims().map_err(failed("writing claims"))?;
        let keep = |(id, life)| (id, Kept { life: Arc::new(life), lane: lanes.get(&id).copied() });
        let lives = self.touched.into_iter().map(keep).collect();
        Ok(Made { news: self.news, lives, lanes: lifted, unsettled: self.unsettled })
    }

    /// Answers with the lanes that they had before, and those that have changed.
    fn write_referrals(&mut self) -> rusqlite::Result<(HashMap<ReferralId, Lane>, Lifted)> {
        let connection = self.transaction;
        let (mut lanes, mut lifted) = (HashMap::new(), Vec::new());
        let mut tallies: HashMap<Tally, (i64, i64)> = HashMap::new();
        let mut relinked = Vec::new();
        let mut moved = Vec::new();
        for (id, life) in &self.touched {
            let Some(known) = &life.known else { continue };
            let before = columns::before(connection, id)?;
            columns::write(connection, id, life, known, before.as_ref())?;
            lanes.extend(before.as_ref().and_then(|before| before.lane).map(|lane| (*id, lane)));
            wake(&mut self.news.woken, life);
            let facts_at = (known.key.partition, known.key.offset);
            let (tally, bytes) = (columns::tally(life, known), columns::weight(known));
            if before.as_ref().is_none_or(|before| before.tally != tally || before.bytes != bytes) {
                let mut add = |tally, (count, bytes)| {
                    let sum = tallies.entry(tally).or_default();
                    *sum = (sum.0 + count, sum.1 + bytes);
                };
                add(tally, (1, bytes));
                if let Some(before) = &before {
                    add(before.tally.clone(), (-1, -before.bytes));
                }
            }
            let is_done = columns::is_done(&life.referral.lifecycle);
            if before.as_ref().is_none_or(|before| before.facts_at != facts_at) {
                relinked.push((*id, known.facts.predecessor, before.and_then(|before| before.predecessor)));
                moved.push(*id);
            } else if before.is_some_and(|before| before.done != is_done) {
                moved.push(*id);
            }
        }
        for (id, now, then) in relinked {
            cases::clear_self(connection, &id)?;
            for id in [Some(id), now, then.filter(|_| then != now)].into_iter().flatten() {
                lifted.extend(cases::lift(connection, id, &mut self.news.woken)?);
            }
        }
        for id in moved {
            cases::clear_behind(connection, &id, &mut self.news.woken)?;
        }
        for (to, at) in &self.offered {
            columns::offered(connection, to, *at)?;
        }
        for (tally, change) in tallies.into_iter().filter(|(_, change)| *change != (0, 0)) {
            columns::count(connection, &tally, change)?;
            if is_unsettled(&tally.state) {
                *self.unsettled.entry(tally.origin).or_default() += change.1;
            }
        }
        Ok((lanes, lifted))
    }

    fn write_claims(&self) -> rusqlite::Result<()> {
        for shard in &self.claimed {
            let (number, node) = self.books[*shard as usize].current();
            self.transaction
                .prepare_cached("INSERT OR REPLACE INTO claim (shard, number, node) VALUES (?1, ?2, ?3)")?
                .execute(params![shard, number, node])?;
        }
        Ok(())
    }
}

/// Wakes whoever has something to do about this referral.
fn wake(woken: &mut Woken, life: &Life) {
    match &life.referral.lifecycle {
        Lifecycle::Routed { to, .. } | Lifecycle::Diverted { to, .. } => {
            woken.tenants.insert(to.clone());
        }
        Lifecycle::AtBorder { nation, .. } => {
            woken.borders.insert(*nation);
        }
        Lifecycle::Accepted
        | Lifecycle::Carried { .. }
        | Lifecycle::Offered { .. }
        | Lifecycle::Delivered { .. }
        | Lifecycle::Acknowledged { .. }
        | Lifecycle::Rejected { .. }
        | Lifecycle::Parked { .. }
        | Lifecycle::Held { .. }
        | Lifecycle::Quarantined { .. }
        | Lifecycle::Unknown { .. }
        | Lifecycle::ReturnPending { .. }
        | Lifecycle::Returned { .. }
        | Lifecycle::Cancelled { .. } => {}
    }
    woken.reports |= life.known.as_ref().is_some_and(|known| columns::is_to_tell(life, known));
}

fn at_border(lifecycle: &Lifecycle) -> Option<Nation> {
    match lifecycle {
        Lifecycle::AtBorder { nation, .. } => Some(*nation),
        _ => None,
    }
}

fn store_event(
    connection: &Connection,
    (partition, offset): (u32, u64),
    id: Option<&ReferralId>,
    stands: bool,
    bytes: &[u8],
) -> Result<(), Error> {
    let store = || {
        connection
            .prepare_cached(
                "INSERT INTO event (partition, offset, referral, stands, bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![partition, offset, id.map(ReferralId::as_bytes), stands, bytes])
    };
    store().map(|_| ()).map_err(failed("storing an event"))
}
