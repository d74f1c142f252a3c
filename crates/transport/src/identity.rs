//! Who a certificate speaks for. It stands in the certificate as exactly one URI:
//! `bulkhead://england/nhs111-north`, `bulkhead://england/cell/england-1` or
//! `bulkhead://england/operator/england-duty`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bulkhead_model::{Nation, OperatorId, TenantId};

const SCHEME: &str = "bulkhead://";

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identity {
    /// One environment of a supplier.
    Tenant(TenantId),
    /// One node of a nation's cell.
    Cell {
        /// Whose cell.
        nation: Nation,
        /// The node's name.
        node: Arc<str>,
    },
    /// A person with a key.
    Operator(OperatorId),
}

/// The URI is not one of the three forms. It never repeats the text, which may hold anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnIdentity {
    /// No `bulkhead://` URI, or more than one.
    #[error("expected exactly one bulkhead:// URI among the subject's alternative names")]
    NotOne,
    /// A `bulkhead://` URI of another form.
    #[error(
        "expected bulkhead://nation/tenant, bulkhead://nation/cell/node or bulkhead://nation/operator/name"
    )]
    Form,
}

impl Identity {
    /// The nation that it belongs to.
    pub fn nation(&self) -> Nation {
        match self {
            Identity::Tenant(tenant) => tenant.nation(),
            Identity::Cell { nation, .. } => *nation,
            Identity::Operator(operator) => operator.nation(),
        }
    }

    /// The tenant, when it is one.
    pub fn tenant(&self) -> Option<&TenantId> {
        match self {
            Identity::Tenant(tenant) => Some(tenant),
            Identity::Cell { .. } | Identity::Operator(_) => None,
        }
    }

    /// The one identity among the URIs of a certificate.
    ///
    /// # Errors
    /// When there is none, more than one, or one of another form.
    pub(crate) fn of_uris<'a>(uris: impl Iterator<Item = &'a str>) -> Result<Self, NotAnIdentity> {
        let mut ours = uris.filter(|uri| uri.starts_with(SCHEME));
        match (ours.next(), ours.next()) {
            (Some(uri), None) => uri.parse(),
            _ => Err(NotAnIdentity::NotOne),
        }
    }
}

impl FromStr for Identity {
    type Err = NotAnIdentity;

    fn from_str(text: &str) -> Result<Self, NotAnIdentity> {
        let form = |_| NotAnIdentity::Form;
        let path = text.strip_prefix(SCHEME).ok_or(NotAnIdentity::Form)?;
        match *path.split('/').collect::<Vec<_>>() {
            [_, _] => Ok(Identity::Tenant(TenantId::parse(path).map_err(form)?)),
            [nation, "cell", node] => {
                // A node's name has the characters of a tenant's.
                TenantId::parse(&format!("{nation}/{node}")).map_err(form)?;
                Ok(Identity::Cell { nation: nation.parse().map_err(form)?, node: node.into() })
            }
            [nation, "operator", name] => {
                let id = format!("{nation}/{name}");
                Ok(Identity::Operator(OperatorId::parse(&id).map_err(form)?))
            }
            _ => Err(NotAnIdentity::Form),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Identity::Tenant(tenant) => write!(f, "{SCHEME}{tenant}"),
            Identity::Cell { nation, node } => write!(f, "{SCHEME}{nation}/cell/{node}"),
            Identity::Operator(operator) => {
                write!(f, "{SCHEME}{}/operator/{}", operator.nation(), operator.name())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_forms_read_and_written_alike() {
        for text in [
            "bulkhead://england/nhs111-north",
            "bulkhead://northern-ireland/cell/ni-1",
            "bulkhead://wales/operator/wales-duty",
        ] {
            assert_eq!(text.parse::<Identity>().unwrap().to_string(), text);
        }
        let tenant: Identity = "bulkhead://england/cell".parse().unwrap();
        assert_eq!(tenant.tenant(), Some(&TenantId::parse("england/cell").unwrap()));
    }

    #[test]
    fn anything_else_is_nobody() {
        for text in [
            "",
            "spiffe://england/nhs111-north",
            "bulkhead://england",
            "bulkhead://england/",
            "bulkhead://france/nhs111",
            "bulkhead://england/NHS111",
            "bulkhead://england/cell/",
            "bulkhead://england/cell/a b",
            "bulkhead://england/operator/duty/more",
            "bulkhead://england/door/x",
        ] {
            assert_eq!(text.parse::<Identity>(), Err(NotAnIdentity::Form), "{text}");
        }
    }

    #[test]
    fn one_certificate_speaks_for_one() {
        let one = "bulkhead://england/a";
        let check = |uris: &[&str], ok: bool| {
            assert_eq!(Identity::of_uris(uris.iter().copied()).is_ok(), ok, "{uris:?}");
        };
        check(&[one], true);
        check(&["https://example.org/", one], true);
        check(&[], false);
        check(&["https://example.org/"], false);
        check(&[one, "bulkhead://england/b"], false);
        check(&[one, one], false);
    }
}
