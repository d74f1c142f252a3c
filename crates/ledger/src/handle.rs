//! The ledger as others hold it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bulkhead_log as log;
use bulkhead_log::{Log, Pointer, Topic};
use bulkhead_model::{CaseKey, CutId, Lane, Nation, ReferralId, SHARDS, State, TenantId, Verdict};
use bulkhead_wire::topics;
use jiff::Timestamp;
use tokio::sync::{Notify, broadcast};

use crate::follow::{Follower, blocking, ends, ensure};
use crate::published::Published;
use crate::store::View;
use crate::writer::Writer;
use crate::{
    AlertCount, AsideCount, Change, Count, Error, Filter, Listed, Row, Skip, Step, Stop, Touched, Waiting,
    account, arrival, aside, query, store, waiting,
};

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
pub struct Ledger {
    published: Arc<Published>,
    log: Arc<dyn Log>,
    topic: Topic,
    nation: Nation,
}

impl Ledger {
    /// Opens the ledger, or makes it. A file that is damaged, of another version or another nation is made again.
    /// The events topic is made too if it does not exist and nothing was read of it. Nothing is read from the log until the follower runs, but to
    /// see whether a copy of another node's ledger, made by [`crate::copy`], is of this log.
    ///
    /// # Errors
    /// When the file cannot be made, a copy is not of this cell or not whole, or the log does not answer.
    pub async fn open(config: Config, log: Arc<dyn Log>) -> Result<(Ledger, Follower), Error> {
        let topic = Topic::new(&topics::events(config.nation))?;
        arrival::take_up(&config, log.as_ref(), &topic).await?;
        let opening = config.clone();
        let (writer, store) = blocking(move || {
            let writer = Writer::open(&opening)?;
            let store = writer.store()?;
            Ok::<_, Error>((writer, store))
        })
        .await??;
        if writer.positions().iter().all(|position| *position == 0) {
            // One that is gone is missed, and not made anew.
            ensure(log.as_ref(), &topic).await?;
        }
        let published = Arc::new(Published::new());
        published.adopt(store, writer.positions(), writer.settled());
        let ledger = Ledger {
            published: published.clone(),
            log: log.clone(),
            topic: topic.clone(),
            nation: config.nation,
        };
        Ok((ledger, Follower::new(config, log, topic, published, writer)))
    }

    /// One referral; `None` until its facts have been read.
    pub fn get(&self, id: &ReferralId) -> Result<Option<Row>, Error> {
        if let Some(row) = self.published.store()?.remembered(id) {
            return Ok(Some(row));
        }
        self.read("reading a referral", |view| store::row(view, id))
    }

    /// The attempts of a referral that its sender took back; 0 when none. A withdrawal may be read before the
    /// referral itself, and then this is all that is known of it.
    pub fn withdrawn_up_to(&self, id: &ReferralId) -> Result<u32, Error> {
        self.read("reading a withdrawal", |connection| store::withdrawn_up_to(connection, id))
    }

    /// Those with this referral id, sender's message id or case id, newest first; at most 100. With a tenant, only
    /// those that it sent or gets.
    pub fn find(&self, text: &str, tenant: Option<&TenantId>) -> Result<Vec<Row>, Error> {
        self.read("finding", |connection| query::find(connection, text, tenant))
    }

    /// Every event of a referral in the order of custody, those that do not count with the reason. Each is judged as
    /// of now: one that waited for a change of custody and has counted since, counts.
    pub fn trace(&self, id: &ReferralId) -> Result<Vec<Step>, Error> {
        self.read("tracing", |connection| query::trace(connection, id))
    }

    /// A page of those that pass the filter. Milliseconds and more on a large ledger.
    ///
    /// Whoever asks for page after page gets everything that passes throughout, whatever is added meanwhile; what is
    /// settled meanwhile may come twice. Only what is opened again meanwhile (its sender sent it anew) may be missed.
    pub fn list(&self, filter: &Filter) -> Result<Listed, Error> {
        self.read("listing", |connection| query::list(connection, filter))
    }

    /// Everything in these states that is from or for one of these tenants, earliest due first. A list has an end; this
    /// has none, because what people phone about must be complete.
    pub fn in_need(&self, tenants: &[TenantId], states: &[State]) -> Result<Vec<ReferralId>, Error> {
        self.read("looking for what is in need", |connection| query::in_need(connection, tenants, states))
    }

