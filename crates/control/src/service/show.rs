//! `ListCuts` and `ShowCut`.

use bulkhead_model::{Code, CutId};
use bulkhead_wire::status::Refusal;
use bulkhead_wire::time_to_wire;
use bulkhead_wire::v1::{CutSummary, ListCutsResponse, ShowCutResponse};
use jiff::Timestamp;

use super::Shared;
use crate::account;

impl Shared {
    pub(super) fn list_cuts(&self) -> ListCutsResponse {
        let (mut cuts, position) = self.parts.book.ask(|authority| {
            let known = authority.cuts().all().filter_map(|course| account::summary(authority, course));
            let pending = authority.pending().filter_map(|cut| account::pending(authority, &cut.id));
            (known.chain(pending).collect::<Vec<_>>(), authority.cuts().position)
        });
        cuts.sort_by_key(newest_first);
        ListCutsResponse { cuts, position, now: Some(time_to_wire(Timestamp::now())) }
    }

    pub(super) async fn show_cut(&self, name: &str) -> Result<ShowCutResponse, Refusal> {
        let id = self.named(name)?;
        let account = self.account(&id).await?;
        let (others, position) = self.parts.book.ask(|authority| {
            let covered = account.cut.as_ref().map(|cut| cut.tenants.clone()).unwrap_or_default();
            let touches = |cut: &CutSummary| {
                cut.cut_id != id.as_str() && cut.tenants.iter().any(|one| covered.contains(one))
            };
            let active = authority.cuts().active().filter_map(|course| account::summary(authority, course));
            (active.filter(touches).collect(), authority.cuts().position)
        });
        Ok(ShowCutResponse {
            account: Some(account),
            position,
            now: Some(time_to_wire(Timestamp::now())),
            others,
        })
    }

    /// The cut of that name; without a nation, this nation's.
    fn named(&self, name: &str) -> Result<CutId, Refusal> {
        let unknown =
            || Refusal::new(Code::ScopeUnknown, format!("there is no cut {name:?}")).field("cut_id");
        let full = if name.contains('/') { name.to_owned() } else { format!("{}/{name}", self.parts.nation) };
        let id = CutId::parse(&full).map_err(|_| unknown())?;
        self.parts.book.ask(|authority| account::any(authority, &id)).ok_or_else(unknown)?;
        Ok(id)
    }
}

/// In force first, then newest first.
fn newest_first(cut: &CutSummary) -> (bool, i64, std::cmp::Reverse<u64>) {
    let at = cut.made_at.as_ref().map_or(i64::MAX, |at| at.seconds);
    (!cut.active && cut.stage != "pending", -at, std::cmp::Reverse(cut.position))
}
