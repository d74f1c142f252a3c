//! What a cut is about: what is open from or for a tenant, what was handed over, what is set aside.

use std::collections::HashSet;

use bulkhead_model::{CutId, ReferralId, State, TenantId};
use jiff::Timestamp;
use rusqlite::params;

use crate::columns::{id_of, micros};
use crate::query::{ids, rows};
use crate::schema::{NO_DEADLINE, failed};
use crate::store::View;
use crate::{AsideCount, Error, Row};

/// An id has so many hexadecimal digits.
const ID_DIGITS: usize = 32;

/// What this tenant sent and is free to be set aside.
pub(crate) fn open_from(
    view: &View<'_>,
    origin: &TenantId,
    cut: Option<&CutId>,
) -> Result<Vec<ReferralId>, Error> {
    let query = "SELECT id FROM referral INDEXED BY by_origin
        WHERE origin = ?1 AND settled = 0 AND (open = 1 OR stage = 2) AND (state <> 'held' OR cut <> ?2)";
    ids(view, query, params![origin.as_str(), cut.map(CutId::as_str)])
}

/// What is for this tenant and free to be set aside.
pub(crate) fn open_to(view: &View<'_>, destination: &TenantId) -> Result<Vec<ReferralId>, Error> {
    let query = "SELECT id FROM referral INDEXED BY by_destination
        WHERE destination = ?1 AND settled = 0 AND open = 1 AND state <> 'held'";
    ids(view, query, [destination.as_str()])
}

/// Those of this tenant that were offered, without an answer.
pub(crate) fn offered_from(view: &View<'_>, origin: &TenantId) -> Result<Vec<ReferralId>, Error> {
    let query = "SELECT id FROM referral INDEXED BY by_origin
        WHERE origin = ?1 AND settled = 0 AND stage = 3 AND state = 'offered'";
    ids(view, query, [origin.as_str()])
}

/// Those that this tenant has, or may have, unanswered; whether they were asked back in vain is known of each.
pub(crate) fn handed_over(view: &View<'_>, to: &TenantId, limit: usize) -> Result<Vec<Row>, Error> {
    let query = "SELECT id FROM referral INDEXED BY by_destination
        WHERE destination = ?1 AND settled = 0 AND stage IN (3, 4) AND not_recalled = 0 LIMIT ?2";
    rows(view, &ids(view, query, params![to.as_str(), limit])?)
}

/// Those that are set aside, or unknown, for a cut and are not in `skip`: the most urgent and the earliest due first.
pub(crate) fn aside(
    view: &View<'_>,
    cut: &CutId,
    state: Option<State>,
    skip: &HashSet<ReferralId>,
    limit: usize,
) -> Result<Vec<Row>, Error> {
    let choose = || {
        let mut query = view.prepare_cached(
            "SELECT id FROM referral INDEXED BY aside WHERE cut = ?1
             AND (?2 IS NULL OR state = ?2) ORDER BY effective, deadline, id",
        )?;
        let mut found = query.query(params![cut.as_str(), state.map(State::as_str)])?;
        let mut chosen = Vec::new();
        while chosen.len() < limit
            && let Some(row) = found.next()?
        {
            chosen.extend(id_of(row.get_ref(0)?.as_blob_or_null()?).filter(|id| !skip.contains(id)));
        }
        Ok(chosen)
    };
    rows(view, &choose().map_err(failed("looking for what is set aside"))?)
}

/// Those whose id begins so, in whatever state. Whoever reads a code aloud from a printed page has no more of it.
pub(crate) fn begun(view: &View<'_>, code: &str, limit: usize) -> Result<Vec<Row>, Error> {
    let digits: String = code.chars().filter(|c| *c != '-').collect();
    let bound = |rest: char| {
        ReferralId::parse(&(digits.clone() + &rest.to_string().repeat(ID_DIGITS - digits.len())))
    };
    if digits.len() > ID_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(vec![]);
    }
    let (Ok(first), Ok(last)) = (bound('0'), bound('f')) else { return Ok(vec![]) };
    let query = "SELECT id FROM referral WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3";
    rows(view, &ids(view, query, params![first.as_bytes(), last.as_bytes(), limit])?)
}

/// How many are set aside or unknown, by cut and state, and what of them is due.
pub(crate) fn counts(view: &View<'_>, now: Timestamp) -> Result<Vec<AsideCount>, Error> {
    let read = |row: &rusqlite::Row<'_>| {
        let next_due: Option<i64> = row.get(4)?;
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?, next_due))
    };
    let found = view
        .prepare_cached(
            "SELECT cut, state, count(*), sum(deadline <= ?1),
                 min(CASE WHEN deadline > ?1 AND deadline < ?2 THEN deadline END)
             FROM referral INDEXED BY aside WHERE cut IS NOT NULL GROUP BY cut, state",
        )
        .and_then(|mut query| {
            let found = query.query_map(params![micros(now), NO_DEADLINE], read)?;
            found.collect::<rusqlite::Result<Vec<_>>>()
        })
        .map_err(failed("counting what is set aside"))?;
    let counts = found.into_iter().filter_map(|(cut, state, count, overdue, next_due)| {
        Some(AsideCount {
            cut: CutId::parse(&cut).ok()?,
            state: State::parse(&state)?,
            count,
            overdue,
            next_due: next_due.and_then(|micros| Timestamp::from_microsecond(micros).ok()),
        })
    });
    Ok(counts.collect())
}
