//! From BaRS as in England to BaRS as in Wales, and back: the same bundle, with as little changed as the other rules
//! demand.

use bulkhead_format_bars::classify::Category;
use bulkhead_format_bars::profile::WALES_ORGANIZATIONS;
use bulkhead_format_bars::{Document, Node, Profile, System};

use crate::content::{Act, Content};
use crate::envelope::number_flags;
use crate::ids;
use crate::must_show;
use crate::profile::{BarsProfile, Target};
use crate::read_bars::{self, Read};
use crate::ref_to_bars::check;
use crate::stamp::{Party, Stamp};
use crate::translated::{Item, Translated, Untranslatable};

/// Translates a BaRS message for a peer that keeps the other nation's rules.
///
/// For Wales (NWRI): the two organisations get the literal names that it looks for, with the real name as an alias
/// and their code in the Welsh system as well; a cancellation has the reason `update`; a condition has the words of
/// its code. For England: the type of the request is stated in its code system, organisations have their ODS code,
/// and their real names where an alias kept them. Nothing is taken out.
///
/// # Errors
/// What must be shown has no place in the profile, the message is of a kind that the other nation does not take, or
/// something that it demands is not there.
pub fn bars_to_bars(
    document: &Document,
    profile: &BarsProfile,
    stamp: &Stamp,
) -> Result<Translated<Document>, Untranslatable> {
    let read = read_bars::read(document)?;
    must_show::check(&read.content, &Target::Bars(profile.clone()))?;
    let mut edit = Edit { read: &read, profile, changed: Vec::new() };
    let mut root = document.root().clone();
    edit.bundle(&mut root, stamp);
    let document = Document::new(profile.syntax, root);
    check(&document, profile)?;
    let unwritable =
        |error| Untranslatable::new(Item::Structure, format!("the document cannot be written: {error}"));
    if document.write().map_err(unwritable)?.len() > profile.message {
        let why = format!("the receiving system takes {} bytes, and it is larger", profile.message);
        return Err(Untranslatable::new(Item::Size, why));
    }
    let flags = number_flags(&read.content.view);
    Ok(Translated { document, omissions: Vec::new(), changed: edit.changed, flags })
}

struct Edit<'r> {
    read: &'r Read,
    profile: &'r BarsProfile,
    changed: Vec<String>,
}

