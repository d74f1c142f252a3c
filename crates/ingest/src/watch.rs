//! Watching: one referral until nothing more will happen to it, or all events as they happen.
//!
//! Changes are subscribed to before the present state is read, so none is missed in between. A watcher that
//! falls behind misses steps of one referral, never its newest state; one of all events is told.

use std::sync::Arc;

use bulkhead_ledger::Change;
use bulkhead_model::{Code, ReferralId, State, TenantId};
use bulkhead_wire::status::Refusal;
use bulkhead_wire::v1::{self, WatchEventsResponse, WatchReferralResponse};
use bulkhead_wire::{state_from_wire, state_to_wire};
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tonic::Status;

use crate::caller::Viewer;
use crate::cut_watch;
use crate::limits::{Permit, place};
use crate::service::Shared;
use crate::show;
use crate::submit::{ledger_refusal, unsure};

/// Somebody who watches one referral.
struct Watcher {
    shared: Arc<Shared>,
    changes: Receiver<Change>,
    viewer: Viewer,
    id: ReferralId,
    said: v1::Referral,
    _place: Permit,
}

impl Shared {
    /// The states of one referral, the present one first.
    pub(crate) async fn watch_referral(
        self: Arc<Self>,
        viewer: Viewer,
        id: ReferralId,
    ) -> Result<BoxStream<'static, Result<WatchReferralResponse, Status>>, Status> {
        let place = self.watch_place(&viewer)?;
        let changes = self.parts.ledger.changes();
        let found = self.find(&viewer, &id.to_string(), None).await?;
        let said = found.iter().map(show::found).find(|referral| referral.referral_id == id.to_string());
        let said = said.ok_or_else(|| Status::not_found(format!("there is no referral {id}")))?;
        let drain = self.parts.drain.clone();
        let first = Ok(WatchReferralResponse { referral: Some(said.clone()) });
        let watcher = Watcher { shared: self, changes, viewer, id, said, _place: place };
        let states = stream::once(std::future::ready(first)).chain(watcher.states());
        Ok(states.take_until(async move { drain.started().await }).boxed())
    }

    /// Events as they happen.
    pub(crate) fn watch_events(
        self: Arc<Self>,
        viewer: Viewer,
        tenant: Option<TenantId>,
    ) -> Result<BoxStream<'static, Result<WatchEventsResponse, Status>>, Status> {
        let place = self.watch_place(&viewer)?;
        let (changes, drain) = (self.parts.ledger.changes(), self.parts.drain.clone());
        let of_cuts = match &viewer {
            Viewer::Tenant(_) => stream::empty().boxed(),
            Viewer::Operator => cut_watch::changes(&self.parts, tenant.clone()),
        };
        let wanted = move |change: &Change| {
            let concerns = |viewer: &Viewer| viewer.sees(&change.origin, change.destination.as_ref());
            concerns(&viewer) && tenant.clone().map(Viewer::Tenant).is_none_or(|tenant| concerns(&tenant))
        };
        let events = stream::unfold(Some((changes, place, wanted)), async |state| {
            let (mut changes, place, wanted) = state?;
            loop {
                match changes.recv().await {
                    Ok(change) if wanted(&change) => {
                        return Some((Ok(event(&change)), Some((changes, place, wanted))));
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(missed)) => return Some((Err(behind(missed)), None)),
                    Err(RecvError::Closed) => return Some((Err(stopped()), None)),
                }
            }
        });
        // When the referrals' events end, so does the watch.
        let events = events.map(Some).chain(stream::once(std::future::ready(None)));
        let events = stream::select(events, of_cuts.map(|cut| Some(Ok(cut))))
            .take_while(|event| std::future::ready(event.is_some()));
        let events = events.filter_map(std::future::ready);
        Ok(events.take_until(async move { drain.started().await }).boxed())
    }

    fn watch_place(&self, viewer: &Viewer) -> Result<Permit, Refusal> {
        match viewer {
            Viewer::Tenant(tenant) => self.compartment(tenant)?.limits.watch(),
            Viewer::Operator => place(&self.operators, "watches of operators"),
        }
    }
}

impl Watcher {
    fn states(self) -> impl Stream<Item = Result<WatchReferralResponse, Status>> {
        stream::unfold(Some(self), async |watcher| {
            let mut watcher = watcher?;
            if is_final(&watcher.said) {
                return None;
            }
            match watcher.next().await {
                Ok(Some(referral)) => {
                    Some((Ok(WatchReferralResponse { referral: Some(referral) }), Some(watcher)))
                }
                Ok(None) => None,
                Err(status) => Some((Err(status), None)),
            }
        })
    }

    /// The referral when it has changed; `None` when it is no longer this viewer's to see.
    async fn next(&mut self) -> Result<Option<v1::Referral>, Status> {
        loop {
            match self.changes.recv().await {
                Ok(change) if change.id != self.id => continue,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Err(stopped()),
            }
            let row = self.shared.parts.ledger.get(&self.id).map_err(|error| ledger_refusal(&error))?;
            let Some(row) = row else { continue };
            if self.shared.recent.get(&self.id).is_some_and(|fresh| !fresh.is_shown_by(&row)) {
                // An earlier attempt's; what is watched was accepted after it.
                continue;
            }
            let referral = bulkhead_ledger::referral_to_wire(&row);
            if !self.viewer.sees(&row.facts.tenant, row.referral.lifecycle.destination()) {
                return Ok(None);
            }
            if referral != self.said {
                self.said = referral.clone();
                return Ok(Some(referral));
            }
        }
    }
}

fn is_final(referral: &v1::Referral) -> bool {
    state_from_wire(referral.state).is_some_and(State::is_final)
}

fn event(change: &Change) -> WatchEventsResponse {
    WatchEventsResponse {
        referral_id: change.id.to_string(),
        tenant: change.origin.to_string(),
        destination: change.destination.as_ref().map(ToString::to_string).unwrap_or_default(),
        state: state_to_wire(change.state) as i32,
        step: Some(show::step(&change.step)),
        cut: None,
    }
}

fn behind(missed: u64) -> Status {
    let text = format!("the watch fell behind and missed {missed} events; list, then watch again");
    Refusal::new(Code::QuotaExceeded, text).retry_after(std::time::Duration::from_millis(200)).into()
}

fn stopped() -> Status {
    unsure("the ledger follows the log no more").into()
}
