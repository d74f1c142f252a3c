//! From `in.<tenant>` to where a referral goes: bytes first, then the event that is the decision.
//!
//! Records are taken in order, several at a time, but one at a time within a case. Every record ends as
//! an event that names it, whatever is wrong with it, and the compartment goes on.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::time::Duration;

use bulkhead_ledger::{Row, Stop, case_key};
use bulkhead_log::{AppendFuture, Entry, ReaderLimits, Record, Start, Topic};
use bulkhead_model::{
    CaseKey, Claim, Code, Cuts, Decision, Digest, Envelope, Event, Kind, Lifecycle, MessageId, Nation, Place,
    Priority, Reason, ReferralId, ServiceAddress, TenantId, Verdict, decide, shard_of,
};
use bulkhead_process::{Drain, telemetry};
use bulkhead_wire::record::{In, Out, Report, Withdrawal};
use bulkhead_wire::{Accepted, Facts, Unreadable, provenance, topics};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use tracing::{Instrument, info_span, warn};

use crate::Error;
use crate::fresh::Fresh;
use crate::journal::{Decided, Written};
use crate::layers::Layer;
use crate::owner::{Shared, ensure_topics};
use crate::stands;

/// Between two tries to route a tenant's records.
const AGAIN: Duration = Duration::from_millis(500);

/// The router of one tenant's `in`.
pub(crate) struct Router {
    shared: Shared,
    tenant: TenantId,
    window: FuturesUnordered<BoxFuture<'static, Result<Done, Error>>>,
    deciding: HashMap<ReferralId, Digest>,
    cases: HashMap<CaseKey, ReferralId>,
}

/// A record that is settled.
struct Done {
    id: ReferralId,
    case: Option<CaseKey>,
}

/// What a submitted referral is to what is known.
enum Standing {
    New { custody: u32 },
    Repeat,
    Conflict,
    TakenBack { custody: u32 },
}

impl Router {
    pub(crate) fn new(shared: Shared, tenant: TenantId) -> Self {
        Self {
            shared,
            tenant,
            window: FuturesUnordered::new(),
            deciding: HashMap::new(),
            cases: HashMap::new(),
        }
    }

    /// Runs until the drain starts; after a failure it reads on from what the ledger shows. What stopped it for a newer
    /// release is for whoever decides next.
    pub(crate) async fn run(mut self, drain: Drain) {
        self.follow_on(&drain).await;
        self.shared.parts.ledger.in_is_left(&topics::inward(&self.tenant));
    }

    async fn follow_on(&mut self, drain: &Drain) {
        while let Err(error) = self.follow(drain).await {
            if drain.is_started() {
                return;
            }
            if !matches!(error, Error::Ledger(bulkhead_ledger::Error::Stands { .. })) {
                warn!(tenant = %self.tenant, %error, "routing of this tenant starts again");
            }
            self.window.clear();
            self.deciding.clear();
            self.cases.clear();
            tokio::select! {
                () = drain.started() => return,
                () = until_it_goes_on(&self.shared, &self.tenant, &error) => {}
            }
            tokio::select! {
                () = drain.started() => return,
                () = self.shared.parts.lease.held() => {}
            }
            if let Err(error) = self.shared.parts.ledger.caught_up().await {
                warn!(tenant = %self.tenant, %error, "the ledger is behind");
            }
        }
    }

