//! What is set aside: listed without contents, and opened under a signed break-glass.

use std::sync::Arc;

use bulkhead_ledger::{Filter, Listed};
use bulkhead_log::{Pointer, Topic};
use bulkhead_model::{Code, OperatorId, Place, ReferralId, State, TenantId};
use bulkhead_wire::fact::{Command, hex};
use bulkhead_wire::record::In;
use bulkhead_wire::status::Refusal;
use bulkhead_wire::v1::{self, ListSetAsideRequest, ListSetAsideResponse, OpenSetAsideResponse};
use bulkhead_wire::{state_from_wire, time_to_wire};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::caller::subject;
use super::{Shared, asking};

/// What waits for a person.
const SET_ASIDE: [State; 5] =
    [State::Held, State::Parked, State::Quarantined, State::ReturnPending, State::Unknown];
/// Listed at most.
const MOST: usize = 10_000;
/// Referrals whose bytes are read at once.
const AT_ONCE: usize = 64;

impl Shared {
    pub(super) async fn list_set_aside(
        &self,
        request: ListSetAsideRequest,
    ) -> Result<ListSetAsideResponse, Refusal> {
        let invalid = |field: &str, why: String| Refusal::new(Code::InvalidEnvelope, why).field(field);
        let tenant = match request.tenant.as_str() {
            "" => None,
            text => Some(TenantId::parse(text).map_err(|error| invalid("tenant", error.to_string()))?),
        };
        let wanted: Vec<State> = request.states.iter().filter_map(|state| state_from_wire(*state)).collect();
        if wanted.iter().any(|state| !SET_ASIDE.contains(state)) {
            return Err(invalid(
                "states",
                "only held, parked, quarantined, return-pending and unknown wait for a person".into(),
            ));
        }
        let states = if wanted.is_empty() { SET_ASIDE.to_vec() } else { wanted };
        let limit = if request.limit == 0 { 1_000 } else { (request.limit as usize).min(MOST) };
        let by_reason = !request.reason.is_empty();
        let filter =
            Filter { tenant, states, limit: if by_reason { MOST } else { limit }, ..Filter::default() };
        let ledger = self.parts.ledger.clone();
        let Listed { rows, total, .. } = asking(move || ledger.list(&filter)).await?;
        let mut referrals: Vec<_> = rows.iter().map(bulkhead_ledger::referral_to_wire).collect();
        let mut matching = total;
        if by_reason {
            referrals.retain(|one| one.reason.as_ref().is_some_and(|why| why.code == request.reason));
            matching = referrals.len() as u64;
            referrals.truncate(limit);
        }
        Ok(ListSetAsideResponse {
            referrals,
            total: matching,
            position: self.parts.book.ask(|authority| authority.cuts().position),
            now: Some(time_to_wire(Timestamp::now())),
        })
    }

    /// Contents, once the break-glass is in the log.
    pub(super) async fn open_set_aside(
        self: Arc<Self>,
        caller: &OperatorId,
        fact: Option<v1::SignedFact>,
    ) -> Result<BoxStream<'static, Result<OpenSetAsideResponse, Status>>, Refusal> {
        let (fact, header) = self.signed(caller, fact)?;
        let Ok(Command::Open { referrals, .. }) = fact.command() else {
            return Err(Refusal::new(Code::SignatureInvalid, "this is no break-glass").field("fact"));
        };
        let subject = subject(&header, None);
        let outcome = self.signed_and_settled(caller, &fact, "break glass", &subject).await;
        let outcome = outcome.inspect_err(|refusal| {
            self.note_refusal(caller, "break glass", subject.clone(), hex(&fact.id().0), refusal);
        })?;
        outcome.effect.map_err(|refused| Refusal::new(refused.code(), refused.to_string()))?;
        let tenants = match header.scope.scope() {
            Some(scope) => self.parts.book.ask(|authority| scope.tenants(authority.directory())),
            None => vec![],
        };
        let ids = match referrals.is_empty() {
            true => self.in_need(tenants).await?,
            false => referrals,
        };
        let (answers, told) = mpsc::channel(AT_ONCE);
        tokio::spawn(async move {
            for ids in ids.chunks(AT_ONCE) {
                for answer in self.opened(ids).await {
                    if answers.send(answer.map_err(Status::from)).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(ReceiverStream::new(told).boxed())
    }

    /// What is set aside or unanswered at these tenants, earliest due first.
    async fn in_need(&self, tenants: Vec<TenantId>) -> Result<Vec<ReferralId>, Refusal> {
        let ledger = self.parts.ledger.clone();
        let unanswered = [State::Accepted, State::Routed, State::Offered, State::Delivered];
        let states = [&SET_ASIDE[..], &unanswered].concat();
        asking(move || ledger.in_need(&tenants, &states)).await
    }

    async fn opened(&self, ids: &[ReferralId]) -> Vec<Result<OpenSetAsideResponse, Refusal>> {
        let (ledger, wanted) = (self.parts.ledger.clone(), ids.to_vec());
        let rows =
            asking(move || wanted.iter().map(|id| ledger.get(id)).collect::<Result<Vec<_>, _>>()).await;
        let rows = match rows {
            Ok(rows) => rows.into_iter().flatten().collect::<Vec<_>>(),
            Err(refusal) => return vec![Err(refusal)],
        };
        let places: Vec<Option<Pointer>> =
            rows.iter().map(|row| row.source.as_ref().and_then(pointer)).collect();
        let pointers: Vec<Pointer> = places.iter().flatten().cloned().collect();
        let mut entries = match self.parts.log.read_at(&pointers).await {
            Ok(entries) => entries.into_iter(),
            Err(error) => return vec![Err(Refusal::new(Code::LogUnavailable, error.to_string()))],
        };
        let contents = |place: &Option<Pointer>, entries: &mut std::vec::IntoIter<_>| {
            place.as_ref().and_then(|_| entries.next().flatten())
        };
        let answers = rows.iter().zip(&places).map(|(row, place)| {
            let payload = contents(place, &mut entries)
                .and_then(|entry: bulkhead_log::Entry| payload(entry.record.value));
            let note = if payload.is_none() { "its bytes cannot be read" } else { "" };
            Ok(OpenSetAsideResponse {
                referral: Some(bulkhead_ledger::referral_to_wire(row)),
                payload: payload.unwrap_or_default(),
                note: note.into(),
                code: code_of(&row.id),
            })
        });
        answers.collect()
    }
}

/// The short code on a continuity pack: enough to tell the referrals of one pack apart.
fn code_of(id: &ReferralId) -> String {
    hex(&id.as_bytes()[..5]).to_uppercase()
}

fn pointer(place: &Place) -> Option<Pointer> {
    Some(Topic::new(&place.topic).ok()?.partition(place.partition).at(place.offset))
}

fn payload(record: Bytes) -> Option<Bytes> {
    match In::decode(record).ok()? {
        In::Accepted(accepted) => Some(accepted.payload.bytes().clone()),
        In::Carried(carried) => Some(carried.accepted.payload.bytes().clone()),
        In::Withdrawal(_) | In::Report(_) => None,
    }
}
