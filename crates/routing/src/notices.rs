//! The sender hears later: what went wrong with a referral after its sender was told *accepted*, on that sender's own
//! stream.
//!
//! Which ones is the ledger's answer. Each is sent with its original bytes, so that the sidecar can say it in the
//! protocol of its system, and repeated until the sidecar answers. That the system was told is recorded; what was
//! given back is thereby returned. What the system cannot be told stays as it is, for a person to see.

use std::collections::HashMap;
use std::time::Duration;

use bulkhead_ledger::Row;
use bulkhead_log::{Pointer, Topic};
use bulkhead_model::{Answer, Claim, Event, Lifecycle, ReferralId, TenantId};
use bulkhead_wire::record::In;
use bulkhead_wire::{
    Accepted, envelope_to_wire, provenance, reason_to_wire, state_to_wire, time_to_wire, v1,
};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::Error;
use crate::flight::{Down, send};
use crate::journal::{Decided, Written};
use crate::owner::Shared;

/// How often the ledger is asked.
pub(crate) const TICK: Duration = Duration::from_secs(1);
/// An unanswered one is not sent again before this, on the same stream.
const AGAIN: Duration = Duration::from_secs(10);
/// How many may be unanswered on one stream; the rest waits in the ledger.
const IN_FLIGHT: usize = 8;
/// How many one stream may have answered with "cannot be told". Then no more are sent: a person must act first.
const CANNOT: usize = 10_000;
/// Longer answers are cut off.
const ANSWER: usize = 255;

/// What one stream knows of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Sent; again when it is not answered by then.
    Unanswered(Instant),
    /// Answered, and being recorded.
    Recording,
    /// Cannot be told, or not sent: not again on this stream.
    Not,
}

/// The notices of one stream.
pub(crate) struct Notices {
    shared: Shared,
    tenant: TenantId,
    claim: Claim,
    down: Down,
    /// By referral: of which version, and how far it is.
    asked: HashMap<ReferralId, (u64, Asked)>,
}

/// One that is to be sent.
pub(crate) struct Notice {
    shared: Shared,
    tenant: TenantId,
    down: Down,
    row: Row,
}

impl Notices {
    pub(crate) fn new(shared: Shared, tenant: TenantId, claim: Claim, down: Down) -> Self {
        Self { shared, tenant, claim, down, asked: HashMap::new() }
    }

    /// Those to send now.
    pub(crate) fn due(&mut self) -> Result<Vec<Notice>, Error> {
        let now = Instant::now();
        self.asked.retain(|_, (_, asked)| !matches!(asked, Asked::Unanswered(until) if *until <= now));
        let settled = self.asked.values().filter(|(_, asked)| *asked == Asked::Not).count();
        let room = IN_FLIGHT.saturating_sub(self.asked.len() - settled);
        if room == 0 || settled >= CANNOT {
            return Ok(Vec::new());
        }
        let skip = self.asked.iter().map(|(id, (version, _))| (*id, *version)).collect();
        let due = self.shared.parts.ledger.notices_due(&self.tenant, &skip, room)?;
        let notice = |row: Row| {
            self.asked.insert(row.id, (row.referral.state_since, Asked::Unanswered(now + AGAIN)));
            let (shared, tenant, down) = (self.shared.clone(), self.tenant.clone(), self.down.clone());
            Notice { shared, tenant, down, row }
        };
        Ok(due.into_iter().map(notice).collect())
    }

    /// It has no bytes that can be sent.
    pub(crate) fn not_sent(&mut self, id: ReferralId) {
        if let Some((_, asked)) = self.asked.get_mut(&id) {
            *asked = Asked::Not;
        }
    }

