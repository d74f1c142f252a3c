//! What was handed to us and must reach the local system: durable, known by id, in order within each case.
//!
//! A row is written before the broker hears *delivered*; its bytes go when it is finally answered; the row itself
//! stays, so that the same referral is known when it comes again.

mod rows;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bulkhead_model::{
    CaseId, CaseKey, Digest, Envelope, Lane, Payload, ReferralId, ServiceAddress, ServiceId, TenantId,
};
use bulkhead_wire::v1;
use bulkhead_wire::v1::outcome::Result as Answered;
use bulkhead_wire::{address_from_wire, envelope_from_wire, time_from_wire};
use bytes::Bytes;
use jiff::Timestamp;
use prost::Message;
use rusqlite::{Connection, params};
use tokio::sync::{Notify, broadcast, watch};

use crate::cases::Cases;
use crate::store::Store;
use crate::{Delivery, Diverted, Error};

/// Outcomes that a session may lag behind; then it reads all of them again.
const OUTCOMES: usize = 1024;

/// The inbox, cheap to clone.
#[derive(Clone)]
pub(crate) struct Inbox {
    store: Store,
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Cases<CaseKey>>,
    /// Something may be handed over.
    wake: Notify,
    /// How many are taken in and not handed over.
    waiting: watch::Sender<usize>,
    outcomes: broadcast::Sender<v1::Outcome>,
    /// Those that the local system was offered, and may have, since the start.
    touched: Mutex<HashSet<u64>>,
}

/// What became of a referral that is recalled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recalled {
    /// It is given up, and the local system never had it.
    GivenUp,
    /// The local system has it, or may have: in these words.
    Had(String),
    /// It is not here, or not yet.
    Unknown,
}

/// A checked offer.
#[derive(Debug, Clone)]
pub(crate) struct Offered {
    pub(crate) id: ReferralId,
    pub(crate) offer: u32,
    pub(crate) digest: Digest,
    pub(crate) case: CaseKey,
    pub(crate) lane: Lane,
    /// The offer without its payload.
    pub(crate) header: v1::Offer,
    pub(crate) payload: Bytes,
}

/// What became of an offer.
#[derive(Debug, Clone)]
pub(crate) enum Taken {
    /// It waits for its hand-over under this ticket.
    Waits(u64),
    /// It is known and waits already.
    Known,
    /// It is known, and this was its final outcome.
    Answered(Answered),
}

/// What an offer says, read.
pub(crate) struct Header {
    pub(crate) tenant: TenantId,
    pub(crate) envelope: Envelope,
    accepted_at: Timestamp,
    possible_duplicate: bool,
    reply_addresses: Vec<ServiceAddress>,
    diverted: Option<Diverted>,
}

impl Header {
    /// `None` when it cannot be read.
    pub(crate) fn read(offer: &v1::Offer) -> Option<Self> {
        Some(Self {
            tenant: TenantId::parse(&offer.tenant).ok()?,
            envelope: envelope_from_wire(offer.envelope.as_ref()?).ok()?,
            accepted_at: time_from_wire(offer.accepted_at?)?,
            possible_duplicate: offer.possible_duplicate,
            reply_addresses: addresses("reply_addresses", &offer.reply_addresses),
            diverted: match &offer.diverted {
                Some(diverted) => Some(read_diverted(diverted)?),
                None => None,
            },
        })
    }

    /// What it is kept in order with.
    pub(crate) fn case(&self, id: ReferralId) -> CaseKey {
        Self::case_of(&self.tenant, &self.envelope, id)
    }

    /// The same, for what was read before.
    pub(crate) fn case_of(tenant: &TenantId, envelope: &Envelope, id: ReferralId) -> CaseKey {
        let (system, value) = envelope.to.key();
        let alone = || CaseId::parse(&format!("alone {id}")).expect("printable and short");
        CaseKey {
            tenant: tenant.clone(),
            service: format!("{system}|{value}"),
            case: envelope.case_id.clone().unwrap_or_else(alone),
        }
    }
}

/// Those that can be read.
fn addresses(field: &'static str, written: &[v1::ServiceAddress]) -> Vec<ServiceAddress> {
    written.iter().filter_map(|address| address_from_wire(field, address).ok()).collect()
}

fn read_diverted(written: &v1::Diversion) -> Option<Diverted> {
    Some(Diverted {
        from: ServiceId::parse(&written.from).ok()?,
        to: ServiceId::parse(&written.to).ok()?,
        addresses: addresses("to_addresses", &written.to_addresses),
        code: written.reason.as_ref().map(|reason| reason.code.clone()),
    })
}

