//! The headers about the sender's people and software, rebuilt from a message.
//!
//! What the sender itself sent in `NHSD-*` and `use-context` does not travel: a payload is the body alone. So the
//! receiver is told what the message says: its sender's organisation, its software, its use case.
//! `NHSD-Requesting-Practitioner` is left out, for a message does not say who pressed the key.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bulkhead_format_bars::headers::CONTEXT;
use bulkhead_format_bars::{BarsMessage, Document, Node, Syntax};

/// `use-context`: use case, category, event, reason.
pub(crate) const USE_CONTEXT: &str = "use-context";

/// The headers for a message. `software` stands for a sender that names none.
pub(crate) fn headers(
    document: &Document,
    message: &BarsMessage,
    software: &str,
) -> Vec<(&'static str, String)> {
    let stated = document
        .root()
        .path_all("entry.resource")
        .into_iter()
        .find(|resource| resource.resource_type() == Some("MessageHeader"))
        .and_then(|header| header.path_text("source.software"))
        .map(str::trim)
        .filter(|text| !text.is_empty());
    let name = Node::new().with_text("name", stated.unwrap_or(software)).with_text("type", "model-name");
    let mut headers = Vec::new();
    headers.extend(organization(message).and_then(|node| Some((CONTEXT[0], encode(node)?))));
    headers.extend(encode(Node::of_type("Device").with("deviceName", name)).map(|text| (CONTEXT[2], text)));
    headers
}

/// The value of `use-context`.
pub(crate) fn use_context(message: &BarsMessage) -> String {
    let use_case = message.request.use_case.as_deref().unwrap_or_default();
    let category = message.request.category.code();
    format!("{use_case}|{category}|{}|{}", message.event.code(), message.reason.code())
}

fn organization(message: &BarsMessage) -> Option<Node> {
    let sender = &message.source;
    let mut node = Node::of_type("Organization");
    if let Some(id) = sender.organization.as_ref().or(sender.service.as_ref()) {
        let id = Node::new().with_text("system", &id.system).with_text("value", &id.value);
        node = node.with("identifier", id);
    } else if sender.name.is_none() {
        return None;
    }
    Some(node.with_some("name", sender.name.as_deref()))
}

fn encode(resource: Node) -> Option<String> {
    Document::new(Syntax::Json, resource).write().ok().map(|json| BASE64_STANDARD.encode(json))
}