    /// Those whose id begins with these hexadecimal digits, in whatever state; hyphens do not count.
    pub fn begun(&self, code: &str, limit: usize) -> Result<Vec<Row>, Error> {
        self.read("looking for a code", |view| aside::begun(view, code, limit))
    }

    /// What a tenant sent, accepted in that time, by state.
    pub fn sent_in(&self, tenant: &TenantId, time: &Range<Timestamp>) -> Result<Vec<(State, u64)>, Error> {
        self.read("counting", |connection| account::sent_in(connection, tenant, time))
    }

    /// What is for a tenant and not settled, by state.
    pub fn open_to_by_state(&self, tenant: &TenantId) -> Result<Vec<(State, u64)>, Error> {
        self.read("counting", |connection| account::open_to(connection, tenant))
    }

    /// How many of a tenant's referrals are not settled: from it, to it, and of both those above routine.
    pub fn open_counts(&self, tenant: &TenantId) -> Result<[u64; 3], Error> {
        self.read("counting", |connection| account::open_counts(connection, tenant))
    }

    /// What a tenant's referrals that are not settled weigh: their payloads, and 1 KiB each for what is kept beside
    /// them. Read from memory.
    pub fn unsettled_bytes(&self, origin: &TenantId) -> Result<u64, Error> {
        Ok(self.published.store()?.unsettled_bytes(origin))
    }

    /// When the last of what a tenant sent was accepted.
    pub fn last_accepted(&self, tenant: &TenantId) -> Result<Option<Timestamp>, Error> {
        self.read("asking for the last", |connection| account::last_accepted(connection, tenant))
    }

    /// When the last hand-over to a tenant was begun.
    pub fn last_offered(&self, tenant: &TenantId) -> Result<Option<Timestamp>, Error> {
        self.read("asking for the last", |connection| account::last_offered(connection, tenant))
    }

    /// What a tenant sent in that time and others have, or had before they gave it up, newest first.
    pub fn sent_and_handed_over(
        &self,
        tenant: &TenantId,
        time: &Range<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Row>, Error> {
        self.read("listing", |connection| account::handed_over(connection, tenant, time, limit))
    }

    /// How many these are, by how they stand to a recall: `recalled`, `not-recalled`, `refused`, `no-answer`.
    pub fn recalls(&self, tenant: &TenantId, time: &Range<Timestamp>) -> Result<Vec<(String, u64)>, Error> {
        self.read("counting", |connection| account::recalls(connection, tenant, time))
    }

    /// Whose referrals a cut stood in the way of, by sender, and how they fare now.
    pub fn touched(&self, cut: &CutId) -> Result<Vec<Touched>, Error> {
        self.read("counting", |connection| account::touched(connection, cut))
    }

    /// How many records of that `in` topic no event has settled yet: accepted, and in no account.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn in_undecided(&self, topic: &str) -> Result<u64, Error> {
        let bounds = self.log.bounds(&Topic::new(topic)?.partition(0)).await?;
        Ok(self.published.undecided(topic, &bounds))
    }

    /// How many referrals are in each state, by sender and receiver.
    pub fn counts(&self) -> Result<Vec<Count>, Error> {
        self.read("counting", |view| query::counts(view))
    }

    /// Whether one of these two has sent something to the other.
    pub fn exchanged(&self, one: &TenantId, other: &TenantId) -> Result<bool, Error> {
        self.read("asking who exchanges", |connection| query::exchanged(connection, one, other))
    }

    /// How many wait for this tenant and are not handed over, by effective lane, most urgent first.
    pub fn waiting_counts(&self, to: &TenantId) -> Result<[u64; 3], Error> {
        self.read("counting", |connection| waiting::counts(connection, to))
    }

    /// The earliest deadline among those.
    pub fn next_due(&self, to: &TenantId) -> Result<Option<Timestamp>, Error> {
        self.read("asking what is due", |connection| waiting::next_due(connection, to))
    }

    /// What may need a person at `now`, by code and tenant.
    pub fn alerts(&self, now: Timestamp) -> Result<Vec<AlertCount>, Error> {
        self.read("looking for alerts", |connection| query::alerts(connection, now))
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
        self.read("asking what waits", |connection| waiting::out(connection, to, lane, skip, limit))
    }

    /// What this tenant sent and is free to be set aside: not handed over, not held already; with a cut, also what is
    /// held for another one.
    pub fn open_from(&self, origin: &TenantId, cut: Option<&CutId>) -> Result<Vec<ReferralId>, Error> {
        self.read("asking what is open", |view| aside::open_from(view, origin, cut))
    }

