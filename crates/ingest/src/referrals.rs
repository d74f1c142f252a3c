//! `bulkhead.v1.Referrals`: where a referral is. A tenant sees what it sends and gets, an operator what is
//! its nation's.

use bulkhead_ledger::{Cursor, Filter, Listed};
use bulkhead_model::{Code, Priority, ReferralId, TenantId};
use bulkhead_wire::status::Refusal;
use bulkhead_wire::v1::referrals_server::Referrals;
use bulkhead_wire::v1::{self, *};
use bulkhead_wire::{address_from_wire, state_from_wire, time_from_wire};
use futures::stream::BoxStream;
use jiff::Timestamp;
use tonic::{Request, Response, Status};

use crate::Service;
use crate::caller::{self, Viewer};
use crate::lookup::Found;
use crate::next;
use crate::service::Shared;
use crate::show;
use crate::submit::ledger_refusal;

/// How many a list has when nobody says how many.
const LISTED: u32 = 100;
/// How many a list has at most.
const MOST_LISTED: u32 = 10_000;

impl Service {
    /// Who asks. A tenant's questions count against its calls.
    fn viewer<T>(&self, request: &Request<T>) -> Result<Viewer, Refusal> {
        let viewer = caller::viewer(request, self.shared.parts.nation)?;
        if let Some(tenant) = viewer.tenant() {
            self.shared.compartment(tenant)?.limits.call()?;
        }
        Ok(viewer)
    }
}

#[tonic::async_trait]
impl Referrals for Service {
    async fn get_referral(
        &self,
        request: Request<GetReferralRequest>,
    ) -> Result<Response<GetReferralResponse>, Status> {
        let viewer = self.viewer(&request)?;
        let GetReferralRequest { id, tenant } = request.into_inner();
        let tenant = optional_tenant(&tenant)?;
        let found = self.shared.find(&viewer, &id, tenant.as_ref()).await?;
        if found.is_empty() {
            return Err(Status::not_found("no referral that you may see has this id, message id or case id"));
        }
        let referrals = found.iter().map(|found| self.shared.with_steps(found)).collect::<Result<_, _>>()?;
        Ok(Response::new(GetReferralResponse { referrals }))
    }

    type WatchReferralStream = BoxStream<'static, Result<WatchReferralResponse, Status>>;

    async fn watch_referral(
        &self,
        request: Request<WatchReferralRequest>,
    ) -> Result<Response<Self::WatchReferralStream>, Status> {
        let viewer = self.viewer(&request)?;
        let id = ReferralId::parse(&request.get_ref().referral_id).map_err(|error| {
            Refusal::new(Code::InvalidEnvelope, format!("referral_id: {error}")).field("referral_id")
        })?;
        Ok(Response::new(self.shared.clone().watch_referral(viewer, id).await?))
    }

    async fn list_referrals(
        &self,
        request: Request<ListReferralsRequest>,
    ) -> Result<Response<ListReferralsResponse>, Status> {
        let viewer = self.viewer(&request)?;
        let filter = filter(&viewer, request.get_ref())?;
        let ledger = self.shared.parts.ledger.clone();
        let Listed { rows, total, next } = aside(move || ledger.list(&filter)).await?;
        let referrals = rows.iter().map(bulkhead_ledger::referral_to_wire).collect();
        let next_page_token = next.as_ref().map(ToString::to_string).unwrap_or_default();
        Ok(Response::new(ListReferralsResponse { referrals, total, next_page_token }))
    }

    type WatchEventsStream = BoxStream<'static, Result<WatchEventsResponse, Status>>;

    async fn watch_events(
        &self,
        request: Request<WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let viewer = self.viewer(&request)?;
        let tenant = optional_tenant(&request.get_ref().tenant)?;
        Ok(Response::new(self.shared.clone().watch_events(viewer, tenant)?))
    }

    async fn resolve_service(
        &self,
        request: Request<ResolveServiceRequest>,
    ) -> Result<Response<ResolveServiceResponse>, Status> {
        self.viewer(&request)?;
        let address = request.into_inner().address.unwrap_or_default();
        let address = address_from_wire("address", &address).map_err(|invalid| {
            Refusal::new(Code::InvalidEnvelope, format!("address: {}", invalid.problem)).field("address")
        })?;
        let directory = self.shared.directory();
        let service = directory.resolve(&address).ok_or_else(|| {
            Refusal::new(Code::ServiceUnknown, format!("no service has the address {address}"))
                .field("address")
        })?;
        Ok(Response::new(show::service(service)))
    }

