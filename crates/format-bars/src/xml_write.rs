//! Writes a tree as FHIR XML.

use crate::document::WriteError;
use crate::json_write::type_of;
use crate::node::{Kind, Node};
use crate::schema::{self, Field, Type};
use crate::xml::{self, FHIR, XHTML};

/// Writes the tree; `sort` puts elements into the order of the specification.
pub(crate) fn write(root: &Node, sort: bool) -> Result<Vec<u8>, WriteError> {
    let mut writer = Writer { out: String::new(), path: Vec::new(), sort };
    let name = root.resource_type().unwrap_or("Resource");
    writer.out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    writer.element(name, root, None, &format!(" xmlns=\"{FHIR}\""))?;
    Ok(writer.out.into_bytes())
}

struct Writer {
    out: String,
    path: Vec<String>,
    sort: bool,
}

impl Writer {
    /// `name` is that of the element, or of the resource when the node is one.
    fn element(
        &mut self,
        name: &str,
        node: &Node,
        field: Option<Field>,
        extra: &str,
    ) -> Result<(), WriteError> {
        self.path.push(name.to_owned());
        self.out.push('<');
        self.out.push_str(name);
        self.out.push_str(extra);
        let as_attribute = |child: &str, inner: &Node| {
            let known =
                (child == "id" && node.resource.is_none()) || (child == "url" && xml::is_extension(name));
            known && inner.children.is_empty()
        };
        for (child, inner) in node.children() {
            if as_attribute(child, inner) {
                self.attribute(child, inner.value().unwrap_or_default())?;
            }
        }
        if let Some(value) = node.value() {
            self.attribute("value", value)?;
        }
        let parent = type_of(node, field);
        let mut children: Vec<(&str, &Node, Option<Field>)> = node
            .children()
            .filter(|(child, inner)| !as_attribute(child, inner))
            .map(|(child, inner)| (child, inner, schema::field(parent, child)))
            .collect();
        if self.sort {
            children.sort_by_key(|(_, _, field)| field.map_or(usize::MAX, |f| f.order));
        }
        if children.is_empty() {
            self.out.push_str("/>");
        } else {
            self.out.push('>');
            for (child, inner, field) in children {
                self.child(child, inner, field)?;
            }
            self.close(name);
        }
        self.path.pop();
        Ok(())
    }

    fn child(&mut self, name: &str, node: &Node, field: Option<Field>) -> Result<(), WriteError> {
        let xhtml = node.kind == Kind::Xhtml || field.is_some_and(|f| f.kind == Type::Xhtml);
        match (node.resource_type(), node.value()) {
            (Some(resource), _) => {
                self.out.push_str(&format!("<{name}>"));
                self.element(resource, node, field, "")?;
                self.close(name);
                Ok(())
            }
            (None, Some(div)) if xhtml => self.narrative(div),
            _ => self.element(name, node, field, ""),
        }
    }

    /// A `div` as it stands; text that is no well-formed `div` is shown as text rather than lost.
    fn narrative(&mut self, div: &str) -> Result<(), WriteError> {
        let div = div.trim();
        if xml::is_div(div) {
            self.out.push_str(div);
            return Ok(());
        }
        self.out.push_str(&format!("<div xmlns=\"{XHTML}\"><pre>"));
        self.path.push("div".to_owned());
        self.escaped(div)?;
        self.path.pop();
        self.out.push_str("</pre></div>");
        Ok(())
    }

    fn close(&mut self, name: &str) {
        self.out.push_str(&format!("</{name}>"));
    }

    fn attribute(&mut self, name: &str, value: &str) -> Result<(), WriteError> {
        self.out.push_str(&format!(" {name}=\""));
        self.escaped(value)?;
        self.out.push('"');
        Ok(())
    }

    fn escaped(&mut self, text: &str) -> Result<(), WriteError> {
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\n' => self.out.push_str("&#10;"),
                '\r' => self.out.push_str("&#13;"),
                '\t' => self.out.push_str("&#9;"),
                c if xml::is_xml_char(c) => self.out.push(c),
                _ => return Err(WriteError::NotInXml { path: self.path.join(".") }),
            }
        }
        Ok(())
    }
}
