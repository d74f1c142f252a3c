//! What a cut does to what is there already, and what its end does to what was set aside.
//!
//! When a cut comes in force each owner sets aside what its ledger has open from the tenant, in whatever compartment
//! it lies, and sees to what is for it: diverted, given back, or held. Of what was handed over without an answer it says
//! that nobody knows. When a cut ends, is withdrawn, opens a little or releases a referral, what the gate lets through
//! goes on, the most urgent first and a few at a time, so that new work finds its place between. What is past its
//! deadline waits for a person. An event of another owner between looking and writing makes the sweep's own void, and
//! the next round looks again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bulkhead_ledger::{Row, Waiting};
use bulkhead_log::{Pointer, Topic};
use bulkhead_model::{
    Answer, CutId, Cuts, Decision, Event, Lifecycle, Priority, ReferralId, Stage, State, TenantId,
};
use bulkhead_process::Drain;
use bulkhead_wire::Accepted;
use bulkhead_wire::record::In;
use futures::stream::{FuturesUnordered, StreamExt};
use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use crate::bytes_of;
use crate::fallback::taking_over;
use crate::gate::{aside, provenance_of, receiver_is_cut, sent_under};
use crate::journal::{Decided, Written};
use crate::layers::Layer;
use crate::owner::Shared;
use crate::router::{append, custodian, decision, event_of};
use crate::{Error, deadlines};

/// How often a round begins without a change: what landed since the last one is met then at the latest.
const ROUND: Duration = Duration::from_millis(500);
/// How many are read from the ledger at a time.
const PAGE: usize = 256;
/// What another nation's door has refused for a cut is not carried again before this: the door may not have heard yet
/// that the cut is over.
const AT_THE_BORDER: SignedDuration = SignedDuration::from_secs(5);
/// A hand-over of what is suspect has an unknown outcome when nobody has answered for so long.
const UNANSWERED: SignedDuration = SignedDuration::from_secs(5);
/// By then a ledger has read of what an operator saw when it was released.
const READ_BY_THEN: SignedDuration = SignedDuration::from_secs(60);
/// So many may wait for one destination before more of what was set aside goes on.
const AHEAD: u64 = 16;

