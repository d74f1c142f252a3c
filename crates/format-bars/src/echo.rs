//! The synchronous answer to a message that was taken, HTTP 200: the request's own bundle.
//!
//! Same `Bundle.id`, event and `fullUrl`s, and an id on every resource (BaRS guide, Applications,
//! http-200 acknowledgements). The ids we assign are the uuids of the `fullUrl`s, so that nothing has to be
//! remembered to answer a retry in the same way. The second, planned Encounter of the guide's example is
//! optional and left out: it would carry a reference number of a receiver, and we are not the receiver.

use crate::bundle::id_of;
use crate::document::Document;

/// The answer to a request, in its syntax.
pub fn echo(request: &Document) -> Document {
    let mut answer = request.clone();
    for entry in answer.root_mut().all_mut("entry") {
        let id = entry.text("fullUrl").and_then(id_of).map(str::to_owned);
        let Some(resource) = entry.get_mut("resource").filter(|r| r.resource_type().is_some()) else {
            continue;
        };
        if let (None, Some(id)) = (resource.text("id"), id) {
            resource.remove("id");
            resource.set_text("id", &id);
        }
    }
    answer
}
