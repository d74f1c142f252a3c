//! Cuts as they come in force, and as their stages change, for who watches events.

use std::collections::HashMap;
use std::sync::Arc;

use bulkhead_model::{CutId, Cuts, Directory, TenantId};
use bulkhead_wire::cut_to_wire;
use bulkhead_wire::v1::{CutSummary, WatchEventsResponse};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::watch;

use crate::service::Parts;

/// One who watches the cuts.
struct Watcher {
    cuts: watch::Receiver<Arc<Cuts>>,
    directory: watch::Receiver<Arc<Directory>>,
    tenant: Option<TenantId>,
    said: HashMap<CutId, CutSummary>,
}

/// What changes from now on; only what covers that tenant, when there is one.
pub(crate) fn changes(parts: &Parts, tenant: Option<TenantId>) -> BoxStream<'static, WatchEventsResponse> {
    let mut watcher = Watcher {
        cuts: parts.cuts.clone(),
        directory: parts.directory.clone(),
        tenant,
        said: HashMap::new(),
    };
    watcher.news();
    let rounds = stream::unfold(watcher, async |mut watcher| {
        watcher.cuts.changed().await.ok()?;
        let news = watcher.news();
        Some((stream::iter(news), watcher))
    });
    rounds.flatten().map(|cut| WatchEventsResponse { cut: Some(cut), ..Default::default() }).boxed()
}

impl Watcher {
    /// Those that are not as they were said.
    fn news(&mut self) -> Vec<CutSummary> {
        let (cuts, directory) = (self.cuts.borrow_and_update().clone(), self.directory.borrow().clone());
        let mut news = Vec::new();
        for course in cuts.all() {
            let Some(summary) = cut_to_wire(course, &directory) else { continue };
            let concerns = |tenant: &TenantId| summary.tenants.iter().any(|one| one == tenant.as_str());
            if !self.tenant.as_ref().is_none_or(concerns) {
                continue;
            }
            let is_news = self.said.get(course.id()).is_none_or(|said| {
                (&said.stage, &said.confirmed_by) != (&summary.stage, &summary.confirmed_by)
            });
            if is_news {
                self.said.insert(course.id().clone(), summary.clone());
                news.push(summary);
            }
        }
        news
    }
}
