//! The inbox's rows: what each step reads and writes, inside one commit.

use bulkhead_model::{Digest, ReferralId};
use bulkhead_wire::v1;
use bulkhead_wire::v1::outcome::Result as Answered;
use jiff::Timestamp;
use prost::Message;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Offered, Taken, outcome};

/// How far the broker has confirmed an outcome.
pub(super) const DELIVERED_SETTLED: i64 = 1;
pub(super) const FINAL_SETTLED: i64 = 2;

/// A row that waits for its hand-over.
pub(super) struct Row {
    pub(super) number: u64,
    pub(super) id: ReferralId,
    pub(super) header: v1::Offer,
    pub(super) at: i64,
    /// When it was set aside; `None` when it waits.
    pub(super) set_aside_at: Option<i64>,
}

/// How far a referral is that may have to be given up.
pub(super) struct Standing {
    pub(super) ticket: u64,
    pub(super) tries: u32,
    pub(super) possible_duplicate: bool,
    /// Its final outcome, in words.
    pub(super) answered: Option<String>,
}

pub(super) fn standing(db: &Connection, id: ReferralId) -> rusqlite::Result<Option<Standing>> {
    db.prepare_cached("SELECT number, tries, header, answer FROM inbox WHERE referral_id = ?1")?
        .query_row([id.as_bytes()], |row| {
            let (number, header): (i64, Vec<u8>) = (row.get(0)?, row.get(2)?);
            let header = v1::Offer::decode(&*header).unwrap_or_default();
            let answer: Option<Vec<u8>> = row.get(3)?;
            Ok(Standing {
                ticket: number.unsigned_abs(),
                tries: row.get(1)?,
                possible_duplicate: header.possible_duplicate,
                answered: answer.map(|bytes| words(v1::Outcome::decode(&*bytes).unwrap_or_default())),
            })
        })
        .optional()
}

fn words(outcome: v1::Outcome) -> String {
    match outcome.result {
        Some(Answered::Acknowledged(acknowledged)) => format!("acknowledged {}", acknowledged.answer),
        Some(Answered::Rejected(_)) => "rejected by the local system".to_owned(),
        Some(Answered::Exhausted(_)) => "tried, and set aside".to_owned(),
        Some(Answered::Delivered(_) | Answered::Retry(_) | Answered::Refused(_)) | None => {
            "answered".to_owned()
        }
    }
}

/// As if it had never come.
pub(super) fn remove(db: &Connection, id: ReferralId) -> rusqlite::Result<()> {
    db.execute("DELETE FROM payloads WHERE referral_id = ?1", [id.as_bytes()])?;
    db.execute("DELETE FROM inbox WHERE referral_id = ?1", [id.as_bytes()]).map(drop)
}

pub(super) fn take_in(db: &Connection, offer: &Offered) -> rusqlite::Result<Taken> {
    let known = db
        .prepare_cached("SELECT number, answer FROM inbox WHERE referral_id = ?1")?
        .query_row([offer.id.as_bytes()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<Vec<u8>>>(1)?))
        })
        .optional()?;
    let Some((number, answer)) = known else {
        db.prepare_cached(
            "INSERT INTO inbox (referral_id, offer, header, digest, at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            offer.id.as_bytes(),
            offer.offer,
            offer.header.encode_to_vec(),
            offer.digest.as_bytes(),
            Timestamp::now().as_millisecond()
        ])?;
        let number = db.last_insert_rowid();
        put_bytes(db, offer)?;
        return Ok(Taken::Waits(number.unsigned_abs()));
    };
    let answer =
        answer.and_then(|bytes| v1::Outcome::decode(&*bytes).ok()).and_then(|outcome| outcome.result);
    // What was set aside comes again only when somebody wants it tried again.
    if matches!(answer, Some(Answered::Exhausted(_))) {
        db.prepare_cached(
            "UPDATE inbox SET offer = ?2, header = ?3, tries = 0, answer = NULL, set_aside_at = NULL,
             settled = 0, at = ?4 WHERE number = ?1",
        )?
        .execute(params![
            number,
            offer.offer,
            offer.header.encode_to_vec(),
            Timestamp::now().as_millisecond()
        ])?;
        put_bytes(db, offer)?;
        return Ok(Taken::Waits(number.unsigned_abs()));
    }
    db.prepare_cached("UPDATE inbox SET offer = ?2, settled = 0 WHERE number = ?1")?
        .execute(params![number, offer.offer])?;
    Ok(answer.map_or(Taken::Known, Taken::Answered))
}