    /// What this tenant sent and was offered, without an answer.
    pub fn offered_from(&self, origin: &TenantId) -> Result<Vec<ReferralId>, Error> {
        self.read("asking what is offered", |view| aside::offered_from(view, origin))
    }

    /// What is for this tenant and free to be set aside.
    pub fn open_to(&self, destination: &TenantId) -> Result<Vec<ReferralId>, Error> {
        self.read("asking what is open", |view| aside::open_to(view, destination))
    }

    /// What this tenant has, or may have, without having answered for it; not what was asked back in vain.
    pub fn handed_over(&self, to: &TenantId, limit: usize) -> Result<Vec<Row>, Error> {
        self.read("asking what was handed over", |connection| aside::handed_over(connection, to, limit))
    }

    /// What is held, quarantined or of unknown outcome for this cut, or only in one of these states, and not in `skip`: the most urgent first, then the
    /// earliest due.
    pub fn aside(
        &self,
        cut: &CutId,
        state: Option<State>,
        skip: &HashSet<ReferralId>,
        limit: usize,
    ) -> Result<Vec<Row>, Error> {
        self.read("asking what is set aside", |connection| aside::aside(connection, cut, state, skip, limit))
    }

    /// How many each cut keeps: held, quarantined, of unknown outcome; and what of these is due.
    pub fn aside_counts(&self, now: Timestamp) -> Result<Vec<AsideCount>, Error> {
        self.read("counting", |connection| aside::counts(connection, now))
    }

    /// Those that were offered to this tenant and neither taken nor refused: after a crash they are offered again.
    pub fn offered_to(&self, to: &TenantId) -> Result<Vec<Waiting>, Error> {
        self.read("asking what is offered", |connection| waiting::offered(connection, to))
    }

    /// Those that this tenant took into another inbox than this one and has not acknowledged.
    pub fn unanswered(&self, to: &TenantId, other_inbox_than: &str) -> Result<Vec<Waiting>, Error> {
        self.read("asking what is unanswered", |connection| {
            waiting::unanswered(connection, to, other_inbox_than)
        })
    }

    /// What waits at the border to that nation, by the origin's shard and the effective lane, whether an attempt was
    /// begun or not; nothing of `skip`, and nothing before it in its case. Ordered as [`Ledger::waiting_out`].
    pub fn waiting_border(
        &self,
        nation: Nation,
        shard: u32,
        lane: Lane,
        skip: Skip<'_>,
        limit: usize,
    ) -> Result<Vec<Waiting>, Error> {
        self.read("asking what waits", |connection| {
            waiting::border(connection, nation, (shard, lane), skip, limit)
        })
    }

    /// Those that this nation carried here and that it has not been told the newest version of: decided, and
    /// beyond both what it confirmed and what `skip` says. Only of senders in these shards.
    pub fn reports_due(
        &self,
        from: Nation,
        shards: &BTreeSet<u32>,
        skip: &HashMap<ReferralId, u64>,
        limit: usize,
    ) -> Result<Vec<Row>, Error> {
        self.read("asking what to report", |connection| {
            waiting::reports_due(connection, from, shards, skip, limit)
        })
    }

    /// What this tenant sent, was told *accepted* for, and does not know to be rejected, parked or given back, longest
    /// ago first: beyond both what its system was told of and what `skip` says (`state_since` of each). Never what
    /// another nation carried here, nor items of their own.
    pub fn notices_due(
        &self,
        origin: &TenantId,
        skip: &HashMap<ReferralId, u64>,
        limit: usize,
    ) -> Result<Vec<Row>, Error> {
        self.read("asking what a sender must hear", |connection| {
            waiting::notices_due(connection, origin, skip, limit)
        })
    }

    /// Those not settled whose deadline has passed, and that are open or not yet noted as overdue: first those not
    /// noted, then by deadline. Only those that whoever asks decides about; the others are their owners'.
    pub fn due(
        &self,
        now: Timestamp,
        decides: impl Fn(&Row) -> bool,
        limit: usize,
    ) -> Result<Vec<Row>, Error> {
        self.read("asking what is due", |connection| query::due(connection, now, decides, limit))
    }

    /// The newest referral of that case in this cell beside this one, by the place of its newest attempt's facts in
    /// the events: what this one comes after, be it new or a new attempt.
    pub fn last_of_case(&self, case: &CaseKey, beside: &ReferralId) -> Result<Option<ReferralId>, Error> {
        self.read("reading a case", |connection| query::last_of_case(connection, case, beside))
    }

