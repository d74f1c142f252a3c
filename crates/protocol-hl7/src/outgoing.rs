//! From a payload to the message for the local system: the same bytes where it reads them, else a translation.

use bulkhead_adapter::Delivery;
use bulkhead_format_bars::{Document, Limits, Syntax};
use bulkhead_format_hl7::referral::ProcessingId;
use bulkhead_format_hl7::{Message, Rules};
use bulkhead_model::{Kind, Nation};
use bulkhead_translation::{
    Attach, Item, Original, Party, Remembered, Stamp, Translated, Untranslatable, bars_to_ref, readdress_ref,
    ref_to_ref,
};

use crate::Config;

/// What is sent to the local system.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) message: Message,
    /// Names of what the local system has no place for.
    pub(crate) omissions: Vec<String>,
}

/// What a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Hl7,
    Bars(Syntax),
}

/// Makes the message for the local system.
///
/// # Errors
/// What it has no place for, or why it cannot be read.
pub(crate) fn outgoing(
    delivery: &Delivery,
    remembered: Option<Remembered>,
    own: Nation,
    config: &Config,
) -> Result<Outgoing, Untranslatable> {
    let outgoing = content(delivery, remembered, own, config)?;
    let Some(diverted) = &delivery.diverted else { return Ok(outgoing) };
    let (message, replaced) =
        readdress_ref(&outgoing.message, &receiver(delivery, config), &diverted.said())?;
    Ok(Outgoing { message, omissions: [outgoing.omissions, replaced].concat() })
}

fn content(
    delivery: &Delivery,
    remembered: Option<Remembered>,
    own: Nation,
    config: &Config,
) -> Result<Outgoing, Untranslatable> {
    let format = format(delivery).ok_or_else(|| {
        Untranslatable::new(Item::Document, "the payload is neither HL7 v2 nor a BaRS message")
    })?;
    let bytes = delivery.payload.bytes();
    let translated = match format {
        Format::Hl7 => {
            let message =
                Message::parse_with(bytes.clone(), &Rules { versions: None, ..config.rules.clone() });
            let message = message.map_err(|error| Untranslatable::new(Item::Document, error.to_string()))?;
            if ProcessingId::of(&message) != ProcessingId::Production && !config.test_system {
                return Err(Untranslatable::new(Item::Test, "the receiving system is no system for tests"));
            }
            if is_read(&message, delivery, remembered.as_ref(), own, config) {
                return Ok(Outgoing { message, omissions: Vec::new() });
            }
            ref_to_ref(&message, &config.profile, &stamp(delivery, remembered, config))?
        }
        Format::Bars(syntax) => {
            let document = Document::read(bytes, syntax, &Limits::default());
            let document =
                document.map_err(|error| Untranslatable::new(Item::Document, error.to_string()))?;
            bars_to_ref(&document, &config.profile, &stamp(delivery, remembered, config))?
        }
    };
    let Translated { document, omissions, .. } = translated;
    Ok(Outgoing { message: document, omissions })
}

/// Whether the local system reads these very bytes: a message of its own nation and of a version that it reads,
/// with a control id that it takes. An answer must also name the control id under which the local system sent.
fn is_read(
    message: &Message,
    delivery: &Delivery,
    remembered: Option<&Remembered>,
    own: Nation,
    config: &Config,
) -> bool {
    let control_id = message.header().field(10).text();
    let known = remembered.and_then(|remembered| remembered.control_id.as_deref());
    let answers = match message.field("MSA", 2).value() {
        Some(answered) if delivery.envelope.kind == Kind::Response => known == Some(&*answered),
        _ => true,
    };
    delivery.tenant.nation() == own
        && message.version().is_some_and(|version| config.reads.contains(&version))
        && control_id.chars().count() <= config.profile.control_id
        && answers
}

fn stamp(delivery: &Delivery, remembered: Option<Remembered>, config: &Config) -> Stamp {
    let envelope = &delivery.envelope;
    let mut from = Party::of(&delivery.reply_addresses);
    from.application = Some(config.own_name.application.clone());
    if from.organization.is_none() {
        from.facility = Some(config.own_name.facility.clone());
    }
    let to = receiver(delivery, config);
    let original =
        Original { bytes: delivery.payload.bytes().to_vec(), media_type: envelope.content_type.clone() };
    // The time of acceptance is the same at every attempt, and so is every byte.
    let stamp = Stamp::new(delivery.id, envelope.message_id.clone(), delivery.accepted_at);
    let stamp = stamp.in_case(envelope.case_id.clone()).between(from, to);
    let stamp = match config.profile.attach {
        Attach::Document => stamp.with_original(original),
        Attach::PayloadOnly => stamp,
    };
    let stamp = Stamp { test: config.test_system, ..stamp };
    match remembered {
        Some(remembered) => stamp.about(remembered),
        None => stamp,
    }
}

/// The local system: as it is configured to be named, and by the address under which it takes this.
fn receiver(delivery: &Delivery, config: &Config) -> Party {
    let stated = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
    let (application, facility) = (stated(&config.name.application), stated(&config.name.facility));
    let Some(diverted) = &delivery.diverted else {
        let to = Party::of(std::slice::from_ref(&delivery.envelope.to));
        return Party { application, facility, ..to };
    };
    let to = Party::of(&diverted.addresses);
    let code = to.organization.as_ref().or(to.service.as_ref()).map(|address| address.value().to_owned());
    Party { application, facility: facility.or(code), ..to }
}

/// By the content type, else by the first byte.
fn format(delivery: &Delivery) -> Option<Format> {
    let content_type = delivery.envelope.content_type.to_ascii_lowercase();
    let bytes = delivery.payload.bytes();
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if content_type.contains("hl7-v2") || content_type.contains("er7") {
        return Some(Format::Hl7);
    }
    match first {
        Some(b'{') => Some(Format::Bars(Syntax::Json)),
        Some(b'<') => Some(Format::Bars(Syntax::Xml)),
        Some(b'M') => Some(Format::Hl7),
        _ if content_type.contains("json") => Some(Format::Bars(Syntax::Json)),
        _ if content_type.contains("xml") => Some(Format::Bars(Syntax::Xml)),
        _ => None,
    }
}