    async fn follow(&mut self, drain: &Drain) -> Result<(), Error> {
        let topic = topics::inward(&self.tenant);
        let partition = Topic::new(&topic)?.partition(0);
        self.shared.parts.ledger.in_stands(&topic)?;
        let offset = self.shared.parts.ledger.in_read_on(&topic)?;
        let limits = ReaderLimits { max_bytes: 4 << 20, max_entries: self.shared.config.router_window };
        let mut reader = self.shared.parts.log.reader(vec![Start { partition, offset }], limits).await?;
        let mut backlog: VecDeque<Entry> = VecDeque::new();
        let mut next = offset;
        loop {
            while self.window.len() < self.shared.config.router_window
                && let Some(entry) = backlog.pop_front()
            {
                if next < entry.offset {
                    self.shared.parts.ledger.in_gap(&topic, next..entry.offset);
                }
                next = entry.offset + 1;
                self.begin(entry).await?;
            }
            tokio::select! {
                () = drain.started() => return self.finish().await,
                Some(done) = self.window.next() => self.done(done?),
                entries = reader.next(), if backlog.is_empty() => {
                    backlog.extend(entries?);
                    if let Some(newest) = backlog.back() {
                        self.shared.parts.ledger.in_seen(&topic, newest.offset + 1);
                    }
                }
            }
        }
    }

    async fn finish(&mut self) -> Result<(), Error> {
        while let Some(done) = self.window.next().await {
            self.done(done?);
        }
        Ok(())
    }

    fn done(&mut self, done: Done) {
        self.deciding.remove(&done.id);
        if let Some(case) = done.case
            && self.cases.get(&case) == Some(&done.id)
        {
            self.cases.remove(&case);
        }
    }

    async fn begin(&mut self, entry: Entry) -> Result<(), Error> {
        let source = place_of(&entry);
        if self.shared.parts.ledger.in_settled(&source.topic, source.offset)? {
            return Ok(());
        }
        let claim = self.shared.journal.claim_on(&self.tenant)?;
        self.shared.parts.ledger.events_stand(claim.shard)?;
        match In::decode(entry.record.value.clone()) {
            Ok(In::Accepted(mut accepted)) => {
                accepted.accepted_at.get_or_insert(entry.at);
                self.referral(claim, source, accepted, None).await
            }
            Ok(In::Carried(mut carried)) => {
                carried.accepted.accepted_at.get_or_insert(entry.at);
                self.referral(claim, source, carried.accepted, Some(carried.from)).await
            }
            Ok(In::Withdrawal(withdrawal)) => self.withdrawal(&claim, source, &withdrawal).await,
            Ok(In::Report(report)) => self.report(claim, source, report).await,
            Err(Unreadable::Newer(_)) => {
                self.finish().await?;
                let ledger = &self.shared.parts.ledger;
                ledger.in_stops(&source.topic, Stop::Newer { offset: source.offset });
                Ok(ledger.in_stands(&source.topic)?)
            }
            Err(unreadable) => {
                let reason = Reason::new(Code::Unreadable, unreadable.to_string());
                self.item_of_its_own(claim, source, unreadable_facts(&self.tenant, &entry), reason);
                Ok(())
            }
        }
    }

    async fn referral(
        &mut self,
        claim: Claim,
        source: Place,
        accepted: Accepted,
        from: Option<Nation>,
    ) -> Result<(), Error> {
        let case = case_key(&accepted.tenant, &accepted.envelope);
        if self.cases.contains_key(&case) {
            self.finish().await?;
        }
        let predecessor = self.shared.parts.ledger.last_of_case(&case, &accepted.id)?;
        let facts = facts_of(&accepted, predecessor, from);
        match self.standing(&accepted)? {
            Standing::Repeat => {
                let written = self.shared.journal.settle(&claim, source, Some(accepted.id), "DUPLICATE");
                self.window.push(Box::pin(settled(written, accepted.id)));
            }
            Standing::Conflict => {
                let reason = Reason::new(
                    Code::ConflictingDuplicate,
                    format!("referral {} has the same message id and other bytes", accepted.id),
                );
                self.item_of_its_own(claim, source, facts, reason);
            }
            Standing::TakenBack { custody } => {
                let reason = Reason::new(Code::Withdrawn, "its sender was told no before it arrived");
                let mut decided = Decided::new(accepted.id, custody, Event::Cancelled { reason });
                (decided.facts, decided.source) = (Some(Box::new(facts)), Some(source.clone()));
                let written = self.shared.journal.write(&claim, decided);
                self.window.push(Box::pin(self.recorded(claim, written, accepted.id, source, None)));
            }
            Standing::New { custody } => {
                self.deciding.insert(accepted.id, accepted.digest);
                self.cases.insert(case.clone(), accepted.id);
                let span = info_span!("route", referral = %accepted.id, tenant = %accepted.tenant);
                let mut accepted = accepted;
                if let Some(traceparent) = &mut accepted.envelope.traceparent {
                    telemetry::adopt(traceparent, &span);
                    *traceparent = span.in_scope(telemetry::inject);
                }
                let routed = self.route(claim, source, accepted, custody, facts, case)?;
                self.window.push(Box::pin(routed.instrument(span)));
            }
        }
        Ok(())
    }

