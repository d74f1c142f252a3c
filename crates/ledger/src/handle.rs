//! The ledger as others hold it.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bulkhead_log::{Log, Pointer};
use bulkhead_model::{CaseKey, Lane, Nation, ReferralId, TenantId, Verdict};
use jiff::Timestamp;
use tokio::sync::{Notify, broadcast};

use crate::{AlertCount, Change, Count, Error, Filter, Row, Step, Waiting};

/// What a ledger is made with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its file. Made if it is not there; nobody else's.
    pub path: PathBuf,
    /// The nation whose events it follows.
    pub nation: Nation,
}

/// The state of each referral. A cheap handle; clones are the same ledger.
///
/// Queries are synchronous and take tens of microseconds, except where it says otherwise. They may be called from
/// async code. Whatever [`Ledger::verdict`], [`Ledger::in_decided`] or [`Ledger::caught_up`] has answered for can be
/// queried from then on.
///
/// When the file is deleted, a new one is made from the log; meanwhile queries answer from what the deleted one held,
/// and what waits, waits. When the file is found damaged, queries answer [`Error::Rebuilding`] meanwhile.
#[derive(Clone)]
pub struct Ledger;

/// Keeps the ledger up to date.
pub struct Follower;

impl Follower {
    /// Follows the events until `drain` resolves: applies them in batches, one transaction a batch.
    ///
    /// # Errors
    /// When the log or the file's disk fails for good. What waits is then answered with [`Error::Stopped`].
    pub async fn run(self, _drain: impl Future<Output = ()> + Send) -> Result<(), Error> {
        Err(Error::Stopped)
    }
}

#[allow(clippy::unused_async, unused_variables)]
impl Ledger {
    /// Opens the ledger, or makes it. A file that is damaged, of another version or another nation is made again.
    /// The events topic is made too if it does not exist. Nothing is read from the log until the follower runs.
    ///
    /// # Errors
    /// When the file cannot be made or the log does not answer.
    pub async fn open(config: Config, log: Arc<dyn Log>) -> Result<(Ledger, Follower), Error> {
        Err(Error::Stopped)
    }

    /// One referral; `None` until its facts have been read.
    pub fn get(&self, id: &ReferralId) -> Result<Option<Row>, Error> {
        Err(Error::Rebuilding)
    }

    /// Those with this referral id, sender's message id or case id, newest first; at most 100. With a tenant, only
    /// those that it sent or gets.
    pub fn find(&self, text: &str, tenant: Option<&TenantId>) -> Result<Vec<Row>, Error> {
        Err(Error::Rebuilding)
    }

    /// Every event of a referral in the order of custody, those that do not count with the reason. Each is judged as
    /// of now: one that waited for a change of custody and has counted since, counts.
    pub fn trace(&self, id: &ReferralId) -> Result<Vec<Step>, Error> {
        Err(Error::Rebuilding)
    }

    /// Those that pass the filter, and how many they are in all: what is not settled first, then by deadline, then by
    /// priority, then oldest first. Milliseconds and more on a large ledger.
    pub fn list(&self, filter: &Filter) -> Result<(Vec<Row>, u64), Error> {
        Err(Error::Rebuilding)
    }

    /// How many referrals are in each state, by sender and receiver.
    pub fn counts(&self) -> Result<Vec<Count>, Error> {
        Err(Error::Rebuilding)
    }

    /// How many wait for this tenant and are not handed over, by effective lane, most urgent first.
    pub fn waiting_counts(&self, to: &TenantId) -> Result<[u64; 3], Error> {
        Err(Error::Rebuilding)
    }

    /// The earliest deadline among those.
    pub fn next_due(&self, to: &TenantId) -> Result<Option<Timestamp>, Error> {
        Err(Error::Rebuilding)
    }

    /// What may need a person at `now`, by code and tenant.
    pub fn alerts(&self, now: Timestamp) -> Result<Vec<AlertCount>, Error> {
        Err(Error::Rebuilding)
    }

    /// What this tenant is to be offered next in that effective lane: routed or diverted to it, not in `skip`, and
    /// nothing before it in its case. First those that a more urgent one behind them lifted into this lane, then the
    /// lane's own, each in the order of their `out` records.
    pub fn waiting_out(
        &self,
        to: &TenantId,
        lane: Lane,
        skip: &HashSet<ReferralId>,
        limit: usize,
    ) -> Result<Vec<Waiting>, Error> {
        Err(Error::Rebuilding)
    }

