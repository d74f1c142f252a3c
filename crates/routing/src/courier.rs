//! Carries what waits at the border to one other nation, and reports of what came from there back to it.
//!
//! `carrying` is written and read back before the first frame; custody passes with the far door's answer
//! *have*. Without an answer a referral stays with this nation as carrying, and is carried again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use bulkhead_ledger::{Row, Skip, Waiting};
use bulkhead_log::Topic;
use bulkhead_model::{
    Claim, Code, CutId, Event, Kind, Lane, Lifecycle, Nation, Place, Reason, ReferralId, State, TenantId,
    Verdict, shard_of,
};
use bulkhead_process::{Drain, telemetry};
use bulkhead_wire::record::{Carried, Out, Report};
use bulkhead_wire::status::Problem;
use bulkhead_wire::v1::{self, border_client::BorderClient, carry_request, carry_response};
use bulkhead_wire::{provenance, topics};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use rand::Rng;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use tracing::{Instrument, debug, info_span, warn};

use crate::Error;
use crate::bytes_of;
use crate::config::FarCell;
use crate::gate::aside;
use crate::journal::Decided;
use crate::layers::Layer;
use crate::owner::Shared;
use crate::source::Source;

/// Before a broken stream is dialled again; grows to the second.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// A refusal that is no refusal for good: the referral is carried again after this.
const AGAIN: Duration = Duration::from_secs(1);
/// A sender for which there is no room rests no longer, whatever the far door says.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// A report that was refused is made again after this.
const AFTER_REFUSED_REPORT: Duration = Duration::from_secs(15);

type Up = mpsc::Sender<v1::CarryRequest>;

enum Ended {
    /// The frame is on its way; the far door answers.
    Sent,
    /// Nothing is on its way for this referral.
    Over(ReferralId),
    /// The far door cannot take it now.
    Later(ReferralId),
    /// Its report was not taken; it is told again.
    Untold(ReferralId),
    /// There may be room again for what that tenant sends.
    Rested(TenantId),
}

/// One nation's courier to one other nation.
pub(crate) struct Courier {
    shared: Shared,
    to: Nation,
    far: FarCell,
    sources: HashMap<u32, Source>,
    under_way: HashMap<ReferralId, (Claim, u32)>,
    told: HashMap<ReferralId, u64>,
    /// The far door has no room for these: they are left out for a while, so that they take no place from others.
    resting: HashSet<TenantId>,
    work: FuturesUnordered<BoxFuture<'static, Result<Ended, Error>>>,
}

impl Courier {
    pub(crate) fn new(shared: Shared, to: Nation, far: FarCell) -> Self {
        Self {
            shared,
            to,
            far,
            sources: HashMap::new(),
            under_way: HashMap::new(),
            told: HashMap::new(),
            resting: HashSet::new(),
            work: FuturesUnordered::new(),
        }
    }

    /// Runs until the drain starts.
    pub(crate) async fn run(mut self, drain: Drain) {
        let mut wait = FIRST_WAIT;
        let mut turn = 0;
        while !drain.is_started() {
            let started = tokio::time::Instant::now();
            let ended = tokio::select! {
                () = drain.started() => return,
                ended = self.connection(turn) => ended,
            };
            turn += 1;
            self.under_way.clear();
            self.told.clear();
            self.resting.clear();
            self.work.clear();
            if let Err(error) = ended {
                debug!(to = %self.to, %error, "the border is not open");
            }
            wait = if started.elapsed() > LONGEST_WAIT { FIRST_WAIT } else { (wait * 2).min(LONGEST_WAIT) };
            let jittered = wait.mul_f64(rand::rng().random_range(0.5..1.0));
            tokio::select! {
                () = drain.started() => return,
                () = tokio::time::sleep(jittered) => {}
            }
        }
    }

    async fn connection(&mut self, turn: usize) -> Result<(), Error> {
        let Some(address) = self.far.addresses.get(turn % self.far.addresses.len().max(1)) else {
            return Ok(());
        };
        let channel = self.shared.parts.dialer.channel(address, &self.far.server_name)?;
        let mut client = BorderClient::new(channel)
            .max_decoding_message_size(bulkhead_wire::MAX_MESSAGE_BYTES)
            .max_encoding_message_size(bulkhead_wire::MAX_MESSAGE_BYTES);
        let (up, frames) = mpsc::channel(4);
        let mut down = match client.carry(ReceiverStream::new(frames)).await {
            Ok(response) => response.into_inner(),
            Err(status) => return self.unreachable(&status),
        };
        self.carry(&up, &mut down).await
    }

