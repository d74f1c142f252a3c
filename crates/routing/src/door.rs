//! The border door: the only way in for another nation's cell.
//!
//! A known id is answered with its state before any refusal. What it takes is durable in the foreign
//! tenant's own `in` before it says so, and from then on this nation has it.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bulkhead_log::{Record, Topic};
use bulkhead_model::{Answer, Code, Digest, Nation, ReferralId, State, TenantId, shard_of};
use bulkhead_process::lease::Stale;
use bulkhead_transport::Identity;
use bulkhead_wire::record::{Carried, In, Report};
use bulkhead_wire::status::Refusal;
use bulkhead_wire::v1::{self, border_server::Border, carry_request, carry_response};
use bulkhead_wire::{provenance, state_to_wire, topics};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::Error;
use crate::layers::Layer;
use crate::owner::Shared;

/// Frames of one stream that are being appended at a time; the rest waits with the caller.
const WINDOW: usize = 64;
/// When an append fails: the caller asks again after this.
const AGAIN: Duration = Duration::from_secs(1);
/// When there is no room on disk: others have to settle some of it.
const ROOM: Duration = Duration::from_secs(5);

/// What other nations' cells call.
#[derive(Clone)]
pub struct DoorService {
    shared: Shared,
    newest: Arc<Mutex<HashMap<(Nation, u32), u64>>>,
}

