//! What can be wrong with keys, certificates and addresses that were configured.

use rustls_pki_types::pem;

use crate::identity::NotAnIdentity;

/// Why an end of a connection cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A PEM text cannot be read, or does not hold what it should.
    #[error("the {what} is not readable PEM")]
    Pem {
        /// Which text.
        what: &'static str,
        /// What the reader said.
        source: pem::Error,
    },
    /// A PEM text holds no certificate.
    #[error("the {0} holds no certificate")]
    NoCertificate(&'static str),
    /// A certificate is not X.509.
    #[error("the certificate is not X.509")]
    NotX509,
    /// A certificate names nobody that we know how to name.
    #[error("the certificate has no usable identity")]
    Identity(#[from] NotAnIdentity),
    /// rustls does not take the keys.
    #[error("the keys cannot be used for TLS")]
    Tls(#[from] rustls::Error),
    /// No verifier can be built over the CA.
    #[error("the CA certificate cannot be used")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// Not a DNS name.
    #[error("{0:?} is not a server name")]
    ServerName(String),
}
