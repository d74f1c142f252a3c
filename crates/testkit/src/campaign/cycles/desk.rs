//! The two operators of a nation, who command as people do: they look, sign what they saw, send it, and look again
//! when no answer comes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use bulkhead_model::{CutId, Direction, FactId, Nation, OperatorId, ReferralId, Scope, TenantId};
use bulkhead_transport::{Credentials, Dialer};
use bulkhead_wire::fact::{Advance, Command, Header, HeaderScope, SignedFact, Statement, signing_key};
use bulkhead_wire::status::Problem;
use bulkhead_wire::v1::control_client::ControlClient;
use bulkhead_wire::v1::cut_response::News;
use bulkhead_wire::v1::{self, CutSummary};
use bulkhead_wire::{time_from_wire, time_to_wire};
use jiff::Timestamp;
use prost_types::Timestamp as WireTime;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use tonic::Status;
use tonic::transport::Channel;

use crate::campaign::world::{DevJson, Operator};

/// How long a signed command may wait for its append.
const LIFE: Duration = Duration::from_secs(120);
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(15);

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Duty,
    Lead,
}

/// What is cut off, and how.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) tenant: String,
    pub(super) direction: Direction,
    pub(super) since_back: Duration,
    pub(super) drain_clean: bool,
    /// Unlike that of any other cut, so that it is found again.
    pub(super) reason: String,
}

/// What is commanded about a cut.
#[derive(Debug, Clone)]
pub(super) enum Next {
    Propose { certificate: String },
    Approve,
    Advance(Advance),
    Abort,
    Withdraw,
    Release(Vec<ReferralId>),
    Reject(Vec<ReferralId>),
}

/// The desk of one nation.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    pub(super) nation: Nation,
    pub(super) nodes: Vec<SocketAddr>,
    ca: String,
    operators: Arc<BTreeMap<&'static str, Signer>>,
}

/// One operator: who, the certificate to call with, the key to sign with.
#[derive(Debug)]
struct Signer {
    id: OperatorId,
    certificate: String,
    key: String,
}

/// What a cell said to sign with.
struct Seen {
    position: u64,
    now: Timestamp,
}

impl Desk {
    /// The desk of that nation in that world; `nodes` are all of its cell.
    pub(super) fn open(dev: &DevJson, nation: Nation, nodes: Vec<SocketAddr>) -> Result<Self> {
        let read = |path: &std::path::Path| std::fs::read_to_string(dev.data_dir.join(path));
        let signer = |operator: &Operator| {
            Ok::<_, anyhow::Error>(Signer {
                id: OperatorId::parse(&format!("{nation}/{}", operator.name))?,
                certificate: read(&operator.certificate)?,
                key: read(&operator.key)?,
            })
        };
        let mut operators = BTreeMap::new();
        for name in ["duty", "lead"] {
            let operator = dev.operators.iter().find(|one| one.name == format!("{nation}-{name}"));
            operators.insert(name, signer(operator.with_context(|| format!("no {name} of {nation}"))?)?);
        }
        Ok(Self { nation, nodes, ca: read(&dev.ca)?, operators: Arc::new(operators) })
    }

    fn signer(&self, who: Who) -> Result<&Signer> {
        let name = match who {
            Who::Duty => "duty",
            Who::Lead => "lead",
        };
        self.operators.get(name).context("no such operator")
    }

    fn client(&self, who: Who, node: SocketAddr) -> Result<ControlClient<Channel>> {
        let signer = self.signer(who)?;
        let credentials = Credentials {
            ca_pem: self.ca.clone(),
            certificate_pem: signer.certificate.clone(),
            key_pem: signer.key.clone(),
        };
        let name = format!("{}.bulkhead.internal", self.nation);
        let channel = Dialer::new(&credentials)?.channel(&node.to_string(), &name)?;
        Ok(ControlClient::new(channel).max_decoding_message_size(64 << 20))
    }

    /// Asks node after node until one answers.
    async fn ask<T>(
        &self,
        who: Who,
        call: impl AsyncFn(ControlClient<Channel>) -> Result<tonic::Response<T>, Status>,
    ) -> Result<T> {
        let mut last = anyhow!("no node");
        for node in &self.nodes {
            match tokio::time::timeout(PATIENCE, call(self.client(who, *node)?)).await {
                Ok(Ok(answer)) => return Ok(answer.into_inner()),
                Ok(Err(status)) => {
                    let problem = Problem::from(&status);
                    last = anyhow!("{:?} {}", problem.code, problem.message);
                    if problem.is_refusal() {
                        break;
                    }
                }
                Err(_) => last = anyhow!("no answer in {PATIENCE:?}"),
            }
        }
        Err(last.context(format!("the cell of {}", self.nation)))
    }

    /// The cuts as one node after another shows them; an error when one of them does not answer.
    pub(super) async fn cuts_of_every_node(&self) -> Result<Vec<Vec<CutSummary>>> {
        let mut shown = Vec::new();
        for node in &self.nodes {
            let mut client = self.client(Who::Duty, *node)?;
            let listed = tokio::time::timeout(PATIENCE, client.list_cuts(v1::ListCutsRequest {})).await??;
            shown.push(listed.into_inner().cuts);
        }
        Ok(shown)
    }

