//! The broker as a sidecar sees it: a few nodes, dialled in turn, and whether they answer.
//!
//! Every call to the broker goes through here, so that contact, credential and the choice of node are noted in
//! one place.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bulkhead_model::Code;
use bulkhead_process::{Condition, Health};
use bulkhead_transport::{Dialer, MAX_MESSAGE, tls_alert};
use bulkhead_wire::status::Problem;
use bulkhead_wire::v1;
use bulkhead_wire::v1::ingest_client::IngestClient;
use bulkhead_wire::v1::referrals_client::ReferralsClient;
use tokio::time::Instant;
use tonic::transport::Channel;
use tonic::{Response, Status};
use tracing::{error, info};

use crate::contact::Contact;
use crate::{Config, Error};

/// The nodes of the cell.
pub(crate) struct Broker {
    dialer: Dialer,
    server_name: String,
    addresses: Vec<String>,
    channels: Vec<Channel>,
    current: AtomicUsize,
    contact: Mutex<Contact>,
    credential: Credential,
}

/// Whether the broker takes us for who we are. Calls and the stream may hear different things: a cut can be for
/// one direction only.
struct Credential {
    condition: Condition,
    refused: Mutex<Refused>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
struct Refused {
    call: Option<Code>,
    stream: Option<Code>,
}

impl Broker {
    /// Nothing is dialled before the first call.
    pub(crate) fn new(config: &Config, health: &Health) -> Result<Self, Error> {
        let dialer = Dialer::new(&config.credentials)?;
        let channels = config
            .brokers
            .iter()
            .map(|address| dialer.channel(address, &config.server_name))
            .collect::<Result<Vec<_>, _>>()?;
        if channels.is_empty() {
            return Err(Error::config("broker.addresses", "names no node"));
        }
        let condition = health.condition("credential", "");
        condition.met();
        Ok(Self {
            dialer,
            server_name: config.server_name.clone(),
            addresses: config.brokers.clone(),
            channels,
            current: AtomicUsize::new(0),
            contact: Mutex::default(),
            credential: Credential { condition, refused: Mutex::default() },
        })
    }

    /// Submits one referral.
    pub(crate) async fn submit(
        &self,
        request: v1::SubmitRequest,
        within: Duration,
    ) -> Result<v1::SubmitResponse, Problem> {
        let call = async |channel| ingest(channel).submit(request).await;
        let answered = self.call(within, call).await;
        if answered.is_ok() {
            self.credential.change(|refused| refused.call = None);
        }
        answered
    }

    /// Takes attempts back.
    pub(crate) async fn withdraw(
        &self,
        request: v1::WithdrawRequest,
        within: Duration,
    ) -> Result<v1::WithdrawResponse, Problem> {
        self.call(within, async |channel| ingest(channel).withdraw(request).await).await
    }

    /// Who takes what is sent to an address.
    pub(crate) async fn resolve(
        &self,
        request: v1::ResolveServiceRequest,
        within: Duration,
    ) -> Result<v1::ResolveServiceResponse, Problem> {
        let call = async |channel| ReferralsClient::new(channel).resolve_service(request).await;
        self.call(within, call).await
    }

    /// Where referrals are.
    pub(crate) async fn referral(
        &self,
        request: v1::GetReferralRequest,
        within: Duration,
    ) -> Result<v1::GetReferralResponse, Problem> {
        let call = async |channel| {
            let client = ReferralsClient::new(channel);
            client.max_decoding_message_size(MAX_MESSAGE).get_referral(request).await
        };
        self.call(within, call).await
    }

    async fn call<T>(
        &self,
        within: Duration,
        call: impl AsyncFnOnce(Channel) -> Result<Response<T>, Status>,
    ) -> Result<T, Problem> {
        let index = self.current.load(Ordering::Relaxed);
        let answered = tokio::time::timeout(within, call(self.channel(index))).await;
        let result = match answered {
            Ok(answered) => answered.map(Response::into_inner).map_err(|status| problem(&status)),
            Err(_) => Err(Problem {
                code: None,
                grpc: tonic::Code::DeadlineExceeded as i32,
                message: "no answer in time".to_owned(),
                field: None,
                retry_after: None,
                owner: None,
            }),
        };
        self.note(index, result.as_ref().err());
        result
    }

