//! A person who cuts and takes back, as `bulkhead cut` and `bulkhead cuts withdraw` do.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use bulkhead_model::{CutId, Direction, OperatorId, Scope, TenantId};
use bulkhead_transport::{Credentials, Dialer};
use bulkhead_wire::fact::{Command, Header, HeaderScope, Statement, public_key_hex, signing_key};
use bulkhead_wire::v1::control_client::ControlClient;
use bulkhead_wire::v1::cut_response::News;
use bulkhead_wire::{time_from_wire, v1};
use jiff::Timestamp;
use rcgen::KeyPair;
use ring::signature::Ed25519KeyPair;
use tonic::Code;
use tonic::transport::Channel;

use super::NATION;
use crate::keys::server_name;

/// How often a command is sent again whose outcome nobody knows, and after how long.
const TRIES: usize = 20;
const AGAIN: Duration = Duration::from_millis(500);
/// How long a signed command may wait.
const LIFE: Duration = Duration::from_secs(60);

/// An operator at every node of the cell.
pub(crate) struct Operator {
    pub(crate) id: OperatorId,
    pub(crate) public_key: String,
    key: Ed25519KeyPair,
    nodes: Vec<ControlClient<Channel>>,
}

/// What a cut told.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) id: CutId,
    /// When a node took it, by that node's clock.
    pub(crate) taken_at: Timestamp,
    /// Its place in the log.
    pub(crate) position: u64,
    /// For each node: after how long it was known to be in force there; none: it did not answer.
    pub(crate) in_force: Vec<(String, Option<Duration>)>,
}

impl Operator {
    pub(super) fn new(name: &str, credentials: &Credentials, addresses: &[String]) -> Result<Self> {
        let dialer = Dialer::new(credentials)?;
        let der = KeyPair::from_pem(&credentials.key_pem)?.serialize_der();
        let key = signing_key(&der).map_err(|why| anyhow!("the key cannot be used: {why}"))?;
        let client =
            |address: &String| Ok(ControlClient::new(dialer.channel(address, &server_name(NATION))?));
        Ok(Self {
            id: OperatorId::parse(name)?,
            public_key: public_key_hex(&key),
            key,
            nodes: addresses.iter().map(client).collect::<Result<_>>()?,
        })
    }

    fn at(&self, node: usize) -> Result<ControlClient<Channel>> {
        self.nodes.get(node % self.nodes.len().max(1)).cloned().context("no node")
    }

    fn sign(&self, command: Command, scope: HeaderScope, seen: u64, now: Timestamp) -> v1::SignedFact {
        let header = Header {
            kind: command.kind(),
            nation: NATION,
            scope,
            signed_at: now,
            expires_at: now.saturating_add(LIFE).unwrap_or(now),
            seen,
            nonce: rand::random(),
            operator: self.id.clone(),
        };
        Statement { header, command }.sign(&self.key).to_wire()
    }

    /// Cuts a tenant off at that node, from now on; returns when every node has answered, or cannot any more.
    pub(crate) async fn cut(&self, tenant: &str, direction: Direction, node: usize) -> Result<Made> {
        let (mut client, scope) = (self.at(node)?, Scope::Tenant(TenantId::parse(tenant)?));
        let plan = v1::PlanRequest {
            scope: scope.to_string(),
            direction: direction.as_str().to_owned(),
            ..v1::PlanRequest::default()
        };
        let plan = client.plan(plan).await?.into_inner();
        let command = Command::Cut {
            direction,
            since: plan.since.and_then(time_from_wire).context("no since")?,
            drain_clean: false,
            reason: "a bench".into(),
            plan: plan.plan.as_ref().try_into()?,
            tenants: plan.tenants.iter().map(|one| TenantId::parse(&one.tenant)).collect::<Result<_, _>>()?,
        };
        let now = plan.now.and_then(time_from_wire).context("no time")?;
        let fact = self.sign(command, HeaderScope::Of(scope), plan.position, now);
        let mut told = client.cut(v1::CutRequest { fact: Some(fact) }).await?.into_inner();
        let (mut taken, mut position, mut in_force) = (None, 0, Vec::new());
        while let Some(said) = told.message().await? {
            match said.news {
                Some(News::Taken(news)) => taken = Some(news),
                Some(News::Logged(news)) => position = news.position,
                Some(News::InForce(news)) => {
                    in_force.push((news.node, news.answered.then_some(Duration::from_micros(news.after_us))));
                }
                Some(News::Account(_)) | None => {}
            }
        }
        let taken = taken.context("no node took it")?;
        ensure!(!taken.pending, "it waits for a second person");
        Ok(Made {
            id: CutId::parse(&taken.cut_id)?,
            taken_at: taken.at.and_then(time_from_wire).context("no time")?,
            position,
            in_force,
        })
    }

    /// The account of a cut.
    pub(crate) async fn account(&self, cut: &CutId, node: usize) -> Result<v1::CutAccount> {
        let request = v1::ShowCutRequest { cut_id: cut.to_string() };
        self.at(node)?.show_cut(request).await?.into_inner().account.context("no account")
    }

    /// Says that it was a mistake; the second person who says so ends it.
    pub(crate) async fn withdraw(&self, made: &Made, tenant: &str, node: usize) -> Result<()> {
        let scope = HeaderScope::Of(Scope::Tenant(TenantId::parse(tenant)?));
        let command = Command::Withdraw { cut: made.id.clone(), reason: "a bench".into() };
        let fact = self.sign(command, scope, made.position, Timestamp::now());
        let mut tries = 0;
        loop {
            let request = v1::CommandRequest { fact: Some(fact.clone()) };
            match self.at(node + tries)?.command(request).await {
                Ok(_) => return Ok(()),
                // Nobody knows whether it is in the log: it is the same fact when it is sent again.
                Err(status) if status.code() == Code::Unavailable && tries < TRIES => tries += 1,
                Err(status) => return Err(status.into()),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}
