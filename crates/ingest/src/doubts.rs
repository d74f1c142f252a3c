//! What is in doubt is asked about: the ledger may show it, or that its sender took it back.

use bulkhead_ledger::case_key;
use bulkhead_model::{Arrival, ReferralId, TenantId};
use bulkhead_wire::status::Refusal;

use crate::cases::{CaseTurn, Doubt, Line, Unclear};
use crate::recent::shows;
use crate::service::Shared;
use crate::submit::{ledger_refusal, unsure};

impl Shared {
    /// A place in the line of its case. A referral without a case id is alone, and needs none.
    pub(crate) fn enter(&self, arrival: &Arrival) -> Option<Line> {
        arrival.envelope.case_id.as_ref()?;
        Some(self.cases.enter(case_key(&arrival.tenant, &arrival.envelope)))
    }

    /// Whether nothing of its case that came earlier may still come to lie behind it.
    pub(crate) fn check_case(&self, case: Option<&CaseTurn>, id: &ReferralId) -> Result<(), Refusal> {
        let Some(case) = case else { return Ok(()) };
        match case.check(id) {
            Ok(()) => Ok(()),
            Err(Unclear::Full) => Err(unsure(
                "of too many referrals of this tenant it is not known whether the log has them: \
                 send those again first, or withdraw them",
            )),
            Err(Unclear::Case(others)) => {
                for other in others {
                    if !self.is_known(&other)? {
                        return Err(unsure(format!(
                            "it is not known whether the log has {}, an earlier one of its case: \
                             send that one again first, or withdraw it",
                            other.id
                        )));
                    }
                    self.cases.known(case.tenant(), &other.id);
                }
                Ok(())
            }
        }
    }

    /// The ledger has changed what it says of that one.
    pub(crate) fn clear_if_known(&self, tenant: &TenantId, id: &ReferralId) {
        if let Some(doubt) = self.cases.doubt(tenant, id)
            && self.is_known(&doubt).unwrap_or(false)
        {
            self.cases.known(tenant, id);
        }
    }

    /// The same for all that is in doubt.
    pub(crate) fn clear_what_is_known(&self) {
        for tenant in self.cases.doubtful() {
            for doubt in self.cases.doubts_of(&tenant) {
                self.clear_if_known(&tenant, &doubt.id);
            }
        }
    }

    fn is_known(&self, doubt: &Doubt) -> Result<bool, Refusal> {
        if self.withdrawn_up_to(&doubt.id)? >= doubt.attempt {
            return Ok(true);
        }
        let row = self.parts.ledger.get(&doubt.id).map_err(|error| ledger_refusal(&error))?;
        Ok(row.is_some_and(|row| shows(&row, doubt.attempt)))
    }
}
