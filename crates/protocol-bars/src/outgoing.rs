//! What is posted to the local system for one delivery, and where its content comes from.

use bulkhead_adapter::{Delivery, Diverted};
use bulkhead_format_bars::accept::Accept;
use bulkhead_format_bars::headers::content_type;
use bulkhead_format_bars::{
    BarsMessage, Document, HeaderId, IdMap, Identifier, Ids, Limits, RequestHeaders, Rules, Syntax, profile,
    rewrite_ids,
};
use bulkhead_format_hl7::Message;
use bulkhead_model::{Code, Kind, Nation, Protocol, Reason, ServiceAddress};
use bulkhead_translation::{
    Item, Original, Party, Remembered, Stamp, Translated, Untranslatable, bars_to_bars, correlation_id,
    readdress_bars, ref_to_bars, request_id,
};
use bytes::Bytes;

use crate::{Config, context, process};

/// What a sidecar remembers that a delivery may need.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// Our ids and the local system's, in the case of the delivery.
    pub(crate) ids: IdMap,
    /// The message that a response, update or cancellation is about.
    pub(crate) about: Option<Remembered>,
    /// Every address of the local system's service that takes the delivery, as far as the broker says.
    pub(crate) own: Vec<ServiceAddress>,
    /// The service addressed is another tenant's: the referral was diverted.
    pub(crate) diverted: bool,
}

/// What is posted.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) ids: Ids,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    /// The body is not the payload's bytes: it was made here.
    pub(crate) made: bool,
    /// The body, read.
    pub(crate) document: Document,
    /// What it says; `None` when it is no message that we can read, and is the local system's to judge.
    pub(crate) message: Option<BarsMessage>,
    /// What the local system's format could not carry, by name.
    pub(crate) omissions: Vec<String>,
    /// For what came in HL7 v2: what to remember of it.
    pub(crate) origin: Option<Remembered>,
}

/// A document for the local system, before it is addressed.
struct Content {
    document: Document,
    /// The document is not what the bytes of the payload say.
    changed: bool,
    omissions: Vec<String>,
    origin: Option<Remembered>,
    /// The ids of a translated message; a message that goes on as it is keeps its own.
    ids: Option<Ids>,
}

impl Outgoing {
    /// Makes the request of a delivery, or says why it can never be handed over.
    pub(crate) fn new(delivery: &Delivery, known: &Known, config: &Config) -> Result<Self, Reason> {
        let mut content = match content_type(delivery.envelope.content_type.as_bytes()) {
            Ok(syntax) => bars(delivery, known, config, syntax)?,
            Err(_) if delivery.payload.bytes().starts_with(b"MSH") => hl7(delivery, known, config)?,
            Err(_) => {
                return Err(Reason::new(
                    Code::Unreadable,
                    "the payload is neither a BaRS message nor HL7 v2",
                ));
            }
        };
        if matches!(delivery.envelope.kind, Kind::Update | Kind::Cancel) {
            content.changed |= rewrite_ids(&mut content.document, &known.ids) > 0;
        }
        let own = known.own.iter().find_map(dos).or_else(|| config.offers.first().map(|o| o.service.clone()));
        if let (true, Some(own)) = (known.diverted, &own) {
            let said = delivery.diverted.as_ref().map(Diverted::said);
            readdress(&mut content, own, said.as_deref(), "of a diverted message");
        }
        let mut message = read_message(&content.document, config);
        // As in Wales: a web address, which a receiver by the guide cannot compare with its target.
        let nameless = message.as_ref().is_some_and(|message| message.destination.service.is_none());
        if let (true, Protocol::Bars, Some(to)) =
            (nameless, config.dialect.protocol, stated(&delivery.envelope.to))
        {
            readdress(&mut content, &to, None, "that names no service");
            message = read_message(&content.document, config);
        }
        let target = message
            .as_ref()
            .and_then(|message| message.destination.service.clone())
            .or_else(|| stated(&delivery.envelope.to))
            .or(own)
            .ok_or_else(|| Reason::new(Code::InvalidEnvelope, "no service of the local system is named"))?;
        Self::addressed(delivery, content, message, target, config)
    }

    fn addressed(
        delivery: &Delivery,
        content: Content,
        message: Option<BarsMessage>,
        target: Identifier,
        config: &Config,
    ) -> Result<Self, Reason> {
        let Content { document, changed, omissions, origin, ids } = content;
        let syntax = config.dialect.syntax.unwrap_or(document.syntax());
        let made = changed || syntax != document.syntax();
        let body = match made {
            false => delivery.payload.bytes().clone(),
            true => Bytes::from(written(&document, syntax)?),
        };
        let ids = ids.unwrap_or_else(|| kept_ids(delivery));
        let headers = match &message {
            Some(message) => request_headers(&ids, target, syntax, &document, message, config),
            None => bare_headers(&ids, target, syntax, config).encode(),
        };
        Ok(Self { ids, headers, body, made, document, message, omissions, origin })
    }
}

/// The headers of a request with that message.
pub(crate) fn request_headers(
    ids: &Ids,
    target: Identifier,
    syntax: Syntax,
    document: &Document,
    message: &BarsMessage,
    config: &Config,
) -> Vec<(&'static str, String)> {
    let context = context::headers(document, message, &config.software);
    let mut headers = RequestHeaders { context, ..bare_headers(ids, target, syntax, config) }.encode();
    headers.push((context::USE_CONTEXT, context::use_context(message)));
    headers
}

