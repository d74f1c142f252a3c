//! One submit, in two halves: what must happen in the order of arrival, and what may end in any order.
//!
//! The first half ends with the call of `append`, which takes records in call order. Of a case one is appended at a
//! time: a later one waits in the second half until it is known how the append before it ended (`cases.rs`), so that
//! the first to arrive lies first in the log also when the log fails. The second half waits for the log and asks the
//! gate once more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bulkhead_ledger::Ledger;
use bulkhead_log::{AppendFuture, Partition, Record, Topic};
use bulkhead_model::{
    Admitted, Answer, Arrival, Code, Cuts, Directory, Kind, Known, NotAdmitted, Provenance, Reason,
    ReferralId, State, admit,
};
use bulkhead_process::telemetry;
use bulkhead_wire::record::In;
use bulkhead_wire::status::Refusal;
use bulkhead_wire::v1::{SubmitRequest, SubmitResponse};
use bulkhead_wire::{Accepted, reason_to_wire, state_to_wire, time_to_wire};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tracing::{Instrument, Span, debug, field, info_span, warn};

use crate::admit::{self, Earlier};
use crate::cases::{CaseTurn, Line};
use crate::compartment::Compartment;
use crate::limits::Permit;
use crate::probation::NoRoom;
use crate::recent::{Behind, Fresh, Turn};
use crate::service::Shared;

/// When it makes sense to send again what found no room on disk: others have to settle some of it.
const ROOM: Duration = Duration::from_secs(5);

/// The answer to one submit.
pub(crate) type SubmitAnswer = Result<SubmitResponse, Refusal>;

/// Where the first half ended.
enum Begun {
    /// Nothing is to be appended.
    Answered(SubmitResponse),
    /// The record is in the log's queue.
    Appending(Box<Appending>),
    /// Another submit of the same id goes first.
    Behind(Box<Arrival>, Option<CaseTurn>, Behind),
    /// Another of the same case goes first.
    InLine(Box<Arrival>, BoxFuture<'static, CaseTurn>),
}

/// Where a record goes, and how far that was filled before.
pub(crate) struct Inward {
    topic: Topic,
    from: u64,
}

/// A record on its way into the log.
struct Appending {
    inward: Inward,
    durable: AppendFuture,
    turn: Turn,
    case: Option<CaseTurn>,
    provenance: Provenance,
    /// What will be known of it, but for the time at which the log takes it.
    fresh: Fresh,
}

impl Shared {
    /// The first half; its output is the second. `room` is given back when the submit is answered.
    pub(crate) async fn begin(
        self: Arc<Self>,
        compartment: Arc<Compartment>,
        request: SubmitRequest,
        room: Permit,
    ) -> BoxFuture<'static, SubmitAnswer> {
        let (began, bytes) = (Instant::now(), request.payload.len());
        let span = info_span!("submit", tenant = %compartment.tenant, referral = field::Empty, bytes);
        let begun = match admit::read(&compartment.tenant, request) {
            Ok(mut arrival) => {
                span.record("referral", field::display(arrival.id()));
                trace(&span, &mut arrival);
                match self.enter(&arrival) {
                    Some(Line::Behind(turn)) => Ok(Begun::InLine(Box::new(arrival), turn)),
                    Some(Line::Turn(case)) => {
                        self.start(&compartment, arrival, Some(case)).instrument(span.clone()).await
                    }
                    None => self.start(&compartment, arrival, None).instrument(span.clone()).await,
                }
            }
            Err(refusal) => Err(refusal),
        };
        let ended = async move {
            let answer = self.end(&compartment, begun).await;
            if let Err(refusal) = &answer {
                debug!(code = %refusal.code, field = refusal.field.as_deref(), "refused");
            }
            compartment.meters.answered(began, bytes, &answer);
            drop(room);
            answer
        };
        ended.instrument(span).boxed()
    }

