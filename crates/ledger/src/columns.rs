//! What a referral is looked for by: its row of the table, made from its fold.

use bulkhead_model::{CaseKey, CutId, Lane, Lifecycle, ReferralId, TenantId, shard_of};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, ToSql, named_params, params};

use crate::case::case_key;
use crate::fold::{Key, Known, Life};
use crate::schema::{NO_DEADLINE, stage};

/// What the row said before, as far as a change of it matters to other rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Before {
    /// The sender, the tenant that had it, and its state: how it was counted.
    pub(crate) tally: Tally,
    /// What it weighed.
    pub(crate) bytes: i64,
    /// Those behind it could go.
    pub(crate) done: bool,
    /// Nothing more was expected of it.
    pub(crate) settled: bool,
    /// Where its facts came from.
    pub(crate) facts_at: (u32, u64),
    /// The one before it.
    pub(crate) predecessor: Option<ReferralId>,
    /// The lane that its case gave it.
    pub(crate) lane: Option<Lane>,
}

/// How a referral is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Tally {
    /// The sender.
    pub(crate) origin: String,
    /// The tenant that has it; empty when none is known.
    pub(crate) destination: String,
    /// Its state.
    pub(crate) state: String,
}

/// An instant as the tables hold it.
pub(crate) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// A case as the tables hold it.
pub(crate) fn case_text(case: &CaseKey) -> String {
    format!("{}\u{1e}{}\u{1e}{}", case.tenant, case.service, case.case)
}

/// The next one of its case may go.
pub(crate) fn is_done(lifecycle: &Lifecycle) -> bool {
    lifecycle.state().is_settled() || matches!(lifecycle, Lifecycle::Carried { .. })
}

/// How this life is counted.
pub(crate) fn tally(life: &Life, known: &Known) -> Tally {
    let lifecycle = &life.referral.lifecycle;
    Tally {
        origin: known.facts.tenant.to_string(),
        destination: lifecycle.destination().map(ToString::to_string).unwrap_or_default(),
        state: lifecycle.state().as_str().to_owned(),
    }
}

/// The bytes that count against its sender's quota while it is not settled.
pub(crate) fn weight(known: &Known) -> i64 {
    // No record of a log comes near the largest of these.
    i64::from(u32::try_from(crate::weight(known.facts.payload_bytes)).unwrap_or(u32::MAX))
}

/// Where it waits, as the tables say it.
pub(crate) fn stage_of(lifecycle: &Lifecycle) -> i64 {
    match lifecycle {
        Lifecycle::Routed { .. } | Lifecycle::Diverted { .. } => stage::OUT,
        Lifecycle::AtBorder { .. } => stage::BORDER,
        Lifecycle::Offered { .. } | Lifecycle::Unknown { .. } => stage::OFFERED,
        Lifecycle::Delivered { .. } => stage::DELIVERED,
        Lifecycle::Carried { .. } => stage::AWAY,
        Lifecycle::Accepted
        | Lifecycle::Acknowledged { .. }
        | Lifecycle::Rejected { .. }
        | Lifecycle::Parked { .. }
        | Lifecycle::Held { .. }
        | Lifecycle::Quarantined { .. }
        | Lifecycle::ReturnPending { .. }
        | Lifecycle::Returned { .. }
        | Lifecycle::Cancelled { .. } => stage::NOWHERE,
    }
}

/// On its way to another nation, or there, and nothing was heard of it.
fn is_unheard(lifecycle: &Lifecycle) -> bool {
    lifecycle.is_carrying() || matches!(lifecycle, Lifecycle::Carried { there: None, .. })
}

/// The nation that carried it here does not know its newest version.
pub(crate) fn is_to_tell(life: &Life, known: &Known) -> bool {
    known.facts.from_nation.is_some()
        && life.referral.version > life.referral.told
        && life.referral.lifecycle != Lifecycle::Accepted
}

/// Its sender's system must hear what became of it. What another nation carried here is told by that nation; an item
/// of its own has another referral's message id, or none, so that its sender would take it for that one.
fn is_to_hear(id: &ReferralId, life: &Life, known: &Known) -> bool {
    let facts = &known.facts;
    facts.from_nation.is_none()
        && *id == ReferralId::derive(&facts.tenant, &facts.envelope.message_id)
        && life.referral.sender_must_hear(facts.envelope.attempt)
}

