//! What the referrals of one case do to one another: who may go, and who is lifted.
//!
//! A referral comes after the one that its facts name, as long as that one's facts lie before its own: a referral that
//! was taken back and is sent again stands behind those that came meanwhile. So the order of a case has no circles,
//! and it does not depend on the order in which the partitions were read.

use std::collections::HashSet;

use bulkhead_model::{Lane, Nation, ReferralId};
use rusqlite::{Connection, OptionalExtension, params};

use crate::columns::{id_of, tenant_of};
use crate::published::Woken;
use crate::schema::stage;

/// Referrals with the lanes that they have from now on.
pub(crate) type Lifted = Vec<(ReferralId, Lane)>;

/// Whether nothing before it in its case holds it back: one before it that is done may have ended out of turn, with
/// others before it that still hold.
const CLEAR: &str = "NOT EXISTS (
    SELECT 1 FROM referral ahead
    WHERE ahead.id = referral.predecessor AND (ahead.done = 0 OR ahead.clear = 0)
      AND (ahead.facts_partition, ahead.facts_offset) < (referral.facts_partition, referral.facts_offset))";

/// Asks again whether this referral may go.
pub(crate) fn clear_self(connection: &Connection, id: &ReferralId) -> rusqlite::Result<()> {
    let mut update =
        connection.prepare_cached(&format!("UPDATE referral SET clear = {CLEAR} WHERE id = ?1"))?;
    update.execute([id.as_bytes()])?;
    Ok(())
}

/// Asks again whether those behind this one may go, and wakes whoever waits for them.
pub(crate) fn clear_behind(
    connection: &Connection,
    id: &ReferralId,
    woken: &mut Woken,
) -> rusqlite::Result<()> {
    let mut update = connection.prepare_cached(&format!(
        "UPDATE referral SET clear = {CLEAR} WHERE predecessor = ?1
         RETURNING clear, stage, destination, border, done, id"
    ))?;
    let (mut next, mut asked) = (vec![*id], HashSet::new());
    while let Some(id) = next.pop() {
        // What was sent again may name one that names it.
        if !asked.insert(id) {
            continue;
        }
        let mut rows = update.query([id.as_bytes()])?;
        while let Some(row) = rows.next()? {
            if row.get(0)? {
                wake(woken, row.get(1)?, row.get(2)?, row.get(3)?);
            }
            if row.get(4)? {
                next.extend(id_of(row.get_ref(5)?.as_blob_or_null()?));
            }
        }
    }
    Ok(())
}

/// Lifts this referral and those before it to the lane of the most urgent one behind each, or lets them sink again.
/// Says whose lane has changed.
pub(crate) fn lift(connection: &Connection, id: ReferralId, woken: &mut Woken) -> rusqlite::Result<Lifted> {
    let (mut next, mut changed) = (Some(id), Vec::new());
    while let Some(id) = next.take() {
        let Some(place) = place(connection, &id)? else { break };
        if place.now == place.then {
            break;
        }
        let mut update = connection.prepare_cached("UPDATE referral SET effective = ?2 WHERE id = ?1")?;
        update.execute(params![id.as_bytes(), place.then])?;
        changed.extend(Lane::from_partition(place.then).map(|lane| (id, lane)));
        wake(woken, place.stage, place.destination, place.border);
        next = place.predecessor;
    }
    Ok(changed)
}

/// The lane that a referral has and the one that it should have, and where it waits.
struct InCase {
    now: u32,
    then: u32,
    predecessor: Option<ReferralId>,
    stage: i64,
    destination: Option<String>,
    border: Option<String>,
}

fn place(connection: &Connection, id: &ReferralId) -> rusqlite::Result<Option<InCase>> {
    let mut statement = connection.prepare_cached(
        "SELECT effective, min(lane, coalesce((
             SELECT min(behind.effective) FROM referral behind
             WHERE behind.predecessor = referral.id
               AND (behind.facts_partition, behind.facts_offset)
                 > (referral.facts_partition, referral.facts_offset)), lane)),
             predecessor, stage, destination, border
         FROM referral WHERE id = ?1",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(InCase {
            now: row.get(0)?,
            then: row.get(1)?,
            predecessor: id_of(row.get_ref(2)?.as_blob_or_null()?),
            stage: row.get(3)?,
            destination: row.get(4)?,
            border: row.get(5)?,
        })
    };
    statement.query_row([id.as_bytes()], read).optional()
}

/// Wakes whoever hands over what waits there.
fn wake(woken: &mut Woken, at: i64, destination: Option<String>, border: Option<String>) {
    if at == stage::OUT {
        woken.tenants.extend(destination.as_deref().and_then(tenant_of));
    } else if at == stage::BORDER {
        woken.borders.extend(border.and_then(|border| border.parse::<Nation>().ok()));
    }
}
