//! What the spool must not forget: what was accepted, struck, promised, and is still to be withdrawn.
//!
//! A record of the spool is done with when its attempt is accepted or struck. So a strike holds even for a record
//! that lands after it.

use std::time::Duration;

use bulkhead_model::{Digest, Reason, ReferralId, State};
use bulkhead_wire::{envelope_from_wire, envelope_to_wire, time_to_wire, v1};
use bytes::Bytes;
use jiff::Timestamp;
use prost::Message;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::store::Store;
use crate::{Error, RefusedLater};

/// How many refused referrals are kept, oldest first to go once their system was told.
const REFUSED_SHOWN: usize = 100;

const REFUSED_LATER: &str =
    "SELECT refused_later.*, notices.state FROM refused_later LEFT JOIN notices ON refusal = number";

/// The spool's part of the database.
#[derive(Debug, Clone)]
pub(super) struct Marks {
    pub(super) store: Store,
}

/// What was accepted under a message id.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    pub(super) attempt: u32,
    pub(super) digest: Digest,
    pub(super) referral: ReferralId,
    pub(super) state: State,
}

/// What is known of a message id.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) accepted: Option<Accepted>,
    /// The last attempt that was told no; 0 for none.
    pub(super) struck: u32,
    /// The attempt that was acknowledged on the spool's strength; 0 for none.
    pub(super) promised: u32,
}

impl Known {
    /// Whether nothing more is to be done for this attempt.
    pub(super) fn is_done(&self, attempt: u32) -> bool {
        attempt <= self.struck || self.accepted.as_ref().is_some_and(|accepted| attempt <= accepted.attempt)
    }
}

/// What a later refusal leaves behind.
pub(super) struct Refusal {
    pub(super) submit: v1::SubmitRequest,
    pub(super) reason: Reason,
    pub(super) spooled_at: Timestamp,
    pub(super) refused_at: Timestamp,
}

impl Marks {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }

    pub(super) async fn known(&self, message_id: &str) -> Result<Known, Error> {
        let id = message_id.to_owned();
        self.store.run("looking up a message id", move |db| known(db, &id)).await
    }

    /// The broker has it.
    pub(super) async fn accept(&self, message_id: &str, accepted: Accepted) -> Result<(), Error> {
        let id = message_id.to_owned();
        let mark = move |db: &Connection| {
            db.prepare_cached("INSERT OR REPLACE INTO accepted VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(
                params![
                    id,
                    accepted.attempt,
                    accepted.digest.as_bytes(),
                    accepted.referral.as_bytes(),
                    accepted.state.as_str(),
                    now()
                ],
            )?;
            db.prepare_cached("DELETE FROM promised WHERE message_id = ?1")?.execute([&id]).map(drop)
        };
        self.store.run("marking what was accepted", mark).await
    }

    /// It was acknowledged on the spool's strength.
    pub(super) async fn promise(&self, message_id: &str, attempt: u32) -> Result<(), Error> {
        let id = message_id.to_owned();
        let mark = move |db: &Connection| {
            db.prepare_cached("INSERT OR REPLACE INTO promised VALUES (?1, ?2, ?3)")?
                .execute(params![id, attempt, now()])
                .map(drop)
        };
        self.store.run("marking what was promised", mark).await
    }

    /// Its sender was told no. `withdraw`: the broker may have it and must hear of this. `refusal`: its sender had
    /// been told yes.
    pub(super) async fn strike(
        &self,
        message_id: &str,
        attempt: u32,
        withdraw: bool,
        refusal: Option<Refusal>,
    ) -> Result<(), Error> {
        let id = message_id.to_owned();
        let mark = move |db: &Connection| {
            db.prepare_cached(
                "INSERT INTO struck VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET attempt = max(attempt, ?2), at = ?3",
            )?
            .execute(params![id, attempt, now()])?;
            if withdraw {
                db.prepare_cached(
                    "INSERT INTO withdrawals VALUES (?1, ?2, ?3)
                     ON CONFLICT DO UPDATE SET up_to = max(up_to, ?2)",
                )?
                .execute(params![id, attempt, now()])?;
            }
            if let Some(refusal) = refusal {
                refuse_later(db, refusal)?;
            }
            db.prepare_cached("DELETE FROM promised WHERE message_id = ?1")?.execute([&id]).map(drop)
        };
        self.store.run("striking an entry", mark).await
    }

    /// What the broker has not been told of.
    pub(super) async fn withdrawals(&self) -> Result<Vec<(String, u32)>, Error> {
        let read = |db: &Connection| {
            db.prepare_cached("SELECT message_id, up_to FROM withdrawals ORDER BY at LIMIT 1000")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        };
        self.store.run("reading withdrawals", read).await
    }

    /// What is still to be withdrawn of one message id.
    pub(super) async fn withdrawal_of(&self, message_id: &str) -> Result<Option<u32>, Error> {
        let id = message_id.to_owned();
        let read = move |db: &Connection| {
            db.prepare_cached("SELECT up_to FROM withdrawals WHERE message_id = ?1")?
                .query_row([id], |row| row.get(0))
                .optional()
        };
        self.store.run("reading a withdrawal", read).await
    }

    /// The broker has answered a withdrawal.
    pub(super) async fn withdrawn(&self, message_id: &str, up_to: u32) -> Result<(), Error> {
        let id = message_id.to_owned();
        let mark = move |db: &Connection| {
            db.prepare_cached("DELETE FROM withdrawals WHERE message_id = ?1 AND up_to <= ?2")?
                .execute(params![id, up_to])
                .map(drop)
        };
        self.store.run("marking a withdrawal", mark).await
    }

    /// How many withdrawals the broker has not answered for.
    pub(super) async fn withdrawals_left(&self) -> Result<u64, Error> {
        let read = |db: &Connection| db.query_row("SELECT count(*) FROM withdrawals", [], |row| row.get(0));
        self.store.run("counting withdrawals", read).await.map(|count: i64| count.unsigned_abs())
    }

    /// The oldest refusal whose local system has not been told.
    pub(super) async fn untold(&self) -> Result<Option<(i64, RefusedLater)>, Error> {
        let read = |db: &Connection| {
            let query = format!("{REFUSED_LATER} WHERE told = 0 ORDER BY number LIMIT 1");
            db.prepare_cached(&query)?
                .query_row([], |row| Ok((row.get("number")?, refused_later(row))))
                .optional()
        };
        let row = self.store.run("reading refusals", read).await?;
        Ok(row.and_then(|(number, refused)| Some((number, refused?))))
    }

    /// The newest refusals, at most a hundred, and how many there are.
    pub(super) async fn refused_later(&self) -> Result<Vec<RefusedLater>, Error> {
        let read = |db: &Connection| {
            db.prepare_cached(&format!("{REFUSED_LATER} ORDER BY number DESC LIMIT ?1"))?
                .query_map([REFUSED_SHOWN as i64], |row| Ok(refused_later(row)))?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        Ok(self.store.run("reading refusals", read).await?.into_iter().flatten().collect())
    }

    /// Drops what is older than `age`, unless the spool still holds something as old.
    pub(super) async fn forget(&self, age: Duration, oldest_spooled: Option<Timestamp>) -> Result<(), Error> {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let oldest = oldest_spooled.map_or(i64::MAX, Timestamp::as_millisecond);
        let before = now().saturating_sub(age).min(oldest);
        let forget = move |db: &Connection| {
            for table in ["accepted", "struck", "promised"] {
                db.execute(
                    &format!(
                        "DELETE FROM {table} WHERE message_id IN
                         (SELECT message_id FROM {table} WHERE at < ?1 LIMIT 1000)"
                    ),
                    [before],
                )?;
            }
            // What the broker waits to hear of stays.
            db.execute(
                "DELETE FROM refused_later WHERE refused_at < ?1
                 AND (told <> 0 OR number NOT IN (SELECT refusal FROM notices))",
                [before],
            )?;
            db.execute("DELETE FROM notices WHERE refusal NOT IN (SELECT number FROM refused_later)", [])
                .map(drop)
        };
        self.store.run("dropping old marks", forget).await
    }
}