/// What the row says now, before the new columns are written.
pub(crate) fn before(connection: &Connection, id: &ReferralId) -> rusqlite::Result<Option<Before>> {
    let mut statement = connection.prepare_cached(
        "SELECT origin, coalesce(destination, ''), state, done, facts_partition, facts_offset, predecessor, effective, settled,
                bytes
         FROM referral WHERE id = ?1",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Before {
            tally: Tally { origin: row.get(0)?, destination: row.get(1)?, state: row.get(2)? },
            done: row.get(3)?,
            facts_at: (row.get(4)?, row.get(5)?),
            predecessor: id_of(row.get_ref(6)?.as_blob_or_null()?),
            lane: Lane::from_partition(row.get(7)?),
            settled: row.get(8)?,
            bytes: row.get(9)?,
        })
    };
    statement.query_row([id.as_bytes()], read).optional()
}

/// An id from a column.
pub(crate) fn id_of(bytes: Option<&[u8]>) -> Option<ReferralId> {
    bytes.and_then(|bytes| ReferralId::from_slice(bytes).ok())
}

/// A tenant from a column.
pub(crate) fn tenant_of(text: &str) -> Option<TenantId> {
    TenantId::parse(text).ok()
}

const WRITE: &str = "
INSERT INTO referral (
    id, origin, destination, state, stage, open, settled, done, unheard, sent_after_all, tell, hear, overdue, kind,
    lane, effective, deadline, accepted_at, since, message_id, case_id, case_key, facts_partition, facts_offset,
    predecessor, clear, waits_partition, waits_offset, border, shard, inbox, version, state_since,
    cut, not_recalled, recalled, touched, bytes)
VALUES (
    :id, :origin, :destination, :state, :stage, :open, :settled, :done, :unheard, :sent_after_all, :tell, :hear,
    :overdue, :kind, :lane, :lane, :deadline, :accepted_at, :since, :message_id, :case_id, :case_key, :facts_partition,
    :facts_offset, :predecessor, 1, :waits_partition, :waits_offset, :border, :shard, :inbox, :version,
    :state_since, :cut, :not_recalled, :recalled, :touched, :bytes)";

/// `effective` and `clear` depend on other rows: they are settled after all rows of a batch are written.
const REWRITE: &str = "
UPDATE referral SET
    origin = :origin, destination = :destination, state = :state, stage = :stage, open = :open, settled = :settled,
    done = :done, unheard = :unheard, sent_after_all = :sent_after_all, tell = :tell, hear = :hear,
    overdue = :overdue, kind = :kind, lane = :lane, deadline = :deadline, accepted_at = :accepted_at, since = :since,
    message_id = :message_id, case_id = :case_id, case_key = :case_key, facts_partition = :facts_partition,
    facts_offset = :facts_offset, predecessor = :predecessor, waits_partition = :waits_partition,
    waits_offset = :waits_offset, border = :border, shard = :shard, inbox = :inbox, version = :version,
    state_since = :state_since, cut = :cut, not_recalled = :not_recalled, recalled = :recalled, touched = :touched,
    bytes = :bytes
WHERE id = :id";

/// Who has it changes, and whether it is settled; what it is does not.
const REWRITE_PLACE: &str = "
UPDATE referral SET
    destination = :destination, settled = :settled,
    state = :state, stage = :stage, open = :open, done = :done, unheard = :unheard, sent_after_all = :sent_after_all,
    tell = :tell, hear = :hear, overdue = :overdue, since = :since, waits_partition = :waits_partition,
    waits_offset = :waits_offset, border = :border, inbox = :inbox, version = :version, state_since = :state_since,
    cut = :cut, not_recalled = :not_recalled, recalled = :recalled, touched = :touched
WHERE id = :id";

/// Most events change neither what a referral is nor who has it: then the large indexes are left alone.
const REWRITE_STATE: &str = "
UPDATE referral SET
    state = :state, stage = :stage, open = :open, done = :done, unheard = :unheard, sent_after_all = :sent_after_all,
    tell = :tell, hear = :hear, overdue = :overdue, since = :since, waits_partition = :waits_partition,
    waits_offset = :waits_offset, border = :border, inbox = :inbox, version = :version, state_since = :state_since,
    cut = :cut, not_recalled = :not_recalled, recalled = :recalled, touched = :touched
WHERE id = :id";