impl DoorService {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared, newest: Arc::default() }
    }

    /// Begins to take one frame; the append is enqueued before this returns, so frames keep their order.
    fn take(&self, from: Nation, frame: v1::CarryRequest) -> BoxFuture<'static, v1::CarryResponse> {
        match frame.frame {
            Some(carry_request::Frame::Referral(wire)) => {
                let id = id_text(wire.accepted.as_ref().map(|accepted| accepted.referral_id.clone()));
                match Carried::from_wire(wire) {
                    Ok(carried) => self.carried(from, carried),
                    Err(unreadable) => {
                        refuse(id, Refusal::new(Code::InvalidEnvelope, unreadable.to_string()))
                    }
                }
            }
            Some(carry_request::Frame::Report(wire)) => {
                let id = id_text(Some(wire.referral_id.clone()));
                match Report::from_wire(wire) {
                    Ok(report) => self.report(from, report),
                    Err(unreadable) => {
                        refuse(id, Refusal::new(Code::InvalidEnvelope, unreadable.to_string()))
                    }
                }
            }
            None => refuse(String::new(), Refusal::new(Code::InvalidEnvelope, "an empty frame")),
        }
    }

    fn carried(&self, from: Nation, mut carried: Carried) -> BoxFuture<'static, v1::CarryResponse> {
        let id = carried.accepted.id;
        if let Err(refusal) = self.check_claim(from, &carried) {
            return refuse(id.to_string(), refusal);
        }
        match self.shared.parts.ledger.get(&id) {
            Ok(Some(row)) if row.facts.digest == carried.accepted.digest => {
                let state = row.referral.lifecycle.state();
                return futures::future::ready(have(id, state)).boxed();
            }
            Ok(_) => {}
            Err(_) => return refuse(id.to_string(), unavailable()),
        }
        let epoch = (self.shared.home(), self.shared.cuts().position);
        carried.accepted.epochs.push(epoch);
        if let Err(refusal) = self.check(from, &carried).and_then(|()| self.check_room(&carried)) {
            return refuse(id.to_string(), refusal);
        }
        if let Err(refusal) = self.check_lease() {
            return refuse(id.to_string(), refusal);
        }
        let tenant = carried.accepted.tenant.clone();
        let asked = provenance(&carried.accepted, None);
        let shared = self.shared.clone();
        let appended = self.append(&tenant, id, &In::Carried(carried));
        async move {
            if appended.await.is_err() {
                return refused(id.to_string(), unavailable());
            }
            if let Err(stale) = shared.parts.lease.check() {
                return refused(id.to_string(), unsure(stale));
            }
            let state = match shared.gate(Layer::Door).ask(&asked) {
                Answer::Open | Answer::Hold(_) | Answer::DestinationCut(_) => State::Accepted,
                Answer::Quarantine(_) => State::Quarantined,
            };
            have(id, state)
        }
        .boxed()
    }

    /// Asked right before what cannot be taken back.
    fn check_lease(&self) -> Result<(), Refusal> {
        self.shared.parts.lease.check().map_err(unsure)
    }

    /// A frame of an older claim than this door has seen is a former owner's.
    fn check_claim(&self, from: Nation, carried: &Carried) -> Result<(), Refusal> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = newest.entry((from, carried.claim.shard)).or_insert(0);
        if carried.claim.number < *seen {
            return Err(Refusal::new(Code::NotOwner, "a newer claim on this shard has been seen"));
        }
        *seen = carried.claim.number;
        Ok(())
    }

    fn check(&self, from: Nation, carried: &Carried) -> Result<(), Refusal> {
        let accepted = &carried.accepted;
        if carried.from != from || accepted.tenant.nation() != from {
            return Err(Refusal::new(
                Code::NotGranted,
                format!("{from} carries only referrals of its own tenants"),
            ));
        }
        let directory = self.shared.directory();
        if directory.tenant(&accepted.tenant).is_none() {
            let text = format!("the directory of {} has no tenant {}", self.shared.home(), accepted.tenant);
            return Err(Refusal::new(Code::TenantUnknown, text));
        }
        // What is suspect for a cut that is over is taken, and quarantined here.
        if let Some(cut) = self.shared.gate(Layer::Door).covers_from(&accepted.tenant) {
            let text = format!("tenant {} is cut off here by {cut}", accepted.tenant);
            return Err(Refusal::new(Code::TenantCut, text).cut(cut));
        }
        let service = directory
            .resolve(&accepted.envelope.to)
            .filter(|service| service.host.nation() == self.shared.home())
            .ok_or_else(|| {
                Refusal::new(Code::ServiceUnknown, format!("{} is not here", accepted.envelope.to))
            })?;
        if !service.takes_from(&accepted.tenant) {
            let text = format!("{} does not take referrals from {}", service.id, accepted.tenant);
            return Err(Refusal::new(Code::NotGranted, text));
        }
        let hash = ring::digest::digest(&ring::digest::SHA256, accepted.payload.bytes());
        if Digest::from_slice(hash.as_ref()) != Some(accepted.digest) {
            return Err(Refusal::new(Code::DigestMismatch, "the bytes changed on their way"));
        }
        Ok(())
    }

    /// A foreign tenant's compartment here is bounded like its own nation's, so that none fills another nation's disks.
    fn check_room(&self, carried: &Carried) -> Result<(), Refusal> {
        let (tenant, kind) = (&carried.accepted.tenant, carried.accepted.envelope.kind);
        let directory = self.shared.directory();
        let Some(entry) = directory.tenant(tenant) else { return Ok(()) };
        let unsettled = self.shared.parts.ledger.unsettled_bytes(tenant).map_err(|_| unavailable())?;
        entry
            .quota
            .check_room(tenant, unsettled, kind)
            .map_err(|reason| Refusal::new(Code::QuotaExceeded, reason.text).retry_after(ROOM))
    }

    /// A report is past quota and gate. About what another nation has, only that nation is heard; about what is here
    /// again a report said once more changes nothing.
    fn report(&self, from: Nation, report: Report) -> BoxFuture<'static, v1::CarryResponse> {
        let (id, sequence) = (report.id, report.sequence);
        let tenant = match self.shared.parts.ledger.get(&id) {
            Ok(Some(row))
                if report.nation == from
                    && row.referral.lifecycle.carried_to().is_none_or(|nation| nation == from) =>
            {
                row.facts.tenant.clone()
            }
            Ok(_) => {
                return refuse(id.to_string(), Refusal::new(Code::NotGranted, "not carried to that nation"));
            }
            Err(_) => return refuse(id.to_string(), unavailable()),
        };
        if let Err(refusal) = self.check_lease() {
            return refuse(id.to_string(), refusal);
        }
        let appended = self.append(&tenant, id, &In::Report(report));
        async move {
            match appended.await {
                Ok(()) => answer(id.to_string(), carry_response::Answer::Reported(v1::Reported { sequence })),
                Err(_) => refused(id.to_string(), unavailable()),
            }
        }
        .boxed()
    }

    fn append(
        &self,
        tenant: &TenantId,
        id: ReferralId,
        record: &In,
    ) -> BoxFuture<'static, Result<(), Error>> {
        let record = Record { key: Bytes::copy_from_slice(id.as_bytes()), value: record.encode() };
        let ledger = self.shared.parts.ledger.clone();
        let enqueue = || {
            ledger.events_stand(shard_of(tenant))?;
            let topic = Topic::new(&topics::inward(tenant))?;
            ledger.in_stands(topic.as_str())?;
            let from = ledger.in_goes_on_at(topic.as_str());
            let appended = self.shared.parts.log.append(&topic.partition(0), record);
            Ok((topic, from, appended))
        };
        match enqueue() {
            Ok((topic, from, appended)) => async move {
                let offset = appended.await?.offset;
                Ok(ledger.in_landed(topic.as_str(), from, offset)?)
            }
            .boxed(),
            Err(error) => futures::future::ready(Err(error)).boxed(),
        }
    }

    async fn serve(
        self,
        from: Nation,
        mut up: Streaming<v1::CarryRequest>,
        down: mpsc::Sender<Result<v1::CarryResponse, Status>>,
    ) {
        let mut window: FuturesUnordered<BoxFuture<'static, v1::CarryResponse>> = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(response) = window.next() => if down.send(Ok(response)).await.is_err() { return },
                frame = up.message(), if window.len() < WINDOW => match frame {
                    Ok(Some(frame)) => window.push(self.take(from, frame)),
                    Ok(None) | Err(_) => break,
                },
            }
        }
        while let Some(response) = window.next().await {
            if down.send(Ok(response)).await.is_err() {
                return;
            }
        }
    }
}

