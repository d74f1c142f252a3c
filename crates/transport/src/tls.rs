//! What both ends agree on: ring, TLS 1.3 and HTTP/2. Sessions are never resumed, because a resumed
//! session would not ask the verifier again.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, ServerConfig};

use crate::verifier::Verifier;
use crate::{Credentials, Error};

const HTTP2: &[u8] = b"h2";

pub(crate) fn server_config(credentials: &Credentials) -> Result<ServerConfig, Error> {
    let roots = Arc::new(credentials.roots()?);
    let webpki = WebPkiClientVerifier::builder_with_provider(roots, provider()).build()?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(Verifier::new(webpki)))
        .with_single_cert(credentials.chain()?, credentials.key()?)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(config)
}

pub(crate) fn client_config(credentials: &Credentials) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(credentials.roots()?)
        .with_client_auth_cert(credentials.chain()?, credentials.key()?)?;
    config.resumption = rustls::client::Resumption::disabled();
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