fn put_bytes(db: &Connection, offer: &Offered) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO payloads VALUES (?1, ?2)")?
        .execute(params![offer.id.as_bytes(), &*offer.payload])
        .map(drop)
}

pub(super) fn finish(
    db: &Connection,
    ticket: u64,
    answer: Answered,
    set_aside: bool,
) -> rusqlite::Result<(Vec<u8>, u32)> {
    let encoded =
        v1::Outcome { referral_id: String::new(), attempt: 0, result: Some(answer) }.encode_to_vec();
    let set_aside_at = set_aside.then(|| Timestamp::now().as_millisecond());
    let row: (Vec<u8>, u32) = db
        .prepare_cached(
            "UPDATE inbox SET answer = ?2, set_aside_at = ?3 WHERE number = ?1 RETURNING referral_id, offer",
        )?
        .query_row(params![ticket as i64, encoded, set_aside_at], |row| Ok((row.get(0)?, row.get(1)?)))?;
    db.prepare_cached("DELETE FROM payloads WHERE referral_id = ?1")?.execute([&row.0])?;
    Ok(row)
}

/// What waits or is set aside at the start. What waits may have been handed over just before the end, so it may be a repeat.
pub(super) fn waiting(db: &Connection) -> rusqlite::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut select = db.prepare(
        "SELECT number, referral_id, header, at, set_aside_at FROM inbox
         WHERE answer IS NULL OR set_aside_at IS NOT NULL ORDER BY number",
    )?;
    let mut found = select.query([])?;
    while let Some(row) = found.next()? {
        let (number, id, header): (i64, Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if let (Ok(id), Ok(header)) = (ReferralId::from_slice(&id), v1::Offer::decode(&*header)) {
            let (number, at, set_aside_at) = (number.unsigned_abs(), row.get(3)?, row.get(4)?);
            rows.push(Row { number, id, header, at, set_aside_at });
        }
    }
    drop(found);
    for row in rows.iter_mut().filter(|row| row.set_aside_at.is_none()) {
        row.header.possible_duplicate = true;
        db.prepare_cached("UPDATE inbox SET header = ?2 WHERE number = ?1")?
            .execute(params![row.number as i64, row.header.encode_to_vec()])?;
    }
    Ok(rows)
}

/// Id, header, digest, tries, bytes.
pub(super) type Loaded = (Vec<u8>, Vec<u8>, Vec<u8>, u32, Vec<u8>);

pub(super) fn load(db: &Connection, ticket: u64) -> rusqlite::Result<Option<Loaded>> {
    db.prepare_cached(
        "SELECT referral_id, header, digest, tries, bytes FROM inbox JOIN payloads USING (referral_id)
         WHERE number = ?1",
    )?
    .query_row([ticket as i64], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
    .optional()
}

pub(super) fn unsettled(db: &Connection) -> rusqlite::Result<Vec<v1::Outcome>> {
    let mut outcomes = Vec::new();
    let mut select = db.prepare_cached(
        "SELECT referral_id, offer, digest, answer, settled FROM inbox WHERE settled < 2 ORDER BY number",
    )?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (id, digest): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(2)?);
        let (Ok(id), Some(digest)) = (ReferralId::from_slice(&id), Digest::from_slice(&digest)) else {
            continue;
        };
        let attempt = row.get(1)?;
        if row.get::<_, i64>(4)? < DELIVERED_SETTLED {
            let delivered = Answered::Delivered(v1::Delivered { digest: digest.to_string() });
            outcomes.push(outcome(id, attempt, delivered));
        }
        let answer = row.get::<_, Option<Vec<u8>>>(3)?;
        let answer = answer.and_then(|bytes| v1::Outcome::decode(&*bytes).ok());
        if let Some(result) = answer.and_then(|outcome| outcome.result) {
            outcomes.push(outcome(id, attempt, result));
        }
    }
    Ok(outcomes)
}
