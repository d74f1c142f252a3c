//! The keys that everybody in a bench trusts.

use anyhow::{Context, Result};
use bulkhead_model::Nation;
use bulkhead_transport::Credentials;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};

/// One authority, made anew for each run.
pub(crate) struct Keys {
    issuer: Issuer<'static, KeyPair>,
    ca_pem: String,
}

/// The name on a cell's certificate.
pub(crate) fn server_name(nation: Nation) -> String {
    format!("{nation}.bulkhead.internal")
}

impl Keys {
    pub(crate) fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = KeyPair::generate()?;
        let ca_pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), ca_pem })
    }

    pub(crate) fn tenant(&self, tenant: &str) -> Result<Credentials> {
        self.issue(format!("bulkhead://{tenant}"), None)
    }

    pub(crate) fn cell(&self, nation: Nation) -> Result<Credentials> {
        self.issue(format!("bulkhead://{nation}/cell/{nation}-1"), Some(server_name(nation)))
    }

    /// A person's keys, of the kind that signs commands.
    pub(crate) fn operator(&self, operator: &str) -> Result<Credentials> {
        let (nation, name) = operator.split_once('/').context("an operator is nation/name")?;
        self.issue_for(
            KeyPair::generate_for(&rcgen::PKCS_ED25519)?,
            format!("bulkhead://{nation}/operator/{name}"),
            None,
        )
    }

    fn issue(&self, uri: String, dns: Option<String>) -> Result<Credentials> {
        self.issue_for(KeyPair::generate()?, uri, dns)
    }

    fn issue_for(&self, key: KeyPair, uri: String, dns: Option<String>) -> Result<Credentials> {
        let mut params = CertificateParams::default();
        params.subject_alt_names.push(SanType::URI(uri.try_into()?));
        if let Some(dns) = dns {
            params.subject_alt_names.push(SanType::DnsName(dns.try_into()?));
        }
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        Ok(Credentials {
            ca_pem: self.ca_pem.clone(),
            certificate_pem: params.signed_by(&key, &self.issuer)?.pem(),
            key_pem: key.serialize_pem(),
        })
    }
}