impl Edit<'_> {
    fn content(&self) -> &Content {
        &self.read.content
    }

    fn bundle(&mut self, root: &mut Node, stamp: &Stamp) {
        if root.text("id").is_none() {
            root.set_text("id", &ids::bundle_id(&stamp.referral).to_string());
            self.changed.push("Bundle.id: derived from the referral".to_owned());
        }
        // MessageHeader.sender and destination.receiver, by what their references say.
        let ends =
            [&self.read.message.source.reference, &self.read.message.destination.reference].map(Clone::clone);
        for entry in root.all_mut("entry") {
            let url = entry.text("fullUrl").map(str::to_owned);
            let Some(resource) = entry.get_mut("resource") else { continue };
            match resource.resource_type() {
                Some("MessageHeader") => self.header(resource, stamp),
                Some("Organization") => {
                    let own = resource.text("id").map(|id| format!("Organization/{id}"));
                    let end = ends.iter().position(|end| end.is_some() && (*end == url || *end == own));
                    self.organization(resource, end);
                }
                Some("ServiceRequest") => self.service_request(resource),
                Some("Condition") => self.condition(resource),
                _ => {}
            }
        }
    }

    fn header(&mut self, header: &mut Node, stamp: &Stamp) {
        let remembered = stamp.remembered.as_ref().filter(|_| matches!(self.content().act, Act::Response(_)));
        let address = |party: &Party| party.service.as_ref().map(ToString::to_string);
        let from = remembered.and_then(|r| r.destination.clone()).or_else(|| address(&stamp.from));
        let to = remembered.and_then(|r| r.source.clone()).or_else(|| address(&stamp.to));
        for (name, endpoint) in [("source", from), ("destination", to)] {
            let Some(node) = header.get_mut(name).and_then(|node| node.get_mut("endpoint")) else { continue };
            if let Some(endpoint) = endpoint.filter(|endpoint| node.value() != Some(endpoint)) {
                node.replace_value(&endpoint);
                self.changed.push(format!("MessageHeader.{name}.endpoint: as the receiving system knows it"));
            }
        }
        if let Some(bundle) = remembered.and_then(|r| r.bundle_id.as_deref())
            && let Some(node) = header.get_mut("response").and_then(|node| node.get_mut("identifier"))
            && node.value() != Some(bundle)
        {
            node.replace_value(bundle);
            self.changed.push("MessageHeader.response.identifier: the Bundle.id of the original".to_owned());
        }
        let wales = self.profile.rules == Profile::WalesNwri;
        if wales && self.content().act == Act::Cancel {
            let code =
                header.get_mut("reason").and_then(|r| r.get_mut("coding")).and_then(|c| c.get_mut("code"));
            if let Some(code) = code.filter(|code| code.value() != Some("update")) {
                code.replace_value("update");
                self.changed.push("MessageHeader.reason: update".to_owned());
            }
        }
    }

    /// Names and code systems of the two ends. NWRI reads its own systems, and UK Core's ODS system elsewhere: so both
    /// are there.
    fn organization(&mut self, organization: &mut Node, end: Option<usize>) {
        let coded = |system: System| {
            let ids: Vec<&Node> = organization.all("identifier").collect();
            let own = ids.into_iter().find(|id| id.text("system").is_some_and(|uri| system.is(uri)));
            own.and_then(|id| id.text("value")).map(str::to_owned)
        };
        let welsh = coded(System::WalesOrganization).or_else(|| coded(System::WalesUkOrganization));
        let ods = coded(System::OdsOrganization);
        match (self.profile.rules, end, welsh, ods) {
            (Profile::WalesNwri, Some(_), None, Some(code)) => {
                let system = match code.to_ascii_uppercase().starts_with("7A") {
                    true => System::WalesOrganization,
                    false => System::WalesUkOrganization,
                };
                organization.push("identifier", identifier(system, &code));
                self.changed.push("Organization.identifier: in the Welsh system as well".to_owned());
            }
            (Profile::England, _, Some(code), None) => {
                organization.push("identifier", identifier(System::OdsOrganization, &code));
                self.changed.push("Organization.identifier: as an ODS code as well".to_owned());
            }
            _ => {}
        }
        let Some(end) = end else { return };
        let name = organization.text("name").unwrap_or_default().to_owned();
        let literal = WALES_ORGANIZATIONS[end];
        let real = organization.text("alias").map(str::to_owned);
        match (self.profile.rules, real) {
            (Profile::WalesNwri, _) if name != literal => {
                organization.set_text("name", literal);
                if !name.is_empty() {
                    organization.push("alias", Node::text_of(&name));
                }
                self.changed
                    .push("Organization.name: the literal one, with the real one as an alias".to_owned());
            }
            (Profile::England, Some(real)) if name == literal => {
                organization.set_text("name", &real);
                organization.remove("alias");
                organization.push("alias", Node::text_of(literal));
                self.changed.push("Organization.name: the real one".to_owned());
            }
            _ => {}
        }
    }

    /// England decides by the type of the request; another nation's code stays beside it.
    fn service_request(&mut self, request: &mut Node) {
        if self.profile.rules != Profile::England || self.read.message.request.category != Category::Other {
            return;
        }
        let mut category = Node::new().with(
            "coding",
            Node::new().with_text("system", System::MessageCategory.uri()).with_text("code", "referral"),
        );
        let rest: Vec<Node> = request.all("category").cloned().collect();
        request.remove("category");
        if let Some(first) = rest.first() {
            for (name, child) in first.children() {
                category.push(name, child.clone());
            }
        }
        request.push("category", category);
        for other in rest.into_iter().skip(1) {
            request.push("category", other);
        }
        self.changed.push("ServiceRequest.category: referral, with the stated one beside it".to_owned());
    }

    /// NWRI looks for the words of a condition's code.
    fn condition(&mut self, condition: &mut Node) {
        if !self.profile.needs_condition || condition.path("code.coding.display").is_some() {
            return;
        }
        let Some(code) = condition.get_mut("code") else { return };
        let words = code.text("text").or(code.path_text("coding.code")).map(str::to_owned);
        let Some(words) = words else { return };
        match code.get_mut("coding") {
            Some(coding) => coding.push("display", Node::text_of(&words)),
            None => code.push("coding", Node::new().with_text("display", &words)),
        }
        self.changed.push("Condition.code.coding.display: the words of the condition".to_owned());
    }
}

fn identifier(system: System, value: &str) -> Node {
    Node::new().with_text("system", system.uri()).with_text("value", value)
}