impl Inbox {
    /// Takes up what waits in the store.
    pub(crate) async fn open(store: Store) -> Result<Self, Error> {
        let shared = Shared {
            queue: Mutex::new(Cases::new()),
            wake: Notify::new(),
            waiting: watch::Sender::new(0),
            outcomes: broadcast::Sender::new(OUTCOMES),
            touched: Mutex::default(),
        };
        let inbox = Self { store, shared: Arc::new(shared) };
        // By case: when the newest that waits was taken in, and when the newest was set aside.
        let mut times = HashMap::<CaseKey, (i64, i64)>::new();
        for row in inbox.store.run("reading the inbox", rows::waiting).await? {
            let Some(header) = Header::read(&row.header) else { continue };
            let case = header.case(row.id);
            let (newest, set_aside) = times.entry(case.clone()).or_default();
            match row.set_aside_at {
                Some(at) => *set_aside = at.max(*set_aside),
                None => {
                    *newest = row.at.max(*newest);
                    inbox.queue().push(case, row.number, header.envelope.lane());
                }
            }
        }
        for (case, _) in times.iter().filter(|(_, (newest, set_aside))| 0 < *newest && newest < set_aside) {
            inbox.queue().hold(case);
        }
        inbox.count();
        Ok(inbox)
    }

    /// The id of this inbox; a new file has a new one.
    pub(crate) async fn id(&self) -> Result<String, Error> {
        let fresh = uuid::Uuid::new_v4().to_string();
        let read = move |db: &Connection| {
            db.execute("INSERT OR IGNORE INTO facts VALUES ('inbox', ?1)", [fresh])?;
            db.query_row("SELECT value FROM facts WHERE name = 'inbox'", [], |row| row.get(0))
        };
        self.store.run("reading the inbox's id", read).await
    }

    /// Writes these, in order; they are durable when this returns. Nothing is handed over before `queue_up`.
    pub(crate) async fn take_in(&self, offers: Vec<Offered>) -> Result<Vec<Taken>, Error> {
        let write = move |db: &Connection| offers.iter().map(|offer| rows::take_in(db, offer)).collect();
        self.store.run("writing the inbox", write).await
    }

    /// Lets what was taken in wait for its hand-over.
    pub(crate) fn queue_up(&self, ticket: u64, case: CaseKey, lane: Lane) {
        let mut queue = self.queue();
        // The broker delivers a later referral of a case only once the former is settled: so one that was set
        // aside here no longer holds the case.
        queue.release(&case);
        queue.push(case, ticket, lane);
        drop(queue);
        self.count();
        self.shared.wake.notify_one();
    }

    /// The next whose turn it is.
    pub(crate) fn next(&self) -> Option<u64> {
        let ticket = self.queue().take(Lane::ALL[2])?;
        self.touched().insert(ticket);
        Some(ticket)
    }

    /// Gives a referral up, bytes and all, unless the local system has it or may have it. Then it is as if it had
    /// never come: offered again, it is a new one.
    pub(crate) async fn recall(&self, id: ReferralId) -> Result<Recalled, Error> {
        let found = self.store.run("reading the inbox", move |db| rows::standing(db, id)).await?;
        let Some(standing) = found else { return Ok(Recalled::Unknown) };
        if let Some(words) = standing.answered {
            return Ok(Recalled::Had(words));
        }
        // After a restart, what waits may have been handed over just before the end.
        let was_tried = standing.tries > 0 || standing.possible_duplicate;
        let was_offered = was_tried || self.touched().contains(&standing.ticket);
        if was_offered || !self.queue().give_up(standing.ticket) {
            return Ok(Recalled::Had("being handed over".to_owned()));
        }
        self.store.run("giving up a referral", move |db| rows::remove(db, id)).await?;
        self.count();
        self.shared.wake.notify_one();
        Ok(Recalled::GivenUp)
    }

    /// Waits until there may be a next one. Safe to cancel.
    pub(crate) async fn changed(&self) {
        self.shared.wake.notified().await;
    }

    /// What waits under a ticket, and how often it was tried.
    pub(crate) async fn load(&self, ticket: u64) -> Result<Option<(Delivery, u32)>, Error> {
        let row = self.store.run("reading the inbox", move |db| rows::load(db, ticket)).await?;
        Ok(row.and_then(|(id, header, digest, tries, bytes)| {
            let header = Header::read(&v1::Offer::decode(&*header).ok()?)?;
            let delivery = Delivery {
                id: ReferralId::from_slice(&id).ok()?,
                tenant: header.tenant,
                envelope: header.envelope,
                payload: Payload::new(bytes.into()),
                digest: Digest::from_slice(&digest)?,
                accepted_at: header.accepted_at,
                possible_duplicate: header.possible_duplicate,
                attempt: tries + 1,
                reply_addresses: header.reply_addresses,
                diverted: header.diverted,
            };
            Some((delivery, tries))
        }))
    }

