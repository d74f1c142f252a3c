//! What tests of this crate sign, and are known and called by.

use bulkhead_model::{Direction, Nation, OperatorId, Scope, TenantId};
use bulkhead_transport::{Acceptor, Config, Connections, Credentials, Limits, admit_all};
use bulkhead_wire::fact::{Command, Header, HeaderScope, SignedFact, Statement, public_key_hex};
use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};
use ring::signature::Ed25519KeyPair;
use tokio::net::TcpListener;

use crate::Service;

pub(crate) const NATION: Nation = Nation::Wales;
const TENANT: &str = "wales/wast-111";

/// Who is cut off.
pub(crate) fn tenant() -> TenantId {
    TenantId::parse(TENANT).unwrap()
}

/// The key of the nation's operator.
pub(crate) fn operator() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

/// The key of the second one.
pub(crate) fn lead() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap()
}

/// A cut, a different one for each number.
pub(crate) fn cut(by: &Ed25519KeyPair, number: u8) -> SignedFact {
    let command = Command::Cut {
        direction: Direction::Both,
        since: Timestamp::now(),
        drain_clean: false,
        reason: "signs of an intruder".into(),
        plan: [0; 32],
        tenants: vec![tenant()],
    };
    sign(by, "wales/duty", 0, number, command)
}

/// A command about the tenant by one who has seen the log up to there, a different one for each number.
pub(crate) fn sign(
    key: &Ed25519KeyPair,
    operator: &str,
    seen: u64,
    number: u8,
    command: Command,
) -> SignedFact {
    let header = Header {
        kind: command.kind(),
        nation: NATION,
        scope: HeaderScope::Of(Scope::Tenant(tenant())),
        signed_at: Timestamp::now(),
        expires_at: Timestamp::now() + jiff::SignedDuration::from_secs(60),
        seen,
        nonce: [number; 16],
        operator: OperatorId::parse(operator).unwrap(),
    };
    Statement { header, command }.sign(key)
}

/// The tenant, its supplier, and the operators.
pub(crate) fn directory() -> String {
    format!(
        "[[suppliers]]\nid = \"meridian\"\n[[tenants]]\nid = \"{TENANT}\"\nsupplier = \"meridian\"\n\
         [[operators]]\nid = \"wales/duty\"\npublic_key = \"{}\"\n\
         [[operators]]\nid = \"wales/lead\"\npublic_key = \"{}\"\n",
        public_key_hex(&operator()),
        public_key_hex(&lead()),
    )
}

/// Who says whose certificates are good.
pub(crate) struct Ca {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Of a node of that nation's cell.
    pub(crate) fn cell(&self, nation: Nation) -> Credentials {
        self.credentials(nation, &format!("cell/{nation}-1"))
    }

    /// Of whom the last part of a URI names.
    pub(crate) fn credentials(&self, nation: Nation, who: &str) -> Credentials {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![
            SanType::URI(format!("bulkhead://{nation}/{who}").try_into().unwrap()),
            SanType::DnsName(format!("{nation}.bulkhead.internal").try_into().unwrap()),
        ];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        let certificate_pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Credentials { ca_pem: self.pem.clone(), certificate_pem, key_pem: key.serialize_pem() }
    }
}

/// Serves it at a free port until the test is over.
pub(crate) async fn serve(service: &Service, node: &str, credentials: &Credentials) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let acceptor = Acceptor::new(Config {
        node: node.into(),
        credentials: credentials.clone(),
        policy: admit_all(),
        connections: Connections::new(),
        limits: Limits::default(),
    });
    let incoming = acceptor.unwrap().listen(listener);
    let serving = bulkhead_transport::server().add_service(service.server());
    tokio::spawn(async move { serving.serve_with_incoming(incoming).await.unwrap() });
    address
}