    fn unreachable(&self, status: &Status) -> Result<(), Error> {
        let problem = Problem::from(status);
        if problem.is_refusal() {
            warn!(to = %self.to, code = ?problem.code, message = %problem.message, "the far door refuses this cell");
        }
        Ok(())
    }

    async fn carry(&mut self, up: &Up, down: &mut Streaming<v1::CarryResponse>) -> Result<(), Error> {
        let waiting = self.shared.parts.ledger.border_waiting(self.to);
        let reports = self.shared.parts.ledger.reports(self.to);
        loop {
            let (woken, reported) = (waiting.notified(), reports.notified());
            tokio::pin!(woken, reported);
            woken.as_mut().enable();
            reported.as_mut().enable();
            self.pump(up).await?;
            self.report(up)?;
            tokio::select! {
                response = down.message() => match response {
                    Ok(Some(response)) => self.answered(response)?,
                    Ok(None) | Err(_) => return Ok(()),
                },
                Some(ended) = self.work.next() => match ended? {
                    Ended::Sent => {}
                    Ended::Over(id) => { self.under_way.remove(&id); }
                    Ended::Untold(id) => { self.told.remove(&id); }
                    Ended::Rested(tenant) => { self.resting.remove(&tenant); }
                    Ended::Later(id) => self.work.push(Box::pin(async move {
                        tokio::time::sleep(AGAIN).await;
                        Ok(Ended::Over(id))
                    })),
                },
                () = &mut woken => {}
                () = &mut reported => {}
            }
        }
    }

    async fn pump(&mut self, up: &Up) -> Result<(), Error> {
        // What waits at a border is a home tenant's, so that only their shards need to be asked for.
        let directory = self.shared.directory();
        let home: BTreeSet<u32> =
            directory.tenants_of(self.shared.home()).map(|tenant| shard_of(&tenant.id)).collect();
        let shards = &home & &self.shared.journal.owned();
        for lane in Lane::ALL {
            for &shard in &shards {
                let room = self.shared.config.courier_window.saturating_sub(self.under_way.len());
                if room == 0 {
                    return Ok(());
                }
                let skip: HashSet<ReferralId> = self.under_way.keys().copied().collect();
                let but = Skip { referrals: &skip, origins: &self.resting };
                for waiting in self.shared.parts.ledger.waiting_border(self.to, shard, lane, but, room)? {
                    self.start(up, shard, waiting).await?;
                }
            }
        }
        Ok(())
    }

    async fn start(&mut self, up: &Up, shard: u32, waiting: Waiting) -> Result<(), Error> {
        let Some(claim) = self.shared.journal.held(shard) else { return Ok(()) };
        let bytes = self.fetch(&waiting.bytes).await?;
        self.under_way.insert(waiting.id, (claim.clone(), waiting.custody));
        let leg = Leg { shared: self.shared.clone(), to: self.to, claim, waiting, up: up.clone() };
        self.work.push(Box::pin(leg.run(bytes)));
        Ok(())
    }

    async fn fetch(&mut self, place: &Place) -> Result<Option<Bytes>, Error> {
        if let Some(value) = self.shared.fresh.take(place) {
            return Ok(Some(value));
        }
        if !self.sources.contains_key(&place.partition) {
            let border = Topic::new(&topics::border(self.to))?.partition(place.partition);
            self.sources.insert(place.partition, Source::new(self.shared.parts.log.clone(), border));
        }
        match self.sources.get_mut(&place.partition) {
            Some(source) => source.fetch(place.offset).await,
            None => Ok(None),
        }
    }