    /// Those that were offered to this tenant and neither taken nor refused: after a crash they are offered again.
    pub fn offered_to(&self, to: &TenantId) -> Result<Vec<Waiting>, Error> {
        Err(Error::Rebuilding)
    }

    /// Those that this tenant took into another inbox than this one and has not acknowledged.
    pub fn unanswered(&self, to: &TenantId, other_inbox_than: &str) -> Result<Vec<Waiting>, Error> {
        Err(Error::Rebuilding)
    }

    /// What waits at the border to that nation, by the origin's shard and the effective lane, whether an attempt was
    /// begun or not; not in `skip`, and nothing before it in its case. Ordered as [`Ledger::waiting_out`].
    pub fn waiting_border(
        &self,
        nation: Nation,
        shard: u32,
        lane: Lane,
        skip: &HashSet<ReferralId>,
        limit: usize,
    ) -> Result<Vec<Waiting>, Error> {
        Err(Error::Rebuilding)
    }

    /// Those that another nation carried here and that it has not been told the newest version of: decided, and
    /// beyond both what it confirmed and what `skip` says.
    pub fn reports_due(&self, skip: &HashMap<ReferralId, u64>, limit: usize) -> Result<Vec<Row>, Error> {
        Err(Error::Rebuilding)
    }

    /// Those not settled whose deadline has passed, and that are open or not yet noted as overdue: first those not
    /// noted, then by deadline.
    pub fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Row>, Error> {
        Err(Error::Rebuilding)
    }

    /// The newest referral of that case in this cell, by the place of its newest attempt's facts in the events.
    pub fn last_of_case(&self, case: &CaseKey) -> Result<Option<ReferralId>, Error> {
        Err(Error::Rebuilding)
    }

    /// The first cancel that follows this referral in its case and is not handed over.
    pub fn cancel_behind(&self, id: &ReferralId) -> Result<Option<ReferralId>, Error> {
        Err(Error::Rebuilding)
    }

    /// Where to read that `in` topic on: the lowest offset that nothing settles.
    ///
    /// A record is settled by the event that names it as its source and counts (or waits for custody), or that
    /// brought no news: a report, a withdrawal or a confirmation that was known already. Offsets are passed over in
    /// order; what was settled ahead waits for those before it. The ledger cannot tell an offset that holds no record
    /// from one that is not decided yet, so whoever reads the topic says so with [`Ledger::in_gap`].
    pub fn in_read_on(&self, topic: &str) -> Result<u64, Error> {
        Err(Error::Rebuilding)
    }

    /// Whether that record of `in` is settled.
    pub fn in_settled(&self, topic: &str, offset: u64) -> Result<bool, Error> {
        Err(Error::Rebuilding)
    }

    /// A reader of that `in` topic has seen that there are no records in this range. Kept in memory only: who reads
    /// on after a restart sees the same gap again.
    pub fn in_gap(&self, topic: &str, gap: Range<u64>) {}

    /// Waits until everything before `up_to` is settled.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the follower ends.
    pub async fn in_decided(&self, topic: &str, up_to: u64) -> Result<(), Error> {
        Err(Error::Rebuilding)
    }

    /// Waits until the ledger has read that record of events, and says what it did. A record that cannot be read,
    /// or that an older claim wrote behind a newer one, is void.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the follower ends.
    pub async fn verdict(&self, at: &Pointer) -> Result<Verdict, Error> {
        Err(Error::Rebuilding)
    }

    /// The claim in force on a shard: its number, 0 before the first, and its node.
    pub fn claim(&self, shard: u32) -> Result<(u64, String), Error> {
        Err(Error::Rebuilding)
    }

    /// Waits until everything that lay in events at the time of the call has been read.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the follower ends, or the log's own.
    pub async fn caught_up(&self) -> Result<(), Error> {
        Err(Error::Rebuilding)
    }

    /// What changes from now on, each after it can be queried. A receiver that is 8192 behind is told that it lags,
    /// and asks anew for what it needs.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        broadcast::channel(1).1
    }

    /// Woken when something may have become deliverable to this tenant. For one waiter at a time: a wake that nobody
    /// waits for is kept for the next.
    pub fn newly_waiting(&self, to: &TenantId) -> Arc<Notify> {
        Arc::default()
    }

    /// Woken when something may have become ready to be carried to that nation. For one waiter at a time.
    pub fn border_waiting(&self, nation: Nation) -> Arc<Notify> {
        Arc::default()
    }

    /// Woken when another nation may have to be told something. For one waiter at a time.
    pub fn reports(&self) -> Arc<Notify> {
        Arc::default()
    }
}
