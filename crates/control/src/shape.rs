//! The shape of a directory file: what may be written, before it is known to fit together.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};

use serde::Deserialize;
use toml::Spanned;

/// A text with its place in the file.
pub(crate) type Text = Spanned<String>;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shape {
    #[serde(default)]
    pub(crate) suppliers: Vec<Supplier>,
    #[serde(default)]
    pub(crate) tenants: Vec<Tenant>,
    #[serde(default)]
    pub(crate) services: Vec<Service>,
    #[serde(default)]
    pub(crate) operators: Vec<Operator>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Supplier {
    pub(crate) id: Text,
    /// For screens; the id when it is not given.
    pub(crate) name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tenant {
    pub(crate) id: Text,
    pub(crate) supplier: Text,
    /// The tenant whose work it has taken over.
    pub(crate) successor_of: Option<Text>,
    #[serde(default)]
    pub(crate) revoked: Vec<Text>,
    #[serde(default)]
    pub(crate) quota: Quota,
    /// It exists for drills alone.
    #[serde(default)]
    pub(crate) synthetic: bool,
}

/// What is not written keeps its default.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Quota {
    pub(crate) payload_bytes: Option<NonZeroUsize>,
    pub(crate) calls_per_second: Option<NonZeroU32>,
    pub(crate) unread_bytes: Option<NonZeroUsize>,
    pub(crate) connections: Option<NonZeroUsize>,
    pub(crate) unsettled_bytes: Option<NonZeroU64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Service {
    pub(crate) id: Text,
    pub(crate) host: Text,
    #[serde(default)]
    pub(crate) identifiers: Vec<Spanned<Identifier>>,
    pub(crate) protocol: Text,
    pub(crate) version: String,
    pub(crate) max_bytes: Option<NonZeroUsize>,
    /// Not written: every tenant of the directory may send to it.
    pub(crate) grants: Option<Vec<Text>>,
    pub(crate) on_deadline: Option<Text>,
    pub(crate) fallback: Option<Text>,
    /// For whom it takes over itself.
    #[serde(default)]
    pub(crate) takes_over: Vec<TakesOver>,
}

/// What is not written is not restricted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TakesOver {
    pub(crate) from: Text,
    pub(crate) kinds: Option<Spanned<Vec<Text>>>,
    pub(crate) priorities: Option<Spanned<Vec<Text>>>,
    pub(crate) hours: Option<Spanned<Vec<Text>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identifier {
    pub(crate) system: String,
    pub(crate) value: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Operator {
    pub(crate) id: Text,
    pub(crate) public_key: Text,
    pub(crate) supplier: Option<Text>,
    pub(crate) cuts_per_hour: Option<u32>,
}