    fn answered(&mut self, response: v1::CarryResponse) -> Result<(), Error> {
        let Ok(id) = ReferralId::parse(&response.referral_id) else { return Ok(()) };
        match response.answer {
            Some(carry_response::Answer::Have(_)) => self.decide(id, Event::Carried { nation: self.to }),
            Some(carry_response::Answer::Refused(refusal)) => {
                let problem = Problem::from(&refusal);
                if !self.under_way.contains_key(&id) {
                    warn!(to = %self.to, referral = %id, message = %problem.message, "a report was refused");
                    // Even one refused for good: the node at that door may not have read yet that it carried this.
                    let after = if problem.is_refusal() { AFTER_REFUSED_REPORT } else { AGAIN };
                    self.work.push(Box::pin(async move {
                        tokio::time::sleep(after).await;
                        Ok(Ended::Untold(id))
                    }));
                } else if problem.is_refusal() {
                    let code = problem.code.unwrap_or(Code::BorderRefused);
                    let reason = Reason::new(code, problem.message);
                    self.decide(
                        id,
                        Event::BorderRefused {
                            nation: self.to,
                            cut: CutId::parse(&refusal.cut).ok(),
                            reason,
                        },
                    );
                } else if problem.code == Some(Code::QuotaExceeded) && self.rests(&id, problem.retry_after)? {
                    self.under_way.remove(&id);
                } else {
                    self.work.push(Box::pin(async move { Ok(Ended::Later(id)) }));
                }
            }
            Some(carry_response::Answer::Reported(reported)) => self.told(id, reported.sequence)?,
            None => {}
        }
        Ok(())
    }

    /// No more requests of this one's sender go for a while. A cancel or an answer is only tried again.
    fn rests(&mut self, id: &ReferralId, after: Option<Duration>) -> Result<bool, Error> {
        let Some(row) = self.shared.parts.ledger.get(id)? else { return Ok(false) };
        if matches!(row.facts.envelope.kind, Kind::Cancel | Kind::Response) {
            return Ok(false);
        }
        let tenant = row.facts.tenant.clone();
        if self.resting.insert(tenant.clone()) {
            let after = after.unwrap_or(AGAIN).clamp(AGAIN, LONGEST_REST);
            warn!(to = %self.to, %tenant, "the far door has no room for what it sends");
            self.work.push(Box::pin(async move {
                tokio::time::sleep(after).await;
                Ok(Ended::Rested(tenant))
            }));
        }
        Ok(true)
    }

    fn decide(&mut self, id: ReferralId, event: Event) {
        let Some((claim, custody)) = self.under_way.get(&id).cloned() else { return };
        let written = self.shared.journal.write(&claim, Decided::new(id, custody, event));
        self.work.push(Box::pin(async move { written.read_back().await.map(|_| Ended::Over(id)) }));
    }

    /// Tells the other nation how its referrals fare here, the newest state of each. As work, never in the loop
    /// itself: the legs in `work` may have been given the next room on the stream, and while the loop waits for
    /// room behind them nobody polls them.
    fn report(&mut self, up: &Up) -> Result<(), Error> {
        let room = self.shared.config.courier_window;
        let shards = self.shared.journal.owned();
        for row in self.shared.parts.ledger.reports_due(self.to, &shards, &self.told, room)? {
            self.told.insert(row.id, row.referral.version);
            let report = report_of(&row, self.shared.home());
            let frame = carry_request::Frame::Report(report.to_wire());
            let up = up.clone();
            self.work.push(Box::pin(async move {
                // Where the stream is gone, `down` says so.
                let _ = up.send(v1::CarryRequest { frame: Some(frame) }).await;
                Ok(Ended::Sent)
            }));
        }
        Ok(())
    }

    /// What will not change by itself is recorded as told; the rest is told again after a restart. What was given
    /// back is with the nation that it came from when that nation knows, and that nation sees that its sender
    /// hears of it.
    fn told(&mut self, id: ReferralId, version: u64) -> Result<(), Error> {
        let Some(row) = self.shared.parts.ledger.get(&id)? else { return Ok(()) };
        let rests = match row.referral.lifecycle.state() {
            State::Accepted | State::Routed | State::Carried | State::Offered | State::Delivered => false,
            State::Acknowledged
            | State::Rejected
            | State::Held
            | State::Parked
            | State::Quarantined
            | State::ReturnPending
            | State::Returned
            | State::Diverted
            | State::Cancelled
            | State::Unknown => true,
        };
        if rests && version == row.referral.version {
            let claim = self.shared.journal.claim_on(&row.facts.tenant)?;
            let custody = row.referral.custody;
            let decided = Decided::new(id, custody, Event::Told { version });
            let mut written = vec![self.shared.journal.write(&claim, decided)];
            if let Lifecycle::ReturnPending { .. } = row.referral.lifecycle {
                let returned = Event::Returned { by: format!("{}, which it came from", self.to) };
                written.push(self.shared.journal.write(&claim, Decided::new(id, custody, returned)));
            }
            self.told.remove(&id);
            self.told.insert(id, version);
            self.work.push(Box::pin(async move {
                for written in written {
                    written.read_back().await?;
                }
                Ok(Ended::Over(id))
            }));
        }
        if self.told.len() > 100_000 {
            self.told.clear();
        }
        Ok(())
    }
}

