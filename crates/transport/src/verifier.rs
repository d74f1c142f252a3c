//! Which client certificates may finish a handshake: those that chain to our CA, expired ones included.
//!
//! An expired certificate is let in only so that each of its calls can be told `CREDENTIAL_EXPIRED`; a
//! TLS alert would look like an outage to many clients. Revoked certificates and those of unknown tenants
//! are let in for the same reason: [`crate::peer()`] refuses them. A certificate of another CA is nobody's,
//! and the handshake ends with the alert `unknown_ca`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};

pub(crate) struct Verifier {
    webpki: Arc<dyn ClientCertVerifier>,
}

impl Verifier {
    pub(crate) fn new(webpki: Arc<dyn ClientCertVerifier>) -> Self {
        Self { webpki }
    }
}

impl ClientCertVerifier for Verifier {
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verify =
            |then| self.webpki.verify_client_cert(end_entity, intermediates, then).map_err(of_another_ca);
        let error = match verify(now) {
            Err(error) if has_expired(&error) => error,
            answer => return answer,
        };
        // webpki looks at the dates before it looks at the signatures, so "expired" says nothing about
        // who signed. Ask again for the last moment at which this certificate was valid.
        match last_moment(end_entity) {
            Some(then) if then.as_secs() < now.as_secs() => verify(then),
            // Not this certificate but one above it has expired.
            _ => Err(error),
        }
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.webpki.root_hint_subjects()
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

fn has_expired(error: &Error) -> bool {
    use CertificateError::{Expired, ExpiredContext};
    matches!(error, Error::InvalidCertificate(Expired | ExpiredContext { .. }))
}

/// A CA of our CA's name but with another key, such as that of yesterday's `bulkhead dev`, is another CA.
fn of_another_ca(error: Error) -> Error {
    match error {
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            Error::InvalidCertificate(CertificateError::UnknownIssuer)
        }
        other => other,
    }
}

fn last_moment(certificate: &CertificateDer<'_>) -> Option<UnixTime> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let seconds = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}
