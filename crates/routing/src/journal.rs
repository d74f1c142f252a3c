//! The journal: every decision is the append of one event under this node's claim.
//!
//! It also holds the claims. An owner writes only to its own shard's partition, and what must not be done
//! on a guess is done only when the ledger has read the event back as valid.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bulkhead_ledger::Ledger;
use bulkhead_log::{AppendFuture, Log, Pointer, Record, Topic};
use bulkhead_model::{Claim, Event, Nation, Numbered, Place, ReferralId, TenantId, Verdict, shard_of};
use bulkhead_process::Lease;
use bulkhead_wire::{Author, EventRecord, Facts, ReadEvent, topics};
use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::Error;

/// Writes events under the claims that this node holds.
#[derive(Clone)]
pub(crate) struct Journal {
    log: Arc<dyn Log>,
    ledger: Ledger,
    lease: Lease,
    node: String,
    events: Topic,
    claims: Arc<watch::Sender<HashMap<u32, Claim>>>,
}

/// One decision about one referral, before it is written.
pub(crate) struct Decided {
    pub(crate) id: ReferralId,
    pub(crate) custody: u32,
    pub(crate) event: Event,
    pub(crate) facts: Option<Box<Facts>>,
    pub(crate) source: Option<Place>,
}

impl Decided {
    pub(crate) fn new(id: ReferralId, custody: u32, event: Event) -> Self {
        Self { id, custody, event, facts: None, source: None }
    }
}

/// An event that was enqueued; it is durable when `durable` answers. Without the lease, or where the ledger knows no further, it was
/// not enqueued.
pub(crate) struct Written {
    partition: u32,
    durable: Result<AppendFuture, Error>,
    journal: Journal,
}

impl Written {
    /// Waits until the event is durable and read back, and says whether it counts.
    pub(crate) async fn read_back(self) -> Result<Verdict, Error> {
        let appended = self.durable?.await?;
        let partition = self.journal.events.partition(self.partition);
        Ok(self.journal.ledger.verdict(&Pointer { partition, offset: appended.offset }).await?)
    }
}

impl Journal {
    pub(crate) fn new(
        log: Arc<dyn Log>,
        ledger: Ledger,
        lease: Lease,
        nation: Nation,
        node: String,
    ) -> Result<Self, Error> {
        let events = Topic::new(&topics::events(nation))?;
        Ok(Self { log, ledger, lease, node, events, claims: Arc::default() })
    }

    /// Claims a shard: appends the next number and reads up to it. False when another node was first. From the
    /// moment on that the claim is read back, this node decides for the shard.
    pub(crate) async fn claim(self, shard: u32) -> Result<bool, Error> {
        let (number, _) = self.ledger.claim(shard)?;
        let claim = Claim { shard, number: number + 1, node: self.node.clone() };
        let verdict = self.enqueue(&claim, EventRecord::Claimed).read_back().await?;
        let won = verdict == Verdict::Counts;
        if won {
            self.claims.send_modify(|claims| {
                claims.insert(shard, claim);
            });
        }
        Ok(won)
    }

    /// Whether the ledger has read a newer claim on a shard than the one that this node holds: another decides.
    pub(crate) fn is_overtaken(&self, shard: u32) -> Result<bool, Error> {
        let Some(held) = self.held(shard) else { return Ok(false) };
        let (number, node) = self.ledger.claim(shard)?;
        Ok(number > held.number || (number == held.number && node != held.node))
    }

    /// Whether this claim is held, and no newer one has been read.
    pub(crate) fn decides(&self, claim: &Claim) -> bool {
        self.held(claim.shard).as_ref() == Some(claim)
            && self.is_overtaken(claim.shard).is_ok_and(|overtaken| !overtaken)
    }

    pub(crate) fn give_up(&self, shard: u32) {
        self.claims.send_if_modified(|claims| claims.remove(&shard).is_some());
    }

    /// The claim that this node holds on a shard.
    pub(crate) fn held(&self, shard: u32) -> Option<Claim> {
        self.claims.borrow().get(&shard).cloned()
    }

    /// Hears when this node comes to hold a shard, or holds one no more.
    pub(crate) fn claims_change(&self) -> watch::Receiver<HashMap<u32, Claim>> {
        self.claims.subscribe()
    }

    /// Who holds the newest claim that was read on a shard; none before the first.
    pub(crate) fn holder(&self, shard: u32) -> Result<Option<String>, Error> {
        let (number, node) = self.ledger.claim(shard)?;
        Ok((number > 0).then_some(node))
    }

    /// The claim on a tenant's shard.
    ///
    /// # Errors
    /// `NotOwner` when this node does not hold it.
    pub(crate) fn claim_on(&self, tenant: &TenantId) -> Result<Claim, Error> {
        let shard = shard_of(tenant);
        self.held(shard).ok_or(Error::NotOwner { shard })
    }

    pub(crate) fn claims(&self) -> BTreeMap<u32, u64> {
        self.claims.borrow().iter().map(|(shard, claim)| (*shard, claim.number)).collect()
    }

    pub(crate) fn owned(&self) -> BTreeSet<u32> {
        self.claims.borrow().keys().copied().collect()
    }

    /// Enqueues a decision at once; two in a row land in that order.
    pub(crate) fn write(&self, claim: &Claim, decided: Decided) -> Written {
        let Decided { id, custody, event, facts, source } = decided;
        let record = EventRecord::Decision { id, numbered: Numbered { custody, event }, facts, source };
        self.enqueue(claim, record)
    }

    /// Enqueues that a record of `in` is settled without a decision of its own.
    pub(crate) fn settle(&self, claim: &Claim, source: Place, id: Option<ReferralId>, code: &str) -> Written {
        self.enqueue(claim, EventRecord::Settled { source, id, code: code.to_owned() })
    }

    fn enqueue(&self, claim: &Claim, record: EventRecord) -> Written {
        let key = match &record {
            EventRecord::Decision { id, .. } => Bytes::copy_from_slice(id.as_bytes()),
            EventRecord::Claimed | EventRecord::Settled { .. } => Bytes::new(),
        };
        let to = self.events.partition(claim.shard);
        let may = match &record {
            // A claim decides nothing, and a node that starts has no pulse yet.
            EventRecord::Claimed => Ok(()),
            EventRecord::Decision { .. } | EventRecord::Settled { .. } => self.lease.check(),
        };
        let stands = || self.ledger.events_stand(claim.shard).map_err(Error::from);
        let may = may.map_err(Error::from).and_then(|()| stands());
        let author = Author { claim: claim.clone(), at: Timestamp::now() };
        let value = ReadEvent { author, record }.encode();
        let durable = may.map(|()| self.log.append(&to, Record { key, value }));
        Written { partition: claim.shard, durable, journal: self.clone() }
    }
}