    /// It waits again, first of its case, once `pause` is over; `tries` were spent.
    pub(crate) async fn again(
        &self,
        ticket: u64,
        tries: u32,
        pause: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Error> {
        let inbox = self.clone();
        // Not tracked: a pause is no work that a stop should wait for.
        tokio::spawn(async move {
            pause.await;
            inbox.queue().again(ticket);
            inbox.shared.wake.notify_one();
        });
        let write = move |db: &Connection| {
            db.prepare_cached("UPDATE inbox SET tries = ?2 WHERE number = ?1")?
                .execute(params![ticket as i64, tries])
                .map(drop)
        };
        self.store.run("counting a try", write).await
    }

    /// It has its final outcome. `hold`: the later ones of its case wait.
    pub(crate) async fn finish(
        &self,
        ticket: u64,
        answer: Answered,
        hold: Option<&CaseKey>,
    ) -> Result<(), Error> {
        let written = answer.clone();
        let set_aside = hold.is_some();
        let write = move |db: &Connection| rows::finish(db, ticket, written, set_aside);
        let (referral_id, attempt) = self.store.run("writing an outcome", write).await?;
        let mut queue = self.queue();
        queue.done(ticket);
        self.touched().remove(&ticket);
        if let Some(case) = hold {
            queue.hold(case);
        }
        drop(queue);
        self.count();
        self.shared.wake.notify_one();
        if let Ok(id) = ReferralId::from_slice(&referral_id) {
            // Without a session nobody listens; the next one reads it from the store.
            let _ = self.shared.outcomes.send(outcome(id, attempt, answer));
        }
        Ok(())
    }

    /// Final outcomes as they come.
    pub(crate) fn outcomes(&self) -> broadcast::Receiver<v1::Outcome> {
        self.shared.outcomes.subscribe()
    }

    /// How many are taken in and not handed over, as it changes.
    pub(crate) fn waiting(&self) -> watch::Receiver<usize> {
        self.shared.waiting.subscribe()
    }

    /// Every outcome that the broker has not settled, oldest first.
    pub(crate) async fn unsettled(&self) -> Result<Vec<v1::Outcome>, Error> {
        self.store.run("reading outcomes", rows::unsettled).await
    }

    /// The broker has an outcome durably.
    pub(crate) async fn settle(&self, id: ReferralId, attempt: u32, is_final: bool) -> Result<(), Error> {
        let settled = if is_final { rows::FINAL_SETTLED } else { rows::DELIVERED_SETTLED };
        let write = move |db: &Connection| {
            db.prepare_cached(
                "UPDATE inbox SET settled = max(settled, ?3)
                 WHERE referral_id = ?1 AND offer = ?2 AND (?3 < 2 OR answer IS NOT NULL)",
            )?
            .execute(params![id.as_bytes(), attempt, settled])
            .map(drop)
        };
        self.store.run("settling an outcome", write).await
    }

    /// The newest claim seen of each shard.
    pub(crate) async fn claims(&self) -> Result<Vec<(u32, u64)>, Error> {
        let read = |db: &Connection| {
            db.prepare("SELECT shard, number FROM claims")?
                .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?
                .collect()
        };
        self.store.run("reading claims", read).await
    }

    /// Remembers the newest claim of a shard.
    pub(crate) async fn claimed(&self, shard: u32, number: u64) -> Result<(), Error> {
        let write = move |db: &Connection| {
            db.prepare_cached(
                "INSERT INTO claims VALUES (?1, ?2) ON CONFLICT DO UPDATE SET number = max(number, ?2)",
            )?
            .execute(params![shard, number as i64])
            .map(drop)
        };
        self.store.run("noting a claim", write).await
    }

    /// Drops ids that were settled longer ago than `age`, a bounded number at a time.
    pub(crate) async fn forget(&self, age: Duration) -> Result<(), Error> {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let before = Timestamp::now().as_millisecond().saturating_sub(age);
        let write = move |db: &Connection| {
            db.execute(
                "DELETE FROM inbox WHERE number IN
                 (SELECT number FROM inbox WHERE at < ?1 AND settled = 2 LIMIT 1000)",
                [before],
            )
            .map(drop)
        };
        self.store.run("dropping old ids", write).await
    }

    fn count(&self) {
        let waiting = self.queue().len();
        self.shared.waiting.send_if_modified(|before| std::mem::replace(before, waiting) != waiting);
    }

    fn touched(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.shared.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, Cases<CaseKey>> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An outcome on the wire.
pub(crate) fn outcome(id: ReferralId, attempt: u32, result: Answered) -> v1::Outcome {
    v1::Outcome { referral_id: id.to_string(), attempt, result: Some(result) }
}
