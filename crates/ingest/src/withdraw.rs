//! `Withdraw`: attempts of a message id whose sender was told no.
//!
//! The withdrawal is appended whether the referral is known or not: its bytes may land later, and the
//! origin's owner then records them as taken back.

use bulkhead_ledger::Row;
use bulkhead_log::Record;
use bulkhead_model::{Code, MessageId, ReferralId, State, TenantId};
use bulkhead_wire::record::{In, Withdrawal};
use bulkhead_wire::status::Refusal;
use bulkhead_wire::v1::{WithdrawRequest, WithdrawResponse};
use bytes::Bytes;

use crate::compartment::Compartment;
use crate::service::Shared;
use crate::submit::{Inward, ledger_refusal, log_refusal};

impl Shared {
    pub(crate) async fn withdraw(
        &self,
        compartment: &Compartment,
        request: WithdrawRequest,
    ) -> Result<WithdrawResponse, Refusal> {
        self.check_ready()?;
        self.check_knows(&compartment.tenant)?;
        let message_id = MessageId::parse(&request.message_id).map_err(|error| {
            Refusal::new(Code::InvalidEnvelope, format!("message_id: {error}")).field("message_id")
        })?;
        // As in an envelope, 0 is read as 1.
        let up_to = request.up_to_attempt.max(1);
        let id = ReferralId::derive(&compartment.tenant, &message_id);
        self.check_gate(&compartment.tenant)?;
        if self.withdrawn_up_to(&id)? >= up_to {
            return Ok(response(id, self.shown(&id)?.as_ref(), up_to));
        }
        let tenant = compartment.tenant.clone();
        let value = In::Withdrawal(Withdrawal { id, tenant, message_id, up_to }).encode();
        let record = Record { key: Bytes::copy_from_slice(id.as_bytes()), value };
        let ledger = &self.parts.ledger;
        let to = compartment.inward(&*self.parts.log, ledger).await?;
        self.check_lease()?;
        let inward = Inward::of(to, ledger);
        let appended = self.parts.log.append(to, record).await.map_err(|error| log_refusal(&error))?;
        inward.landed(ledger, appended.offset)?;
        if let Some(doubt) = self.cases.doubt(&compartment.tenant, &id)
            && doubt.attempt <= up_to
        {
            // Wherever it comes to lie, it goes nowhere.
            self.cases.known(&compartment.tenant, &id);
        }
        Ok(response(id, self.shown(&id)?.as_ref(), up_to))
    }

    fn shown(&self, id: &ReferralId) -> Result<Option<Row>, Refusal> {
        self.parts.ledger.get(id).map_err(|error| ledger_refusal(&error))
    }

    fn check_gate(&self, tenant: &TenantId) -> Result<(), Refusal> {
        match self.cuts().covers_from(tenant) {
            None => Ok(()),
            Some(cut) => {
                Err(Refusal::new(Code::TenantCut, format!("tenant {tenant} is cut off by {cut}")).cut(cut))
            }
        }
    }
}

fn response(id: ReferralId, row: Option<&Row>, up_to: u32) -> WithdrawResponse {
    let sent_after_all =
        row.is_some_and(|row| row.facts.envelope.attempt <= up_to && went_on(row.referral.lifecycle.state()));
    WithdrawResponse { referral_id: id.to_string(), sent_after_all }
}

/// Whether it has left, so that nobody can take it back any more.
fn went_on(state: State) -> bool {
    match state {
        State::Carried
        | State::Offered
        | State::Delivered
        | State::Acknowledged
        | State::Rejected
        | State::Unknown => true,
        State::Accepted
        | State::Routed
        | State::Held
        | State::Parked
        | State::Quarantined
        | State::ReturnPending
        | State::Returned
        | State::Diverted
        | State::Cancelled => false,
    }
}
