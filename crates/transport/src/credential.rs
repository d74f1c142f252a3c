//! What a certificate says about its holder, and the PEM texts that an end is configured with.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{Error, Identity};

/// SHA-256 of a certificate's DER: the name by which one credential is revoked and a later one of the
/// same tenant is not.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

/// A certificate, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Who it speaks for.
    pub identity: Identity,
    /// The serial number that its CA gave it, in hexadecimal.
    pub serial: String,
    /// SHA-256 of its DER.
    pub fingerprint: Fingerprint,
    /// The first moment at which it is valid.
    pub not_before: SystemTime,
    /// The last moment at which it is valid.
    pub not_after: SystemTime,
}

/// The three PEM texts of one end: whom it believes, who it is, and how it proves that.
#[derive(Clone)]
pub struct Credentials {
    /// Certificates of the authorities that the other end's certificate must chain to.
    pub ca_pem: String,
    /// This end's certificate, followed by intermediate ones if there are any.
    pub certificate_pem: String,
    /// The private key of the first certificate.
    pub key_pem: String,
}

impl Fingerprint {
    /// The fingerprint of a certificate.
    pub fn of(der: &[u8]) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, der);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 64 hexadecimal digits")]
pub struct NotAFingerprint;

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    fn from_str(text: &str) -> Result<Self, NotAFingerprint> {
        if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NotAFingerprint);
        }
        let mut bytes = [0; 32];
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| NotAFingerprint)?;
        }
        Ok(Self(bytes))
    }
}

impl Credential {
    /// Reads a certificate. It does not ask who signed it: that is the verifier's part.
    ///
    /// # Errors
    /// When it is not X.509 or does not name exactly one identity.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| Error::NotX509)?;
        let names = certificate.subject_alternative_name().map_err(|_| Error::NotX509)?;
        let uris = names.iter().flat_map(|names| &names.value.general_names).filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
        Ok(Self {
            identity: Identity::of_uris(uris)?,
            serial: certificate.raw_serial_as_string().replace(':', ""),
            fingerprint: Fingerprint::of(der),
            not_before: time(certificate.validity().not_before.timestamp()),
            not_after: time(certificate.validity().not_after.timestamp()),
        })
    }

    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        let chain = certificates("certificate", pem)?;
        Self::from_der(chain.first().ok_or(Error::NoCertificate("certificate"))?)
    }

    /// Whether it is past its last moment.
    pub fn has_expired(&self, now: SystemTime) -> bool {
        now > self.not_after
    }
}

impl Credentials {
    /// What our own certificate says.
    ///
    /// # Errors
    /// When it cannot be read or names nobody.
    pub fn own(&self) -> Result<Credential, Error> {
        Credential::from_pem(&self.certificate_pem)
    }

    pub(crate) fn roots(&self) -> Result<rustls::RootCertStore, Error> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in certificates("CA certificate", &self.ca_pem)? {
            roots.add(certificate)?;
        }
        if roots.is_empty() {
            return Err(Error::NoCertificate("CA certificate"));
        }
        Ok(roots)
    }

    pub(crate) fn chain(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let chain = certificates("certificate", &self.certificate_pem)?;
        if chain.is_empty() { Err(Error::NoCertificate("certificate")) } else { Ok(chain) }
    }

    pub(crate) fn key(&self) -> Result<PrivateKeyDer<'static>, Error> {
        PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes())
            .map_err(|source| Error::Pem { what: "private key", source })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("certificate_pem", &self.certificate_pem).finish_non_exhaustive()
    }
}

fn certificates(what: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|source| Error::Pem { what, source })
}

/// Seconds since 1970; what lies before that has expired all the same.
fn time(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_it_is_written() {
        let fingerprint = Fingerprint::of(b"certificate");
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        assert_eq!(fingerprint.to_string().to_uppercase().parse(), Ok(fingerprint));
        for broken in ["", "00", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(broken.parse::<Fingerprint>(), Err(NotAFingerprint), "{broken}");
        }
    }

    #[test]
    fn what_is_not_a_certificate_is_an_error() {
        assert!(matches!(Credential::from_der(b"no"), Err(Error::NotX509)));
        assert!(matches!(Credential::from_pem(""), Err(Error::NoCertificate(_))));
        let broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
        assert!(matches!(Credential::from_pem(broken), Err(Error::Pem { .. })));
    }

    #[test]
    fn the_key_is_never_shown() {
        let pem = |text: &str| text.to_owned();
        let credentials =
            Credentials { ca_pem: pem("ca"), certificate_pem: pem("mine"), key_pem: pem("secret") };
        assert!(!format!("{credentials:?}").contains("secret"));
    }
}
