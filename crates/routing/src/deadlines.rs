//! When time runs out: recorded once, then acted upon by whoever has custody, and only before hand-over.

use bulkhead_ledger::Row;
use bulkhead_log::{Pointer, Record, Topic};
use bulkhead_model::{Answer, Code, Due, Event, OnDeadline, Place, Reason, ServiceId, Verdict, due};
use bulkhead_process::Drain;
use bulkhead_wire::record::Out;
use bulkhead_wire::{Accepted, topics};
use bytes::Bytes;
use jiff::Timestamp;
use tracing::warn;

use crate::Error;
use crate::bytes_of;
use crate::fallback::taking_over;
use crate::gate::provenance_of;
use crate::journal::Decided;
use crate::owner::Shared;
use crate::router::custodian;
use crate::sweep::original;

/// How many are looked at in one round; the most overdue first.
const ROUND: usize = 256;

pub(crate) async fn run(shared: Shared, drain: Drain) {
    let mut tick = tokio::time::interval(shared.config.deadline_tick);
    loop {
        tokio::select! {
            () = drain.started() => return,
            _ = tick.tick() => {}
        }
        if let Err(error) = round(&shared).await {
            warn!(%error, "deadlines could not be looked at");
        }
    }
}

async fn round(shared: &Shared) -> Result<(), Error> {
    let now = Timestamp::now();
    if shared.parts.pulses.borrow().clock_is_off(&shared.config.node) {
        return Ok(());
    }
    let decides = |row: &Row| shared.journal.held(custodian(row)).is_some();
    for row in shared.parts.ledger.due(now, decides, ROUND)? {
        if let Err(error) = act(shared, now, &row).await {
            warn!(referral = %row.id, %error, "its deadline has passed and could not be acted upon");
        }
    }
    Ok(())
}

async fn act(shared: &Shared, now: Timestamp, row: &Row) -> Result<(), Error> {
    let Some(claim) = shared.journal.held(custodian(row)) else { return Ok(()) };
    let directory = shared.directory();
    let service = directory.resolve(&row.facts.envelope.to);
    let policy = service.map_or(OnDeadline::Alert, |service| service.on_deadline.clone());
    let (asked, cuts) = (provenance_of(row), shared.cuts());
    let other = taking_over(shared, row, &directory, &cuts);
    let what = due(
        now,
        row.facts.envelope.deadline,
        &row.referral.lifecycle,
        row.referral.overdue,
        &policy,
        other.is_some(),
    );
    if what == Due::Nothing {
        return Ok(());
    }
    let custody = row.referral.custody;
    if !row.referral.overdue {
        shared.journal.write(&claim, Decided::new(row.id, custody, Event::Overdue)).read_back().await?;
    }
    // What is suspect is neither diverted nor given back; the sweep sets it aside.
    if let Answer::Quarantine(_) = cuts.ask(&asked) {
        return Ok(());
    }
    let reason = Reason::new(Code::DeadlinePassed, "its deadline passed before it was handed over");
    let event = match (what, other) {
        (Due::Divert, Some(other)) => divert(shared, row, other, reason).await?,
        (Due::Return | Due::Divert, _) => Some(Event::ReturnPending { to: None, reason }),
        (Due::Alert | Due::Nothing, _) => None,
    };
    if let Some(event) = event {
        let written = shared.journal.write(&claim, Decided::new(row.id, custody, event));
        if let Verdict::Void(why) = written.read_back().await? {
            warn!(referral = %row.id, %why, "it was handed over at its deadline");
        }
    }
    Ok(())
}

/// Appends the bytes to the fallback's compartment; the event that makes them count is the caller's. One that was set
/// aside before it was decided where it goes has its bytes in its sender's `in` alone.
pub(crate) async fn divert(
    shared: &Shared,
    row: &Row,
    to: &ServiceId,
    reason: Reason,
) -> Result<Option<Event>, Error> {
    let directory = shared.directory();
    let Some(service) = directory.service(to) else { return Ok(None) };
    let Some(claim) = shared.journal.held(custodian(row)) else { return Ok(None) };
    let accepted = match row.referral.lifecycle.bytes() {
        Some(place) => Some(routed(shared, row, place).await?),
        None => original(shared, row).await?,
    };
    let Some(accepted) = accepted else { return Ok(None) };
    let out = Out { accepted, claim };
    let topic = topics::outward(&service.host);
    let lane = row.effective_lane.partition();
    let record = Record { key: Bytes::copy_from_slice(row.id.as_bytes()), value: out.encode() };
    let offset = shared.parts.log.append(&Topic::new(&topic)?.partition(lane), record).await?.offset;
    shared.config.crash.bytes_are_durable();
    let bytes = Place { topic, partition: lane, offset };
    Ok(Some(Event::Diverted { to: service.host.clone(), service: service.id.to_string(), bytes, reason }))
}

/// The record that a decision has appended.
async fn routed(shared: &Shared, row: &Row, place: &Place) -> Result<Accepted, Error> {
    let partition = Topic::new(&place.topic)?.partition(place.partition);
    let found = shared.parts.log.read_at(&[Pointer { partition, offset: place.offset }]).await?;
    let record = found.into_iter().next().flatten().map(|entry| Out::decode(entry.record.value));
    match record {
        Some(Ok(out)) if bytes_of::is_of(&out.accepted, row) => Ok(out.accepted),
        Some(_) | None => Err(Error::BytesMissing { id: row.id }),
    }
}
