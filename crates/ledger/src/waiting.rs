//! What waits to be handed over, and for whom.

use std::collections::{BTreeSet, HashMap, HashSet};

use bulkhead_model::{Kind, Lane, Nation, ReferralId, TenantId};
use jiff::Timestamp;
use rusqlite::{Connection, Params, params};

use crate::columns::{id_of, stage_of};
use crate::query::{ids, one, rows};
use crate::schema::{failed, stage};
use crate::store::View;
use crate::{Error, Row, Skip, Waiting};

/// Next for this tenant in that lane.
pub(crate) fn out(
    view: &View<'_>,
    to: &TenantId,
    lane: Lane,
    skip: &HashSet<ReferralId>,
    limit: usize,
) -> Result<Vec<Waiting>, Error> {
    let query = "SELECT id, 0 FROM referral
        WHERE stage = 1 AND destination = ?1 AND effective = ?2 AND clear = 1
        ORDER BY waits_partition DESC, waits_offset";
    let chosen =
        choose(view, query, params![to.as_str(), lane.partition()], limit, |id, _| !skip.contains(id))?;
    waiting(view, &chosen, stage::OUT)
}

/// Next for that nation in that lane.
pub(crate) fn border(
    view: &View<'_>,
    nation: Nation,
    (shard, lane): (u32, Lane),
    skip: Skip<'_>,
    limit: usize,
) -> Result<Vec<Waiting>, Error> {
    let query = "SELECT id, 0 FROM referral
        WHERE stage = 2 AND border = ?1 AND shard = ?2 AND effective = ?3 AND clear = 1
            AND (?4 = '[]' OR kind IN ('cancel', 'response') OR origin NOT IN (SELECT value FROM json_each(?4)))
        ORDER BY waits_partition DESC, waits_offset";
    // No id of a tenant needs to be escaped.
    let origins: Vec<_> = skip.origins.iter().map(|origin| format!("\"{origin}\"")).collect();
    let origins = format!("[{}]", origins.join(","));
    let place = params![nation.as_str(), shard, lane.partition(), origins];
    let chosen = choose(view, query, place, limit, |id, _| !skip.referrals.contains(id))?;
    waiting(view, &chosen, stage::BORDER)
}

/// Offered, and no answer.
pub(crate) fn offered(view: &View<'_>, to: &TenantId) -> Result<Vec<Waiting>, Error> {
    let query = "SELECT id FROM referral INDEXED BY offered
        WHERE stage = 3 AND destination = ?1 ORDER BY since, id";
    waiting(view, &ids(view, query, [to.as_str()])?, stage::OFFERED)
}

/// Taken into another inbox, and no answer.
pub(crate) fn unanswered(view: &View<'_>, to: &TenantId, inbox: &str) -> Result<Vec<Waiting>, Error> {
    let query = "SELECT id FROM referral INDEXED BY delivered
        WHERE stage = 4 AND destination = ?1 AND inbox <> ?2 ORDER BY since, id";
    waiting(view, &ids(view, query, [to.as_str(), inbox])?, stage::DELIVERED)
}

/// By effective lane, most urgent first.
pub(crate) fn counts(connection: &Connection, to: &TenantId) -> Result<[u64; 3], Error> {
    let query = "SELECT count(*) FROM referral WHERE stage = 1 AND destination = ?1 AND effective = ?2";
    let mut counts = [0; 3];
    for (count, lane) in counts.iter_mut().zip(Lane::ALL) {
        *count = one(connection, query, &[&to.as_str(), &lane.partition()])?;
    }
    Ok(counts)
}

/// The earliest deadline among what waits for this tenant.
pub(crate) fn next_due(connection: &Connection, to: &TenantId) -> Result<Option<Timestamp>, Error> {
    let query = "SELECT deadline FROM referral INDEXED BY by_destination
        WHERE destination = ?1 AND settled = 0 AND stage = 1 ORDER BY deadline LIMIT 1";
    let micros: Option<i64> = one(connection, &format!("SELECT ({query})"), &[&to.as_str()])?;
    // What is not an instant is the mark for "no deadline".
    Ok(micros.and_then(|micros| Timestamp::from_microsecond(micros).ok()))
}