    fn standing(&self, accepted: &Accepted) -> Result<Standing, Error> {
        if let Some(digest) = self.deciding.get(&accepted.id) {
            return Ok(if *digest == accepted.digest { Standing::Repeat } else { Standing::Conflict });
        }
        let withdrawn = self.shared.parts.ledger.withdrawn_up_to(&accepted.id)?;
        let taken_back = withdrawn >= accepted.envelope.attempt;
        let Some(row) = self.shared.parts.ledger.get(&accepted.id)? else {
            return Ok(if taken_back {
                Standing::TakenBack { custody: 0 }
            } else {
                Standing::New { custody: 0 }
            });
        };
        if row.facts.digest != accepted.digest {
            return Ok(Standing::Conflict);
        }
        let begins_anew_after = row.referral.begins_anew_after(row.facts.envelope.attempt);
        if begins_anew_after.is_some_and(|after| accepted.envelope.attempt > after) {
            return Ok(Standing::New { custody: row.referral.custody });
        }
        Ok(Standing::Repeat)
    }

    /// Decides, appends the bytes at once (so that order is kept), then the event.
    fn route(
        &self,
        claim: Claim,
        source: Place,
        accepted: Accepted,
        custody: u32,
        facts: Facts,
        case: CaseKey,
    ) -> Result<impl Future<Output = Result<Done, Error>> + use<>, Error> {
        let id = accepted.id;
        let decision =
            decision(&self.shared, &accepted, facts.predecessor, &self.shared.gate(Layer::Router))?;
        let appended = append(&self.shared, &decision, &claim, accepted)?;
        let shared = self.shared.clone();
        let tenant = self.tenant.clone();
        Ok(async move {
            let bytes = match appended {
                None => None,
                Some(appended) => {
                    let place = appended.durable().await?;
                    shared.config.crash.bytes_are_durable();
                    Some(place)
                }
            };
            let event = event_of(decision, bytes, id)?;
            metrics::counter!("bulkhead_routed_total", "nation" => shared.home().as_str(),
                "tenant" => tenant.to_string(), "event" => event.name())
            .increment(1);
            let mut decided = Decided::new(id, custody, event);
            (decided.facts, decided.source) = (Some(Box::new(facts)), Some(source.clone()));
            let written = shared.journal.write(&claim, decided);
            read_back(shared, claim, written, id, source, Some(case)).await
        })
    }

    /// What can never be the referral that it should be: set aside under an id of its own.
    fn item_of_its_own(&mut self, claim: Claim, source: Place, facts: Facts, reason: Reason) {
        let id = ReferralId::of_record(&source.topic, source.partition, source.offset);
        let mut decided = Decided::new(id, 0, Event::Parked { reason });
        (decided.facts, decided.source) = (Some(Box::new(facts)), Some(source.clone()));
        let written = self.shared.journal.write(&claim, decided);
        self.window.push(Box::pin(self.recorded(claim, written, id, source, None)));
    }

