//! Writes a referral as a BaRS message.
//!
//! The resources are those that the MessageDefinitions of the BaRS guide demand, and one for each thing that was said.
//! What the guide demands and nobody stated is there and says so: a Consent of status `draft`, an Encounter of unknown
//! class. States that the guide fixes for a kind of message (CarePlan completed, Encounter finished) are the guide's
//! word for "a referral", not a statement about the patient (Standard-Pattern-For-Composites).

mod clinical;
mod maker;
mod patient;
mod people;
mod request;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bulkhead_format_bars::{Document, Node};

use crate::content::{Act, Content};
use crate::notes::Note;
use crate::profile::BarsProfile;
use crate::read_ref::Read;
use crate::stamp::{Original, Stamp};
use crate::translated::Untranslatable;
use maker::Maker;
pub(crate) use request::has_element;

/// What every writer of a resource needs.
pub(crate) struct Source<'s> {
    pub(crate) read: &'s Read,
    pub(crate) profile: &'s BarsProfile,
    pub(crate) stamp: &'s Stamp,
}

impl Source<'_> {
    fn content(&self) -> &Content {
        &self.read.content
    }

    fn act(&self) -> &Act {
        &self.read.content.act
    }

    fn is_answer(&self) -> bool {
        matches!(self.act(), Act::Response(_))
    }
}

/// The message, with those notes.
pub(crate) fn document(
    source: &Source<'_>,
    notes: &[Note],
    original: Option<&Original>,
) -> Result<Document, Untranslatable> {
    let mut maker = Maker::new(source);
    request::header(source, &mut maker)?;
    request::service_request(source, &mut maker);
    request::encounters(source, &mut maker);
    if matches!(source.act(), Act::Request | Act::Update) || request::has_plan(source.content()) {
        request::care_plan(source, &mut maker);
    }
    patient::patient(source, &mut maker);
    people::organizations(source, &mut maker);
    people::practitioners(source, &mut maker);
    people::services(source, &mut maker);
    if matches!(source.act(), Act::Request) {
        people::consent(source, &mut maker);
    }
    clinical::resources(source, &mut maker);
    communication(notes, &mut maker);
    if let Some(original) = original {
        attachment(original, &mut maker);
    }
    Ok(maker.finish(source))
}

/// The notes: a Communication to the receiver, the first line first.
fn communication(notes: &[Note], maker: &mut Maker) {
    let mut node =
        maker.resource("Communication").with_text("status", "completed").with("subject", maker.to("Patient"));
    for note in notes {
        node.push("payload", Node::new().with_text("contentString", &note.text));
    }
    maker.add("Communication", node);
}

/// The original as DocumentReference and Binary.
fn attachment(original: &Original, maker: &mut Maker) {
    let attachment = Node::new()
        .with_text("contentType", &original.media_type)
        .with_text("url", &maker.url("Binary"))
        .with_text("title", "Original message");
    let reference = maker
        .resource("DocumentReference")
        .with_text("status", "current")
        .with("type", Node::new().with_text("text", "Original message, before its translation"))
        .with("subject", maker.to("Patient"))
        .with("content", Node::new().with("attachment", attachment));
    maker.add("DocumentReference", reference);
    let binary = Node::of_type("Binary")
        .with_text("contentType", &original.media_type)
        .with_text("data", &BASE64_STANDARD.encode(&original.bytes));
    maker.add("Binary", binary);
}
