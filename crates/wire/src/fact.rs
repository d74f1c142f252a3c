//! Signed facts: what an operator commands, as bytes that every node can check for itself.
//!
//! ```text
//! Command ── Statement::sign(key) ──▶ SignedFact { header, body, signature } ── control.<nation> ──▶ verify, read
//! ```
//!
//! What is signed is `DOMAIN`, then header and body, each behind its length: see [`SignedFact::signed_bytes`].
//! The header has a fixed layout, so that a release that cannot read the body still knows who signed it and
//! which scope it names. The body is protobuf in its canonical form: bytes that do not come out the same when
//! they are written again are not read.

mod command;
mod header;

use std::fmt;

use bulkhead_model::{CutId, FactId, Nation};
use bytes::Bytes;
use prost::Message;
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

pub use command::{Action, Advance, Command, MAX_REFERRALS, MAX_TENANTS};
pub use header::{Header, HeaderScope, Nonce};

use crate::{Unreadable, v1};

/// What stands before every signed fact, so that a signature of it is never one of something else.
pub const DOMAIN: &[u8] = b"bulkhead.v1.SignedFact\n";

/// Header and body as they were signed, and the signature.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedFact {
    header: Bytes,
    body: Bytes,
    signature: Bytes,
}

/// A fact whose signature holds, as far as it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Who, when, which scope.
    pub header: Header,
    /// What is commanded.
    pub command: Command,
}

/// Why a signed fact says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    /// The header cannot be read, so nobody knows whose it is.
    #[error("its header cannot be read")]
    Header,
    /// The key is not the operator's, or something was changed.
    #[error("its signature does not hold")]
    Signature,
}

impl Statement {
    /// Signs it.
    pub fn sign(&self, key: &Ed25519KeyPair) -> SignedFact {
        let (header, body) = (Bytes::from(self.header.encode()), Bytes::from(self.command.encode()));
        let signature = key.sign(&signed_bytes(&header, &body));
        SignedFact { header, body, signature: Bytes::copy_from_slice(signature.as_ref()) }
    }
}

impl SignedFact {
    /// From the wire; nothing of it is believed yet.
    pub fn from_wire(wire: v1::SignedFact) -> Self {
        Self { header: wire.header, body: wire.body, signature: wire.signature }
    }

    /// As a copy of it is written.
    pub fn to_wire(&self) -> v1::SignedFact {
        v1::SignedFact {
            header: self.header.clone(),
            body: self.body.clone(),
            signature: self.signature.clone(),
        }
    }

    /// Its name. A copy whose signature was changed has the same one and does not hold.
    pub fn id(&self) -> FactId {
        let digest = digest(&SHA256, &signed_bytes(&self.header, &self.body));
        FactId(digest.as_ref().try_into().expect("a SHA-256 has 32 bytes"))
    }

    /// What its header says. It is not to be believed before [`SignedFact::verify`] said so.
    ///
    /// # Errors
    /// When it has another layout.
    pub fn header(&self) -> Result<Header, Forged> {
        Header::decode(&self.header).ok_or(Forged::Header)
    }

    /// Whether the holder of that Ed25519 key (32 bytes) signed it.
    ///
    /// # Errors
    /// When it did not.
    pub fn verify(&self, public_key: &[u8]) -> Result<(), Forged> {
        UnparsedPublicKey::new(&ED25519, public_key)
            .verify(&signed_bytes(&self.header, &self.body), &self.signature)
            .map_err(|_| Forged::Signature)
    }

    /// What is commanded; of the kind that the header states.
    ///
    /// # Errors
    /// When this release cannot read it.
    pub fn command(&self) -> Result<Command, Unreadable> {
        let header = Header::decode(&self.header).ok_or(Unreadable::Field("header"))?;
        let body = v1::FactBody::decode(self.body.clone()).map_err(|_| Unreadable::Malformed)?;
        if body.encode_to_vec() != self.body {
            return Err(Unreadable::Field("body, which is not in canonical form or has newer fields"));
        }
        let command = Command::from_wire(body)?;
        match command.kind() == header.kind {
            true => Ok(command),
            false => Err(Unreadable::Field("kind")),
        }
    }
}

impl fmt::Debug for SignedFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedFact({})", hex(&self.id().0))
    }
}

/// Reads an operator's private key: a PKCS#8 PEM text, as `openssl genpkey -algorithm ed25519` writes it.
///
/// # Errors
/// When it is not an Ed25519 key.
pub fn signing_key(pkcs8: &[u8]) -> Result<Ed25519KeyPair, Unreadable> {
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(|_| Unreadable::Field("key"))
}

/// The public half of a key, hex, as the directory has it.
pub fn public_key_hex(key: &Ed25519KeyPair) -> String {
    hex(key.public_key().as_ref())
}

/// The name of the cut that a fact makes: it follows from the fact, so nobody else can make another of that name.
pub fn cut_id(nation: Nation, fact: &FactId) -> CutId {
    let text = format!("{nation}/{}", &hex(&fact.0)[..12]);
    CutId::parse(&text).expect("a nation, a slash and twelve hexadecimal digits are an id")
}

/// Bytes as hexadecimal digits, as ids of facts are shown.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a public key as the directory has it.
pub fn public_key_from_hex(text: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(key)
}

fn signed_bytes(header: &[u8], body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(DOMAIN.len() + 8 + header.len() + body.len());
    bytes.extend_from_slice(DOMAIN);
    for part in [header, body] {
        bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests;