    /// Records that attempts are taken back; ends the referral where this owner has custody of it.
    async fn withdrawal(
        &mut self,
        claim: &Claim,
        source: Place,
        withdrawal: &Withdrawal,
    ) -> Result<(), Error> {
        self.finish().await?;
        let id = withdrawal.id;
        let mut decided = Decided::new(id, 0, Event::Withdrawn { up_to: withdrawal.up_to });
        decided.source = Some(source.clone());
        let written = self.shared.journal.write(claim, decided);
        read_back(self.shared.clone(), claim.clone(), written, id, source, None).await?;
        let Some(row) = self.shared.parts.ledger.get(&id)? else { return Ok(()) };
        if is_with_origin(&row) && row.facts.envelope.attempt <= withdrawal.up_to {
            let reason = Reason::new(Code::Withdrawn, "its sender was told no");
            let decided = Decided::new(id, row.referral.custody, Event::Cancelled { reason });
            self.shared.journal.write(claim, decided).read_back().await?;
        }
        Ok(())
    }

    /// Records what the nation that has a referral reports; reports are independent of one another and of other
    /// referrals, so that many are recorded at a time.
    async fn report(&mut self, claim: Claim, source: Place, report: Report) -> Result<(), Error> {
        // It may be about a record before it that is still being decided.
        if self.deciding.contains_key(&report.id) || self.shared.parts.ledger.get(&report.id)?.is_none() {
            self.finish().await?;
        }
        self.window.push(Box::pin(reported(self.shared.clone(), claim, source, report)));
        Ok(())
    }

    fn recorded(
        &self,
        claim: Claim,
        written: Written,
        id: ReferralId,
        source: Place,
        case: Option<CaseKey>,
    ) -> impl Future<Output = Result<Done, Error>> + use<> {
        read_back(self.shared.clone(), claim, written, id, source, case)
    }
}

/// A pause; while the compartment stands still, until it does not.
async fn until_it_goes_on(shared: &Shared, tenant: &TenantId, error: &Error) {
    let name = topics::inward(tenant);
    match Topic::new(&name) {
        Ok(topic) => stands::note(&shared.parts.ledger, &topic, error),
        Err(error) => warn!(%tenant, %error, "a tenant without a topic"),
    }
    if let Error::Log(bulkhead_log::Error::UnknownTopic { topic }) = error
        && topic.as_str() != name
    {
        // Where bytes wait, a topic may be made anew: what lay in it is missed one by one.
        if let Err(error) = ensure_topics(shared).await {
            warn!(%tenant, %error, "topics that are gone cannot be made yet");
        }
    }
    tokio::time::sleep(AGAIN).await;
    while shared.parts.ledger.in_stands(&name).is_err() {
        tokio::time::sleep(AGAIN).await;
    }
}

async fn settled(written: Written, id: ReferralId) -> Result<Done, Error> {
    written.read_back().await?;
    Ok(Done { id, case: None })
}

/// A report proves that the other nation has the referral, even when the courier's own record of that is not written
/// yet.
async fn reported(shared: Shared, claim: Claim, source: Place, report: Report) -> Result<Done, Error> {
    let id = report.id;
    let Some(mut row) = shared.parts.ledger.get(&id)? else {
        return settled(shared.journal.settle(&claim, source, Some(id), "UNKNOWN_REFERRAL"), id).await;
    };
    if row.referral.lifecycle.is_carrying() {
        let nation = report.nation;
        let carried = Decided::new(id, row.referral.custody, Event::Carried { nation });
        shared.journal.write(&claim, carried).read_back().await?;
        row = shared.parts.ledger.get(&id)?.unwrap_or(row);
    }
    let event = Event::Reported {
        state: report.state,
        reason: report.reason,
        destination: report.destination,
        sequence: report.sequence,
        at: report.at,
        omissions: report.omissions,
    };
    let mut decided = Decided::new(id, row.referral.custody, event);
    decided.source = Some(source.clone());
    let written = shared.journal.write(&claim, decided);
    read_back(shared, claim, written, id, source, None).await
}

