//! A cell that answers as told. What a service addressed is called says how a referral to it fares.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bulkhead_model::Code;
use bulkhead_transport::{Identity, peer};
use bulkhead_wire::status::Refusal;
use bulkhead_wire::v1;
use bulkhead_wire::v1::ingest_server::Ingest;
use bulkhead_wire::v1::referrals_server::Referrals;
use bulkhead_wire::v1::submit_stream_response::Answer;
use futures::{Stream, StreamExt};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[derive(Clone, Default)]
pub(crate) struct FakeCell {
    pub(crate) told: Arc<Mutex<Told>>,
}

#[derive(Default)]
pub(crate) struct Told {
    /// What is known, for queries.
    pub(crate) referrals: Vec<v1::Referral>,
    /// What every query is refused with.
    pub(crate) refuses: Option<Code>,
    /// Streams end after so many answers, once for each number.
    pub(crate) ends_after: Vec<usize>,
    /// Alerts of its status.
    pub(crate) alerts: Vec<v1::Alert>,
    /// How often each message id was received.
    pub(crate) received: HashMap<String, usize>,
    /// How many unanswered ones it saw at most.
    pub(crate) most_unanswered: usize,
    /// Who called.
    pub(crate) callers: Vec<String>,
}

impl FakeCell {
    pub(crate) fn knowing(referrals: Vec<v1::Referral>) -> Self {
        let cell = Self::default();
        cell.told().referrals = referrals;
        cell
    }

    pub(crate) fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }

    fn ask<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let caller = peer(request).cloned().unwrap();
        let mut told = self.told();
        told.callers.push(caller.to_string());
        match told.refuses {
            Some(code) => Err(Refusal::new(code, "as told").into()),
            None => Ok(()),
        }
    }

    fn answer(&self, submit: v1::SubmitRequest) -> v1::SubmitStreamResponse {
        let envelope = submit.envelope.unwrap();
        let message_id = envelope.message_id.clone();
        let times = {
            let mut told = self.told();
            let times = told.received.entry(message_id.clone()).or_default();
            *times += 1;
            *times
        };
        let refused = |refusal: Refusal| Some(Answer::Refused(refusal.to_wire()));
        let answer = match envelope.to.unwrap().value.as_str() {
            "wales/cut" => refused(Refusal::new(Code::DestinationCut, "wales/cut is cut off")),
            "wales/busy" if times == 1 => {
                let busy = Refusal::new(Code::QuotaExceeded, "too many calls");
                refused(busy.retry_after(Duration::from_millis(20)))
            }
            "wales/always-busy" => refused(Refusal::new(Code::QuotaExceeded, "too many calls")),
            "wales/unsure" if times == 1 => refused(Refusal::new(Code::NodeUnsure, "the pulse is old")),
            to => Some(Answer::Accepted(v1::SubmitResponse {
                referral_id: format!("{to}#{message_id}"),
                state: v1::State::Accepted as i32,
                duplicate: times > 1,
                ..v1::SubmitResponse::default()
            })),
        };
        v1::SubmitStreamResponse { message_id, answer }
    }
}

#[tonic::async_trait]
impl Ingest for FakeCell {
    type SubmitStreamStream = Answers<v1::SubmitStreamResponse>;

    async fn submit(&self, _: Request<v1::SubmitRequest>) -> Result<Response<v1::SubmitResponse>, Status> {
        Err(Status::unimplemented("the command streams"))
    }

