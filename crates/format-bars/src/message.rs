//! A BaRS message: the facts that routing and bookkeeping need, read once and checked.
//!
//! Where each fact stands: BaRS guide, Applications, payload tables of MessageHeader and ServiceRequest.
//! The order of the checks is that of Standard-Pattern-For-Composites: version, then the combination of
//! event, reason, category and status. What must be in the bundle besides is `profile`'s business.

use crate::bundle::{Bundle, Entry};
use crate::classify::{
    Category, EncounterStatus, Event, Focus, MessageKind, Profile, Reason, Signals, Status, classify,
};
use crate::document::Document;
use crate::node::Node;
use crate::outcome::{ErrorKind, IssueType, Problem};
use crate::systems::{Identifier, System};
use crate::when::When;

/// What a receiver supports. Versions are data: prefixes such as `1` or `1.1` of Application versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Whose rules.
    pub profile: Profile,
    /// Supported versions: `1` stands for 1.0.0, 1.1.0-beta and all the others.
    pub versions: Vec<String>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { profile: Profile::England, versions: vec!["1".to_owned()] }
    }
}

impl Rules {
    /// The rules of the Welsh service.
    pub fn wales_nwri() -> Self {
        Self { profile: Profile::WalesNwri, ..Self::default() }
    }

    fn supports(&self, version: &str) -> bool {
        self.versions.iter().any(|supported| {
            version
                .strip_prefix(supported.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
        })
    }
}

/// One end of a message: the address, and the organisation behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The endpoint as it was written.
    pub endpoint: String,
    /// The endpoint as `system|value`, where it has that form; Welsh endpoints are web addresses.
    pub service: Option<Identifier>,
    /// The reference to the organisation.
    pub reference: Option<String>,
    /// The organisation's first identifier.
    pub organization: Option<Identifier>,
    /// The organisation's name.
    pub name: Option<String>,
}

/// The ServiceRequest of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its id, or the uuid of its `fullUrl` (SERVREQ01 has no id).
    pub id: String,
    /// Its `fullUrl`.
    pub full_url: Option<String>,
    /// Its status.
    pub status: Status,
    /// Referral or validation.
    pub category: Category,
    /// The use case, in lower case, such as `a1t10`.
    pub use_case: Option<String>,
    /// Business identifiers.
    pub identifiers: Vec<Identifier>,
    /// From when the patient should be seen or called.
    pub start: Option<When>,
    /// By when: the urgency of a BaRS referral.
    pub end: Option<When>,
    /// When it was written.
    pub authored_on: Option<When>,
}

/// A BaRS message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BarsMessage {
    /// `Bundle.id`: not unique, updates repeat it. England demands one; NWRI's own example has none.
    pub bundle_id: Option<String>,
    /// `Bundle.meta.versionId`, the version of the Application.
    pub version: String,
    /// `Bundle.timestamp`.
    pub timestamp: Option<When>,
    /// What kind of message it is.
    pub kind: MessageKind,
    /// The event.
    pub event: Event,
    /// The reason.
    pub reason: Reason,
    /// What it is about.
    pub focus: Focus,
    /// The MessageDefinition that the sender names.
    pub definition: Option<String>,
    /// Where it comes from; its endpoint is the return address.
    pub source: End,
    /// Where it goes.
    pub destination: End,
    /// The `Bundle.id` that a response answers.
    pub response_to: Option<String>,
    /// The code of a rejection (CodeSystem rejected-reasons-bars).
    pub rejection: Option<String>,
    /// The ServiceRequest.
    pub request: Request,
    /// The Journey ID, `Encounter.episodeOfCare.reference`, which must survive every hop.
    pub journey: Option<String>,
}

impl BarsMessage {
    /// Reads a message by the rules of England.
    pub fn read(document: &Document) -> Result<Self, Problem> {
        Self::read_with(document, &Rules::default())
    }

    /// Reads a message by those rules.
    pub fn read_with(document: &Document, rules: &Rules) -> Result<Self, Problem> {
        let bundle = Bundle::of(document)?;
        let root = bundle.root();
        if root.text("type") != Some("message") {
            return Err(Problem::invariant("Bundle.type is not message"));
        }
        let version = version(root, rules)?;
        let bundle_id = bundle_id(root, rules.profile)?;
        let header = only(&bundle, "MessageHeader")?.resource;
        let event = Event::parse(coded(header, "eventCoding", System::MessageEvent));
        let reason = Reason::parse(coded(header, "reason.coding", System::MessageReason));
        let about = header.all("focus").find_map(|focus| bundle.follow(Some(focus)));
        let focus = focus(about);
        let request = request(&bundle, about)?;
        let signals = Signals { event, reason, category: request.category, status: request.status, focus };
        let kind = classify(&signals, rules.profile)?;
        let response_to = header.path_text("response.identifier").map(str::to_owned);
        if event == Event::Response && response_to.is_none() {
            return Err(Problem::invariant("MessageHeader.response.identifier is missing"));
        }
        Ok(Self {
            bundle_id,
            version,
            timestamp: root.text("timestamp").map(When::read),
            kind,
            event,
            reason,
            focus,
            definition: header.text("definition").map(str::to_owned),
            source: end(
                &bundle,
                header.get("source"),
                header.get("sender"),
                "MessageHeader.source.endpoint",
            )?,
            destination: end(
                &bundle,
                header.get("destination"),
                header.path("destination.receiver"),
                "MessageHeader.destination.endpoint",
            )?,
            response_to,
            rejection: about
                .and_then(|about| coded(about.resource, "reasonCode.coding", System::RejectedReason))
                .map(str::to_owned),
            request,
            journey: bundle
                .of_type("Encounter")
                .find_map(|e| e.resource.path_text("episodeOfCare.reference"))
                .map(str::to_owned),
        })
    }