/// Sweeps until the drain starts.
pub(crate) async fn run(shared: Shared, drain: Drain) {
    let mut cuts = shared.parts.cuts.clone();
    let mut sweep = Sweep::new(shared);
    let mut seen: Option<Arc<Cuts>> = None;
    let mut swept_shards = BTreeSet::new();
    loop {
        let now = cuts.borrow_and_update().clone();
        let owned = sweep.shared.journal.owned();
        // What a former owner has not seen to is as new to the next as a change.
        let has_gained = !owned.is_subset(&swept_shards);
        let is_news = has_gained || seen.as_ref().is_none_or(|seen| !seen.says_the_same(&now));
        if has_gained {
            sweep.released.clear();
        }
        let swept = match now.all().next() {
            Some(_) => sweep.round(&now, is_news).await,
            None => Ok(()),
        };
        match swept {
            Ok(()) => (seen, swept_shards) = (Some(now), owned),
            // What is news is news until all of it is done.
            Err(error) => warn!(%error, "a sweep was not finished and begins again"),
        }
        let changed = async {
            while cuts.changed().await.is_ok() {
                if seen.as_ref().is_none_or(|seen| !seen.says_the_same(&cuts.borrow_and_update())) {
                    return;
                }
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = drain.started() => return,
            () = changed => {}
            () = tokio::time::sleep(ROUND) => {}
        }
    }
}

/// What goes through what is set aside.
pub(crate) struct Sweep {
    shared: Shared,
    /// Releases that were seen to, or that others see to.
    released: HashSet<(CutId, ReferralId)>,
}

impl Sweep {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared, released: HashSet::new() }
    }

    async fn round(&mut self, cuts: &Arc<Cuts>, is_news: bool) -> Result<(), Error> {
        let layers = &self.shared.config.layers;
        if self.shared.journal.owned().is_empty() || !layers.asks(Layer::Sweep) {
            return Ok(());
        }
        // What is suspect for a cut that is over is met by whoever handles it; here once, when it is news.
        for tenant in cuts.touched() {
            if is_news || cuts.touches(&tenant) {
                self.sweep_from(cuts, &tenant, is_news).await?;
                self.sweep_to(cuts, &tenant).await?;
            }
            self.say_unknown(cuts, &tenant).await?;
        }
        self.release(cuts).await?;
        self.resume(cuts).await
    }

    /// What is open from a tenant that a cut covers; what is held for another cut when there is news.
    async fn sweep_from(&self, cuts: &Cuts, tenant: &TenantId, is_news: bool) -> Result<(), Error> {
        let another = cuts.covers_from(tenant).filter(|_| is_news);
        for ids in self.shared.parts.ledger.open_from(tenant, another)?.chunks(PAGE) {
            let rows = self.rows(ids)?;
            self.write_all(rows.iter().filter_map(|row| {
                let asked = provenance_of(row);
                // What is for a cut tenant is seen to with all that is for it.
                let answer = match cuts.ask(&asked) {
                    Answer::DestinationCut(_) => return None,
                    answer => answer,
                };
                let event = aside(answer, asked.destination.as_ref())?;
                // Held for whichever cut, it is held; what is suspect is more than that.
                let is_again =
                    row.referral.lifecycle.state() == State::Held && matches!(event, Event::Held { .. });
                (!is_again).then_some((row, event))
            }))
            .await?;
        }
        Ok(())
    }

    /// What was handed over of what is suspect is asked back, and who never got it cannot answer: a person ends that.
    async fn say_unknown(&self, cuts: &Cuts, tenant: &TenantId) -> Result<(), Error> {
        let patience = Timestamp::now() - UNANSWERED;
        let rows = self.rows(&self.shared.parts.ledger.offered_from(tenant)?)?;
        self.write_all(rows.iter().filter(|row| row.updated_at < patience).filter_map(|row| {
            let Answer::Quarantine(cut) = cuts.ask(&provenance_of(row)) else { return None };
            let is_offered = matches!(row.referral.lifecycle, Lifecycle::Offered { .. });
            is_offered.then(|| (row, Event::Unknown { reason: sent_under(&cut), cut }))
        }))
        .await
    }

    fn rows(&self, ids: &[ReferralId]) -> Result<Vec<Row>, Error> {
        let rows: Result<Vec<_>, _> = ids.iter().map(|id| self.shared.parts.ledger.get(id)).collect();
        Ok(rows?.into_iter().flatten().collect())
    }

    /// What is for a tenant that a cut covers.
    async fn sweep_to(&self, cuts: &Cuts, tenant: &TenantId) -> Result<(), Error> {
        let Some(cut) = cuts.covers_to(tenant).cloned() else { return Ok(()) };
        let ledger = &self.shared.parts.ledger;
        for ids in ledger.open_to(tenant)?.chunks(PAGE) {
            for row in self.rows(ids)? {
                self.divert_return_or_hold(cuts, &row).await?;
            }
        }
        // Nobody knows what became of these: the stream has ended, and an answer of a cut tenant is a claim.
        let offered = ledger.offered_to(tenant)?;
        let unknown = Event::Unknown { reason: receiver_is_cut(&cut), cut };
        let still = |waiting: &&Waiting| matches!(waiting.row.referral.lifecycle, Lifecycle::Offered { .. });
        self.write_all(offered.iter().filter(still).map(|waiting| (&waiting.row, unknown.clone()))).await
    }

    async fn divert_return_or_hold(&self, cuts: &Cuts, row: &Row) -> Result<(), Error> {
        let asked = provenance_of(row);
        let Answer::DestinationCut(cut) = cuts.ask(&asked) else { return Ok(()) };
        let Some(claim) = self.shared.journal.held(custodian(row)) else { return Ok(()) };
        let directory = self.shared.directory();
        // One that was diverted already goes no further.
        let diverted = matches!(row.referral.lifecycle, Lifecycle::Diverted { .. });
        let has_bytes = matches!(row.referral.lifecycle, Lifecycle::Routed { .. });
        let may_go = has_bytes && !diverted;
        let other = may_go.then(|| taking_over(&self.shared, row, &directory, cuts)).flatten();
        let reason = receiver_is_cut(&cut);
        let event = match other {
            Some(other) => deadlines::divert(&self.shared, row, other, reason).await?,
            None if row.effective_lane.priority() != Priority::Routine => {
                Some(Event::ReturnPending { to: asked.destination, reason })
            }
            None => Some(Event::Held { to: asked.destination, cut, reason }),
        };
        if let Some(event) = event {
            let decided = Decided::new(row.id, row.referral.custody, event);
            self.shared.journal.write(&claim, decided).read_back().await?;
        }
        Ok(())
    }

    /// Writes events about referrals that this node decides for, and waits until all are read back.
    async fn write_all<'a>(&self, events: impl Iterator<Item = (&'a Row, Event)>) -> Result<(), Error> {
        let written: FuturesUnordered<_> =
            events.filter_map(|(row, event)| self.write(row, event)).map(Written::read_back).collect();
        // A void one was overtaken: what is there now is met in the next round.
        written.map(|verdict| verdict.map(|_| ())).collect::<Vec<_>>().await.into_iter().collect()
    }

    fn write(&self, row: &Row, event: Event) -> Option<Written> {
        let claim = self.shared.journal.held(custodian(row))?;
        Some(self.shared.journal.write(&claim, Decided::new(row.id, row.referral.custody, event)))
    }

    /// What a release names, whatever its deadline says: a person has looked at it.
    async fn release(&mut self, cuts: &Cuts) -> Result<(), Error> {
        for course in cuts.all() {
            for (referral, released) in course.releases().iter() {
                let release = (course.id().clone(), *referral);
                if self.released.contains(&release) {
                    continue;
                }
                let is_done = match self.shared.parts.ledger.get(referral)? {
                    Some(row) if is_aside(&row) && self.shared.journal.held(custodian(&row)).is_some() => {
                        self.go_on(cuts, &row, "a release").await?
                    }
                    Some(_) => true,
                    // The ledger may not have read of it yet; of another nation's it never will.
                    None => released.at + READ_BY_THEN < Timestamp::now(),
                };
                if is_done {
                    self.released.insert(release);
                }
            }
        }
        Ok(())
    }

    /// What the gate lets through now of what was set aside for a cut.
    async fn resume(&self, cuts: &Cuts) -> Result<(), Error> {
        let now = Timestamp::now();
        let mut room: HashMap<TenantId, u64> = HashMap::new();
        for course in cuts.all() {
            // While it is closed to everybody it lets nothing of its own through but what is released.
            if course.stage().is_closed() {
                continue;
            }
            // Of what is in quarantine only a release or a withdrawal lets anything go.
            let state = (course.stage() != Stage::Withdrawn).then_some(State::Held);
            let mut skip = HashSet::new();
            loop {
                let page = self.shared.parts.ledger.aside(course.id(), state, &skip, PAGE)?;
                if page.is_empty() {
                    break;
                }
                for row in page {
                    skip.insert(row.id);
                    if is_refused_abroad(&row) && now.duration_since(row.updated_at) < AT_THE_BORDER {
                        continue;
                    }
                    let overdue = row.facts.envelope.deadline.is_some_and(|deadline| deadline <= now);
                    if is_aside(&row) && !overdue && self.has_room(&mut room, &row)? {
                        self.go_on(cuts, &row, "the end of a cut").await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A few at a time for each destination, so that new work goes between.
    fn has_room(&self, room: &mut HashMap<TenantId, u64>, row: &Row) -> Result<bool, Error> {
        let Some(to) = row.referral.lifecycle.destination() else { return Ok(true) };
        if !room.contains_key(to) {
            let waiting: u64 = self.shared.parts.ledger.waiting_counts(to)?.iter().sum();
            room.insert(to.clone(), AHEAD.saturating_sub(waiting));
        }
        let left = room.entry(to.clone()).or_default();
        let has_room = *left > 0;
        *left = left.saturating_sub(1);
        Ok(has_room)
    }

    /// False when something else stands in its way.
    pub(crate) async fn go_on(&self, cuts: &Cuts, row: &Row, by: &str) -> Result<bool, Error> {
        let asked = provenance_of(row);
        let answer = cuts.ask(&asked);
        if !answer.is_open() {
            self.relabel(row, answer).await?;
            return Ok(false);
        }
        let Some(claim) = self.shared.journal.held(custodian(row)) else { return Ok(false) };
        let event = if row.referral.lifecycle.waits_undecided() {
            let Some(accepted) = original(&self.shared, row).await? else { return Ok(false) };
            let decision = decision(&self.shared, &accepted, row.facts.predecessor, cuts)?;
            if matches!(decision, Decision::Quarantine { .. } | Decision::Hold { .. }) {
                return Ok(false);
            }
            let bytes = match append(&self.shared, &decision, &claim, accepted)? {
                Some(appended) => Some(appended.durable().await?),
                None => None,
            };
            event_of(decision, bytes, row.id)?
        } else {
            Event::Resumed { by: by.to_owned() }
        };
        let decided = Decided::new(row.id, row.referral.custody, event);
        self.shared.journal.write(&claim, decided).read_back().await?;
        Ok(true)
    }

    /// What one cut lets go may be another's now: then it is listed there.
    async fn relabel(&self, row: &Row, answer: Answer) -> Result<(), Error> {
        let held = row.referral.lifecycle.state() == State::Held;
        if let Answer::Quarantine(cut) = answer
            && held
        {
            let to = row.referral.lifecycle.destination().cloned();
            let event = Event::Quarantined { to, reason: sent_under(&cut), cut };
            self.write_all(std::iter::once((row, event))).await?;
        }
        Ok(())
    }
}

/// The record of the sender's `in`.
pub(crate) async fn original(shared: &Shared, row: &Row) -> Result<Option<Accepted>, Error> {
    let Some(source) = &row.source else { return Ok(None) };
    let partition = Topic::new(&source.topic)?.partition(source.partition);
    let found = shared.parts.log.read_at(&[Pointer { partition, offset: source.offset }]).await?;
    let Some(entry) = found.into_iter().next().flatten() else {
        return Err(Error::BytesMissing { id: row.id });
    };
    let mut accepted = match In::decode(entry.record.value) {
        Ok(In::Accepted(accepted)) => accepted,
        Ok(In::Carried(carried)) => carried.accepted,
        Ok(In::Withdrawal(_) | In::Report(_)) | Err(_) => return Ok(None),
    };
    if !bytes_of::is_of(&accepted, row) {
        return Err(Error::BytesMissing { id: row.id });
    }
    accepted.accepted_at.get_or_insert(entry.at);
    Ok(Some(accepted))
}

/// Another nation's door refused it for a cut.
fn is_refused_abroad(row: &Row) -> bool {
    matches!(row.referral.lifecycle.underneath(), Lifecycle::AtBorder { carrying: false, .. })
}

fn is_aside(row: &Row) -> bool {
    matches!(row.referral.lifecycle, Lifecycle::Held { .. } | Lifecycle::Quarantined { .. })
}
