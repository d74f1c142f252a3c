//! Reading with a memory: which elements the view has taken, and so which it has not.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::types::{Address, Coding, Concept, Identifier, Name, Telecom};
use crate::bundle::Bundle;
use crate::node::Node;

/// A reader that remembers which values it has handed out.
pub(crate) struct Trail<'a> {
    bundle: &'a Bundle<'a>,
    /// Addresses of nodes; the tree does not move while it is borrowed, and no address is followed.
    read: RefCell<HashSet<*const Node>>,
    /// The PractitionerRole of each Practitioner.
    roles: HashMap<*const Node, &'a Node>,
}

impl<'a> Trail<'a> {
    pub(crate) fn new(bundle: &'a Bundle<'a>) -> Self {
        let mut roles = HashMap::new();
        for role in bundle.of_type("PractitionerRole") {
            if let Some(person) = bundle.follow(role.resource.get("practitioner")) {
                roles.entry(std::ptr::from_ref(person.resource)).or_insert(role.resource);
            }
        }
        Self { bundle, read: RefCell::default(), roles }
    }

    /// The PractitionerRole of a Practitioner.
    pub(crate) fn role_of(&self, person: &Node) -> Option<&'a Node> {
        self.roles.get(&std::ptr::from_ref(person)).copied()
    }

    pub(crate) fn bundle(&self) -> &'a Bundle<'a> {
        self.bundle
    }

    /// The value of a node, remembered as read.
    pub(crate) fn take(&self, node: &Node) -> Option<String> {
        self.read.borrow_mut().insert(std::ptr::from_ref(node));
        node.value().map(str::to_owned)
    }

    pub(crate) fn text(&self, node: &Node, name: &str) -> Option<String> {
        node.get(name).and_then(|node| self.take(node))
    }

    pub(crate) fn texts(&self, node: &Node, name: &str) -> Vec<String> {
        node.all(name).filter_map(|node| self.take(node)).collect()
    }

    pub(crate) fn path_text(&self, node: &Node, path: &str) -> Option<String> {
        node.path(path).and_then(|node| self.take(node))
    }

    pub(crate) fn path_texts(&self, node: &Node, path: &str) -> Vec<String> {
        node.path_all(path).into_iter().filter_map(|node| self.take(node)).collect()
    }

    pub(crate) fn coding(&self, node: &Node) -> Coding {
        let [system, code, display] = ["system", "code", "display"].map(|name| self.text(node, name));
        Coding { system, code, display }
    }

    pub(crate) fn concept(&self, node: &Node) -> Concept {
        let codings = node.all("coding").map(|coding| self.coding(coding)).collect();
        Concept { codings, text: self.text(node, "text") }
    }

    pub(crate) fn concepts(&self, node: &Node, name: &str) -> Vec<Concept> {
        node.all(name).map(|node| self.concept(node)).collect()
    }

    pub(crate) fn one_concept(&self, node: &Node, name: &str) -> Option<Concept> {
        node.get(name).map(|node| self.concept(node))
    }

    pub(crate) fn identifiers(&self, node: &Node) -> Vec<Identifier> {
        node.all("identifier").filter_map(|id| self.identifier(id)).collect()
    }

    pub(crate) fn identifier(&self, node: &Node) -> Option<Identifier> {
        let system = self.text(node, "system").unwrap_or_default();
        Some(Identifier { system, value: self.text(node, "value")? })
    }

    pub(crate) fn name(&self, node: &Node) -> Name {
        let [usage, text, family] = ["use", "text", "family"].map(|name| self.text(node, name));
        let [given, prefix, suffix] = ["given", "prefix", "suffix"].map(|name| self.texts(node, name));
        Name { usage, text, family, given, prefix, suffix }
    }

    pub(crate) fn address(&self, node: &Node) -> Address {
        let words = ["use", "text", "city", "district", "postalCode", "country"];
        let [usage, text, city, district, postal_code, country] = words.map(|name| self.text(node, name));
        Address { usage, text, lines: self.texts(node, "line"), city, district, postal_code, country }
    }

    pub(crate) fn telecoms(&self, node: &Node) -> Vec<Telecom> {
        let telecom = |node: &Node| {
            let [system, value, usage, rank] =
                ["system", "value", "use", "rank"].map(|name| self.text(node, name));
            Telecom { system, value, usage, rank: rank.and_then(|rank| rank.parse().ok()) }
        };
        node.all("telecom").map(telecom).collect()
    }

    /// A choice element such as `value[x]`, in words.
    pub(crate) fn choice(&self, node: &Node, base: &str) -> Option<String> {
        let is = |name: &str| {
            name.strip_prefix(base).is_some_and(|t| t.starts_with(|c: char| c.is_ascii_uppercase()))
        };
        let (_, child) = node.children().find(|(name, _)| is(name))?;
        if child.value().is_some() {
            return self.take(child);
        }
        // Of a concept one thing is shown, and only that counts as read.
        for path in ["text", "coding.display", "coding.code", "display"] {
            if let Some(words) = self.path_text(child, path) {
                return Some(words);
            }
        }
        if child.get("value").is_none() && child.get("unit").is_none() && child.get("code").is_some() {
            return self.text(child, "code");
        }
        let words: Vec<String> = ["comparator", "value", "unit", "start", "end"]
            .iter()
            .filter_map(|name| self.text(child, name))
            .collect();
        (!words.is_empty()).then(|| words.join(" "))
    }

    /// The extension with an address that ends like that.
    pub(crate) fn extension<'n>(&self, node: &'n Node, ending: &str) -> Option<&'n Node> {
        let found = node.all("extension").find(|e| e.text("url").is_some_and(|url| url.ends_with(ending)))?;
        self.text(found, "url");
        Some(found)
    }

    /// The paths of what was not read, shortest first where nothing below was.
    pub(crate) fn unread(&self) -> Vec<String> {
        let mut paths = BTreeSet::new();
        for entry in self.bundle.entries() {
            self.walk(entry.resource, entry.kind(), &mut paths);
        }
        paths.into_iter().collect()
    }

    /// Collects unread paths below a node; says whether anything there was read.
    fn walk(&self, node: &Node, path: &str, paths: &mut BTreeSet<String>) -> Seen {
        let mut below = BTreeSet::new();
        let mut seen = match node.value() {
            Some(_) if self.read.borrow().contains(&std::ptr::from_ref(node)) => Seen::Read,
            Some(_) => Seen::Unread,
            None => Seen::Nothing,
        };
        for (name, child) in node.children().filter(|(name, child)| !self.is_technical(node, name, child)) {
            let path = format!("{path}.{name}{}", extension_name(name, child));
            seen = seen.and(self.walk(child, &path, &mut below));
        }
        match seen {
            Seen::Nothing | Seen::Read => {}
            Seen::Unread => drop(paths.insert(path.to_owned())),
            Seen::Partly => paths.extend(below),
        }
        seen
    }

    /// What holds no information of its own: ids, metadata, generated narrative, and links within the bundle.
    fn is_technical(&self, parent: &Node, name: &str, child: &Node) -> bool {
        let of_resource = parent.resource_type().is_some();
        match name {
            "id" | "meta" | "implicitRules" | "language" => of_resource || name == "id",
            "text" => of_resource && child.value().is_none(),
            "reference" => child.value().is_some_and(|reference| self.bundle.resolve(reference).is_some()),
            "url" => parent.children().count() > 1,
            _ => false,
        }
    }
}

/// Which extension, if its address is one of the NHS's or of HL7's: an address of anyone else's could say
/// anything.
fn extension_name(name: &str, node: &Node) -> String {
    let known = |url: &&str| {
        ["https://fhir.nhs.uk/", "https://fhir.hl7.org.uk/", "http://hl7.org/fhir/"]
            .iter()
            .any(|k| url.starts_with(k))
    };
    let url = node.text("url").filter(|_| crate::xml::is_extension(name)).filter(known);
    url.and_then(|url| url.rsplit('/').next()).map_or(String::new(), |last| format!("({last})"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Nothing,
    Read,
    Unread,
    Partly,
}

impl Seen {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, seen) | (seen, Self::Nothing) => seen,
            (a, b) if a == b => a,
            _ => Self::Partly,
        }
    }
}