/// One referral on its way over the border.
struct Leg {
    shared: Shared,
    to: Nation,
    claim: Claim,
    waiting: Waiting,
    up: Up,
}

impl Leg {
    async fn run(self, bytes: Option<Bytes>) -> Result<Ended, Error> {
        let id = self.waiting.id;
        let Ok(out) = bytes_of::out(bytes, &self.waiting.row) else { return self.park().await };
        let span = info_span!("carry", referral = %id, to = %self.to);
        if let Some(traceparent) = &out.accepted.envelope.traceparent {
            telemetry::adopt(traceparent, &span);
        }
        self.send(out).instrument(span).await
    }

    fn is_carrying(&self) -> bool {
        self.waiting.row.referral.lifecycle.is_carrying()
    }

    /// Bytes that cannot be read never cross. Once an attempt was begun only the far nation's answer ends it.
    async fn park(self) -> Result<Ended, Error> {
        warn!(referral = %self.waiting.id, to = %self.to, "its bytes cannot be read at the border");
        if self.is_carrying() {
            return Ok(Ended::Later(self.waiting.id));
        }
        let reason = Reason::new(Code::Unreadable, "its bytes cannot be read at the border");
        let decided = Decided::new(self.waiting.id, self.waiting.custody, Event::Parked { reason });
        self.shared.journal.write(&self.claim, decided).read_back().await?;
        Ok(Ended::Over(self.waiting.id))
    }

    async fn send(self, mut out: Out) -> Result<Ended, Error> {
        let id = self.waiting.id;
        let to = self.waiting.row.referral.lifecycle.destination().cloned();
        let asked = provenance(&out.accepted, to.as_ref());
        if let Some(event) = aside(self.shared.gate(Layer::Courier).ask(&asked), to.as_ref()) {
            // One that the far nation may have is set aside too, and remembers that; none is begun anew.
            let decided = Decided::new(id, self.waiting.custody, event);
            self.shared.journal.write(&self.claim, decided).read_back().await?;
            return Ok(Ended::Over(id));
        }
        if !self.is_carrying() {
            let event = Event::Carrying { nation: self.to };
            let written =
                self.shared.journal.write(&self.claim, Decided::new(id, self.waiting.custody, event));
            if written.read_back().await? != Verdict::Counts {
                return Ok(Ended::Over(id));
            }
        }
        let traceparent = telemetry::inject();
        if !traceparent.is_empty() {
            out.accepted.envelope.traceparent = Some(traceparent);
        }
        let carried = Carried { accepted: out.accepted, claim: self.claim, from: self.shared.home() };
        let frame = carry_request::Frame::Referral(carried.to_wire());
        if !self.shared.gate(Layer::Courier).ask(&asked).is_open() {
            return Ok(Ended::Later(id));
        }
        self.shared.check_lease()?;
        match self.up.send(v1::CarryRequest { frame: Some(frame) }).await {
            Ok(()) => Ok(Ended::Sent),
            Err(_) => Ok(Ended::Over(id)),
        }
    }
}

fn report_of(row: &Row, nation: Nation) -> Report {
    let destination = match &row.referral.lifecycle {
        Lifecycle::Carried { .. } => None,
        lifecycle => lifecycle.destination().cloned(),
    };
    Report {
        id: row.id,
        nation,
        state: row.referral.lifecycle.state(),
        reason: row.referral.lifecycle.reason().cloned(),
        destination,
        sequence: row.referral.version,
        at: Timestamp::now(),
        omissions: row.referral.omissions.clone(),
    }
}
