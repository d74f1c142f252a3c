//! What the broker accepted and gave notice of later: rejected, parked or given back.
//!
//! It joins the list of what was refused later, once for each referral and version, and is told like the rest of it.
//! The broker hears when the local system was told, or cannot be, and whenever it asks again.

use bulkhead_model::{Code, Reason, ReferralId, State};
use bulkhead_wire::{envelope_from_wire, reason_from_wire, state_from_wire, time_from_wire, v1};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::broadcast;
use tracing::error;

use super::Spool;
use super::marks::{Marks, Refusal, refuse_later};
use super::tell::TOLD;
use crate::Error;

/// Answers that a session may lag behind; the broker asks again for those that it misses.
pub(super) const ANSWERS: usize = 64;

/// A notice that can be read.
struct Noticed {
    referral: ReferralId,
    version: u64,
    state: State,
    refusal: Refusal,
}

/// What the list says of a notice.
enum Listed {
    New,
    Pending,
    Answered(v1::NoticeTaken),
}

impl Spool {
    /// Takes a notice in; it is durable when this returns. The answer, when there is one already.
    pub(crate) async fn noticed(&self, notice: v1::Notice) -> Option<v1::NoticeTaken> {
        let (referral_id, version) = (notice.referral_id.clone(), notice.version);
        let Some(noticed) = Noticed::read(notice) else {
            error!(tenant = %self.tenant, referral_id, "a notice cannot be read: a person must be told of it");
            let answer = "the notice cannot be read".to_owned();
            return Some(v1::NoticeTaken { referral_id, version, told: false, answer });
        };
        let (state, code) = (noticed.state.as_str(), noticed.refusal.reason.code.clone());
        match self.marks.notice(noticed).await {
            Ok(Listed::New) => {
                metrics::counter!("bulkhead_sidecar_refused_later_total", "tenant" => self.tenant.to_string())
                    .increment(1);
                error!(
                    tenant = %self.tenant, referral_id, state, reason = code,
                    "a referral that the local system was told is sent went wrong later"
                );
                self.refused.notify_one();
                None
            }
            Ok(Listed::Pending) => None,
            Ok(Listed::Answered(taken)) => Some(taken),
            Err(error) => {
                error!(tenant = %self.tenant, referral_id, %error, "a notice cannot be written; it comes again");
                None
            }
        }
    }

    /// Answers to notices as they come.
    pub(crate) fn notices_taken(&self) -> broadcast::Receiver<v1::NoticeTaken> {
        self.taken.subscribe()
    }
}

impl Noticed {
    fn read(notice: v1::Notice) -> Option<Self> {
        let envelope = notice.envelope?;
        // What is listed must be read again.
        envelope_from_wire(&envelope).ok()?;
        let at = notice.at.and_then(time_from_wire).unwrap_or_else(Timestamp::now);
        let reason = notice
            .reason
            .map_or_else(|| Reason::new(Code::ReceiverRefused, "without a reason"), reason_from_wire);
        Some(Self {
            referral: ReferralId::parse(&notice.referral_id).ok()?,
            version: notice.version,
            state: state_from_wire(notice.state)?,
            refusal: Refusal {
                submit: v1::SubmitRequest { envelope: Some(envelope), payload: notice.payload },
                reason,
                spooled_at: notice.accepted_at.and_then(time_from_wire).unwrap_or(at),
                refused_at: at,
            },
        })
    }
}

impl Marks {
    async fn notice(&self, noticed: Noticed) -> Result<Listed, Error> {
        let write = move |db: &Connection| {
            let known = db
                .prepare_cached(
                    "SELECT told, answer FROM notices JOIN refused_later ON number = refusal
                     WHERE referral_id = ?1 AND version = ?2",
                )?
                .query_row(params![noticed.referral.as_bytes(), noticed.version as i64], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
                })
                .optional()?;
            match known {
                Some((0, _)) => return Ok(Listed::Pending),
                Some((told, answer)) => {
                    return Ok(Listed::Answered(v1::NoticeTaken {
                        referral_id: noticed.referral.to_string(),
                        version: noticed.version,
                        told: told == TOLD,
                        answer,
                    }));
                }
                None => {}
            }
            refuse_later(db, noticed.refusal)?;
            db.prepare_cached("INSERT OR REPLACE INTO notices VALUES (?1, ?2, ?3, ?4, '')")?.execute(
                params![
                    noticed.referral.as_bytes(),
                    noticed.version as i64,
                    db.last_insert_rowid(),
                    noticed.state.as_str()
                ],
            )?;
            Ok(Listed::New)
        };
        self.store.run("writing a notice", write).await
    }

    /// The local system was told of an entry, or cannot be. What the broker is to hear, if it gave notice of it.
    pub(super) async fn answered(
        &self,
        number: i64,
        told: i64,
        answer: String,
    ) -> Result<Option<v1::NoticeTaken>, Error> {
        let mark = move |db: &Connection| {
            db.execute("UPDATE refused_later SET told = ?2 WHERE number = ?1", params![number, told])?;
            db.execute("UPDATE notices SET answer = ?2 WHERE refusal = ?1", params![number, answer])?;
            let notice = db
                .query_row("SELECT referral_id, version FROM notices WHERE refusal = ?1", [number], |row| {
                    Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?))
                })
                .optional()?;
            Ok(notice.and_then(|(id, version)| {
                let referral_id = ReferralId::from_slice(&id).ok()?.to_string();
                let version = version.unsigned_abs();
                Some(v1::NoticeTaken { referral_id, version, told: told == TOLD, answer })
            }))
        };
        self.store.run("marking a refusal", mark).await
    }
}
