//! Finding, listing and counting referrals.

use bulkhead_model::{CaseKey, ReferralId, State, TenantId};
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, ToSql, params, params_from_iter};

use crate::columns::{case_text, id_of, micros, tenant_of};
use crate::fold::Life;
use crate::schema::failed;
use crate::store::{View, decided, row};
use crate::{AlertCode, AlertCount, Count, Cursor, Error, Filter, Listed, Row, Step};

/// How many are found at most.
const FOUND: usize = 100;

/// How many are listed at most at a time.
const LISTED: usize = 10_000;

/// The order of a list: what is open first, then by deadline, then by priority, then oldest first.
const ORDER: &str = "settled, deadline, lane, accepted_at, id";

/// A delivery or a carriage without an answer needs a person after this long.
const SILENCE_SECONDS: i64 = 600;

/// By referral id, sender's message id or case id.
pub(crate) fn find(view: &View<'_>, text: &str, tenant: Option<&TenantId>) -> Result<Vec<Row>, Error> {
    let id = ReferralId::parse(text).ok();
    let ids = ids(
        view,
        "SELECT id FROM (
             SELECT id, origin, destination, accepted_at FROM referral WHERE id = ?1
             UNION SELECT id, origin, destination, accepted_at FROM referral WHERE message_id = ?2
             UNION SELECT id, origin, destination, accepted_at FROM referral WHERE case_id = ?2)
         WHERE ?3 IS NULL OR origin = ?3 OR destination = ?3
         ORDER BY accepted_at DESC, id LIMIT ?4",
        params![id.as_ref().map(ReferralId::as_bytes), text, tenant.map(TenantId::as_str), FOUND],
    )?;
    rows(view, &ids)
}

/// Every event, judged as of now: the course in the order of custody, and what was noted beside it where its
/// time is.
pub(crate) fn trace(connection: &Connection, id: &ReferralId) -> Result<Vec<Step>, Error> {
    let all = decided(connection, id)?;
    let (_, verdicts) = Life::of(&all);
    let (mut course, mut notes) = (Vec::new(), Vec::new());
    for (decided, verdict) in all.iter().zip(verdicts) {
        let steps = if decided.is_note() { &mut notes } else { &mut course };
        steps.push(decided.step(&verdict));
    }
    for note in notes {
        let later = course.iter().position(|step: &Step| step.at > note.at);
        course.insert(later.unwrap_or(course.len()), note);
    }
    Ok(course)
}

/// A page of those that pass the filter, and how many in all.
pub(crate) fn list(view: &View<'_>, filter: &Filter) -> Result<Listed, Error> {
    let mut terms: Vec<String> = vec!["1".into()];
    let mut values: Vec<Value> = vec![];
    let mut term = |text: &str, value: Value| {
        values.push(value);
        terms.push(text.replace('?', &format!("?{}", values.len())));
    };
    if let Some(tenant) = &filter.tenant {
        term("(origin = ? OR destination = ?)", tenant.as_str().to_owned().into());
    }
    if let Some(since) = filter.since {
        term("accepted_at >= ?", micros(since).into());
    }
    if let Some(now) = filter.overdue_at {
        term("settled = 0 AND state <> 'delivered' AND deadline <= ?", micros(now).into());
    }
    if let Some(priority) = filter.priority {
        term("lane = ?", i64::from(bulkhead_model::Lane::of(priority).partition()).into());
    }
    if !filter.states.is_empty() {
        let names: Vec<String> = filter.states.iter().map(|state| format!("'{}'", state.as_str())).collect();
        terms.push(format!("state IN ({})", names.join(", ")));
    }
    let mut terms = terms.join(" AND ");
    let is_tallied = filter.since.is_none() && filter.overdue_at.is_none() && filter.priority.is_none();
    let count = match is_tallied {
        true => format!("SELECT coalesce(sum(count), 0) FROM tally WHERE {terms}"),
        false => format!("SELECT count(*) FROM referral WHERE {terms}"),
    };
    let total = view
        .prepare_cached(&count)
        .and_then(|mut count| count.query_row(params_from_iter(&values), |row| row.get(0)))
        .map_err(failed("counting a list"))?;
    if !filter.states.is_empty() && !filter.states.iter().any(|state| state.is_settled()) {
        // What is not settled is little: then only that much is looked through.
        terms.push_str(" AND settled = 0");
    }
    if let Some(after) = &filter.after {
        let first = values.len() + 1;
        let places: Vec<String> = (first..first + 5).map(|n| format!("?{n}")).collect();
        terms.push_str(&format!(" AND ({ORDER}) > ({})", places.join(", ")));
        values.extend([
            i64::from(after.settled).into(),
            after.deadline.into(),
            after.lane.into(),
            after.accepted_at.into(),
            after.id.as_bytes().to_vec().into(),
        ]);
    }
    let limit = filter.limit.min(LISTED);
    // One more, to see whether there is another page.
    let query = format!("SELECT {ORDER} FROM referral WHERE {terms} ORDER BY {ORDER} LIMIT {}", limit + 1);
    let mut places = view
        .prepare_cached(&query)
        .and_then(|mut query| {
            query.query_map(params_from_iter(&values), place)?.collect::<rusqlite::Result<Vec<_>>>()
        })
        .map_err(failed("listing"))?;
    let goes_on = places.len() > limit;
    places.truncate(limit);
    let ids: Vec<ReferralId> = places.iter().flatten().map(|place| place.id).collect();
    let next = places.last().copied().flatten().filter(|_| goes_on);
    Ok(Listed { rows: rows(view, &ids)?, total, next })
}