    /// Whether the header's target is the service that the message names (BaRS guide, Routing). An endpoint
    /// that is no `system|value`, as in Wales, cannot be compared and is let through only there.
    pub fn check_target(&self, target: &Identifier, profile: Profile) -> Result<(), Problem> {
        match (&self.destination.service, profile) {
            (Some(service), _) if service.same(target) => Ok(()),
            (None, Profile::WalesNwri) => Ok(()),
            _ => Err(Problem::invariant(
                "NHSD-Target-Identifier and MessageHeader.destination.endpoint differ",
            )),
        }
    }
}

fn bundle_id(root: &Node, profile: Profile) -> Result<Option<String>, Problem> {
    let id = root.text("id").map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned);
    match profile {
        Profile::England if id.is_none() => {
            Err(Problem::rec(ErrorKind::BadRequest, IssueType::Required, "Bundle.id is missing"))
        }
        Profile::England | Profile::WalesNwri => Ok(id),
    }
}

fn version(root: &Node, rules: &Rules) -> Result<String, Problem> {
    let missing = || Problem::invariant("Bundle.meta.versionId is missing");
    let version =
        root.path_text("meta.versionId").map(str::trim).filter(|v| !v.is_empty()).ok_or_else(missing)?;
    match rules.supports(version) {
        true => Ok(version.to_owned()),
        false => Err(Problem::rec(
            ErrorKind::UnprocessableEntity,
            IssueType::NotSupported,
            "the version in Bundle.meta.versionId is not supported",
        )),
    }
}

fn only<'a>(bundle: &Bundle<'a>, kind: &str) -> Result<Entry<'a>, Problem> {
    let mut found = bundle.of_type(kind);
    match (found.next(), found.next()) {
        (Some(entry), None) => Ok(entry),
        (None, _) => Err(Problem::invariant(&format!("{kind} is missing"))),
        (Some(_), Some(_)) => Err(Problem::invariant(&format!("more than one {kind}"))),
    }
}

/// The code of that system among the codings at a path.
fn coded<'a>(node: &'a Node, path: &str, system: System) -> Option<&'a str> {
    let codings = node.path_all(path);
    let known = codings.into_iter().find(|coding| coding.text("system").is_some_and(|s| system.is(s)));
    known.and_then(|coding| coding.text("code"))
}

fn focus(about: Option<Entry<'_>>) -> Focus {
    match about {
        Some(entry) if entry.kind() == "ServiceRequest" => Focus::ServiceRequest,
        Some(entry) if entry.kind() == "Encounter" => {
            Focus::Encounter(EncounterStatus::parse(entry.resource.text("status")))
        }
        _ => Focus::Other,
    }
}

fn request(bundle: &Bundle<'_>, about: Option<Entry<'_>>) -> Result<Request, Problem> {
    let missing = || Problem::invariant("ServiceRequest is missing");
    let entry = match about.filter(|entry| entry.kind() == "ServiceRequest") {
        Some(entry) => entry,
        None => bundle.first("ServiceRequest").ok_or_else(missing)?,
    };
    let node = entry.resource;
    let no_id = || Problem::invariant("ServiceRequest has neither an id nor a fullUrl");
    let when = |path: &str| node.path_text(path).map(When::read);
    Ok(Request {
        id: entry.id().ok_or_else(no_id)?.to_owned(),
        full_url: entry.full_url.map(str::to_owned),
        status: Status::parse(node.text("status")),
        category: Category::parse(coded(node, "category.coding", System::MessageCategory)),
        use_case: coded(node, "category.coding", System::UseCase).map(|c| c.trim().to_ascii_lowercase()),
        identifiers: node.all("identifier").filter_map(identifier).collect(),
        start: when("occurrencePeriod.start"),
        end: when("occurrencePeriod.end"),
        authored_on: when("authoredOn"),
    })
}

pub(crate) fn identifier(node: &Node) -> Option<Identifier> {
    let system = node.text("system").unwrap_or_default().trim().to_owned();
    let value = node.text("value").map(str::trim).filter(|v| !v.is_empty())?.to_owned();
    Some(Identifier { system, value })
}

fn end(bundle: &Bundle<'_>, place: Option<&Node>, who: Option<&Node>, path: &str) -> Result<End, Problem> {
    let endpoint = place.and_then(|p| p.text("endpoint")).map(str::trim).filter(|e| !e.is_empty());
    let endpoint = endpoint.ok_or_else(|| Problem::invariant(&format!("{path} is missing")))?;
    let reference = who.and_then(|who| who.text("reference"));
    let organization = reference.and_then(|reference| bundle.resolve(reference)).map(|entry| entry.resource);
    Ok(End {
        endpoint: endpoint.to_owned(),
        service: Identifier::parse(endpoint),
        reference: reference.map(str::to_owned),
        organization: organization.and_then(|o| o.all("identifier").find_map(identifier)),
        name: organization.and_then(|o| o.text("name")).map(str::to_owned),
    })
}