fn bare_headers(ids: &Ids, target: Identifier, syntax: Syntax, config: &Config) -> RequestHeaders {
    let accept = Accept::new(syntax, config.dialect.api_version);
    RequestHeaders { ids: ids.clone(), target, content: syntax, accept, context: Vec::new() }
}

/// A message in the local system's own format, as it came wherever that is good.
fn bars(delivery: &Delivery, known: &Known, config: &Config, syntax: Syntax) -> Result<Content, Reason> {
    let bytes = delivery.payload.bytes();
    let limits = Limits { bytes: bytes.len(), ..Limits::default() };
    let document = Document::read(bytes, syntax, &limits)
        .map_err(|error| Reason::new(Code::Unreadable, error.to_string()))?;
    let foreign =
        (delivery.tenant.nation() == Nation::Wales) != (config.dialect.protocol == Protocol::BarsWales);
    if !foreign || keeps_rules(&document, config) {
        return Ok(Content { document, changed: false, omissions: Vec::new(), origin: None, ids: None });
    }
    let stamp = stamp(delivery, known, config);
    let Translated { document, omissions, .. } =
        bars_to_bars(&document, &config.dialect.profile, &stamp).map_err(|refused| refused.reason())?;
    Ok(Content { document, changed: true, omissions, origin: None, ids: None })
}

/// A referral or an answer in HL7 v2, made a message.
fn hl7(delivery: &Delivery, known: &Known, config: &Config) -> Result<Content, Reason> {
    let message = Message::parse(delivery.payload.bytes().clone())
        .map_err(|error| Reason::new(Code::Unreadable, error.to_string()))?;
    // Table 0103: D for debugging, T for training.
    let purpose = message.header().field(11).component(1).text().to_ascii_uppercase();
    if !config.test_system && matches!(purpose.as_str(), "T" | "D") {
        return Err(
            Untranslatable::new(Item::Test, "MSH-11 marks it so, and the system is a live one").reason()
        );
    }
    let stamp = stamp(delivery, known, config);
    let Translated { document, omissions, .. } =
        ref_to_bars(&message, &config.dialect.profile, &stamp).map_err(|refused| refused.reason())?;
    let ids = Ids { request: request_id(&delivery.id).into(), correlation: correlation_id(&stamp).into() };
    let origin = Some(Remembered::of_ref(&message).translated(&stamp));
    Ok(Content { document, changed: true, omissions, origin, ids: Some(ids) })
}

fn stamp(delivery: &Delivery, known: &Known, config: &Config) -> Stamp {
    let envelope = &delivery.envelope;
    let original =
        Original { bytes: delivery.payload.bytes().to_vec(), media_type: envelope.content_type.clone() };
    let to = if known.own.is_empty() { std::slice::from_ref(&envelope.to) } else { &known.own };
    let stamp = Stamp::new(delivery.id, envelope.message_id.clone(), delivery.accepted_at)
        .in_case(envelope.case_id.clone())
        .between(Party::of(&delivery.reply_addresses), Party::of(to))
        .with_original(original);
    Stamp { test: config.test_system, remembered: known.about.clone(), ..stamp }
}

/// The ids of a message that goes on under its own: a message id that is no UUID is not from BaRS.
fn kept_ids(delivery: &Delivery) -> Ids {
    let envelope = &delivery.envelope;
    let stamp = Stamp::new(delivery.id, envelope.message_id.clone(), delivery.accepted_at)
        .in_case(envelope.case_id.clone());
    let case = envelope.case_id.as_ref().and_then(|case| HeaderId::parse(case.as_str()));
    Ids {
        request: HeaderId::parse(envelope.message_id.as_str())
            .unwrap_or_else(|| request_id(&delivery.id).into()),
        correlation: case.unwrap_or_else(|| correlation_id(&stamp).into()),
    }
}

fn keeps_rules(document: &Document, config: &Config) -> bool {
    process::read(document, &config.dialect.rules)
        .is_ok_and(|(message, kept)| profile::check(document, &message, kept).is_ok())
}

/// A message by the local system's rules, or by the guide's: those of Wales know no responses.
pub(crate) fn read_message(document: &Document, config: &Config) -> Option<BarsMessage> {
    let read = BarsMessage::read_with(document, &config.dialect.rules);
    read.or_else(|_| BarsMessage::read_with(document, &Rules::default())).ok()
}

/// A message that names a service that is not here, or none: its endpoint becomes the one that takes it.
fn readdress(content: &mut Content, own: &Identifier, said: Option<&str>, why: &str) {
    if readdress_bars(&mut content.document, &own.to_string(), said) {
        content.changed = true;
        content.omissions.push(format!("MessageHeader.destination.endpoint {why}"));
    }
}

fn written(document: &Document, syntax: Syntax) -> Result<Vec<u8>, Reason> {
    document.write_as(syntax).map_err(|error| Reason::new(Code::NotTranslatable, error.to_string()))
}

fn stated(address: &ServiceAddress) -> Option<Identifier> {
    let (system, value) = (address.system().to_owned(), address.value().to_owned());
    (!system.is_empty()).then_some(Identifier { system, value })
}

fn dos(address: &ServiceAddress) -> Option<Identifier> {
    stated(address).filter(|id| bulkhead_format_bars::System::DosServiceId.is(&id.system))
}
