//! What is set aside: listed without contents, and opened under a signed break-glass.

use std::sync::Arc;

use bulkhead_ledger::{Cursor, Filter, Ledger, Listed, Row};
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

use super::caller::{fact_text, subject};
use super::command::refusal_of;
use super::{Shared, asking};

/// What waits for a person.
const SET_ASIDE: [State; 5] =
    [State::Held, State::Parked, State::Quarantined, State::ReturnPending, State::Unknown];
/// What nobody has answered yet.
const UNANSWERED: [State; 4] = [State::Accepted, State::Routed, State::Offered, State::Delivered];
/// Listed at most in one page.
const MOST: usize = 10_000;
/// Codes that are looked up at once.
const CODES: usize = 1_000;
/// Referrals that are shown of one code: more than one, so that whoever asks sees that it names none.
const OF_A_CODE: usize = 8;
/// Referrals whose bytes are read at once.
const AT_ONCE: usize = 64;

impl Shared {
    pub(super) async fn list_set_aside(
        &self,
        request: ListSetAsideRequest,
    ) -> Result<ListSetAsideResponse, Refusal> {
        let page = match request.ids.is_empty() {
            true => self.page(request).await?,
            false => self.coded(request.ids).await?,
        };
        Ok(ListSetAsideResponse {
            referrals: page.rows.iter().map(bulkhead_ledger::referral_to_wire).collect(),
            total: page.total,
            position: self.parts.book.ask(|authority| authority.cuts().position),
            now: Some(time_to_wire(Timestamp::now())),
            next_page_token: page.next.map(|next| next.to_string()).unwrap_or_default(),
        })
    }

    /// A page of what is set aside.
    async fn page(&self, request: ListSetAsideRequest) -> Result<Listed, Refusal> {
        let tenant = match request.tenant.as_str() {
            "" => None,
            text => Some(TenantId::parse(text).map_err(|error| invalid("tenant", error.to_string()))?),
        };
        let wanted: Vec<State> = request.states.iter().filter_map(|state| state_from_wire(*state)).collect();
        if wanted.iter().any(|state| !SET_ASIDE.contains(state)) {
            let others = "only held, parked, quarantined, return-pending and unknown wait for a person";
            return Err(invalid("states", others.into()));
        }
        let states = if wanted.is_empty() { SET_ASIDE.to_vec() } else { wanted };
        let after = match request.page_token.as_str() {
            "" => None,
            text => Some(Cursor::parse(text).ok_or_else(|| {
                invalid("page_token", "is not the next_page_token of a page of this cell".into())
            })?),
        };
        let limit = if request.limit == 0 { 1_000 } else { (request.limit as usize).min(MOST) };
        let filter = Filter { tenant, states, limit, after, ..Filter::default() };
        let ledger = self.parts.ledger.clone();
        match request.reason.as_str() {
            "" => asking(move || ledger.list(&filter)).await,
            _ => asking(move || of_reason(&ledger, filter, &request.reason)).await,
        }
    }

    /// Those that codes name, in whatever state: whoever asks must hear why nothing can be done about one.
    async fn coded(&self, codes: Vec<String>) -> Result<Listed, Refusal> {
        let is_one = |code: &String| {
            let mut digits = code.chars().filter(|c| *c != '-');
            (10..=32).contains(&digits.clone().count()) && digits.all(|c| c.is_ascii_hexdigit())
        };
        if codes.len() > CODES || !codes.iter().all(is_one) {
            return Err(invalid("ids", format!("at most {CODES} ids, or codes of ten hexadecimal digits")));
        }
        let ledger = self.parts.ledger.clone();
        let found = asking(move || {
            codes.iter().map(|code| ledger.begun(code, OF_A_CODE)).collect::<Result<Vec<_>, _>>()
        });
        let rows: Vec<Row> = found.await?.into_iter().flatten().collect();
        Ok(Listed { total: rows.len() as u64, rows, next: None })
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
        let refuse = |refusal: Refusal| {
            self.note_refusal(caller, "break glass", subject.clone(), fact_text(&fact), &refusal);
            refusal
        };
        let tenants = match header.scope.scope() {
            Some(scope) => self.parts.book.ask(|authority| scope.tenants(authority.directory())),
            None => vec![],
        };
        self.check_opened(&referrals, &tenants).await.map_err(refuse)?;
        let outcome =
            self.signed_and_settled(caller, &fact, "break glass", &subject).await.map_err(refuse)?;
        outcome.effect.map_err(|refused| refuse(refusal_of(&refused)))?;
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

    /// The glass is broken for what people must phone about in that scope, and for nothing else.
    async fn check_opened(&self, referrals: &[ReferralId], tenants: &[TenantId]) -> Result<(), Refusal> {
        let (ledger, wanted) = (self.parts.ledger.clone(), referrals.to_vec());
        let rows =
            asking(move || wanted.iter().map(|id| Ok((*id, ledger.get(id)?))).collect::<Result<Vec<_>, _>>());
        for (id, row) in rows.await? {
            let row = row.ok_or_else(|| invalid("referrals", format!("there is none with the id {id}")))?;
            let state = row.referral.lifecycle.state();
            let is_there = [Some(&row.facts.tenant), row.referral.lifecycle.destination()]
                .into_iter()
                .flatten()
                .any(|tenant| tenants.contains(tenant));
            if !is_there {
                let why = format!("{id} is neither from nor for the scope that the break-glass names");
                return Err(Refusal::new(Code::NotGranted, why));
            }
            if ![&SET_ASIDE[..], &UNANSWERED].concat().contains(&state) {
                let why = format!("{id} is {}: neither set aside nor unanswered", state.as_str());
                return Err(Refusal::new(Code::NotGranted, why));
            }
        }
        Ok(())
    }

    /// What is set aside or unanswered at these tenants, earliest due first.
    async fn in_need(&self, tenants: Vec<TenantId>) -> Result<Vec<ReferralId>, Refusal> {
        let ledger = self.parts.ledger.clone();
        let states = [&SET_ASIDE[..], &UNANSWERED].concat();
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

fn invalid(field: &str, why: String) -> Refusal {
    Refusal::new(Code::InvalidEnvelope, format!("{field}: {why}")).field(field)
}

/// The first page that has any with this reason. It may be a short one, and is not the last because of that.
fn of_reason(ledger: &Ledger, mut filter: Filter, code: &str) -> Result<Listed, bulkhead_ledger::Error> {
    loop {
        let Listed { mut rows, next, .. } = ledger.list(&filter)?;
        rows.retain(|row| row.referral.lifecycle.reason().is_some_and(|why| why.code == code));
        if !rows.is_empty() || next.is_none() {
            return Ok(Listed { total: rows.len() as u64, rows, next });
        }
        filter.after = next;
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

#[cfg(test)]
#[path = "set_aside_tests.rs"]
mod tests;
