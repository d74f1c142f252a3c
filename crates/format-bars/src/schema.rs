//! What FHIR R4 says about the elements of BaRS messages: which may repeat, which are numbers and booleans in
//! JSON, and in which order XML wants them.
//!
//! The table itself is `elements.txt`. An element that is not in it is kept all the same: it is written as a
//! string or an object, as a list when it occurs more than once, and behind the elements that are known.

use std::collections::HashMap;
use std::sync::LazyLock;

const TABLE: &str = include_str!("elements.txt");

/// The shape of an element's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    /// Any primitive that JSON writes as a string.
    Text,
    /// A decimal or an integer.
    Number,
    /// A boolean.
    Boolean,
    /// A narrative's `div`.
    Xhtml,
    /// Any resource: the node itself says which.
    Resource,
    /// A type of the table.
    Of(&'static str),
}

impl Type {
    fn parse(name: &'static str) -> Self {
        match name {
            "string" => Self::Text,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            "xhtml" => Self::Xhtml,
            "Resource" => Self::Resource,
            other => Self::Of(other),
        }
    }

    /// Whether this is a primitive, written as a value and not as an object.
    pub(crate) fn is_primitive(self) -> bool {
        matches!(self, Self::Text | Self::Number | Self::Boolean | Self::Xhtml)
    }
}

/// What is known of one element of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    /// The shape of its content.
    pub(crate) kind: Type,
    /// Whether it may repeat, and so is an array in JSON.
    pub(crate) many: bool,
    /// Its place among its siblings in XML.
    pub(crate) order: usize,
}

struct Entry {
    resource: bool,
    fields: HashMap<&'static str, Field>,
    choices: Vec<(&'static str, usize)>,
}

static TYPES: LazyLock<HashMap<&'static str, Entry>> = LazyLock::new(|| {
    TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(entry).collect()
});

/// Where the elements of a type's own begin, behind the common ones.
const OWN: usize = 8;

fn entry(line: &'static str) -> (&'static str, Entry) {
    let mut words = line.split(' ');
    let name = words.next().unwrap_or_default();
    let mut fields = HashMap::new();
    let mut choices = Vec::new();
    for (i, word) in words.enumerate() {
        match word.split_once(':') {
            Some((field, kind)) => {
                let many = field.ends_with('*');
                let kind = Type::parse(kind);
                fields.insert(field.trim_end_matches('*'), Field { kind, many, order: OWN + i });
            }
            None => choices.push((word.trim_end_matches("[x]"), OWN + i)),
        }
    }
    (name.trim_start_matches('+'), Entry { resource: name.starts_with('+'), fields, choices })
}

/// What is known of the element `name` in the type `parent`.
pub(crate) fn field(parent: Option<&str>, name: &str) -> Option<Field> {
    let entry = parent.and_then(|parent| TYPES.get(parent));
    let own = entry.and_then(|entry| entry.fields.get(name).copied().or_else(|| choice(entry, name)));
    // A type that the table does not know can only be that of a resource: every other type is named by it.
    let resource = entry.map_or(parent.is_some(), |entry| entry.resource);
    own.or_else(|| common(resource, name))
}

fn choice(entry: &Entry, name: &str) -> Option<Field> {
    entry.choices.iter().find_map(|(base, order)| {
        let kind = match name.strip_prefix(base)? {
            "Boolean" => Type::Boolean,
            "Decimal" | "Integer" | "PositiveInt" | "UnsignedInt" => Type::Number,
            complex => TYPES.get_key_value(complex).map_or(Type::Text, |(name, _)| Type::Of(name)),
        };
        Some(Field { kind, many: false, order: *order })
    })
}

fn common(resource: bool, name: &str) -> Option<Field> {
    let (kind, many, order) = match name {
        "id" => (Type::Text, false, 0),
        "meta" if resource => (Type::Of("Meta"), false, 1),
        "implicitRules" if resource => (Type::Text, false, 2),
        "language" if resource => (Type::Text, false, 3),
        "text" if resource => (Type::Of("Narrative"), false, 4),
        "contained" if resource => (Type::Resource, true, 5),
        "extension" => (Type::Of("Extension"), true, 6),
        "modifierExtension" => (Type::Of("Extension"), true, 7),
        _ => return None,
    };
    Some(Field { kind, many, order })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(parent: &str, name: &str, expected: Option<(Type, bool)>) {
        let found = field(Some(parent), name).map(|f| (f.kind, f.many));
        assert_eq!(found, expected, "{parent}.{name}");
    }

    #[test]
    fn elements_have_their_shape() {
        check("Patient", "name", Some((Type::Of("HumanName"), true)));
        check("HumanName", "given", Some((Type::Text, true)));
        check("Patient", "birthDate", Some((Type::Text, false)));
        check("ContactPoint", "rank", Some((Type::Number, false)));
        check("PatientCommunication", "preferred", Some((Type::Boolean, false)));
        check("Extension", "valuePositiveInt", Some((Type::Number, false)));
        check("Extension", "valueCodeableConcept", Some((Type::Of("CodeableConcept"), false)));
        check("Extension", "valueUri", Some((Type::Text, false)));
        check("BundleEntry", "resource", Some((Type::Resource, false)));
        check("Patient", "contained", Some((Type::Resource, true)));
        check("Narrative", "div", Some((Type::Xhtml, false)));
        check("HumanName", "meta", None);
        check("Patient", "nickname", None);
        assert_eq!(field(None, "extension").map(|f| f.many), Some(true));
    }

    #[test]
    fn every_type_that_is_named_is_in_the_table() {
        for (name, entry) in TYPES.iter() {
            for (field, known) in &entry.fields {
                if let Type::Of(other) = known.kind {
                    assert!(TYPES.contains_key(other), "{name}.{field} is a {other}");
                }
            }
        }
    }

    #[test]
    fn order_is_the_order_of_the_specification() {
        let order = |name| field(Some("ServiceRequest"), name).map(|f| f.order);
        assert!(order("id") < order("meta") && order("meta") < order("status"));
        assert!(order("status") < order("intent") && order("subject") < order("occurrencePeriod"));
    }
}