    /// Answers slowly and out of order, so that the window fills.
    async fn submit_stream(
        &self,
        request: Request<Streaming<v1::SubmitStreamRequest>>,
    ) -> Result<Response<Self::SubmitStreamStream>, Status> {
        let caller = peer(&request).cloned().unwrap();
        assert!(matches!(caller, Identity::Tenant(_)), "{caller}");
        let ends_after = self.told().ends_after.pop().unwrap_or(usize::MAX);
        let (answers, stream) = tokio::sync::mpsc::channel(64);
        let (cell, mut requests) = (self.clone(), request.into_inner());
        tokio::spawn(async move {
            let (mut unanswered, mut answered) = (Vec::new(), 0);
            loop {
                match tokio::time::timeout(Duration::from_millis(5), requests.next()).await {
                    Ok(Some(Ok(request))) => {
                        unanswered.push(request.submit.unwrap());
                        let mut told = cell.told();
                        told.most_unanswered = told.most_unanswered.max(unanswered.len());
                    }
                    Ok(Some(Err(_)) | None) => return,
                    Err(_) => {
                        for submit in unanswered.drain(..).rev() {
                            if answered == ends_after {
                                let _ = answers.send(Err(Status::unavailable("restarting"))).await;
                                return;
                            }
                            answered += 1;
                            let _ = answers.send(Ok(cell.answer(submit))).await;
                        }
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn withdraw(
        &self,
        _: Request<v1::WithdrawRequest>,
    ) -> Result<Response<v1::WithdrawResponse>, Status> {
        Err(Status::unimplemented("the command never withdraws"))
    }
}

#[tonic::async_trait]
impl Referrals for FakeCell {
    type WatchReferralStream = Answers<v1::WatchReferralResponse>;
    type WatchEventsStream = Answers<v1::WatchEventsResponse>;

    async fn get_referral(
        &self,
        request: Request<v1::GetReferralRequest>,
    ) -> Result<Response<v1::GetReferralResponse>, Status> {
        self.ask(&request)?;
        let wanted = request.into_inner();
        let told = self.told();
        let fits = |one: &&v1::Referral| {
            let envelope = one.envelope.as_ref().unwrap();
            [&one.referral_id, &envelope.message_id, &envelope.case_id].contains(&&wanted.id)
                && (wanted.tenant.is_empty() || wanted.tenant == one.tenant)
        };
        let referrals: Vec<_> = told.referrals.iter().filter(fits).cloned().collect();
        match referrals.is_empty() {
            true => Err(Status::not_found("no such referral")),
            false => Ok(Response::new(v1::GetReferralResponse { referrals })),
        }
    }

    /// One state, and the stream ends: a follower has to come again.
    async fn watch_referral(
        &self,
        request: Request<v1::WatchReferralRequest>,
    ) -> Result<Response<Self::WatchReferralStream>, Status> {
        self.ask(&request)?;
        let id = request.into_inner().referral_id;
        let times = self.told().callers.len();
        let state = match id.split('#').next().unwrap() {
            "wales/slow" => v1::State::Routed,
            "wales/refusing" => v1::State::Rejected,
            _ if times > 1 => v1::State::Acknowledged,
            _ => v1::State::Delivered,
        };
        let referral = v1::Referral { referral_id: id, state: state as i32, ..v1::Referral::default() };
        let now = v1::WatchReferralResponse { referral: Some(referral) };
        Ok(Response::new(Box::pin(futures::stream::iter([Ok(now)]))))
    }

    async fn list_referrals(
        &self,
        request: Request<v1::ListReferralsRequest>,
    ) -> Result<Response<v1::ListReferralsResponse>, Status> {
        self.ask(&request)?;
        let referrals = self.told().referrals.clone();
        let total = referrals.len() as u64;
        Ok(Response::new(v1::ListReferralsResponse { referrals, total, ..Default::default() }))
    }

    /// One event a connection.
    async fn watch_events(
        &self,
        request: Request<v1::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        self.ask(&request)?;
        let event = v1::WatchEventsResponse {
            referral_id: "r".into(),
            tenant: "england/nhs111-north".into(),
            state: v1::State::Routed as i32,
            step: Some(v1::Step { event: "routed".into(), counts: true, ..v1::Step::default() }),
            ..v1::WatchEventsResponse::default()
        };
        Ok(Response::new(Box::pin(futures::stream::iter([Ok(event)]))))
    }

    async fn resolve_service(
        &self,
        _: Request<v1::ResolveServiceRequest>,
    ) -> Result<Response<v1::ResolveServiceResponse>, Status> {
        Err(Status::unimplemented("no command asks"))
    }

    async fn get_status(
        &self,
        request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        self.ask(&request)?;
        let nodes = vec![v1::NodeStatus { name: "n".into(), ready: true, shards: 32 }];
        let alerts = self.told().alerts.clone();
        let nation = "england".into();
        Ok(Response::new(v1::GetStatusResponse { nation, nodes, alerts, ..Default::default() }))
    }
}