/// The least that must be written of a row that is there.
fn rewrite(before: &Before, life: &Life, known: &Known) -> &'static str {
    let lifecycle = &life.referral.lifecycle;
    let same_facts = before.facts_at == (known.key.partition, known.key.offset);
    let same_place = before.tally.destination == lifecycle.destination().map_or("", TenantId::as_str)
        && before.settled == lifecycle.state().is_settled();
    match (same_facts, same_place) {
        (true, true) => REWRITE_STATE,
        (true, false) => REWRITE_PLACE,
        (false, _) => REWRITE,
    }
}

/// Writes the columns that follow from this referral alone.
pub(crate) fn write(
    connection: &Connection,
    id: &ReferralId,
    life: &Life,
    known: &Known,
    before: Option<&Before>,
) -> rusqlite::Result<()> {
    let Key { partition, offset, .. } = known.key;
    let (facts, lifecycle) = (&known.facts, &life.referral.lifecycle);
    let envelope = &facts.envelope;
    let waits = lifecycle.bytes();
    let (border, inbox) = match lifecycle {
        Lifecycle::AtBorder { nation, .. } => (Some(nation.as_str()), None),
        Lifecycle::Delivered { inbox, .. } => (None, Some(inbox)),
        _ => (None, None),
    };
    let text = before.map_or(WRITE, |before| rewrite(before, life, known));
    let mut statement = connection.prepare_cached(text)?;
    let values: &[(&str, &dyn ToSql)] = named_params! {
        ":id": id.as_bytes(),
        ":origin": facts.tenant.as_str(),
        ":destination": lifecycle.destination().map(TenantId::as_str),
        ":state": lifecycle.state().as_str(),
        ":stage": stage_of(lifecycle),
        ":open": lifecycle.is_open(),
        ":settled": lifecycle.state().is_settled(),
        ":done": is_done(lifecycle),
        ":unheard": is_unheard(lifecycle),
        ":sent_after_all": life.referral.sent_after_all(known.facts.envelope.attempt),
        ":tell": is_to_tell(life, known),
        ":hear": is_to_hear(id, life, known),
        ":overdue": life.referral.overdue,
        ":kind": envelope.kind.as_str(),
        ":lane": envelope.lane().partition(),
        ":deadline": envelope.deadline.map_or(NO_DEADLINE, micros),
        ":accepted_at": micros(facts.accepted_at),
        ":since": micros(life.since),
        ":message_id": envelope.message_id.as_str(),
        ":case_id": envelope.case_id.as_ref().map(|case| case.as_str()),
        ":case_key": case_text(&case_key(&facts.tenant, envelope)),
        ":facts_partition": partition,
        ":facts_offset": offset,
        ":predecessor": facts.predecessor.as_ref().map(ReferralId::as_bytes),
        ":waits_partition": waits.map(|place| place.partition),
        ":waits_offset": waits.map(|place| place.offset),
        ":border": border,
        ":shard": shard_of(&facts.tenant),
        ":inbox": inbox,
        ":version": life.referral.version,
        ":state_since": life.referral.state_since,
        ":cut": lifecycle.cut().map(CutId::as_str),
        ":not_recalled": life.referral.not_recalled,
        ":recalled": life.referral.recalled,
        ":touched": life.referral.touched.as_ref().map(CutId::as_str),
        ":bytes": weight(known),
    };
    for (name, value) in values {
        if let Some(place) = statement.parameter_index(name)? {
            statement.raw_bind_parameter(place, value)?;
        }
    }
    statement.raw_execute().map(drop)
}

/// Notes a hand-over that was begun.
pub(crate) fn offered(connection: &Connection, to: &TenantId, at: Timestamp) -> rusqlite::Result<()> {
    let mut note = connection.prepare_cached(
        "INSERT INTO last_offer (destination, at) VALUES (?1, ?2)
         ON CONFLICT DO UPDATE SET at = max(at, excluded.at)",
    )?;
    note.execute(params![to.as_str(), micros(at)])?;
    Ok(())
}

/// Adds to how many referrals are counted so, and to what they weigh.
pub(crate) fn count(
    connection: &Connection,
    tally: &Tally,
    (count, bytes): (i64, i64),
) -> rusqlite::Result<()> {
    let mut add = connection.prepare_cached(
        "INSERT INTO tally (origin, destination, state, count, bytes) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET count = count + excluded.count, bytes = bytes + excluded.bytes",
    )?;
    add.execute(params![tally.origin, tally.destination, tally.state, count, bytes])?;
    Ok(())
}