    /// The first cancel that follows this referral in its case and is not handed over.
    pub fn cancel_behind(&self, id: &ReferralId) -> Result<Option<ReferralId>, Error> {
        self.read("reading a case", |connection| waiting::cancel_behind(connection, id))
    }

    /// Where to read that `in` topic on: the lowest offset that nothing settles.
    ///
    /// A record is settled by the event that names it as its source and counts (or waits for custody), or that
    /// brought no news: a report, a withdrawal or a confirmation that was known already. Offsets are passed over in
    /// order; what was settled ahead waits for those before it. The ledger cannot tell an offset that holds no record
    /// from one that is not decided yet, so whoever reads the topic says so with [`Ledger::in_gap`].
    pub fn in_read_on(&self, topic: &str) -> Result<u64, Error> {
        Ok(self.published.read_on(topic))
    }

    /// Whether that record of `in` is settled.
    pub fn in_settled(&self, topic: &str, offset: u64) -> Result<bool, Error> {
        Ok(self.published.is_settled(topic, offset))
    }

    /// A reader of that `in` topic has seen that there are no records in this range. Kept in memory only: who reads
    /// on after a restart sees the same gap again.
    pub fn in_gap(&self, topic: &str, gap: Range<u64>) {
        self.published.settle(topic, gap);
    }

    /// Waits until everything before `up_to` is settled.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the follower ends.
    pub async fn in_decided(&self, topic: &str, up_to: u64) -> Result<(), Error> {
        self.published.decided_up_to(topic, up_to).await
    }

    /// Waits until the ledger has read that record of events, and says what it did. A record that cannot be read,
    /// or that an older claim wrote behind a newer one, is void.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the follower ends.
    pub async fn verdict(&self, at: &Pointer) -> Result<Verdict, Error> {
        if at.partition.topic != self.topic || at.partition.number >= SHARDS {
            return Ok(Verdict::Void("it is not of these events".into()));
        }
        self.read_up_to(at.partition.number, at.offset + 1).await?;
        let store = self.published.some_store().await?;
        if let Some(verdict) = self.published.verdict(at.partition.number, at.offset) {
            return Ok(verdict);
        }
        self.judge(store.read("judging an event", |connection| {
            store::verdict(connection, at.partition.number, at.offset)
        }))
    }

    /// The claim in force on a shard: its number, 0 before the first, and its node.
    pub fn claim(&self, shard: u32) -> Result<(u64, String), Error> {
        self.read("reading a claim", |connection| query::claim(connection, shard))
    }

    /// Waits until everything that lay in events at the time of the call has been read, but for what a newer release
    /// wrote and what lies behind it.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the follower ends, or the log's own.
    pub async fn caught_up(&self) -> Result<(), Error> {
        let ends = match ends(self.log.as_ref(), &self.topic).await {
            Err(Error::Log(log::Error::UnknownTopic { .. } | log::Error::UnknownPartition { .. })) => {
                let known = self.published.read().into_iter().max().unwrap_or_default();
                let (partition, why) = (self.topic.to_string(), Stop::Short { known, found: None });
                return Err(Error::Stands { partition, why });
            }
            ends => ends?,
        };
        for (partition, end) in (0..).zip(ends) {
            match self.read_up_to(partition, end).await {
                Ok(()) => {}
                Err(Error::Stands { .. }) if self.lost().is_none() => {}
                Err(error) => return Err(error),
            }
        }
        self.published.some_store().await.map(|_| ())
    }

    /// Whether a newer release wrote an event of that shard that this one cannot read: where. What the ledger says of
    /// the shard is what was before it, so nobody here may decide for the shard.
    pub fn newer_of(&self, shard: u32) -> Option<u64> {
        match self.published.stop_of(&self.topic.partition(shard).to_string()) {
            Some(Stop::Newer { offset }) => Some(offset),
            Some(Stop::Short { .. }) | None => None,
        }
    }

    /// Whether events of that shard are read no further here.
    ///
    /// # Errors
    /// When they are not.
    pub fn events_stand(&self, shard: u32) -> Result<(), Error> {
        let both = [self.topic.to_string(), self.topic.partition(shard).to_string()];
        let stopped = both.into_iter().find_map(|name| Some((self.published.stop_of(&name)?, name)));
        match stopped {
            Some((why, partition)) => Err(Error::Stands { partition, why }),
            None => Ok(()),
        }
    }