/// Waits until the event is read back. A void one settles nothing, so its record is settled in so many words:
/// an earlier event, of this claim or of a former one, was the decision.
async fn read_back(
    shared: Shared,
    claim: Claim,
    written: Written,
    id: ReferralId,
    source: Place,
    case: Option<CaseKey>,
) -> Result<Done, Error> {
    if let Verdict::Void(_) = written.read_back().await? {
        shared.journal.settle(&claim, source, Some(id), "DECIDED_BEFORE").read_back().await?;
    }
    Ok(Done { id, case })
}

/// Where a referral goes; a later one of a case follows the one before it.
pub(crate) fn decision(
    shared: &Shared,
    accepted: &Accepted,
    predecessor: Option<ReferralId>,
    cuts: &Cuts,
) -> Result<Decision, Error> {
    let before = match predecessor {
        Some(id) => shared.parts.ledger.get(&id)?,
        None => None,
    };
    let went_on = before.as_ref().map(|row| &row.referral.lifecycle).filter(|was| !was.is_given_back());
    let follow = went_on.and_then(|was| was.destination());
    let follow = follow.filter(|to| to.nation() == shared.home());
    Ok(decide(bulkhead_model::Facts {
        home: shared.home(),
        tenant: &accepted.tenant,
        envelope: &accepted.envelope,
        bytes: accepted.payload.len(),
        provenance: &provenance(accepted, None),
        directory: &shared.directory(),
        cuts,
        follow,
        now: Timestamp::now(),
    }))
}

/// Bytes on their way to where a decision sends them.
pub(crate) struct Appended {
    topic: String,
    partition: u32,
    durable: AppendFuture,
    /// The same bytes, when somebody here is about to hand them over.
    kept: Option<(Fresh, Bytes)>,
}

impl Appended {
    pub(crate) async fn durable(self) -> Result<Place, Error> {
        let offset = self.durable.await?.offset;
        let place = Place { topic: self.topic, partition: self.partition, offset };
        if let Some((fresh, value)) = self.kept {
            fresh.put(&place, value);
        }
        Ok(place)
    }
}

/// Enqueues the bytes that a decision sends somewhere; none when it sends them nowhere.
pub(crate) fn append(
    shared: &Shared,
    decision: &Decision,
    claim: &Claim,
    accepted: Accepted,
) -> Result<Option<Appended>, Error> {
    let (topic, partition, is_near) = match decision {
        Decision::Deliver { to, lane } | Decision::Divert { to, lane, .. } => {
            (topics::outward(to), lane.partition(), shared.board.is_connected(to))
        }
        Decision::Carry { nation, .. } => {
            let partition = topics::border_partition(claim.shard, accepted.envelope.lane());
            (topics::border(*nation), partition, true)
        }
        Decision::Park(_) | Decision::Hold { .. } | Decision::Quarantine { .. } | Decision::Return { .. } => {
            return Ok(None);
        }
    };
    let to = Topic::new(&topic)?.partition(partition);
    let key = Bytes::copy_from_slice(accepted.id.as_bytes());
    let value = Out { accepted, claim: claim.clone() }.encode();
    shared.check_lease()?;
    let kept = is_near.then(|| (shared.fresh.clone(), value.clone()));
    let durable = shared.parts.log.append(&to, Record { key, value });
    Ok(Some(Appended { topic, partition, durable, kept }))
}

pub(crate) fn event_of(decision: Decision, bytes: Option<Place>, id: ReferralId) -> Result<Event, Error> {
    match (decision, bytes) {
        (Decision::Deliver { to, .. }, Some(bytes)) => Ok(Event::Routed { to, bytes }),
        (Decision::Carry { nation, to }, Some(bytes)) => Ok(Event::ToBorder { nation, to, bytes }),
        (Decision::Divert { to, service, reason, .. }, Some(bytes)) => {
            Ok(Event::Diverted { to, service: service.to_string(), bytes, reason })
        }
        (Decision::Park(reason), _) => Ok(Event::Parked { reason }),
        (Decision::Return { to, reason }, _) => Ok(Event::ReturnPending { to: Some(to), reason }),
        (Decision::Hold { to, cut, reason }, _) => Ok(Event::Held { to, cut, reason }),
        (Decision::Quarantine { to, cut, reason }, _) => Ok(Event::Quarantined { to, cut, reason }),
        (Decision::Deliver { .. } | Decision::Carry { .. } | Decision::Divert { .. }, None) => {
            Err(Error::BytesMissing { id })
        }
    }
}

