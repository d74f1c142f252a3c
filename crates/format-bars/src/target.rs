//! `NHSD-Target-Identifier`: the addressed service, a FHIR Identifier in JSON, in standard Base64
//! (API specification 1.4.0; the proxy's HandleErrors.js tells the same faults apart).

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, prelude::BASE64_STANDARD};

use crate::document::{Document, Limits, Syntax};
use crate::node::Node;
use crate::outcome::IssueType;
use crate::systems::Identifier;

/// Standard Base64; padding may be left out.
const DECODER: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// An identifier is short.
const LIMITS: Limits = Limits { bytes: 4096, depth: 8, nodes: 64 };

/// Why a target identifier cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Neither standard nor URL-safe Base64.
    #[error("not Base64")]
    NotBase64,
    /// Base64 of the URL-safe alphabet, which BaRS does not use.
    #[error("URL-safe Base64, where standard Base64 is required")]
    Base64Url,
    /// Base64 of something that is no JSON object.
    #[error("not a JSON object")]
    NotJson,
    /// An identifier without a system.
    #[error("the identifier has no system")]
    MissingSystem,
    /// An identifier without a value, or whose value is not a string.
    #[error("the identifier has no value, or its value is not a string")]
    MissingValue,
}

impl TargetError {
    /// The FHIR issue type of the refusal.
    pub fn issue(self) -> IssueType {
        match self {
            Self::NotBase64 | Self::Base64Url => IssueType::Value,
            Self::NotJson | Self::MissingSystem | Self::MissingValue => IssueType::Structure,
        }
    }
}

/// Reads the header's value.
pub fn decode(header: &[u8]) -> Result<Identifier, TargetError> {
    let header = header.trim_ascii();
    let json = DECODER.decode(header).map_err(|_| match header.iter().any(|b| matches!(b, b'-' | b'_')) {
        true if header.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'=')) => {
            TargetError::Base64Url
        }
        _ => TargetError::NotBase64,
    })?;
    let root = object(&json).ok_or(TargetError::NotJson)?;
    let text = |name: &str| {
        root.get(name).filter(|n| n.kind() == crate::node::Kind::Text).and_then(Node::value).map(str::trim)
    };
    let system = text("system").filter(|s| !s.is_empty()).ok_or(TargetError::MissingSystem)?;
    let value = text("value").filter(|s| !s.is_empty()).ok_or(TargetError::MissingValue)?;
    Ok(Identifier { system: system.to_owned(), value: value.to_owned() })
}

/// Writes the header's value.
pub fn encode(target: &Identifier) -> String {
    let root = Node::new().with_text("system", &target.system).with_text("value", &target.value);
    BASE64_STANDARD.encode(crate::json_write::write(&root))
}

/// The object of the header. A data type has no `resourceType`, so one is put before it for the reader.
fn object(json: &[u8]) -> Option<Node> {
    let text = std::str::from_utf8(json).ok()?;
    let rest = text.trim().strip_prefix('{')?;
    let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
    let whole = format!("{{\"resourceType\":\"Identifier\"{comma}{rest}");
    Document::read(whole.as_bytes(), Syntax::Json, &LIMITS).ok().map(|document| document.root().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: Result<&str, TargetError>) {
        let header = BASE64_STANDARD.encode(json);
        assert_eq!(decode(header.as_bytes()).map(|id| id.value), expected.map(str::to_owned), "{json}");
    }

    #[test]
    fn identifiers_in_base64() {
        let dos = r#""system":"https://fhir.nhs.uk/Id/dos-service-id""#;
        check(&format!("{{{dos},\"value\":\"2000011147\"}}"), Ok("2000011147"));
        check(&format!(" {{ \"value\" : \"1\", {dos} }} "), Ok("1"));
        check(&format!("{{{dos}}}"), Err(TargetError::MissingValue));
        check(&format!("{{{dos},\"value\":2000011147}}"), Err(TargetError::MissingValue));
        check(r#"{"value":"1"}"#, Err(TargetError::MissingSystem));
        check("{}", Err(TargetError::MissingSystem));
        check("2000011147", Err(TargetError::NotJson));
        check("[]", Err(TargetError::NotJson));
        check(r#"{"value":"1""#, Err(TargetError::NotJson));
    }

    #[test]
    fn other_encodings_are_told_apart() {
        assert_eq!(decode(b"{\"system\":"), Err(TargetError::NotBase64));
        assert_eq!(decode(b"eyJ-_A"), Err(TargetError::Base64Url));
        assert_eq!(decode("é".as_bytes()), Err(TargetError::NotBase64));
        let id = Identifier::dos("2000099999");
        assert_eq!(decode(encode(&id).as_bytes()), Ok(id.clone()));
        assert_eq!(decode(encode(&id).trim_end_matches('=').as_bytes()), Ok(id));
    }
}
