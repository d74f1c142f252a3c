//! Reads a BaRS message: its kind, the view, and every text in it with its path.

use bulkhead_format_bars::bundle::Bundle;
use bulkhead_format_bars::classify::{Category, MessageKind};
use bulkhead_format_bars::view::Concept;
use bulkhead_format_bars::{
    BarsMessage, Document, Node, Problem, Profile, ReferralView, ResponseKind, Rules,
};

use crate::answer::ClinicalDecision;
use crate::content::{Act, Assigned, Content};
use crate::translated::{Item, Untranslatable};
use crate::urgency;

/// A BaRS message, read.
pub(crate) struct Read {
    /// What it says.
    pub(crate) content: Content,
    /// Its header.
    pub(crate) message: BarsMessage,
    /// Every text in it.
    pub(crate) leaves: Vec<Leaf>,
}

/// A text of a document, with its path.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// The path: names, never values.
    pub(crate) path: String,
    /// The text.
    pub(crate) text: String,
    /// Which resource it is in, counted from 0.
    pub(crate) entry: usize,
}

/// Reads a message by the rules of either nation, whatever version of an Application it names.
pub(crate) fn read(document: &Document) -> Result<Read, Untranslatable> {
    let unreadable = |problem: Problem| Untranslatable::new(Item::Document, problem.diagnostics);
    let version = document.root().path_text("meta.versionId").map(|v| v.trim().to_owned());
    let rules = |profile| Rules { profile, versions: version.clone().into_iter().collect() };
    let message = BarsMessage::read_with(document, &rules(Profile::England))
        .or_else(|english| BarsMessage::read_with(document, &rules(Profile::WalesNwri)).map_err(|_| english))
        .map_err(unreadable)?;
    let mut view = ReferralView::read(document).map_err(unreadable)?;
    let (dispositions, outcomes) = view.outcomes.into_iter().partition(urgency::is_disposition);
    view.outcomes = outcomes;
    view.dispositions.extend::<Vec<_>>(dispositions);
    let bundle = Bundle::of(document).map_err(unreadable)?;
    let patient = bundle.first("Patient").map(|entry| entry.resource);
    // What the view skips without a value is skipped here too, so that both lists go together.
    let valued = |node: &&Node| node.text("value").is_some();
    let numbers = patient.iter().flat_map(|p| p.all("identifier")).filter(valued).map(assigned).collect();
    let request = bundle.first("ServiceRequest").map(|entry| entry.resource);
    let priority = request.and_then(|node| node.text("priority")).map(str::to_owned);
    let act = act(&message, &view);
    let validation = message.request.category == Category::Validation;
    let leaves = leaves(&bundle);
    let content = Content { act, validation, view, numbers, priority };
    Ok(Read { content, message, leaves })
}

fn act(message: &BarsMessage, view: &ReferralView) -> Act {
    match message.kind {
        MessageKind::NewReferral | MessageKind::NewValidation => Act::Request,
        MessageKind::Update => Act::Update,
        MessageKind::Cancel => Act::Cancel,
        MessageKind::Response(kind) => Act::Response(match kind {
            ResponseKind::Interim => ClinicalDecision::Accepted,
            ResponseKind::Final => ClinicalDecision::Finished,
            ResponseKind::DidNotAttend => ClinicalDecision::DidNotAttend,
            ResponseKind::Rejection => {
                let reasons = || view.encounters.iter().flat_map(|encounter| &encounter.reasons);
                let text = reasons().find_map(|reason: &Concept| reason.text.clone());
                ClinicalDecision::Rejected { code: message.rejection.clone(), text }
            }
        }),
    }
}

fn assigned(identifier: &Node) -> Assigned {
    let own = |path: &str| identifier.path_text(path).map(str::to_owned);
    Assigned { by: own("assigner.display"), kind: own("type.coding.code") }
}

/// Every text of every resource, in document order, but for what holds no information of its own: ids, metadata,
/// narratives, references within the bundle, and addresses of extensions.
fn leaves(bundle: &Bundle<'_>) -> Vec<Leaf> {
    let mut found = Vec::new();
    for (index, entry) in bundle.entries().iter().enumerate() {
        walk(bundle, entry.resource, entry.kind(), index, &mut found);
    }
    found
}

fn walk(bundle: &Bundle<'_>, node: &Node, path: &str, entry: usize, found: &mut Vec<Leaf>) {
    if let Some(text) = node.value().map(str::trim).filter(|text| !text.is_empty()) {
        found.push(Leaf { path: path.to_owned(), text: text.to_owned(), entry });
    }
    for (name, child) in node.children().filter(|(name, child)| !is_technical(bundle, node, name, child)) {
        walk(bundle, child, &format!("{path}.{name}{}", extension_name(name, child)), entry, found);
    }
}

fn is_technical(bundle: &Bundle<'_>, parent: &Node, name: &str, child: &Node) -> bool {
    let of_resource = parent.resource_type().is_some();
    match name {
        "id" => true,
        "meta" | "implicitRules" | "language" => of_resource,
        "text" => of_resource && child.value().is_none(),
        "reference" => child.value().is_some_and(|reference| bundle.resolve(reference).is_some()),
        "url" => parent.children().count() > 1,
        _ => false,
    }
}

/// Which extension, if its address is one of the NHS's or of HL7's; the view of format-bars names them alike.
fn extension_name(name: &str, node: &Node) -> String {
    if !matches!(name, "extension" | "modifierExtension") {
        return String::new();
    }
    let hosts = ["https://fhir.nhs.uk/", "https://fhir.hl7.org.uk/", "http://hl7.org/fhir/"];
    let url = node.text("url").filter(|url| hosts.iter().any(|host| url.starts_with(host)));
    url.and_then(|url| url.rsplit('/').next()).map_or(String::new(), |last| format!("({last})"))
}