/// One row of a list; `None` when its id is none.
fn place(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Cursor>> {
    let (settled, deadline, lane, accepted_at) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    let id = id_of(row.get_ref(4)?.as_blob_or_null()?);
    Ok(id.map(|id| Cursor { settled, deadline, lane, accepted_at, id }))
}

/// Everything in these states that is from or for one of these tenants, earliest due first, however much it is.
pub(crate) fn in_need(
    connection: &Connection,
    tenants: &[TenantId],
    states: &[State],
) -> Result<Vec<ReferralId>, Error> {
    // Neither can hold a quote: both were parsed.
    let quoted =
        |names: Vec<&str>| names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    let states = quoted(states.iter().map(|state| state.as_str()).collect());
    let tenants = quoted(tenants.iter().map(TenantId::as_str).collect());
    let query = format!(
        "SELECT id FROM referral
         WHERE state IN ({states}) AND (origin IN ({tenants}) OR destination IN ({tenants}))
         ORDER BY deadline IS NULL, deadline, lane, accepted_at, id"
    );
    ids(connection, &query, [])
}

/// How many are in each state, by sender and receiver.
pub(crate) fn counts(connection: &Connection) -> Result<Vec<Count>, Error> {
    let read = |row: &rusqlite::Row<'_>| {
        let (origin, destination): (String, String) = (row.get(0)?, row.get(1)?);
        let (state, count): (String, u64) = (row.get(2)?, row.get(3)?);
        Ok((tenant_of(&origin), tenant_of(&destination), State::parse(&state), count))
    };
    let found = connection
        .prepare_cached(
            "SELECT origin, destination, state, count FROM tally WHERE count > 0
             ORDER BY origin, destination, state",
        )
        .and_then(|mut query| query.query_map([], read)?.collect::<rusqlite::Result<Vec<_>>>())
        .map_err(failed("counting"))?;
    let count = |(origin, destination, state, count): (Option<TenantId>, _, Option<State>, _)| {
        Some(Count { origin: origin?, destination, state: state?, count })
    };
    Ok(found.into_iter().filter_map(count).collect())
}

/// Whether one of these two has sent something to the other.
pub(crate) fn exchanged(connection: &Connection, one: &TenantId, other: &TenantId) -> Result<bool, Error> {
    let query = "SELECT EXISTS (SELECT 1 FROM tally WHERE origin = ?1 AND destination = ?2)
                     OR EXISTS (SELECT 1 FROM tally WHERE origin = ?2 AND destination = ?1)";
    self::one(connection, query, &[&one.as_str(), &other.as_str()])
}