fn place_of(entry: &Entry) -> Place {
    Place {
        topic: entry.partition.topic.as_str().to_owned(),
        partition: entry.partition.number,
        offset: entry.offset,
    }
}

fn facts_of(accepted: &Accepted, predecessor: Option<ReferralId>, from_nation: Option<Nation>) -> Facts {
    Facts {
        tenant: accepted.tenant.clone(),
        envelope: accepted.envelope.clone(),
        digest: accepted.digest,
        payload_bytes: accepted.payload.len() as u64,
        accepted_at: accepted.accepted_at.unwrap_or(accepted.admitted_at),
        admitted_at: accepted.admitted_at,
        epochs: accepted.epochs.clone(),
        predecessor,
        from_nation,
    }
}

/// What can be said of a record that cannot be read: where it lies and when it came.
fn unreadable_facts(tenant: &TenantId, entry: &Entry) -> Facts {
    let name = format!("unreadable {}/{}", entry.partition, entry.offset);
    let constant = "a text without control characters of fewer than 255 bytes";
    let envelope = Envelope {
        message_id: MessageId::parse(&name).expect(constant),
        attempt: 1,
        to: ServiceAddress::parse("", "unknown").expect(constant),
        reply_to: None,
        kind: Kind::Request,
        case_id: None,
        priority: Priority::Urgent,
        deadline: None,
        content_type: "application/octet-stream".into(),
        in_response_to: None,
        traceparent: None,
        flags: vec![],
        spooled_at: None,
    };
    Facts {
        tenant: tenant.clone(),
        envelope,
        digest: Digest::new([0; 32]),
        payload_bytes: entry.record.value.len() as u64,
        accepted_at: entry.at,
        admitted_at: entry.at,
        epochs: vec![],
        predecessor: None,
        from_nation: None,
    }
}

/// Nobody else decides about it now.
pub(crate) fn is_with_origin(row: &Row) -> bool {
    custodian(row) == shard_of(&row.facts.tenant) && row.referral.lifecycle.is_open()
}

/// The shard whose owner has custody: the destination's once it is routed, else the origin's.
pub(crate) fn custodian(row: &Row) -> u32 {
    shard_of(holder(&row.referral.lifecycle, row))
}

fn holder<'a>(lifecycle: &'a Lifecycle, row: &'a Row) -> &'a TenantId {
    match lifecycle {
        Lifecycle::Held { at, .. } | Lifecycle::Quarantined { at, .. } => holder(at, row),
        Lifecycle::Unknown { offer, .. } => holder(offer, row),
        Lifecycle::Routed { to, .. }
        | Lifecycle::Diverted { to, .. }
        | Lifecycle::Offered { to, .. }
        | Lifecycle::Delivered { to, .. }
        | Lifecycle::Acknowledged { to, .. }
        | Lifecycle::Rejected { to: Some(to), .. } => to,
        Lifecycle::Parked { to: Some(to), bytes: Some(_), .. } if row.referral.custody > 0 => to,
        Lifecycle::Accepted
        | Lifecycle::AtBorder { .. }
        | Lifecycle::Carried { .. }
        | Lifecycle::Parked { .. }
        | Lifecycle::Rejected { to: None, .. }
        | Lifecycle::ReturnPending { .. }
        | Lifecycle::Returned { .. }
        | Lifecycle::Cancelled { .. } => &row.facts.tenant,
    }
}
