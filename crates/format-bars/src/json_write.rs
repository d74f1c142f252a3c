//! Writes a tree as FHIR JSON.
//!
//! What the tree knows from having been JSON is written back as it was; the rest is decided by the table of
//! elements. Resource types come first, members in the order of the tree.

use std::collections::HashMap;

use crate::node::{Kind, Node, Repeats, Shape};
use crate::schema::{self, Field, Type};

pub(crate) fn write(root: &Node) -> Vec<u8> {
    let mut out = String::new();
    object(&mut out, root, None);
    out.into_bytes()
}

/// The name of the type of a node, for looking its elements up.
pub(crate) fn type_of(node: &Node, field: Option<Field>) -> Option<&str> {
    match (node.resource_type(), field.map(|f| f.kind)) {
        (Some(name), _) => Some(name),
        (None, Some(Type::Of(name))) => Some(name),
        _ => None,
    }
}

fn object(out: &mut String, node: &Node, field: Option<Field>) {
    out.push('{');
    let mut first = true;
    if let Some(resource) = node.resource_type() {
        key(out, &mut first, "", "resourceType");
        string(out, resource);
    }
    let parent = type_of(node, field);
    let mut groups: Vec<(&str, Vec<&Node>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (name, child) in node.children() {
        let place = *places.entry(name).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, group)) => group.push(child),
            None => groups.push((name, vec![child])),
        }
    }
    for (name, group) in groups {
        member(out, &mut first, name, &group, schema::field(parent, name));
    }
    out.push('}');
}

fn member(out: &mut String, first: &mut bool, name: &str, group: &[&Node], field: Option<Field>) {
    let unstated = group.iter().all(|node| node.repeats == Repeats::Unstated);
    let many = group.len() > 1
        || group.iter().any(|node| node.repeats == Repeats::InList)
        || (unstated && field.is_some_and(|f| f.many));
    let primitive = group.iter().all(|node| is_primitive(node, field));
    if !primitive {
        key(out, first, "", name);
        return list(out, many, group, |out, node| object(out, node, field));
    }
    let valued = group.iter().any(|node| node.value.is_some());
    let extended = group.iter().any(|node| !node.children.is_empty());
    if valued || !extended {
        key(out, first, "", name);
        list(out, many, group, |out, node| value(out, node, field));
    }
    if extended {
        key(out, first, "_", name);
        list(out, many, group, |out, node| match node.children.is_empty() {
            true => out.push_str("null"),
            false => object(out, &Node { value: None, ..(*node).clone() }, None),
        });
    }
}

fn is_primitive(node: &Node, field: Option<Field>) -> bool {
    match node.shape {
        Shape::Primitive => true,
        Shape::Complex => false,
        Shape::Unstated => node.value.is_some() || field.is_some_and(|f| f.kind.is_primitive()),
    }
}

fn list(out: &mut String, many: bool, group: &[&Node], mut each: impl FnMut(&mut String, &Node)) {
    if many {
        out.push('[');
    }
    for (i, node) in group.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        each(out, node);
    }
    if many {
        out.push(']');
    }
}

fn key(out: &mut String, first: &mut bool, prefix: &str, name: &str) {
    if !std::mem::take(first) {
        out.push(',');
    }
    out.push('"');
    out.push_str(prefix);
    out.push_str(name);
    out.push_str("\":");
}

fn value(out: &mut String, node: &Node, field: Option<Field>) {
    let Some(text) = node.value() else { return out.push_str("null") };
    let bare = match (node.kind, field.map(|f| f.kind)) {
        (Kind::Number | Kind::Boolean, _) => true,
        (Kind::Unstated, Some(Type::Boolean)) => matches!(text, "true" | "false"),
        (Kind::Unstated, Some(Type::Number)) => is_number(text),
        _ => false,
    };
    if bare { out.push_str(text) } else { string(out, text) }
}

/// Whether the text is a number as JSON writes it.
fn is_number(text: &str) -> bool {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)))
}

fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}