    async fn get_status(
        &self,
        request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        let viewer = self.viewer(&request)?;
        let shared = self.shared.clone();
        Ok(Response::new(aside(move || shared.status(&viewer)).await?))
    }
}

impl Shared {
    fn with_steps(&self, found: &Found) -> Result<v1::Referral, Refusal> {
        let mut referral = show::found(found);
        if let Found::Shown(row) = found {
            let steps = self.parts.ledger.trace(&row.id).map_err(|error| ledger_refusal(&error))?;
            referral.steps = steps.iter().map(show::step).collect();
            referral.next = next::about_referral(row, &self.cuts());
        }
        Ok(referral)
    }
}

/// Asks the ledger what may take long, beside the threads that serve the others.
async fn aside<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, bulkhead_ledger::Error> + Send + 'static,
) -> Result<T, Status> {
    match tokio::task::spawn_blocking(ask).await {
        Ok(answer) => Ok(answer.map_err(|error| ledger_refusal(&error))?),
        Err(_) => Err(Status::internal("the question was given up")),
    }
}

fn optional_tenant(text: &str) -> Result<Option<TenantId>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let invalid = |error| Refusal::new(Code::InvalidEnvelope, format!("tenant: {error}")).field("tenant");
    TenantId::parse(text).map(Some).map_err(invalid)
}

fn filter(viewer: &Viewer, request: &ListReferralsRequest) -> Result<Filter, Refusal> {
    let asked = optional_tenant(&request.tenant)?;
    let tenant = match (viewer.tenant(), asked) {
        (Some(own), Some(asked)) if asked != *own => {
            return Err(Refusal::new(Code::NotGranted, "a tenant lists its own referrals").field("tenant"));
        }
        (Some(own), _) => Some(own.clone()),
        (None, asked) => asked,
    };
    let states = request.states.iter().map(|state| state_from_wire(*state).ok_or_else(|| unread("states")));
    let since = request.since.map(|since| time_from_wire(since).ok_or_else(|| unread("since")));
    let limit = if request.limit == 0 { LISTED } else { request.limit.min(MOST_LISTED) };
    let page = Some(request.page_token.as_str()).filter(|token| !token.is_empty());
    let after = page.map(|token| Cursor::parse(token).ok_or_else(no_page)).transpose()?;
    Ok(Filter {
        tenant,
        states: states.collect::<Result<_, _>>()?,
        since: since.transpose()?,
        overdue_at: request.overdue.then(Timestamp::now),
        priority: priority(request.priority)?,
        limit: limit as usize,
        after,
    })
}

/// Unlike in an envelope, one that is not stated means any.
fn priority(priority: i32) -> Result<Option<Priority>, Refusal> {
    match v1::Priority::try_from(priority) {
        Ok(v1::Priority::Unspecified) => Ok(None),
        Ok(v1::Priority::Emergency) => Ok(Some(Priority::Emergency)),
        Ok(v1::Priority::Urgent) => Ok(Some(Priority::Urgent)),
        Ok(v1::Priority::Routine) => Ok(Some(Priority::Routine)),
        Err(_) => Err(unread("priority")),
    }
}

fn no_page() -> Refusal {
    let problem = "page_token: is not the next_page_token of a page of this cell";
    Refusal::new(Code::InvalidEnvelope, problem).field("page_token")
}

fn unread(field: &'static str) -> Refusal {
    Refusal::new(Code::InvalidEnvelope, format!("{field}: has a value that this release does not know"))
        .field(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_lists_only_its_own() {
        let own = Viewer::Tenant(TenantId::parse("england/a").unwrap());
        let asked = |tenant: &str| ListReferralsRequest { tenant: tenant.into(), ..Default::default() };
        assert_eq!(filter(&own, &asked("")).unwrap().tenant.as_ref(), own.tenant());
        assert_eq!(filter(&own, &asked("england/a")).unwrap().limit, 100);
        assert_eq!(filter(&own, &asked("england/b")).unwrap_err().code, Code::NotGranted);
        assert_eq!(filter(&Viewer::Operator, &asked("")).unwrap().tenant, None);
        assert_eq!(filter(&Viewer::Operator, &asked("x")).unwrap_err().field.as_deref(), Some("tenant"));
        let many = ListReferralsRequest { limit: 1_000_000, states: vec![99], ..Default::default() };
        assert_eq!(filter(&Viewer::Operator, &many).unwrap_err().field.as_deref(), Some("states"));
        let astray = ListReferralsRequest { page_token: "2".into(), ..Default::default() };
        assert_eq!(filter(&Viewer::Operator, &astray).unwrap_err().field.as_deref(), Some("page_token"));
    }
}