#[tonic::async_trait]
impl Border for DoorService {
    type CarryStream = Pin<Box<dyn Stream<Item = Result<v1::CarryResponse, Status>> + Send>>;

    async fn carry(
        &self,
        request: Request<Streaming<v1::CarryRequest>>,
    ) -> Result<Response<Self::CarryStream>, Status> {
        let identity = bulkhead_transport::peer(&request)
            .map_err(|refusal| Status::from(Refusal::new(refusal.code(), refusal.to_string())))?;
        let from = match identity {
            Identity::Cell { nation, .. } if *nation != self.shared.home() => *nation,
            Identity::Cell { .. } | Identity::Tenant(_) | Identity::Operator(_) => {
                return Err(Refusal::new(Code::NotGranted, "only another nation's cell may carry").into());
            }
        };
        let (down, answers) = mpsc::channel(WINDOW);
        tokio::spawn(self.clone().serve(from, request.into_inner(), down));
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }
}

fn id_text(bytes: Option<Bytes>) -> String {
    bytes.and_then(|bytes| ReferralId::from_slice(&bytes).ok()).map(|id| id.to_string()).unwrap_or_default()
}

fn unavailable() -> Refusal {
    Refusal::new(Code::LogUnavailable, "the log cannot take it now").retry_after(AGAIN)
}

fn unsure(stale: Stale) -> Refusal {
    Refusal::new(Code::NodeUnsure, format!("this node may not act now: {stale}")).retry_after(AGAIN)
}

fn answer(referral_id: String, answer: carry_response::Answer) -> v1::CarryResponse {
    v1::CarryResponse { referral_id, answer: Some(answer) }
}

fn have(id: ReferralId, state: State) -> v1::CarryResponse {
    answer(id.to_string(), carry_response::Answer::Have(v1::Have { state: state_to_wire(state) as i32 }))
}

fn refused(id: String, refusal: Refusal) -> v1::CarryResponse {
    answer(id, carry_response::Answer::Refused(refusal.to_wire()))
}

fn refuse(id: String, refusal: Refusal) -> BoxFuture<'static, v1::CarryResponse> {
    futures::future::ready(refused(id, refusal)).boxed()
}