    async fn start(
        &self,
        compartment: &Compartment,
        arrival: Arrival,
        case: Option<CaseTurn>,
    ) -> Result<Begun, Refusal> {
        self.check_ready()?;
        self.check_knows(&arrival.tenant)?;
        let id = arrival.id();
        let turn = match self.recent.begin(id) {
            Ok(turn) => turn,
            Err(behind) => return Ok(Begun::Behind(Box::new(arrival), case, behind)),
        };
        let earlier = self.earlier(compartment, &turn, &arrival).await?;
        let known = earlier.as_ref().map(|earlier| earlier.known.clone());
        let (directory, cuts) = (self.directory(), self.cuts());
        let provenance = self.provenance(&arrival, &directory, &cuts);
        match admit(arrival, &provenance, known, &directory, &cuts) {
            Ok(admitted) => {
                self.check_case(case.as_ref(), &id)?;
                self.check_room(compartment, admitted.arrival().envelope.kind, &directory)?;
                self.check_probation(compartment, id, &cuts)?;
                self.append(compartment, turn, case, admitted, provenance).await
            }
            Err(NotAdmitted::Known(known)) => {
                Ok(Begun::Answered(repeated(id, &known, earlier.map(|earlier| earlier.accepted_at))))
            }
            Err(NotAdmitted::Refused { reason, field }) => Err(refusal(&reason, field)),
            Err(NotAdmitted::Cut { cut, reason }) => Err(refusal(&reason, None).cut(&cut)),
            Err(NotAdmitted::TooSoon) => Err(too_soon()),
        }
    }

    /// What is not settled of a tenant is bounded: what the ledger shows, and what was accepted here and is not shown
    /// yet.
    fn check_room(
        &self,
        compartment: &Compartment,
        kind: Kind,
        directory: &Directory,
    ) -> Result<(), Refusal> {
        let Some(tenant) = directory.tenant(&compartment.tenant) else { return Ok(()) };
        let shown = self.parts.ledger.unsettled_bytes(&tenant.id).map_err(|error| ledger_refusal(&error))?;
        let unsettled = shown.saturating_add(self.recent.bytes_of(&tenant.id));
        tenant
            .quota
            .check_room(&tenant.id, unsettled, kind)
            .map_err(|reason| refusal(&reason, None).retry_after(ROOM))
    }

    /// A tenant on its way back goes slowly.
    fn check_probation(&self, compartment: &Compartment, id: ReferralId, cuts: &Cuts) -> Result<(), Refusal> {
        let Some((per_minute, cut)) = cuts.paces_from(&compartment.tenant) else { return Ok(()) };
        let nodes = self.parts.pulses.borrow().alive().count();
        compartment.probation.take(id, per_minute, nodes).map_err(|NoRoom { wait, flood }| {
            if let Some(flood) = flood {
                warn!(tenant = %compartment.tenant, %cut, refused = flood.refused, "it floods its door");
                (self.parts.flooded)(cut, &flood);
            }
            let text =
                format!("{cut} is not over: until then {per_minute} referrals a minute; send it again");
            Refusal::new(Code::QuotaExceeded, text).cut(cut).retry_after(wait)
        })
    }

    async fn append(
        &self,
        compartment: &Compartment,
        turn: Turn,
        mut case: Option<CaseTurn>,
        admitted: Admitted,
        provenance: Provenance,
    ) -> Result<Begun, Refusal> {
        let to = compartment.inward(&*self.parts.log, &self.parts.ledger).await?;
        let epoch = (self.parts.nation, self.cuts().position);
        let accepted = Accepted::new(&admitted, &self.parts.node, provenance.admitted_at, epoch);
        let fresh = Fresh {
            id: accepted.id,
            tenant: accepted.tenant.clone(),
            envelope: accepted.envelope.clone(),
            digest: accepted.digest,
            payload_bytes: accepted.payload.len() as u64,
            state: State::Accepted,
            accepted_at: accepted.admitted_at,
        };
        let key = Bytes::copy_from_slice(accepted.id.as_bytes());
        let value = In::Accepted(accepted).encode();
        self.check_lease()?;
        if let Some(case) = &mut case {
            case.appending(fresh.id, fresh.envelope.attempt);
        }
        let inward = Inward::of(to, &self.parts.ledger);
        let durable = self.parts.log.append(to, Record { key, value });
        Ok(Begun::Appending(Box::new(Appending { inward, durable, turn, case, provenance, fresh })))
    }

