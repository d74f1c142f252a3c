//! What a cut needs to know of one tenant: what it sent since an instant, what is under way to it, and what was the
//! last of both.

use std::ops::Range;

use bulkhead_model::{CutId, State, TenantId};
use jiff::Timestamp;
use rusqlite::{Connection, Params, params};

use crate::columns::{micros, tenant_of};
use crate::query::{ids, one, rows};
use crate::schema::failed;
use crate::store::View;
use crate::{Error, Row, Touched};

/// In whose hands it is or was: handed over, on its way in another nation, or given up again when it was asked back.
const WAS_HANDED_OVER: &str =
    "(recalled = 1 OR state IN ('offered', 'delivered', 'acknowledged', 'rejected', 'unknown', 'carried'))";

/// How what was handed over stands to the recall.
const RECALL: &str = "CASE WHEN recalled = 1 THEN 'recalled'
    WHEN not_recalled = 1 OR state = 'acknowledged' THEN 'not-recalled'
    WHEN state = 'rejected' THEN 'refused' ELSE 'no-answer' END";

/// What it sent, accepted in that time, by state.
pub(crate) fn sent_in(
    connection: &Connection,
    tenant: &TenantId,
    time: &Range<Timestamp>,
) -> Result<Vec<(State, u64)>, Error> {
    by_state(
        connection,
        "SELECT state, count(*) FROM referral INDEXED BY accepted
         WHERE origin = ?1 AND accepted_at >= ?2 AND accepted_at < ?3 GROUP BY state",
        params![tenant.as_str(), micros(time.start), micros(time.end)],
    )
}

/// What is for it and not settled, by state.
pub(crate) fn open_to(connection: &Connection, tenant: &TenantId) -> Result<Vec<(State, u64)>, Error> {
    by_state(
        connection,
        "SELECT state, count(*) FROM referral WHERE destination = ?1 AND settled = 0 GROUP BY state",
        params![tenant.as_str()],
    )
}

/// What is from it and not settled, and what is to it, and of both what is urgent.
pub(crate) fn open_counts(connection: &Connection, tenant: &TenantId) -> Result<[u64; 3], Error> {
    let count = |which: &str| {
        let query = format!("SELECT count(*) FROM referral WHERE settled = 0 AND {which}");
        one::<u64>(connection, &query, &[&tenant.as_str()])
    };
    Ok([
        count("origin = ?1")?,
        count("destination = ?1")?,
        count("lane < 2 AND (origin = ?1 OR destination = ?1)")?,
    ])
}

/// When the last of what it sent was accepted.
pub(crate) fn last_accepted(connection: &Connection, tenant: &TenantId) -> Result<Option<Timestamp>, Error> {
    let newest = "SELECT max(accepted_at) FROM referral INDEXED BY accepted WHERE origin = ?1";
    instant(connection, newest, tenant)
}

/// When the last hand-over to it was begun.
pub(crate) fn last_offered(connection: &Connection, tenant: &TenantId) -> Result<Option<Timestamp>, Error> {
    instant(connection, "SELECT max(at) FROM last_offer WHERE destination = ?1", tenant)
}

fn instant(connection: &Connection, query: &str, tenant: &TenantId) -> Result<Option<Timestamp>, Error> {
    let micros: Option<i64> = one(connection, query, &[&tenant.as_str()])?;
    Ok(micros.and_then(|micros| Timestamp::from_microsecond(micros).ok()))
}

/// What it sent in that time and others have, or had, all the same, newest first.
pub(crate) fn handed_over(
    view: &View<'_>,
    tenant: &TenantId,
    time: &Range<Timestamp>,
    limit: usize,
) -> Result<Vec<Row>, Error> {
    let which = format!("origin = ?1 AND accepted_at >= ?2 AND accepted_at < ?3 AND {WAS_HANDED_OVER}");
    let ids = ids(
        view,
        &format!(
            "SELECT id FROM referral INDEXED BY accepted WHERE {which} ORDER BY accepted_at DESC, id LIMIT ?4"
        ),
        params![tenant.as_str(), micros(time.start), micros(time.end), limit],
    )?;
    rows(view, &ids)
}

/// How many these are in all, by how they stand to the recall.
pub(crate) fn recalls(
    connection: &Connection,
    tenant: &TenantId,
    time: &Range<Timestamp>,
) -> Result<Vec<(String, u64)>, Error> {
    let query = format!(
        "SELECT {RECALL}, count(*) FROM referral INDEXED BY accepted
         WHERE origin = ?1 AND accepted_at >= ?2 AND accepted_at < ?3 AND {WAS_HANDED_OVER} GROUP BY 1"
    );
    counted(connection, &query, params![tenant.as_str(), micros(time.start), micros(time.end)])
}

/// Whose referrals a cut stood in the way of, and how these fare now.
pub(crate) fn touched(connection: &Connection, cut: &CutId) -> Result<Vec<Touched>, Error> {
    let origins = "SELECT origin, count(*) FROM referral WHERE touched = ?1 GROUP BY origin ORDER BY origin";
    let origins = counted(connection, origins, params![cut.as_str()])?;
    let query = "SELECT state, count(*) FROM referral WHERE touched = ?1 AND origin = ?2 GROUP BY state";
    let mut touched = Vec::new();
    for origin in origins.into_iter().filter_map(|(origin, _)| tenant_of(&origin)) {
        let states = by_state(connection, query, params![cut.as_str(), origin.as_str()])?;
        touched.push(Touched { origin, states });
    }
    Ok(touched)
}

fn by_state(connection: &Connection, query: &str, params: impl Params) -> Result<Vec<(State, u64)>, Error> {
    let found = counted(connection, query, params)?;
    Ok(found.into_iter().filter_map(|(state, count)| Some((State::parse(&state)?, count))).collect())
}

fn counted(connection: &Connection, query: &str, params: impl Params) -> Result<Vec<(String, u64)>, Error> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?));
    connection
        .prepare_cached(query)
        .and_then(|mut query| query.query_map(params, read)?.collect::<rusqlite::Result<Vec<_>>>())
        .map_err(failed("counting for an account"))
}
