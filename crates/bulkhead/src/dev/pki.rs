//! The demo world's keys: one authority, and a certificate for each cell, tenant and operator. Made once;
//! a restart finds them.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bulkhead_model::Nation;
use bulkhead_transport::Credentials;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, string::Ia5String,
};

use super::world;

/// The name on a cell's certificate that its callers check.
pub(super) fn server_name(nation: Nation) -> String {
    format!("{nation}.bulkhead.internal")
}

/// Where a certificate and its key lie, below the data directory.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// All keys of the demo world.
pub(super) struct Pki {
    root: PathBuf,
    ca_pem: String,
    operator_keys: HashMap<String, String>,
}

impl Pki {
    /// Finds the keys, or makes them.
    pub(super) fn open(data_dir: &Path) -> Result<Self> {
        let root = data_dir.to_path_buf();
        let folder = root.join("pki");
        if !folder.join("complete").exists() {
            make(&folder).context("the keys of the demo world cannot be made")?;
        }
        let ca_pem = read(&folder.join("ca.pem"))?;
        let mut operator_keys = HashMap::new();
        for (_, name) in world::operators() {
            let key = KeyPair::from_pem(&read(&folder.join(format!("operator-{name}.key")))?)?;
            operator_keys.insert(name, hex(key.public_key_raw()));
        }
        Ok(Self { root, ca_pem, operator_keys })
    }

    /// An operator's Ed25519 public key, hex.
    pub(super) fn public_key(&self, operator: &str) -> String {
        self.operator_keys.get(operator).cloned().unwrap_or_default()
    }

    /// Below the data directory.
    pub(super) fn ca(&self) -> PathBuf {
        PathBuf::from("pki/ca.pem")
    }

    pub(super) fn cell(&self, nation: Nation) -> Result<Credentials> {
        self.credentials(&pair("cell", nation.as_str()))
    }

    pub(super) fn tenant_files(&self, tenant: &str) -> Pair {
        pair("tenant", tenant)
    }

    pub(super) fn operator_files(&self, operator: &str) -> Pair {
        pair("operator", operator)
    }

    pub(super) fn credentials(&self, pair: &Pair) -> Result<Credentials> {
        Ok(Credentials {
            ca_pem: self.ca_pem.clone(),
            certificate_pem: read(&self.root.join(&pair.certificate))?,
            key_pem: read(&self.root.join(&pair.key))?,
        })
    }
}

fn pair(kind: &str, name: &str) -> Pair {
    let name = name.replace('/', ".");
    Pair {
        certificate: format!("pki/{kind}-{name}.pem").into(),
        key: format!("pki/{kind}-{name}.key").into(),
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Bulkhead demo world");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let ca = params.self_signed(&key)?;
    fs::write(folder.join("ca.pem"), ca.pem())?;
    // A tenant that comes back from a cut needs a new certificate. No process reads this but who issues one.
    write_secret(&folder.join("ca.key"), &key.serialize_pem())?;
    let issuer = Issuer::new(params, key);

    for nation in Nation::ALL {
        let uri = format!("bulkhead://{nation}/cell/{nation}-1");
        issue(
            folder,
            &issuer,
            "cell",
            nation.as_str(),
            &uri,
            Some(server_name(nation)),
            KeyPair::generate()?,
        )?;
    }
    for tenant in world::TENANTS {
        let uri = format!("bulkhead://{}", tenant.id);
        issue(folder, &issuer, "tenant", tenant.id, &uri, None, KeyPair::generate()?)?;
    }
    for (tenant, _) in world::synthetic() {
        let uri = format!("bulkhead://{tenant}");
        issue(folder, &issuer, "tenant", &tenant, &uri, None, KeyPair::generate()?)?;
    }
    for (nation, name) in world::operators() {
        let uri = format!("bulkhead://{nation}/operator/{name}");
        issue(folder, &issuer, "operator", &name, &uri, None, KeyPair::generate_for(&rcgen::PKCS_ED25519)?)?;
    }
    fs::write(folder.join("complete"), "")?;
    Ok(())
}

fn issue(
    folder: &Path,
    issuer: &Issuer<'_, KeyPair>,
    kind: &str,
    name: &str,
    uri: &str,
    dns: Option<String>,
    key: KeyPair,
) -> Result<()> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names.push(SanType::URI(Ia5String::try_from(uri)?));
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    if let Some(dns) = dns {
        params.subject_alt_names.push(SanType::DnsName(Ia5String::try_from(dns)?));
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    let certificate = params.signed_by(&key, issuer)?;
    let root = folder.parent().unwrap_or(folder);
    let files = pair(kind, name);
    fs::write(root.join(files.certificate), certificate.pem())?;
    write_secret(&root.join(files.key), &key.serialize_pem())?;
    Ok(())
}

fn write_secret(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(text.as_bytes())?;
    Ok(())
}
