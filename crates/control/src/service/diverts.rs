//! Whether an order to divert would move anything, so that who gives it hears at once that no fallback takes it now.
//! What the owner of each referral then does, it decides by itself.

use std::collections::BTreeSet;

use bulkhead_ledger::Row;
use bulkhead_model::{Cuts, Directory, ReferralId, Wanted};
use bulkhead_wire::status::Refusal;
use jiff::Timestamp;

use super::command::refusal_of;
use super::{Shared, asking};
use crate::authority::Refused;

/// So many reasons are named.
const NAMED: usize = 5;

impl Shared {
    /// # Errors
    /// Why none of them would go; not, when one goes or none is known here.
    pub(super) async fn check_divert(&self, referrals: &[ReferralId]) -> Result<(), Refusal> {
        let (ledger, ids) = (self.parts.ledger.clone(), referrals.to_vec());
        let rows = asking(move || ids.iter().map(|id| ledger.get(id)).collect::<Result<Vec<_>, _>>()).await?;
        let (directory, cuts) =
            self.parts.book.ask(|authority| (authority.directory().clone(), authority.cuts().clone()));
        let now = Timestamp::now();
        let mut reasons = BTreeSet::new();
        for row in rows.iter().flatten() {
            match in_its_way(row, &directory, &cuts, now) {
                Some(reason) => reasons.insert(reason),
                None => return Ok(()),
            };
        }
        if reasons.is_empty() {
            return Ok(());
        }
        let named: Vec<_> = reasons.into_iter().take(NAMED).collect();
        let why = format!("no fallback takes any of them now: {}", named.join("; "));
        Err(refusal_of(&Refused::NotNow(why)))
    }
}

/// Why no fallback takes it now; none when one does.
fn in_its_way(row: &Row, directory: &Directory, cuts: &Cuts, at: Timestamp) -> Option<String> {
    let to = &row.facts.envelope.to;
    let Some(service) = directory.resolve(to) else {
        return Some(format!("no service has the address {to}"));
    };
    let Some((fallback, words)) = directory.agreed(service) else {
        return Some(format!("none has agreed to take over for {}", service.id));
    };
    if let Some(cut) = cuts.covers_to(&fallback.host) {
        return Some(format!("{} is cut off by {cut}", fallback.id));
    }
    let bytes = usize::try_from(row.facts.payload_bytes).unwrap_or(usize::MAX);
    let (kind, priority) = (row.facts.envelope.kind, row.effective_lane.priority());
    let takes = words.iter().any(|word| word.takes(&Wanted { kind, priority, bytes, at }))
        && fallback.max_bytes.is_none_or(|max| bytes <= max);
    let terms: Vec<_> = words.iter().map(ToString::to_string).collect();
    (!takes).then(|| format!("{} takes over for {} only: {}", fallback.id, service.id, terms.join(" or ")))
}
