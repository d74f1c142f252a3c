//! Finding a referral for somebody who may see it. What was accepted is never *not found*.
//!
//! Three places are asked in turn: the ledger; what was accepted here a moment ago; and the ledger again,
//! once it has decided all that lay in the log when the question came.

use std::sync::Arc;

use bulkhead_ledger::Row;
use bulkhead_log::Topic;
use bulkhead_model::{MessageId, ReferralId, TenantId};
use bulkhead_wire::status::Refusal;
use bulkhead_wire::topics;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::timeout;

use crate::caller::Viewer;
use crate::recent::Fresh;
use crate::service::Shared;
use crate::submit::{ledger_refusal, log_refusal, unsure};

/// How many compartments are asked at once.
const AT_ONCE: usize = 16;

/// A referral that somebody may see.
pub(crate) enum Found {
    /// By the ledger.
    Shown(Box<Row>),
    /// Accepted here, and not shown by the ledger yet.
    Fresh(Arc<Fresh>),
}

impl Shared {
    /// Those of that referral id, message id or case id; none only if there are none.
    pub(crate) async fn find(
        &self,
        viewer: &Viewer,
        text: &str,
        tenant: Option<&TenantId>,
    ) -> Result<Vec<Found>, Refusal> {
        let found = self.find_now(viewer, text, tenant)?;
        if !found.is_empty() {
            return Ok(found);
        }
        self.decided(&self.possible_senders(viewer, tenant)).await?;
        self.find_now(viewer, text, tenant)
    }

    fn find_now(
        &self,
        viewer: &Viewer,
        text: &str,
        tenant: Option<&TenantId>,
    ) -> Result<Vec<Found>, Refusal> {
        let rows = self.parts.ledger.find(text, viewer.tenant().or(tenant));
        let rows = rows.map_err(|error| ledger_refusal(&error))?;
        let wanted = |row: &Row| {
            let concerns = |tenant: &TenantId| {
                Viewer::Tenant(tenant.clone()).sees(&row.facts.tenant, row.referral.lifecycle.destination())
            };
            viewer.tenant().is_none() || tenant.is_none_or(concerns)
        };
        let shown: Vec<_> = rows.into_iter().filter(wanted).map(|row| self.newest(row)).collect();
        if !shown.is_empty() {
            return Ok(shown);
        }
        let senders = self.possible_senders(viewer, tenant);
        let fresh = ids(text, &senders).filter_map(|id| self.recent.get(&id));
        Ok(fresh.filter(|fresh| senders.contains(&fresh.tenant)).take(1).map(Found::Fresh).collect())
    }

    /// A new attempt may have been accepted that the ledger does not show yet.
    fn newest(&self, row: Row) -> Found {
        match self.recent.get(&row.id) {
            Some(fresh) if !fresh.is_shown_by(&row) => Found::Fresh(fresh),
            Some(_) | None => Found::Shown(Box::new(row)),
        }
    }

    /// Whose `in` may hold what is asked for. What another tenant has sent is only shown by the ledger.
    fn possible_senders(&self, viewer: &Viewer, tenant: Option<&TenantId>) -> Vec<TenantId> {
        match viewer.tenant().or(tenant) {
            Some(tenant) => vec![tenant.clone()],
            None => self.directory().tenants().map(|tenant| tenant.id.clone()).collect(),
        }
    }

    /// Waits until the ledger has decided all that lies in `in` of these tenants now.
    pub(crate) async fn decided(&self, tenants: &[TenantId]) -> Result<(), Refusal> {
        let each: Vec<_> = tenants.iter().map(|tenant| self.decided_of(tenant)).collect();
        let all = stream::iter(each).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>();
        match timeout(self.config.patience, all).await {
            Ok(decided) => decided.map(|_| ()),
            Err(_) => Err(unsure("what was accepted last is not decided yet; ask again")),
        }
    }

    async fn decided_of(&self, tenant: &TenantId) -> Result<(), Refusal> {
        use bulkhead_log::Error;
        let name = topics::inward(tenant);
        let topic = Topic::new(&name).map_err(|error| log_refusal(&error))?;
        let end = match self.parts.log.bounds(&topic.partition(0)).await {
            Ok(kept) => kept.end,
            // Nobody has sent anything yet; or what was sent is gone, and then it is known up to where.
            Err(Error::UnknownTopic { .. } | Error::UnknownPartition { .. }) => 0,
            Err(error) => return Err(log_refusal(&error)),
        };
        let end = end.max(self.parts.ledger.in_goes_on_at(&name));
        self.parts.ledger.in_decided(&name, end).await.map_err(|error| ledger_refusal(&error))
    }
}

/// The referral ids that a text may mean.
fn ids<'a>(text: &'a str, senders: &'a [TenantId]) -> impl Iterator<Item = ReferralId> + 'a {
    let message_id = MessageId::parse(text).ok();
    let derived = senders.iter().filter_map(move |sender| {
        message_id.as_ref().map(|message_id| ReferralId::derive(sender, message_id))
    });
    ReferralId::parse(text).ok().into_iter().chain(derived)
}