    /// The node with that number, counted round.
    pub(crate) fn channel(&self, index: usize) -> Channel {
        self.channels[index % self.channels.len()].clone()
    }

    /// The node at that address, which another node of the cell has named. It proves who it is like any other.
    pub(crate) fn channel_to(&self, address: &str) -> Option<Channel> {
        if let Some(index) = self.addresses.iter().position(|known| known == address) {
            return Some(self.channel(index));
        }
        self.dialer.channel(address, &self.server_name).ok()
    }

    /// What a stream's end or failure says.
    pub(crate) fn stream_failed(&self, status: &Status) -> Problem {
        let problem = problem(status);
        if let Some(code) = refused_us(&problem) {
            self.credential.change(|refused| refused.stream = Some(code));
        }
        problem
    }

    /// The stream has opened: nobody opens one for whom they refuse.
    pub(crate) fn opened(&self) {
        self.credential.change(|refused| *refused = Refused::default());
        self.heard();
    }

    /// Something came on the stream.
    pub(crate) fn heard(&self) {
        self.contact(|contact| contact.heard(Instant::now()));
    }

    /// The stream has ended.
    pub(crate) fn hung_up(&self) {
        self.contact(|contact| contact.hung_up(Instant::now()));
    }

    /// How long ago the broker was last there.
    pub(crate) fn silence(&self) -> Option<Duration> {
        self.contact(|contact| contact.age(Instant::now()))
    }

    fn note(&self, index: usize, problem: Option<&Problem>) {
        let now = Instant::now();
        let Some(problem) = problem else {
            return self.contact(|contact| contact.answered(now));
        };
        if is_absence(problem) {
            self.contact(|contact| contact.failed(now));
            let next = index.wrapping_add(1);
            // Another call may have moved on already.
            let _ = self.current.compare_exchange(index, next, Ordering::Relaxed, Ordering::Relaxed);
            return;
        }
        self.contact(|contact| contact.answered(now));
        if let Some(code) = refused_us(problem) {
            self.credential.change(|refused| refused.call = Some(code));
        }
    }

    fn contact<T>(&self, use_it: impl FnOnce(&mut Contact) -> T) -> T {
        use_it(&mut self.contact.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Credential {
    fn change(&self, change: impl FnOnce(&mut Refused)) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *refused;
        change(&mut refused);
        if *refused == before {
            return;
        }
        match refused.call.or(refused.stream) {
            Some(code) => {
                error!(%code, "the broker refuses this sidecar");
                self.condition.unmet(format!("the broker refuses this sidecar: {code}"));
            }
            None => {
                info!("the broker takes this sidecar again");
                self.condition.met();
            }
        }
    }
}

/// Nobody answered who could have taken it: no connection, a time-out, a node that is unsure. A refusal or a full
/// quota is an answer.
pub(crate) fn is_absence(problem: &Problem) -> bool {
    !problem.is_refusal() && problem.code != Some(Code::QuotaExceeded)
}

/// The code of a refusal of the tenant itself and not of one referral.
fn refused_us(problem: &Problem) -> Option<Code> {
    use Code::{CredentialExpired, CredentialRevoked, TenantCut, TenantUnknown};
    problem
        .code
        .filter(|code| matches!(code, TenantCut | TenantUnknown | CredentialRevoked | CredentialExpired))
}

/// What a status says. A TLS alert about our certificate is a refusal like those that come with a reason.
fn problem(status: &Status) -> Problem {
    let mut problem = Problem::from(status);
    let code = match tls_alert(status).as_deref() {
        Some("CertificateExpired") => Some(Code::CredentialExpired),
        Some("CertificateRevoked" | "AccessDenied") => Some(Code::CredentialRevoked),
        Some("UnknownCA" | "BadCertificate" | "UnsupportedCertificate" | "CertificateUnknown") => {
            Some(Code::TenantUnknown)
        }
        _ => None,
    };
    if problem.code.is_none()
        && let Some(code) = code
    {
        problem.code = Some(code);
        problem.message = "the broker does not take this sidecar's certificate".to_owned();
    }
    problem
}

fn ingest(channel: Channel) -> IngestClient<Channel> {
    IngestClient::new(channel).max_encoding_message_size(MAX_MESSAGE)
}
