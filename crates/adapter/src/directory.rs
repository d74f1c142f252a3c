//! What the broker knows of services and referrals, asked for the adapter; services are remembered for a minute.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bulkhead_model::{MessageId, ReferralId, ServiceAddress, ServiceId, TenantId};
use bulkhead_wire::status::Problem;
use bulkhead_wire::{
    address_from_wire, address_to_wire, reason_from_wire, state_from_wire, time_from_wire, v1,
};
use tokio::time::Instant;

use crate::broker::Broker;
use crate::{Resolved, Status};

/// How long an answer is good.
const GOOD_FOR: Duration = Duration::from_secs(60);
/// How many are remembered. Full: all are forgotten.
const MOST: usize = 1024;
/// How long one question may take.
const WITHIN: Duration = Duration::from_secs(3);

type Remembered = (Instant, Arc<Resolved>);

/// Remembered answers of the directory.
pub(crate) struct Directory {
    broker: Arc<Broker>,
    known: Mutex<HashMap<(String, String), Remembered>>,
}

impl Directory {
    pub(crate) fn new(broker: Arc<Broker>) -> Self {
        Self { broker, known: Mutex::default() }
    }

    /// Who takes what is sent to that address. While the broker cannot be asked, an older answer is good too.
    pub(crate) async fn resolve(&self, address: &ServiceAddress) -> Result<Arc<Resolved>, Problem> {
        let key = address.key();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some((at, resolved)) = &known
            && at.elapsed() < GOOD_FOR
        {
            return Ok(resolved.clone());
        }
        let request = v1::ResolveServiceRequest { address: Some(address_to_wire(address)) };
        match self.broker.resolve(request, WITHIN).await {
            Ok(response) => {
                let resolved = Arc::new(resolved(response).ok_or_else(unreadable)?);
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                if known.len() >= MOST {
                    known.clear();
                }
                known.insert(key, (Instant::now(), resolved.clone()));
                Ok(resolved)
            }
            Err(problem) if problem.is_refusal() => {
                self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
                Err(problem)
            }
            Err(problem) => known.map(|(_, resolved)| resolved).ok_or(problem),
        }
    }

    /// Where referrals are.
    pub(crate) async fn state_of(&self, id: &str) -> Result<Vec<Status>, Problem> {
        let request = v1::GetReferralRequest { id: id.to_owned(), tenant: String::new() };
        let response = self.broker.referral(request, WITHIN).await?;
        response.referrals.into_iter().map(|referral| status(referral).ok_or_else(unreadable)).collect()
    }
}

fn resolved(response: v1::ResolveServiceResponse) -> Option<Resolved> {
    Some(Resolved {
        service: ServiceId::parse(&response.service_id).ok()?,
        tenant: TenantId::parse(&response.tenant).ok()?,
        protocol: response.protocol,
        version: response.version,
        max_bytes: Some(response.max_bytes).filter(|max| *max > 0),
        identifiers: response
            .identifiers
            .iter()
            .filter_map(|address| address_from_wire("identifiers", address).ok())
            .collect(),
    })
}

fn status(referral: v1::Referral) -> Option<Status> {
    Some(Status {
        id: ReferralId::parse(&referral.referral_id).ok()?,
        tenant: TenantId::parse(&referral.tenant).ok()?,
        message_id: MessageId::parse(&referral.envelope?.message_id).ok()?,
        state: state_from_wire(referral.state)?,
        reason: referral.reason.map(reason_from_wire),
        destination: referral.destination,
        updated_at: referral.updated_at.and_then(time_from_wire),
        omissions: referral.omissions,
    })
}

fn unreadable() -> Problem {
    Problem {
        code: None,
        grpc: tonic::Code::Internal as i32,
        message: "the broker's answer cannot be read".to_owned(),
        field: None,
        retry_after: None,
        owner: None,
    }
}
