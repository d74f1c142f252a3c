//! A bundle in the making: entries with addresses that are derived from the referral.

use bulkhead_format_bars::view::{Address, Coding, Concept, Identifier, Name, Telecom};
use bulkhead_format_bars::{Document, Node, System, When};
use uuid::Uuid;

use super::Source;
use crate::ids;

/// A bundle in the making.
pub(super) struct Maker {
    bundle: Uuid,
    at: String,
    entries: Vec<Node>,
}

impl Maker {
    pub(super) fn new(source: &Source<'_>) -> Self {
        let bundle = ids::bundle_id(&source.stamp.referral);
        Self { bundle, at: When::write(source.stamp.now), entries: Vec::new() }
    }

    /// The address of the entry with that name.
    pub(super) fn url(&self, name: &str) -> String {
        format!("urn:uuid:{}", Uuid::new_v5(&self.bundle, name.as_bytes()))
    }

    /// A reference to it.
    pub(super) fn to(&self, name: &str) -> Node {
        Node::new().with_text("reference", &self.url(name))
    }

    /// A resource with the metadata that BaRS wants on every one.
    pub(super) fn resource(&self, kind: &str) -> Node {
        Node::of_type(kind).with("meta", Node::new().with_text("lastUpdated", &self.at))
    }

    /// The time of the message.
    pub(super) fn at(&self) -> &str {
        &self.at
    }

    /// Adds an entry.
    pub(super) fn add(&mut self, name: &str, resource: Node) {
        let url = self.url(name);
        self.entries.push(Node::new().with_text("fullUrl", &url).with("resource", resource));
    }

    /// The message.
    pub(super) fn finish(self, source: &Source<'_>) -> Document {
        let meta = Node::new()
            .with_text("versionId", source.profile.application)
            .with_text("lastUpdated", &self.at)
            .with_text("profile", "https://fhir.nhs.uk/StructureDefinition/BARSBundleMessage");
        let mut root = Node::of_type("Bundle")
            .with_text("id", &self.bundle.to_string())
            .with("meta", meta)
            .with_text("type", "message")
            .with_text("timestamp", &self.at);
        for entry in self.entries {
            root.push("entry", entry);
        }
        Document::new(source.profile.syntax, root)
    }
}

/// A coding of a system of BaRS.
pub(super) fn of(system: System, code: &str, display: Option<&str>) -> Node {
    Node::new().with_text("system", system.uri()).with_text("code", code).with_some("display", display)
}

/// A Coding.
pub(super) fn coding(coding: &Coding) -> Node {
    let Coding { system, code, display } = coding;
    let system = system.as_deref().filter(|system| !system.is_empty());
    Node::new()
        .with_some("system", system)
        .with_some("code", code.as_deref())
        .with_some("display", display.as_deref())
}

/// A CodeableConcept.
pub(super) fn concept(concept: &Concept) -> Node {
    let mut node = Node::new();
    for one in &concept.codings {
        node.push("coding", coding(one));
    }
    node.with_some("text", concept.text.as_deref())
}

/// An Identifier; a local name is no system, and stands as its assigner.
pub(super) fn identifier(id: &Identifier) -> Node {
    let is_address = id.system.contains(':');
    let node = Node::new()
        .with_some("system", is_address.then_some(id.system.as_str()))
        .with_text("value", &id.value);
    if is_address || id.system.is_empty() {
        return node;
    }
    node.with("assigner", Node::new().with_text("display", &id.system))
}

/// A HumanName.
pub(super) fn name(name: &Name) -> Node {
    let mut node = Node::new()
        .with_some("use", name.usage.as_deref())
        .with_some("text", name.text.as_deref())
        .with_some("family", name.family.as_deref());
    for (element, texts) in [("given", &name.given), ("prefix", &name.prefix), ("suffix", &name.suffix)] {
        for text in texts {
            node.push(element, Node::text_of(text));
        }
    }
    node
}

/// An Address.
pub(super) fn address(address: &Address) -> Node {
    let mut node =
        Node::new().with_some("use", address.usage.as_deref()).with_some("text", address.text.as_deref());
    for line in &address.lines {
        node.push("line", Node::text_of(line));
    }
    node.with_some("city", address.city.as_deref())
        .with_some("district", address.district.as_deref())
        .with_some("postalCode", address.postal_code.as_deref())
        .with_some("country", address.country.as_deref())
}

/// A ContactPoint.
pub(super) fn telecom(telecom: &Telecom) -> Node {
    Node::new()
        .with_some("system", telecom.system.as_deref())
        .with_some("value", telecom.value.as_deref())
        .with_some("use", telecom.usage.as_deref())
        .with_some("rank", telecom.rank.map(|rank| rank.to_string()).as_deref())
}

/// A Period, if it has a start or an end.
pub(super) fn period(start: Option<&When>, end: Option<&When>) -> Option<Node> {
    let (start, end) = (start.map(When::text), end.map(When::text));
    (start.is_some() || end.is_some()).then(|| Node::new().with_some("start", start).with_some("end", end))
}