    /// The sidecar's answer, also to one that a former stream sent. What is to be read back before `recorded`.
    pub(crate) fn taken(
        &mut self,
        taken: &v1::NoticeTaken,
    ) -> Result<Option<(ReferralId, Vec<Written>)>, Error> {
        let Ok(id) = ReferralId::parse(&taken.referral_id) else { return Ok(None) };
        if matches!(self.asked.get(&id), Some((_, Asked::Recording))) {
            return Ok(None);
        }
        let Some(row) = self.shared.parts.ledger.get(&id)? else { return Ok(None) };
        let is_asked = row.facts.tenant == self.tenant
            && row.referral.sender_must_hear(row.facts.envelope.attempt)
            && row.referral.state_since == taken.version;
        if !is_asked {
            self.asked.remove(&id);
            return Ok(None);
        }
        if !taken.told {
            warn!(tenant = %self.tenant, referral = %id, "its sender's system cannot be told: a person must");
            self.asked.insert(id, (taken.version, Asked::Not));
            return Ok(None);
        }
        info!(tenant = %self.tenant, referral = %id, "its sender's system was told that it went wrong");
        self.asked.insert(id, (taken.version, Asked::Recording));
        let answer = shortened(&taken.answer).to_owned();
        let custody = row.referral.custody;
        let write = |event| self.shared.journal.write(&self.claim, Decided::new(id, custody, event));
        let mut written = vec![write(Event::SenderTold { version: taken.version, answer })];
        if let Lifecycle::ReturnPending { .. } = row.referral.lifecycle {
            written.push(write(Event::Returned { by: format!("{}'s system", self.tenant) }));
        }
        Ok(Some((id, written)))
    }

    /// The answer has been read back.
    pub(crate) fn recorded(&mut self, id: ReferralId) {
        self.asked.remove(&id);
    }
}

impl Notice {
    pub(crate) fn id(&self) -> ReferralId {
        self.row.id
    }

    /// False when it has no bytes that can be sent.
    pub(crate) async fn send(self) -> Result<bool, Error> {
        let Some(accepted) = self.original().await? else {
            warn!(tenant = %self.tenant, referral = %self.row.id,
                "its sender cannot be told: what it sent is not where its facts say");
            return Ok(false);
        };
        if self.shared.cuts().ask(&provenance(&accepted, None)) != Answer::Open {
            return Ok(true);
        }
        let lifecycle = &self.row.referral.lifecycle;
        let notice = v1::Notice {
            referral_id: self.row.id.to_string(),
            envelope: Some(envelope_to_wire(&accepted.envelope)),
            state: state_to_wire(lifecycle.state()) as i32,
            reason: lifecycle.reason().map(reason_to_wire),
            version: self.row.referral.state_since,
            at: Some(time_to_wire(self.row.updated_at)),
            accepted_at: Some(time_to_wire(self.row.facts.accepted_at)),
            payload: accepted.payload.into_bytes(),
        };
        self.shared.check_lease()?;
        send(&self.down, v1::receive_response::Frame::Notice(notice)).await;
        metrics::counter!("bulkhead_notices_total", "nation" => self.shared.home().as_str(),
            "tenant" => self.tenant.to_string())
        .increment(1);
        Ok(true)
    }

    /// The record of the sender's `in`.
    async fn original(&self) -> Result<Option<Accepted>, Error> {
        let Some(source) = &self.row.source else { return Ok(None) };
        let partition = Topic::new(&source.topic)?.partition(source.partition);
        let found = self.shared.parts.log.read_at(&[Pointer { partition, offset: source.offset }]).await?;
        let entry = found.into_iter().next().flatten();
        Ok(match entry.map(|entry| In::decode(entry.record.value)) {
            Some(Ok(In::Accepted(accepted))) if accepted.id == self.row.id => Some(accepted),
            Some(Ok(In::Accepted(_) | In::Carried(_) | In::Withdrawal(_) | In::Report(_)) | Err(_))
            | None => None,
        })
    }
}

fn shortened(answer: &str) -> &str {
    &answer[..answer.floor_char_boundary(ANSWER)]
}
