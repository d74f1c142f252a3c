//! What may be asked of the broker: its directory, and where a referral is.

use std::collections::HashMap;

use bulkhead_model::Code;
use bulkhead_wire::status::Refusal;
use bulkhead_wire::v1;
use bulkhead_wire::v1::referrals_server::Referrals;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::Memory;
use super::memory::REFUSAL;

/// Who takes what is sent to a service.
#[derive(Debug, Clone)]
pub struct Hosted {
    /// The tenant.
    pub tenant: &'static str,
    /// What its system speaks, and in which version.
    pub speaks: (&'static str, &'static str),
    /// The most that it takes; zero: as much as the broker does.
    pub max_bytes: u64,
}

/// The directory: services by the value of their address, whatever its system.
#[derive(Debug, Default)]
pub struct Services {
    known: HashMap<&'static str, Option<Hosted>>,
    otherwise: Option<Hosted>,
}

impl Services {
    /// That address leads there, or for `None` nowhere.
    pub fn set(&mut self, value: &'static str, hosted: Option<Hosted>) {
        self.known.insert(value, hosted);
    }

    /// Every other address leads there.
    pub fn otherwise(&mut self, hosted: Hosted) {
        self.otherwise = Some(hosted);
    }

    fn resolve(&self, value: &str) -> Option<Hosted> {
        self.known.get(value).unwrap_or(&self.otherwise).clone()
    }
}

fn unused<T>() -> Result<T, Status> {
    Err(Status::unimplemented("sidecars do not ask this"))
}

#[tonic::async_trait]
impl Referrals for Memory {
    async fn get_referral(
        &self,
        request: Request<v1::GetReferralRequest>,
    ) -> Result<Response<v1::GetReferralResponse>, Status> {
        let referral = self.referral(&request.into_inner().id);
        let referral = referral.ok_or_else(|| Status::not_found("no such referral"))?;
        Ok(Response::new(v1::GetReferralResponse { referrals: vec![referral] }))
    }

    async fn resolve_service(
        &self,
        request: Request<v1::ResolveServiceRequest>,
    ) -> Result<Response<v1::ResolveServiceResponse>, Status> {
        let address = request.into_inner().address.unwrap();
        let Some(hosted) = self.services(|services| services.resolve(&address.value)) else {
            return Err(Refusal::new(Code::ServiceUnknown, REFUSAL).into());
        };
        let (protocol, version) = hosted.speaks;
        Ok(Response::new(v1::ResolveServiceResponse {
            service_id: format!("{}-service", hosted.tenant),
            tenant: hosted.tenant.to_owned(),
            protocol: protocol.to_owned(),
            version: version.to_owned(),
            max_bytes: hosted.max_bytes,
            identifiers: vec![address],
        }))
    }

    type WatchReferralStream = ReceiverStream<Result<v1::WatchReferralResponse, Status>>;
    type WatchEventsStream = ReceiverStream<Result<v1::WatchEventsResponse, Status>>;

    async fn watch_referral(
        &self,
        _: Request<v1::WatchReferralRequest>,
    ) -> Result<Response<Self::WatchReferralStream>, Status> {
        unused()
    }

    async fn watch_events(
        &self,
        _: Request<v1::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        unused()
    }

    async fn list_referrals(
        &self,
        _: Request<v1::ListReferralsRequest>,
    ) -> Result<Response<v1::ListReferralsResponse>, Status> {
        unused()
    }

    async fn get_status(
        &self,
        _: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        unused()
    }
}