    /// The cuts that this nation knows.
    pub(super) async fn cuts(&self) -> Result<Vec<CutSummary>> {
        let listed = self.ask(Who::Duty, async |mut client| client.list_cuts(v1::ListCutsRequest {}).await);
        Ok(listed.await?.cuts)
    }

    /// The account of one cut.
    pub(super) async fn show(&self, cut: &str) -> Result<v1::ShowCutResponse> {
        let request = v1::ShowCutRequest { cut_id: cut.to_owned() };
        self.ask(Who::Duty, async |mut client| client.show_cut(request.clone()).await).await
    }

    /// What of a tenant's is in quarantine, or was half handed over.
    pub(super) async fn set_aside(&self, tenant: &str) -> Result<Vec<v1::Referral>> {
        let request = v1::ListSetAsideRequest {
            tenant: tenant.to_owned(),
            states: vec![v1::State::Quarantined as i32, v1::State::Unknown as i32],
            ..Default::default()
        };
        let listed = self.ask(Who::Duty, async |mut client| client.list_set_aside(request.clone()).await);
        let mut referrals = listed.await?.referrals;
        referrals.retain(|one| one.tenant == tenant);
        Ok(referrals)
    }

    /// Plans, signs and cuts; the news until the account. No more is known than that it was asked for.
    pub(super) async fn cut(&self, order: &Order) -> Result<()> {
        let since = Timestamp::now() - order.since_back;
        let request = v1::PlanRequest {
            scope: order.tenant.clone(),
            direction: order.direction.as_str().to_owned(),
            since: Some(time_to_wire(since)),
            drain_clean: order.drain_clean,
        };
        let plan = self.ask(Who::Duty, async |mut client| client.plan(request.clone()).await).await?;
        let tenants = plan.tenants.iter().map(|one| TenantId::parse(&one.tenant));
        let command = Command::Cut {
            direction: order.direction,
            since: time(plan.since)?,
            drain_clean: order.drain_clean,
            reason: order.reason.clone(),
            plan: plan.plan[..].try_into()?,
            tenants: tenants.collect::<Result<_, _>>()?,
        };
        let seen = Seen { position: plan.position, now: time(plan.now)? };
        let scope = Scope::Tenant(TenantId::parse(&order.tenant)?);
        let fact = self.sign(Who::Duty, command, scope, &seen)?.to_wire();
        let request = v1::CutRequest { fact: Some(fact) };
        let mut news = self.ask(Who::Duty, async |mut client| client.cut(request.clone()).await).await?;
        let told = async {
            while let Some(one) = news.message().await? {
                if matches!(one.news, Some(News::Account(_))) {
                    return Ok(());
                }
            }
            Err(anyhow!("the news ended before the account"))
        };
        tokio::time::timeout(PATIENCE, told).await?
    }

    /// Looks at a cut, signs what is next, and sends it.
    pub(super) async fn command(&self, who: Who, cut: &str, next: &Next) -> Result<()> {
        let shown = self.show(cut).await?;
        let account = shown.account.context("no account")?;
        let summary = account.cut.context("no cut in the account")?;
        let cut = CutId::parse(&summary.cut_id)?;
        let command = match next.clone() {
            Next::Propose { certificate } => Command::Propose {
                cut,
                evidence: "rebuilt".into(),
                certificates: vec![certificate],
                inbox: "new".into(),
            },
            Next::Approve => {
                let proposal = account.proposal.context("no proposal")?;
                Command::Approve { cut, proposal: FactId(proposal.fact[..].try_into()?) }
            }
            Next::Advance(to) => Command::Advance { cut, to },
            Next::Abort => Command::Abort { cut, reason: "seen again".into() },
            Next::Withdraw => Command::Withdraw { cut, reason: "a mistake".into() },
            Next::Release(referrals) => Command::Release { cut, referrals },
            Next::Reject(referrals) => Command::Reject { cut, referrals, reason: "not ours".into() },
        };
        let seen = Seen { position: shown.position, now: time(shown.now)? };
        let fact = self.sign(who, command, summary.scope.parse()?, &seen)?.to_wire();
        let request = v1::CommandRequest { fact: Some(fact) };
        self.ask(who, async |mut client| client.command(request.clone()).await).await.map(|_| ())
    }

    fn sign(&self, who: Who, command: Command, scope: Scope, seen: &Seen) -> Result<SignedFact> {
        let signer = self.signer(who)?;
        let header = Header {
            kind: command.kind(),
            nation: self.nation,
            scope: HeaderScope::Of(scope),
            signed_at: seen.now,
            expires_at: seen.now + LIFE,
            seen: seen.position,
            nonce: rand::random(),
            operator: signer.id.clone(),
        };
        let der = PrivatePkcs8KeyDer::from_pem_slice(signer.key.as_bytes())?;
        let key = signing_key(der.secret_pkcs8_der()).map_err(|_| anyhow!("no Ed25519 key"))?;
        Ok(Statement { header, command }.sign(&key))
    }
}

/// A time that must be there.
pub(super) fn time(wire: Option<WireTime>) -> Result<Timestamp> {
    wire.and_then(time_from_wire).context("a time is missing")
}