    async fn end(&self, compartment: &Compartment, mut begun: Result<Begun, Refusal>) -> SubmitAnswer {
        loop {
            match begun? {
                Begun::Answered(response) => return Ok(response),
                Begun::Appending(appending) => return appending.end(self).await,
                Begun::Behind(arrival, case, behind) => {
                    behind.wait().await;
                    begun = self.start(compartment, *arrival, case).await;
                }
                Begun::InLine(arrival, turn) => {
                    let case = turn.await;
                    begun = self.start(compartment, *arrival, Some(case)).await;
                }
            }
        }
    }

    /// What is known of an earlier submit, once it is known well enough to tell a repeat from a new attempt.
    async fn earlier(
        &self,
        compartment: &Compartment,
        turn: &Turn,
        arrival: &Arrival,
    ) -> Result<Option<Earlier>, Refusal> {
        let (id, attempt) = (arrival.id(), arrival.envelope.attempt);
        let mut earlier = self.earlier_now(turn, id)?;
        // The ones before a later attempt were told no, so that they and their withdrawal may lie in the log already:
        // another node may have accepted one, or this one before it started anew.
        let more_may_come =
            earlier.as_ref().map_or(attempt > 1, |earlier| earlier.withdrawal_may_come(attempt));
        if more_may_come {
            self.decided(std::slice::from_ref(&compartment.tenant)).await?;
            earlier = self.earlier_now(turn, id)?;
        }
        if earlier.as_ref().is_some_and(|earlier| earlier.withdrawal_is_undecided(attempt)) {
            return Err(unsure("the withdrawal of an earlier attempt is not decided yet; send it again"));
        }
        if earlier.is_none() && self.withdrawn_up_to(&id)? >= attempt {
            // It would be accepted only to be cancelled. A sender that means it raises the attempt.
            return Err(Refusal::new(Code::Withdrawn, "this attempt was taken back before it arrived"));
        }
        Ok(earlier)
    }

    /// What its sender took back, whether it has arrived or not.
    pub(crate) fn withdrawn_up_to(&self, id: &ReferralId) -> Result<u32, Refusal> {
        self.parts.ledger.withdrawn_up_to(id).map_err(|error| ledger_refusal(&error))
    }

    fn earlier_now(&self, turn: &Turn, id: ReferralId) -> Result<Option<Earlier>, Refusal> {
        let fresh = turn.earlier();
        let row = self.parts.ledger.get(&id).map_err(|error| ledger_refusal(&error))?;
        Ok(match (fresh, row) {
            (Some(fresh), Some(row)) if !fresh.is_shown_by(&row) => Some(Earlier::fresh(&fresh)),
            (Some(_), Some(row)) => {
                self.recent.forget(&id);
                Some(Earlier::shown(&row))
            }
            (None, Some(row)) => Some(Earlier::shown(&row)),
            (Some(fresh), None) => Some(Earlier::fresh(&fresh)),
            (None, None) => None,
        })
    }

    fn provenance(&self, arrival: &Arrival, directory: &Directory, cuts: &Cuts) -> Provenance {
        Provenance {
            id: arrival.id(),
            origin: arrival.tenant.clone(),
            destination: directory.resolve(&arrival.envelope.to).map(|service| service.host.clone()),
            accepted_at: None,
            admitted_at: Timestamp::now(),
            spooled_at: arrival.envelope.spooled_at,
            epochs: vec![(self.parts.nation, cuts.position)],
        }
    }
}

impl Inward {
    /// Asked right before the append.
    pub(crate) fn of(to: &Partition, ledger: &Ledger) -> Self {
        Self { topic: to.topic.clone(), from: ledger.in_goes_on_at(to.topic.as_str()) }
    }

    /// What lies where records were settled before is never read.
    pub(crate) fn landed(&self, ledger: &Ledger, offset: u64) -> Result<(), Refusal> {
        let landed = ledger.in_landed(self.topic.as_str(), self.from, offset);
        landed.map_err(|error| stands_still(&error))
    }
}

