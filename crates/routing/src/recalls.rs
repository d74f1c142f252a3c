//! What a tenant has, or may have, of a sender that was cut off afterwards is asked back.
//!
//! Which referrals is the ledger's answer and the gate's. Each is asked for on the receiver's stream until its sidecar
//! has said whether it gave it up or its system has it; both are recorded, so that the report can list them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::{Answer, Claim, CutId, Cuts, Event, ReferralId, TenantId};
use bulkhead_wire::{reason_to_wire, v1};
use tokio::time::Instant;

use crate::Error;
use crate::gate::{provenance_of, sent_under};
use crate::journal::{Decided, Written};
use crate::layers::Layer;
use crate::owner::Shared;

/// An unanswered one is asked again after this, on the same stream.
const AGAIN: Duration = Duration::from_secs(5);
/// How many are looked at in one round.
const ROUND: usize = 1_000;
/// So much of a sidecar's answer is kept.
const ANSWER: usize = 255;

/// The recalls of one stream.
pub(crate) struct Recalls {
    shared: Shared,
    tenant: TenantId,
    claim: Claim,
    asked: HashMap<ReferralId, Instant>,
    seen: Option<Arc<Cuts>>,
}

impl Recalls {
    pub(crate) fn new(shared: Shared, tenant: TenantId, claim: Claim) -> Self {
        Self { shared, tenant, claim, asked: HashMap::new(), seen: None }
    }

    /// Those to send now. The ledger is asked when cuts changed, and while something is unanswered.
    pub(crate) fn due(&mut self) -> Result<Vec<v1::Recall>, Error> {
        let (cuts, now) = (self.shared.gate(Layer::Sweep), Instant::now());
        let is_news = self.seen.as_ref().is_none_or(|seen| !seen.says_the_same(&cuts));
        self.asked.retain(|_, until| *until > now);
        if cuts.all().next().is_none() || (!is_news && !self.asked.is_empty()) {
            return Ok(Vec::new());
        }
        self.seen = Some(cuts.clone());
        let mut recalls = Vec::new();
        for row in self.shared.parts.ledger.handed_over(&self.tenant, ROUND)? {
            if let Answer::Quarantine(cut) = cuts.ask(&provenance_of(&row))
                && !self.asked.contains_key(&row.id)
            {
                self.asked.insert(row.id, now + AGAIN);
                recalls.push(v1::Recall {
                    referral_id: row.id.to_string(),
                    reason: Some(reason_to_wire(&sent_under(&cut))),
                    cut: cut.to_string(),
                });
            }
        }
        Ok(recalls)
    }

    /// The sidecar's answer, to be recorded.
    pub(crate) fn answered(&mut self, answer: &v1::RecallAnswer) -> Result<Option<Written>, Error> {
        let (Ok(id), Ok(cut)) = (ReferralId::parse(&answer.referral_id), CutId::parse(&answer.cut)) else {
            return Ok(None);
        };
        let Some(row) = self.shared.parts.ledger.get(&id)? else { return Ok(None) };
        if row.referral.lifecycle.destination() != Some(&self.tenant) || row.referral.not_recalled {
            return Ok(None);
        }
        let event = if answer.recalled {
            Event::Recalled { reason: sent_under(&cut), cut }
        } else {
            let said = &answer.answer[..answer.answer.floor_char_boundary(ANSWER)];
            Event::NotRecalled { cut, answer: said.to_owned() }
        };
        Ok(Some(self.shared.journal.write(&self.claim, Decided::new(id, row.referral.custody, event))))
    }
}
