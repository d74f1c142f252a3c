//! What `GET /ServiceRequest/{id}` and `GET /ServiceRequest` answer: the requests that were taken.
//!
//! A sender must read its request before it cancels it (BaRS guide, Cancel patterns). The resource answered
//! is the one that was sent, with our id, its present status, and references that name our ids.

use jiff::Timestamp;

use crate::bundle::{Bundle, id_of};
use crate::classify::Status;
use crate::document::{Document, Syntax};
use crate::message::BarsMessage;
use crate::node::Node;
use crate::outcome::Problem;
use crate::when::When;

/// The body of a read: the ServiceRequest of `document`, in that status since that time.
pub fn read_body(
    document: &Document,
    message: &BarsMessage,
    status: Status,
    changed: Timestamp,
    syntax: Syntax,
) -> Result<Document, Problem> {
    let bundle = Bundle::of(document)?;
    let missing = || Problem::invariant("ServiceRequest is missing");
    let found =
        bundle.of_type("ServiceRequest").find(|entry| entry.id() == Some(message.request.id.as_str()));
    let mut node = found.ok_or_else(missing)?.resource.clone();
    node.set_text("id", &message.request.id);
    match node.get_mut("meta") {
        Some(meta) => meta.set_text("lastUpdated", &When::write(changed)),
        None => node.push("meta", Node::new().with_text("lastUpdated", &When::write(changed))),
    }
    node.set_text("status", status.code());
    relative(&mut node, &bundle);
    Ok(Document::new(syntax, node))
}

/// A searchset of ServiceRequests as [`read_body`] makes them.
pub fn searchset(id: &str, found: &[Document], syntax: Syntax) -> Document {
    let mut root = Node::of_type("Bundle")
        .with_text("id", id)
        .with_text("type", "searchset")
        .with_text("total", &found.len().to_string());
    for document in found {
        root.push("entry", Node::new().with("resource", document.root().clone()));
    }
    Document::new(syntax, root)
}

/// Outside its bundle a `urn:uuid:` means nothing: a reference to an entry becomes `Type/id`.
fn relative(node: &mut Node, bundle: &Bundle<'_>) {
    for (name, child) in node.children_mut() {
        if name == "reference" {
            let target = child.value().filter(|r| r.starts_with("urn:uuid:")).and_then(|r| bundle.resolve(r));
            if let Some((kind, id)) =
                target.and_then(|e| Some((e.kind(), e.resource.text("id").or(e.full_url.and_then(id_of))?)))
            {
                child.replace_value(&format!("{kind}/{id}"));
            }
        }
        relative(child, bundle);
    }
}
