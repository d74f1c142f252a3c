//! New certificates for a tenant that comes back, and every one that it had before.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bulkhead_model::Code;
use bulkhead_transport::{Credential, Credentials, Dialer};
use bulkhead_wire::status::Problem;
use bulkhead_wire::v1;
use bulkhead_wire::v1::ingest_client::IngestClient;
use bulkhead_wire::v1::referrals_client::ReferralsClient;
use rcgen::string::Ia5String;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType};
use tonic::Status;

use crate::campaign::world::{DevJson, Tenant};
use crate::history::OldCredential;

/// Between two attempts to get a definite answer.
const PAUSE: Duration = Duration::from_millis(100);
/// How many attempts.
const ATTEMPTS: usize = 300;
/// Of a tenant's old credentials, so many of the newest are tried, and the first.
const TRIED: usize = 3;

/// The demo world's authority, and what it has issued.
pub(super) struct Keys {
    issuer: Issuer<'static, KeyPair>,
    ca_pem: String,
    root: PathBuf,
    former: BTreeMap<String, Vec<Pair>>,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    certificate_pem: String,
    key_pem: String,
    pub(super) fingerprint: String,
}

impl Keys {
    pub(super) fn open(dev: &DevJson) -> Result<Self> {
        let ca_pem = fs::read_to_string(dev.data_dir.join(&dev.ca))?;
        let key = fs::read_to_string(dev.data_dir.join(&dev.ca).with_extension("key"))?;
        let issuer = Issuer::from_ca_cert_pem(&ca_pem, KeyPair::from_pem(&key)?)?;
        Ok(Self { issuer, ca_pem, root: dev.data_dir.clone(), former: BTreeMap::new() })
    }

    /// A certificate of that tenant that nobody has seen yet.
    pub(super) fn issue(&self, tenant: &str) -> Result<Pair> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, tenant);
        let uri = Ia5String::try_from(format!("bulkhead://{tenant}"))?;
        params.subject_alt_names.push(SanType::URI(uri));
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        let key = KeyPair::generate()?;
        let certificate_pem = params.signed_by(&key, &self.issuer)?.pem();
        let fingerprint = Credential::from_pem(&certificate_pem)?.fingerprint.to_string();
        Ok(Pair { certificate_pem, key_pem: key.serialize_pem(), fingerprint })
    }

    /// The one that lies there now.
    pub(super) fn present(&self, tenant: &Tenant) -> Result<Pair> {
        let certificate_pem = fs::read_to_string(self.root.join(&tenant.certificate))?;
        let key_pem = fs::read_to_string(self.root.join(&tenant.key))?;
        let fingerprint = Credential::from_pem(&certificate_pem)?.fingerprint.to_string();
        Ok(Pair { certificate_pem, key_pem, fingerprint })
    }

    /// Puts it where the tenant's sidecar reads it at its next start.
    pub(super) fn install(&self, tenant: &Tenant, pair: &Pair) -> Result<()> {
        fs::write(self.root.join(&tenant.certificate), &pair.certificate_pem)?;
        fs::write(self.root.join(&tenant.key), &pair.key_pem)?;
        Ok(())
    }

    /// From now on it is one of before.
    pub(super) fn retire(&mut self, tenant: &str, pair: Pair) {
        self.former.entry(tenant.to_owned()).or_default().push(pair);
    }

    fn credentials(&self, pair: &Pair) -> Credentials {
        Credentials {
            ca_pem: self.ca_pem.clone(),
            certificate_pem: pair.certificate_pem.clone(),
            key_pem: pair.key_pem.clone(),
        }
    }

    /// Comes to each of these nodes with each credential of before. Each must hear a definite no.
    pub(super) async fn try_former(
        &self,
        tenant: &str,
        nodes: &[SocketAddr],
        to: &v1::ServiceAddress,
    ) -> Result<Vec<OldCredential>> {
        let Some(former) = self.former.get(tenant) else { return Ok(Vec::new()) };
        let newest = former.iter().rev().take(TRIED);
        let oldest = former.iter().take(1).filter(|_| former.len() > TRIED);
        let mut tried = Vec::new();
        for pair in newest.chain(oldest) {
            for node in nodes {
                let (let_in, words) = self.submit(tenant, pair, *node, to).await?;
                let (tenant, fingerprint) = (tenant.to_owned(), pair.fingerprint.clone());
                tried.push(OldCredential { tenant, fingerprint, let_in, words });
            }
        }
        Ok(tried)
    }

    /// The control arm: with its new credential the tenant is let in. Otherwise that the old ones are refused says
    /// nothing.
    pub(super) async fn is_let_in(&self, tenant: &str, pair: &Pair, node: SocketAddr) -> Result<bool> {
        let mut said = String::new();
        for _ in 0..ATTEMPTS {
            let channel = self.dialer(pair)?.channel(&node.to_string(), &server_name(tenant))?;
            match ReferralsClient::new(channel).get_status(v1::GetStatusRequest {}).await {
                Ok(_) => return Ok(true),
                Err(status) => match no(&status) {
                    Some(_) => return Ok(false),
                    None => said = status.to_string(),
                },
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("{tenant} gets no answer with its new credential: {said}")
    }

    async fn submit(
        &self,
        tenant: &str,
        pair: &Pair,
        node: SocketAddr,
        to: &v1::ServiceAddress,
    ) -> Result<(bool, String)> {
        let envelope = v1::Envelope {
            message_id: uuid::Uuid::from_bytes(rand::random()).to_string(),
            to: Some(to.clone()),
            kind: v1::Kind::Request as i32,
            priority: v1::Priority::Routine as i32,
            content_type: "application/fhir+json".into(),
            ..Default::default()
        };
        let request = v1::SubmitRequest { envelope: Some(envelope), payload: "an intruder's".into() };
        let mut said = String::new();
        for _ in 0..ATTEMPTS {
            let channel = self.dialer(pair)?.channel(&node.to_string(), &server_name(tenant))?;
            match IngestClient::new(channel).submit(request.clone()).await {
                Ok(answer) => return Ok((true, format!("{:?}", answer.into_inner().state()))),
                Err(status) => match no(&status) {
                    Some((is_of_the_door, words)) => return Ok((!is_of_the_door, words)),
                    None => said = status.to_string(),
                },
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("{tenant} gets no answer with an old credential: {said}")
    }

    fn dialer(&self, pair: &Pair) -> Result<Dialer> {
        Dialer::new(&self.credentials(pair)).context("a credential that was issued")
    }
}

fn server_name(tenant: &str) -> String {
    let nation = tenant.split('/').next().unwrap_or_default();
    format!("{nation}.bulkhead.internal")
}

/// A definite no, in words, and whether it is the credential's or the tenant's: every other refusal is said to one who
/// was let in.
fn no(status: &Status) -> Option<(bool, String)> {
    let problem = Problem::from(status);
    if problem.is_refusal() {
        let of_the_door = matches!(problem.code, Some(Code::CredentialRevoked | Code::TenantCut));
        return Some((of_the_door, format!("{:?}", problem.code)));
    }
    bulkhead_transport::tls_alert(status).map(|alert| (true, format!("alert {alert}")))
}
