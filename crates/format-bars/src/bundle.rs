//! The entries of a message bundle, and which of them a reference means.
//!
//! Entries are addressed by `fullUrl`, and references point at it (BaRS guide, BaRS-FHIR-Usage, Bundle).
//! Examples also refer by `Type/id` and by a bare uuid; both are followed.

use std::collections::HashMap;

use crate::document::Document;
use crate::node::Node;
use crate::outcome::{ErrorKind, IssueType, Problem};

/// One entry of a bundle.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its `fullUrl`.
    pub full_url: Option<&'a str>,
    /// The resource.
    pub resource: &'a Node,
}

impl<'a> Entry<'a> {
    /// The resource's type.
    pub fn kind(&self) -> &'a str {
        self.resource.resource_type().unwrap_or_default()
    }

    /// The resource's id, or the uuid of its `fullUrl`: not every sender sets one.
    pub fn id(&self) -> Option<&'a str> {
        self.resource.text("id").or_else(|| self.full_url.and_then(id_of))
    }
}

/// A bundle, seen as its entries.
#[derive(Debug, Clone)]
pub struct Bundle<'a> {
    root: &'a Node,
    entries: Vec<Entry<'a>>,
    by_url: HashMap<String, usize>,
}

impl<'a> Bundle<'a> {
    /// The entries of a bundle; anything else is 400 `structure`.
    pub fn of(document: &'a Document) -> Result<Self, Problem> {
        let root = document.root();
        if root.resource_type() != Some("Bundle") {
            return Err(Problem::rec(
                ErrorKind::BadRequest,
                IssueType::Structure,
                "the body is not a Bundle",
            ));
        }
        let entry = |node: &'a Node| {
            let resource = node.get("resource").filter(|r| r.resource_type().is_some())?;
            Some(Entry { full_url: node.text("fullUrl"), resource })
        };
        let entries: Vec<Entry<'a>> = root.all("entry").filter_map(entry).collect();
        let mut by_url = HashMap::new();
        for (i, entry) in entries.iter().enumerate() {
            for key in entry
                .full_url
                .map(key)
                .into_iter()
                .chain(entry.resource.text("id").map(|id| typed(entry.kind(), id)))
            {
                by_url.entry(key).or_insert(i);
            }
        }
        Ok(Self { root, entries, by_url })
    }

    /// The bundle itself.
    pub fn root(&self) -> &'a Node {
        self.root
    }

    /// Every entry that holds a resource, in order.
    pub fn entries(&self) -> &[Entry<'a>] {
        &self.entries
    }

    /// Every entry of one type, in order.
    pub fn of_type<'s, 'n>(&'s self, kind: &'n str) -> impl Iterator<Item = Entry<'a>> + use<'a, 's, 'n> {
        self.entries.iter().copied().filter(move |entry| entry.kind() == kind)
    }

    /// The first entry of one type.
    pub fn first(&self, kind: &str) -> Option<Entry<'a>> {
        self.of_type(kind).next()
    }

    /// The entry that a reference means, if it is in this bundle.
    pub fn resolve(&self, reference: &str) -> Option<Entry<'a>> {
        let found = self.by_url.get(&key(reference))?;
        self.entries.get(*found).copied()
    }

    /// The entry that the `reference` of a Reference means.
    pub fn follow(&self, reference: Option<&'a Node>) -> Option<Entry<'a>> {
        self.resolve(reference?.text("reference")?)
    }
}

fn key(url: &str) -> String {
    let url = url.trim();
    url.strip_prefix("urn:uuid:").unwrap_or(url).to_ascii_lowercase()
}

fn typed(kind: &str, id: &str) -> String {
    format!("{kind}/{id}").to_ascii_lowercase()
}

/// The id that a `fullUrl` holds: the uuid of a `urn:uuid:`, or the last step of an address.
pub fn id_of(full_url: &str) -> Option<&str> {
    let id = full_url.trim().strip_prefix("urn:uuid:").or_else(|| full_url.trim().rsplit('/').next())?;
    let legal = !id.is_empty() && id.len() <= 64;
    (legal && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Syntax;

    #[test]
    fn references_are_followed_however_they_are_written() {
        let org =
            Node::of_type("Organization").with_text("id", "o-1").with_text("name", "Sender Organization");
        let entry = Node::new().with_text("fullUrl", "urn:uuid:AAAA").with("resource", org);
        let document = Document::new(Syntax::Json, Node::of_type("Bundle").with("entry", entry));
        let bundle = Bundle::of(&document).expect("a bundle");
        for reference in ["urn:uuid:aaaa", "AAAA", "Organization/o-1"] {
            assert!(bundle.resolve(reference).is_some(), "{reference}");
        }
        for reference in ["urn:uuid:bbbb", "Patient/o-1", ""] {
            assert!(bundle.resolve(reference).is_none(), "{reference}");
        }
        assert_eq!(id_of("https://example.org/fhir/Patient/7"), Some("7"));
        assert_eq!(id_of("urn:uuid:"), None);
    }
}