fn known(db: &Connection, id: &str) -> rusqlite::Result<Known> {
    let accepted = db
        .prepare_cached("SELECT attempt, digest, referral_id, state FROM accepted WHERE message_id = ?1")?
        .query_row([id], |row| Ok(accepted(row)))
        .optional()?;
    let struck = db
        .prepare_cached("SELECT attempt FROM struck WHERE message_id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    let promised = db
        .prepare_cached("SELECT attempt FROM promised WHERE message_id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    Ok(Known { accepted: accepted.flatten(), struck: struck.unwrap_or(0), promised: promised.unwrap_or(0) })
}

fn accepted(row: &Row<'_>) -> Option<Accepted> {
    let (digest, referral): (Vec<u8>, Vec<u8>) = (row.get(1).ok()?, row.get(2).ok()?);
    Some(Accepted {
        attempt: row.get(0).ok()?,
        digest: Digest::from_slice(&digest)?,
        referral: ReferralId::from_slice(&referral).ok()?,
        state: State::parse(&row.get::<_, String>(3).ok()?)?,
    })
}

pub(super) fn refuse_later(db: &Connection, refusal: Refusal) -> rusqlite::Result<()> {
    let Refusal { submit, reason, spooled_at, refused_at } = refusal;
    let envelope = submit.envelope.unwrap_or_default().encode_to_vec();
    db.execute(
        "INSERT INTO refused_later (envelope, payload, code, text, spooled_at, refused_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            envelope,
            &*submit.payload,
            reason.code,
            reason.text,
            spooled_at.as_millisecond(),
            refused_at.as_millisecond()
        ],
    )
    .map(drop)
}

fn refused_later(row: &Row<'_>) -> Option<RefusedLater> {
    let envelope: Vec<u8> = row.get("envelope").ok()?;
    let time = |name| Timestamp::from_millisecond(row.get(name).ok()?).ok();
    Some(RefusedLater {
        envelope: envelope_from_wire(&v1::Envelope::decode(&*envelope).ok()?).ok()?,
        payload: bulkhead_model::Payload::new(Bytes::from(row.get::<_, Vec<u8>>("payload").ok()?)),
        reason: Reason { code: row.get("code").ok()?, text: row.get("text").ok()? },
        spooled_at: time("spooled_at")?,
        refused_at: time("refused_at")?,
        told: row.get::<_, i64>("told").ok()? == 1,
        state: row.get::<_, Option<String>>("state").ok()?.and_then(|state| State::parse(&state)),
    })
}

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

/// What is submitted, as it is written to the spool.
pub(super) fn request(submission: &crate::Submission, attempt: u32) -> v1::SubmitRequest {
    let spooled_at = Some(time_to_wire(Timestamp::now()));
    let envelope = v1::Envelope { attempt, spooled_at, ..envelope_to_wire(&submission.envelope) };
    v1::SubmitRequest { envelope: Some(envelope), payload: submission.payload.clone() }
}