impl Appending {
    async fn end(self, shared: &Shared) -> SubmitAnswer {
        let Self { inward, durable, turn, mut case, mut provenance, mut fresh } = self;
        let ended = durable.await;
        if let Some(case) = &mut case {
            case.ended(&ended);
        }
        let appended = ended.map_err(|error| log_refusal(&error))?;
        inward.landed(&shared.parts.ledger, appended.offset)?;
        // It is durable, and goes its way by whoever may act; sent again, it is a repeat.
        shared.check_lease()?;
        provenance.accepted_at = Some(appended.at);
        fresh.accepted_at = appended.at;
        // A cut may have come while the log took it.
        fresh.state = match shared.cuts().ask(&provenance) {
            Answer::Open | Answer::DestinationCut(_) => State::Accepted,
            Answer::Hold(_) => State::Held,
            Answer::Quarantine(_) => State::Quarantined,
        };
        let response = response(fresh.id, fresh.state, Some(fresh.accepted_at));
        turn.accepted(fresh);
        Ok(response)
    }
}

/// Joins the trace of the sender, or begins one, and passes it on with the referral.
fn trace(span: &Span, arrival: &mut Arrival) {
    if let Some(traceparent) = &arrival.envelope.traceparent {
        telemetry::adopt(traceparent, span);
    }
    let onward = span.in_scope(telemetry::inject);
    if !onward.is_empty() {
        arrival.envelope.traceparent = Some(onward);
    }
}

fn repeated(id: ReferralId, known: &Known, accepted_at: Option<Timestamp>) -> SubmitResponse {
    let reason = known.reason.as_ref().map(reason_to_wire);
    SubmitResponse { duplicate: true, reason, ..response(id, known.state, accepted_at) }
}

fn response(id: ReferralId, state: State, accepted_at: Option<Timestamp>) -> SubmitResponse {
    SubmitResponse {
        referral_id: id.to_string(),
        state: state_to_wire(state) as i32,
        duplicate: false,
        accepted_at: accepted_at.map(time_to_wire),
        reason: None,
    }
}

fn refusal(reason: &Reason, field: Option<&'static str>) -> Refusal {
    // The model gives its own codes only.
    let refusal = Refusal::new(reason.known().unwrap_or(Code::InvalidEnvelope), reason.text.clone());
    match field {
        Some(field) => refusal.field(field),
        None => refusal,
    }
}

/// Within the clocks' skew of a restore nobody can tell what is new; a moment later it is plain.
fn too_soon() -> Refusal {
    let text = "the tenant has come back a moment ago; send it again in a few seconds";
    Refusal::new(Code::NodeUnsure, text).retry_after(Duration::from_secs(3))
}

/// This node does not know enough to answer; soon it will.
pub(crate) fn unsure(text: impl Into<String>) -> Refusal {
    Refusal::new(Code::NodeUnsure, text).retry_after(Duration::from_millis(500))
}

/// The ledger does not answer.
pub(crate) fn ledger_refusal(error: &bulkhead_ledger::Error) -> Refusal {
    Refusal::new(Code::NodeUnsure, error.to_string()).retry_after(Duration::from_secs(1))
}

/// The tenant's compartment does not go on until somebody has seen to it; what is sent again later keeps its id.
pub(crate) fn stands_still(error: &bulkhead_ledger::Error) -> Refusal {
    Refusal::new(Code::LogUnavailable, error.to_string()).retry_after(Duration::from_secs(5))
}

/// The log did not take a record, or nobody knows whether it did. Sent again, it keeps its id.
pub(crate) fn log_refusal(error: &bulkhead_log::Error) -> Refusal {
    use bulkhead_log::Error;
    match error {
        Error::TooLarge { .. } => {
            Refusal::new(Code::PayloadTooLarge, "the log takes no record of this size").field("payload")
        }
        Error::QueueFull { .. } => {
            Refusal::new(Code::LogUnavailable, error.to_string()).retry_after(Duration::from_millis(200))
        }
        _ => Refusal::new(Code::LogUnavailable, error.to_string()).retry_after(Duration::from_secs(1)),
    }
}