/// Decided, and that nation, which it came from, does not know. A foreign sender's referral came from its nation.
pub(crate) fn reports_due(
    view: &View<'_>,
    from: Nation,
    shards: &BTreeSet<u32>,
    skip: &HashMap<ReferralId, u64>,
    limit: usize,
) -> Result<Vec<Row>, Error> {
    let query = "SELECT id, version FROM referral
        WHERE tell = 1 AND origin >= ?1 AND origin < ?2 AND (?3 >> shard) & 1 ORDER BY since";
    let bits: u64 = shards.iter().map(|shard| 1 << shard).sum();
    let news = |id: &ReferralId, version| skip.get(id).is_none_or(|told| version > *told);
    // Every tenant id of a nation begins with its name and a stroke; the next character after that is a 0.
    let origins = [format!("{from}/"), format!("{from}0")];
    let [first, beyond] = origins;
    rows(view, &choose(view, query, params![first, beyond, bits], limit, news)?)
}

/// Gone wrong, and this sender's system does not know.
pub(crate) fn notices_due(
    view: &View<'_>,
    origin: &TenantId,
    skip: &HashMap<ReferralId, u64>,
    limit: usize,
) -> Result<Vec<Row>, Error> {
    let query = "SELECT id, state_since FROM referral INDEXED BY hear
        WHERE hear = 1 AND origin = ?1 ORDER BY since";
    let news = |id: &ReferralId, version| skip.get(id).is_none_or(|asked| version > *asked);
    rows(view, &choose(view, query, [origin.as_str()], limit, news)?)
}

/// The first cancel behind this referral that is not handed over.
pub(crate) fn cancel_behind(connection: &Connection, id: &ReferralId) -> Result<Option<ReferralId>, Error> {
    let query = format!(
        "SELECT id FROM referral WHERE predecessor = ?1 AND kind = '{}' AND open = 1
         ORDER BY facts_partition, facts_offset LIMIT 1",
        Kind::Cancel.as_str()
    );
    Ok(ids(connection, &query, [id.as_bytes()])?.pop())
}

/// The first ids of a query that are to be kept; its second column helps to tell.
fn choose(
    connection: &Connection,
    query: &str,
    params: impl Params,
    limit: usize,
    keep: impl Fn(&ReferralId, u64) -> bool,
) -> Result<Vec<ReferralId>, Error> {
    let choose = || {
        let mut query = connection.prepare_cached(query)?;
        let mut rows = query.query(params)?;
        let mut chosen = Vec::new();
        while chosen.len() < limit
            && let Some(row) = rows.next()?
        {
            let version = row.get(1)?;
            chosen.extend(id_of(row.get_ref(0)?.as_blob_or_null()?).filter(|id| keep(id, version)));
        }
        Ok(chosen)
    };
    choose().map_err(failed("looking for what waits"))
}

/// Those of these that are there still, with where their bytes lie.
fn waiting(view: &View<'_>, ids: &[ReferralId], stage: i64) -> Result<Vec<Waiting>, Error> {
    let waiting = |row: Row| {
        Some(Waiting {
            id: row.id,
            bytes: row.referral.lifecycle.bytes()?.clone(),
            custody: row.referral.custody,
            attempt: row.referral.attempt,
            spent: row.referral.spent,
            withdrawn: row.referral.withdrawn_up_to >= row.facts.envelope.attempt,
            row,
        })
    };
    let is_there = |row: &Row| stage_of(&row.referral.lifecycle) == stage;
    Ok(rows(view, ids)?.into_iter().filter(is_there).filter_map(waiting).collect())
}