    /// Whether the log has less of the events than this ledger has read: until it has it again, nothing that the ledger
    /// says may be decided by.
    pub fn lost(&self) -> Option<Stop> {
        self.published.stop_of(self.topic.as_str())
    }

    /// Where that `in` topic goes on at least, by all that is known of it: what its events settle, and what this
    /// process has read of it or appended to it. A record that is appended after the call lies there or further on,
    /// unless the log has lost some.
    pub fn in_goes_on_at(&self, topic: &str) -> u64 {
        self.published.goes_on_at(topic)
    }

    /// Records of that `in` topic were read or appended by this process, up to there.
    pub fn in_seen(&self, topic: &str, up_to: u64) {
        self.published.see(topic, up_to);
    }

    /// An append to that `in` topic has ended up at that offset, and before it the topic went on at `from` at least.
    ///
    /// # Errors
    /// When it lies before that: the log has lost records, what lies there counts as settled, and the topic is stopped.
    pub fn in_landed(&self, topic: &str, from: u64, offset: u64) -> Result<(), Error> {
        if offset >= from {
            self.published.see(topic, offset + 1);
            return Ok(());
        }
        self.in_stops(topic, Stop::Short { known: from, found: Some(offset) });
        self.in_stands(topic)
    }

    /// That `in` topic does not go on at this node.
    pub fn in_stops(&self, topic: &str, why: Stop) {
        let partition = format!("{topic}/0");
        if self.published.stop_at(&partition, why.clone()) {
            let nation = self.nation.as_str();
            metrics::counter!("bulkhead_compartments_stopped_total", "nation" => nation).increment(1);
            tracing::error!(%partition, %why, "this compartment is stopped until somebody has seen to it");
        }
    }

    /// That `in` topic goes on again.
    pub fn in_goes_on(&self, topic: &str) {
        let partition = format!("{topic}/0");
        if self.published.go_on(&partition) {
            tracing::warn!(%partition, "this compartment goes on");
        }
    }

    /// This node routes that `in` topic no more: where a newer release has written something is another's to know.
    pub fn in_is_left(&self, topic: &str) {
        let partition = format!("{topic}/0");
        if let Some(Stop::Newer { .. }) = self.published.stop_of(&partition) {
            self.published.go_on(&partition);
        }
    }

    /// Whether that `in` topic is stopped here.
    ///
    /// # Errors
    /// When it is.
    pub fn in_stands(&self, topic: &str) -> Result<(), Error> {
        let partition = format!("{topic}/0");
        match self.published.stop_of(&partition) {
            Some(why) => Err(Error::Stands { partition, why }),
            None => Ok(()),
        }
    }

    /// All that does not go on at this node, by partition.
    pub fn stops(&self) -> Vec<(String, Stop)> {
        self.published.stops()
    }

    /// What changes from now on, each after it can be queried. A receiver that is 8192 behind is told that it lags,
    /// and asks anew for what it needs.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.published.changes()
    }

    /// Woken when something may have become deliverable to this tenant. For one waiter at a time: a wake that nobody
    /// waits for is kept for the next.
    pub fn newly_waiting(&self, to: &TenantId) -> Arc<Notify> {
        self.published.tenant(to)
    }

    /// Woken when something may have become ready to be carried to that nation. For one waiter at a time.
    pub fn border_waiting(&self, nation: Nation) -> Arc<Notify> {
        self.published.border(nation).clone()
    }

    /// Woken when that nation may have to be told something. For one waiter at a time.
    pub fn reports(&self, nation: Nation) -> Arc<Notify> {
        self.published.reports(nation).clone()
    }

    async fn read_up_to(&self, partition: u32, until: u64) -> Result<(), Error> {
        match self.published.read_up_to(partition, until).await {
            Err(Error::Stopped) => {
                self.events_stand(partition)?;
                Err(Error::Stopped)
            }
            read => read,
        }
    }

    fn read<T>(
        &self,
        doing: &'static str,
        query: impl FnOnce(&View<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.judge(self.published.store()?.read(doing, query))
    }

    /// A query that met a damaged file calls for a new one.
    fn judge<T>(&self, answer: Result<T, Error>) -> Result<T, Error> {
        match answer {
            Err(Error::Store { damaged: true, .. } | Error::Event { .. }) => {
                self.published.set_damaged();
                Err(Error::Rebuilding)
            }
            answer => answer,
        }
    }
}
