//! An authority that issues what is asked of it, and a port that answers health checks and remembers who
//! called.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bulkhead_transport::{
    Acceptor, Allowance, Config, Connections, Credentials, Dialer, Identity, Limits, Refusal, admit_all,
    peer, server,
};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::ClientConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_health::server::health_reporter;

const NAME: &str = "england.bulkhead.internal";

/// When a certificate ends, counted from now.
#[derive(Clone, Copy)]
pub(crate) struct End(i64);

pub(crate) fn days(days: i64) -> End {
    End(days * 24 * 3600)
}

pub(crate) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn issue(&self, uris: &[&str], end: End) -> Issued {
        let mut names: Vec<_> = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
        names.push(SanType::DnsName(NAME.try_into().unwrap()));
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        params.not_after =
            rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(now().wrapping_add_signed(end.0));
        params.not_before = params.not_after - Duration::from_secs(10 * 24 * 3600);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued(Credentials {
            ca_pem: self.pem.clone(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    }

    pub(crate) fn client_without_certificate(&self) -> ClientConfig {
        self.client().with_no_client_auth()
    }

    pub(crate) fn client_that_resumes(&self, issued: &Issued) -> ClientConfig {
        let chain = vec![CertificateDer::from_pem_slice(issued.0.certificate_pem.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(issued.0.key_pem.as_bytes()).unwrap();
        let mut config = self.client().with_client_auth_cert(chain, key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }

    fn client(&self) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
    }
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[derive(Clone)]
pub(crate) struct Issued(Credentials);

impl Issued {
    pub(crate) fn believing(&self, authority: &Authority) -> Self {
        Self(Credentials { ca_pem: authority.pem.clone(), ..self.0.clone() })
    }
}

/// A listening node that answers health checks to everybody whom [`peer`] knows.
pub(crate) struct Port {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Connections,
    refused: Arc<Mutex<HashMap<Identity, Refusal>>>,
    caller: Arc<Mutex<Option<Identity>>>,
}

impl Port {
    pub(crate) async fn open(authority: &Authority, limits: Limits) -> Self {
        Self::open_allowing(authority, limits, &[]).await
    }

    /// With so many connections for these, and as the limits say for others.
    pub(crate) async fn open_allowing(
        authority: &Authority,
        limits: Limits,
        allowed: &[(&str, usize)],
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = Self {
            address: listener.local_addr().unwrap(),
            connections: Connections::new(),
            refused: Arc::default(),
            caller: Arc::default(),
        };
        let refused = port.refused.clone();
        let mut config = config(authority, port.connections.clone(), limits);
        config.policy =
            Arc::new(move |credential| refused.lock().unwrap().get(&credential.identity).copied());
        let allowed: HashMap<Identity, usize> =
            allowed.iter().map(|(identity, count)| (identity.parse().unwrap(), *count)).collect();
        let allowance: Allowance = Arc::new(move |identity| allowed.get(identity).copied());
        let incoming = Acceptor::new(config).unwrap().allowing(allowance).listen(listener);
        let (reporter, health) = health_reporter();
        let caller = port.caller.clone();
        let health = InterceptedService::new(health, move |request: Request<()>| {
            let identity = peer(&request).map_err(|why| Status::permission_denied(why.code().as_str()))?;
            *caller.lock().unwrap() = Some(identity.clone());
            Ok(request)
        });
        tokio::spawn(async move {
            let _reporter = reporter;
            server().add_service(health).serve_with_incoming(incoming).await.unwrap();
        });
        port
    }

    pub(crate) fn refuse(&self, identity: &str, refusal: Refusal) {
        self.refused.lock().unwrap().insert(identity.parse().unwrap(), refusal);
    }

    pub(crate) fn last_caller(&self) -> Option<Identity> {
        self.caller.lock().unwrap().clone()
    }

    pub(crate) fn client(&self, issued: &Issued) -> HealthClient<Channel> {
        self.client_for(issued, NAME)
    }

    pub(crate) fn client_for(&self, issued: &Issued, name: &str) -> HealthClient<Channel> {
        let dialer = Dialer::new(&issued.0).unwrap();
        HealthClient::new(dialer.channel(&self.address.to_string(), name).unwrap())
    }

    pub(crate) async fn tls(&self, config: &ClientConfig) -> TlsStream<TcpStream> {
        connect(self.address, config).await
    }

    pub(crate) async fn until_connections(&self, expected: usize) {
        let reached = async {
            while self.connections.total() != expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), reached)
            .await
            .expect("connections open or close in time");
    }
}

/// What a node is set up with; its policy admits everybody.
pub(crate) fn config(authority: &Authority, connections: Connections, limits: Limits) -> Config {
    Config {
        node: "england-1".to_owned(),
        credentials: authority.issue(&["bulkhead://england/cell/england-1"], days(1)).0,
        policy: admit_all(),
        connections,
        limits,
    }
}

/// A bare TLS connection.
pub(crate) async fn connect(address: SocketAddr, config: &ClientConfig) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(NAME).unwrap();
    TlsConnector::from(Arc::new(config.clone())).connect(name, tcp).await.unwrap()
}

/// One call over a connection of its own.
pub(crate) async fn check(port: &Port, issued: &Issued) -> Result<(), Status> {
    call(&mut port.client(issued)).await
}

pub(crate) async fn call(client: &mut HealthClient<Channel>) -> Result<(), Status> {
    client.check(HealthCheckRequest::default()).await.map(|_| ())
}

pub(crate) async fn watch(client: &mut HealthClient<Channel>) -> Streaming<HealthCheckResponse> {
    client.watch(HealthCheckRequest::default()).await.unwrap().into_inner()
}
