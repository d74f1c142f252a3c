//! The receiver's ids for what we sent it.
//!
//! The sender learned our ids from our answer, and uses them when it cancels or updates; the receiver gave
//! its own in its answer to us. A later message must therefore be sent with the receiver's ids, and an
//! answer of the receiver with the sender's. Only ids and the references that name them are rewritten.

use std::collections::BTreeMap;

use crate::bundle::{Bundle, id_of};
use crate::document::Document;
use crate::node::Node;
use crate::outcome::Problem;

/// From an id that one side uses to the id that the other uses, for each resource type.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IdMap {
    to: BTreeMap<(String, String), String>,
}

impl IdMap {
    /// The map from the ids of our answer ([`crate::echo::echo`]) to those of the receiver's answer.
    pub fn from_answer(answer: &Document) -> Result<Self, Problem> {
        let bundle = Bundle::of(answer)?;
        let mut map = Self::default();
        for entry in bundle.entries() {
            if let (Some(ours), Some(theirs)) = (entry.full_url.and_then(id_of), entry.resource.text("id")) {
                map.insert(entry.kind(), ours, theirs);
            }
        }
        Ok(map)
    }

    /// The map of a message and its answer, where the message had ids of its own.
    pub fn between(sent: &Document, answer: &Document) -> Result<Self, Problem> {
        let mut map = Self::from_answer(answer)?;
        let (sent, answer) = (Bundle::of(sent)?, Bundle::of(answer)?);
        for entry in sent.entries() {
            let theirs =
                entry.full_url.and_then(|url| answer.resolve(url)).and_then(|e| e.resource.text("id"));
            if let (Some(ours), Some(theirs)) = (entry.resource.text("id"), theirs) {
                map.insert(entry.kind(), ours, theirs);
            }
        }
        Ok(map)
    }

    /// Adds one pair; an id that is the same on both sides needs none.
    pub fn insert(&mut self, kind: &str, ours: &str, theirs: &str) {
        if ours != theirs {
            self.to.insert((kind.to_owned(), ours.to_owned()), theirs.to_owned());
        }
    }

    /// The other side's id.
    pub fn get(&self, kind: &str, ours: &str) -> Option<&str> {
        self.to.get(&(kind.to_owned(), ours.to_owned())).map(String::as_str)
    }

    /// Every pair as type, our id, their id: what is kept between messages.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.to.iter().map(|((kind, ours), theirs)| (kind.as_str(), ours.as_str(), theirs.as_str()))
    }

    /// The map the other way, for what the receiver sends back.
    pub fn reversed(&self) -> Self {
        let mut map = Self::default();
        for (kind, ours, theirs) in self.pairs() {
            map.insert(kind, theirs, ours);
        }
        map
    }

    /// Whether there is nothing to rewrite.
    pub fn is_empty(&self) -> bool {
        self.to.is_empty()
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.to.len()
    }
}

/// Rewrites the ids of the map, and the references `Type/id` that name them, wherever they stand in a
/// bundle. `fullUrl`s and references to them stay. Returns how many were rewritten.
pub fn rewrite_ids(document: &mut Document, map: &IdMap) -> usize {
    if map.is_empty() { 0 } else { rewrite(document.root_mut(), map) }
}

fn rewrite(node: &mut Node, map: &IdMap) -> usize {
    let mut count = 0;
    let kind = node.resource_type().map(str::to_owned);
    for (name, child) in node.children_mut() {
        let new = match (name, &kind, child.value()) {
            ("id", Some(kind), Some(id)) => map.get(kind, id).map(str::to_owned),
            ("reference", None, Some(reference)) => referenced(reference, map),
            _ => None,
        };
        if let Some(new) = new {
            child.replace_value(&new);
            count += 1;
        }
        count += rewrite(child, map);
    }
    count
}

/// `Type/id`, alone or at the end of an address, and with or without a version behind it.
fn referenced(reference: &str, map: &IdMap) -> Option<String> {
    let (address, version) = match reference.split_once("/_history/") {
        Some((address, version)) => (address, Some(version)),
        None => (reference, None),
    };
    let (rest, id) = address.rsplit_once('/')?;
    let kind = rest.rsplit('/').next()?;
    let new = map.get(kind, id)?;
    Some(match version {
        Some(version) => format!("{rest}/{new}/_history/{version}"),
        None => format!("{rest}/{new}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Limits, Syntax};

    #[test]
    fn only_ids_and_their_references_change() {
        let mut map = IdMap::default();
        map.insert("ServiceRequest", "a", "77");
        map.insert("Patient", "b", "b");
        assert_eq!(map.len(), 1);
        let json = br#"{"resourceType":"Bundle","id":"a","entry":[
            {"fullUrl":"urn:uuid:a","resource":{"resourceType":"ServiceRequest","id":"a",
             "identifier":[{"id":"a","value":"a"}],
             "basedOn":[{"reference":"ServiceRequest/a"},{"reference":"urn:uuid:a"},
                        {"reference":"https://x/ServiceRequest/a/_history/2"},{"reference":"CarePlan/a"}]}},
            {"fullUrl":"urn:uuid:c","resource":{"resourceType":"CarePlan","id":"a"}}]}"#;
        let mut document = Document::read(json, Syntax::Json, &Limits::default()).expect("a bundle");
        assert_eq!(rewrite_ids(&mut document, &map), 3);
        let written = String::from_utf8(document.write().expect("JSON")).expect("UTF-8");
        assert!(written.contains(r#""resourceType":"ServiceRequest","id":"77""#));
        assert!(written.contains(r#"{"reference":"ServiceRequest/77"},{"reference":"urn:uuid:a"}"#));
        assert!(written.contains("https://x/ServiceRequest/77/_history/2"));
        assert!(written.contains(r#""resourceType":"CarePlan","id":"a""#));
        assert!(written.contains(r#""fullUrl":"urn:uuid:a""#) && written.contains(r#""value":"a""#));
        assert_eq!(rewrite_ids(&mut document, &map.reversed()), 3);
    }
}