/// What may need a person.
pub(crate) fn alerts(connection: &Connection, now: Timestamp) -> Result<Vec<AlertCount>, Error> {
    const CONCERNS_RECEIVER: &str = "coalesce(destination, origin)";
    let now = micros(now);
    let silent = now.saturating_sub(SILENCE_SECONDS * 1_000_000);
    // Each has an index of its own, which holds only what the alert may be about.
    let questions = [
        (AlertCode::Overdue, CONCERNS_RECEIVER, "by_urgency", "settled = 0 AND deadline <= ?1", Some(now)),
        (AlertCode::Parked, CONCERNS_RECEIVER, "parked", "state = 'parked'", None),
        (AlertCode::Held, CONCERNS_RECEIVER, "aside", "cut IS NOT NULL AND state = 'held'", None),
        (AlertCode::Quarantined, "origin", "aside", "cut IS NOT NULL AND state = 'quarantined'", None),
        (AlertCode::Unknown, CONCERNS_RECEIVER, "aside", "cut IS NOT NULL AND state = 'unknown'", None),
        (AlertCode::NotRecalled, CONCERNS_RECEIVER, "not_recalled", "not_recalled = 1", None),
        (AlertCode::ReturnPending, "origin", "return_pending", "state = 'return-pending'", None),
        (AlertCode::Rejected, "origin", "rejected", "hear = 1 AND state = 'rejected'", None),
        (AlertCode::SentAfterAll, "origin", "sent_after_all", "sent_after_all = 1", None),
        (AlertCode::Unanswered, CONCERNS_RECEIVER, "delivered", "stage = 4 AND since <= ?1", Some(silent)),
        (
            AlertCode::CarriedUnknown,
            CONCERNS_RECEIVER,
            "unheard",
            "unheard = 1 AND since <= ?1",
            Some(silent),
        ),
    ];
    let mut alerts = Vec::new();
    for (code, subject, index, which, value) in questions {
        let query = format!(
            "SELECT {subject}, count(*) FROM referral INDEXED BY {index} WHERE {which} GROUP BY 1 ORDER BY 1"
        );
        let found = connection
            .prepare_cached(&query)
            .and_then(|mut query| {
                let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?));
                query.query_map(params_from_iter(value), read)?.collect::<rusqlite::Result<Vec<_>>>()
            })
            .map_err(failed("looking for alerts"))?;
        alerts.extend(
            found.into_iter().filter_map(|(subject, count)| {
                Some(AlertCount { code, subject: tenant_of(&subject)?, count })
            }),
        );
    }
    Ok(alerts)
}

/// Past its deadline, and to be noted or acted upon by whoever asks.
pub(crate) fn due(
    view: &View<'_>,
    now: Timestamp,
    decides: impl Fn(&Row) -> bool,
    limit: usize,
) -> Result<Vec<Row>, Error> {
    let ids = ids(
        view,
        "SELECT id FROM referral WHERE settled = 0 AND deadline <= ?1 AND (open = 1 OR overdue = 0)
         ORDER BY overdue, deadline, id LIMIT ?2",
        params![micros(now), LISTED],
    )?;
    let mut due = Vec::new();
    for id in ids {
        if due.len() == limit {
            break;
        }
        due.extend(rows(view, &[id])?.into_iter().filter(&decides));
    }
    Ok(due)
}

/// The newest of that case beside this one.
pub(crate) fn last_of_case(
    connection: &Connection,
    case: &CaseKey,
    beside: &ReferralId,
) -> Result<Option<ReferralId>, Error> {
    let query = "SELECT id FROM referral WHERE case_key = ?1 AND id <> ?2
                 ORDER BY facts_offset DESC, facts_partition DESC LIMIT 1";
    Ok(ids(connection, query, params![case_text(case), beside.as_bytes()])?.pop())
}

/// The claim in force on a shard.
pub(crate) fn claim(connection: &Connection, shard: u32) -> Result<(u64, String), Error> {
    connection
        .prepare_cached("SELECT number, node FROM claim WHERE shard = ?1")
        .and_then(|mut query| query.query_row([shard], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .map(Option::unwrap_or_default)
        .map_err(failed("reading a claim"))
}

/// The ids that a query answers with.
pub(crate) fn ids(
    connection: &Connection,
    query: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<ReferralId>, Error> {
    let read = || {
        let mut query = connection.prepare_cached(query)?;
        let mut rows = query.query(params)?;
        let mut ids = Vec::new();
        while let Some(row) = rows.next()? {
            ids.extend(id_of(row.get_ref(0)?.as_blob_or_null()?));
        }
        Ok(ids)
    };
    read().map_err(failed("looking for referrals"))
}

/// These referrals.
pub(crate) fn rows(view: &View<'_>, ids: &[ReferralId]) -> Result<Vec<Row>, Error> {
    let rows = ids.iter().map(|id| row(view, id)).collect::<Result<Vec<_>, _>>()?;
    Ok(rows.into_iter().flatten().collect())
}

/// One value, for queries that count.
pub(crate) fn one<T: rusqlite::types::FromSql>(
    connection: &Connection,
    query: &str,
    params: &[&dyn ToSql],
) -> Result<T, Error> {
    connection
        .prepare_cached(query)
        .and_then(|mut query| query.query_row(params, |row| row.get(0)))
        .map_err(failed("counting"))
}
