//! BaRS messages to be sent, made from the samples of the format.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bulkhead_format_bars::accept::{Accept, Version};
use bulkhead_format_bars::headers::CONTEXT;
use bulkhead_format_bars::systems::System as CodeSystem;
use bulkhead_format_bars::{
    BarsMessage, Document, HeaderId, Identifier, Ids, Node, Profile, RequestHeaders, Rules, SampleReferral,
    SampleService, Syntax, When, rewrite_ids,
};
use jiff::{Timestamp, ToSpan};
use uuid::Uuid;

use super::{Priority, Ready, SendError, SendKind, Sending, own_address};
use crate::config::Protocol;
use crate::digest;
use crate::receive::bars_read::profile_of;
use crate::system::System;

/// What a priority means: a disposition, and by when.
fn disposition(priority: Priority) -> (&'static str, &'static str, u32) {
    match priority {
        Priority::Emergency => ("Dx0122", "Emergency ambulance response, category 3", 30),
        Priority::Urgent => ("Dx06", "To contact a primary care service within 6 hours", 360),
        Priority::Routine => ("Dx08", "To contact a primary care service within 24 hours", 1440),
    }
}

pub(super) fn compose(system: &System, send: &Sending) -> Result<Ready, SendError> {
    let (case, message_id) = ids(send)?;
    let profile = profile_of(&system.protocol);
    let syntax = syntax_of(&system.protocol);
    let to = Identifier { system: send.to.system.clone(), value: send.to.value.clone() };
    let own = own_address(system);
    let name = |name: &str| if name.is_empty() { "Out of Hours Service".to_owned() } else { name.to_owned() };
    let service = |id: &Identifier, called: &str| SampleService::new(&id.value, &id.value, &name(called));
    let at = system.times.of(send.message_id.as_deref())?;
    let sample = SampleReferral {
        seed: u64::try_from(digest::key(&["bars", case.text()]) >> 64).unwrap_or_default(),
        size: send.bytes,
        at,
        disposition: Some(disposition(send.priority)),
        profile,
        ..SampleReferral::new(0)
    }
    .between(service(&own, system.tenant.name()), service(&to, ""));
    let mut document = match send.kind {
        SendKind::Request | SendKind::Update => sample.build(syntax),
        SendKind::Cancel => sample.cancel(syntax),
    };
    address(&mut document, &own, &to);
    if send.kind == SendKind::Update {
        set_reason(&mut document, "update");
    }
    if let Some(due) = send.due_in_s.and_then(|seconds| at.checked_add(i64::from(seconds).seconds()).ok()) {
        set_due(&mut document, due);
    }
    if send.kind != SendKind::Request {
        known_ids(system, case.text(), &mut document);
    }
    let headers = RequestHeaders {
        ids: Ids { request: message_id.clone(), correlation: case.clone() },
        target: to,
        content: syntax,
        accept: Accept::new(syntax, Version(1, if profile == Profile::WalesNwri { 2 } else { 4 }, 0)),
        context: context(system),
    };
    let mut headers = headers.encode();
    headers.push(("use-context", format!("a1t10|referral|servicerequest-request|{}", reason(send.kind))));
    let unwritable = |error: bulkhead_format_bars::WriteError| SendError::Invalid(error.to_string());
    Ok(Ready {
        message_id: message_id.text().to_owned(),
        case: case.text().to_owned(),
        headers,
        bytes: document.write().map_err(unwritable)?,
    })
}

pub(super) fn syntax_of(protocol: &Protocol) -> Syntax {
    match protocol {
        Protocol::Bars { syntax } => *syntax,
        Protocol::BarsWales | Protocol::Mllp(_) => Syntax::Json,
    }
}

/// The headers about people and software: Base64 of FHIR resources, as `NHSD-Target-Identifier` is.
pub(super) fn context(system: &System) -> Vec<(&'static str, String)> {
    let encode =
        |resource| BASE64_STANDARD.encode(Document::new(Syntax::Json, resource).write().unwrap_or_default());
    let own = own_address(system);
    let identifier = Node::new().with_text("system", &own.system).with_text("value", &own.value);
    let organization =
        Node::of_type("Organization").with("identifier", identifier).with_text("name", system.tenant.name());
    let name = Node::new().with_text("name", "Bulkhead simulator").with_text("type", "model-name");
    let software = Node::of_type("Device").with("deviceName", name);
    vec![(CONTEXT[0], encode(organization)), (CONTEXT[2], encode(software))]
}

fn ids(send: &Sending) -> Result<(HeaderId, HeaderId), SendError> {
    let read = |text: &String, what: &str| {
        HeaderId::parse(text).ok_or_else(|| SendError::Invalid(format!("the {what} is not a UUID")))
    };
    let seed = send.seed();
    let seeded = || {
        HeaderId::from(
            uuid::Builder::from_random_bytes(digest::key(&["case", &seed.to_string()]).to_be_bytes())
                .into_uuid(),
        )
    };
    let case = send.case.as_ref().map_or_else(|| Ok(seeded()), |text| read(text, "case"))?;
    let fresh = || Ok(HeaderId::from(Uuid::new_v4()));
    let message = send.message_id.as_ref().map_or_else(fresh, |text| read(text, "message id"))?;
    Ok((case, message))
}

fn reason(kind: SendKind) -> &'static str {
    match kind {
        SendKind::Request => "new",
        SendKind::Update | SendKind::Cancel => "update",
    }
}

/// Samples speak of services by DoS id; here any identifier may be meant.
fn address(document: &mut Document, own: &Identifier, to: &Identifier) {
    for resource in document.root_mut().all_mut("entry").filter_map(|entry| entry.get_mut("resource")) {
        match resource.resource_type() {
            Some("MessageHeader") => {
                for (end, service) in [("source", own), ("destination", to)] {
                    if let Some(end) = resource.get_mut(end) {
                        end.set_text("endpoint", &service.to_string());
                    }
                }
            }
            Some("HealthcareService") => {
                if let Some(identifier) = resource.get_mut("identifier") {
                    identifier.set_text("system", &to.system);
                    identifier.set_text("value", &to.value);
                }
            }
            _ => {}
        }
    }
}

fn set_due(document: &mut Document, due: Timestamp) {
    let resources = document.root_mut().all_mut("entry").filter_map(|entry| entry.get_mut("resource"));
    for request in resources.filter(|node| node.resource_type() == Some("ServiceRequest")) {
        if let Some(period) = request.get_mut("occurrencePeriod") {
            period.set_text("end", &When::write(due));
        }
    }
}

fn set_reason(document: &mut Document, code: &str) {
    let resources = document.root_mut().all_mut("entry").filter_map(|entry| entry.get_mut("resource"));
    for header in resources.filter(|node| node.resource_type() == Some("MessageHeader")) {
        let coding = header.get_mut("reason").and_then(|reason| reason.get_mut("coding"));
        if let Some(coding) =
            coding.filter(|c| c.text("system").is_some_and(|s| CodeSystem::MessageReason.is(s)))
        {
            coding.set_text("code", code);
        }
    }
}

/// A later message names the ServiceRequest by the id that the sidecar gave it in its answer to the first.
fn known_ids(system: &System, case: &str, document: &mut Document) {
    let Ok(message) = BarsMessage::read_with(document, &Rules::default()) else { return };
    let resources = document.root_mut().all_mut("entry").filter_map(|entry| entry.get_mut("resource"));
    for request in resources.filter(|node| node.resource_type() == Some("ServiceRequest")) {
        request.set_text("id", &message.request.id);
    }
    if let Some(learnt) = system.learnt(case) {
        rewrite_ids(document, &learnt);
    }
}
