//! Reads FHIR XML into a tree (hl7.org/fhir/R4/xml.html).
//!
//! Comments, processing instructions and the choice of prefixes make no difference. DOCTYPE is refused, and
//! so is every entity but the five of XML. The `div` of a narrative is kept as it stands. Line breaks in an
//! attribute are kept, where XML would make them spaces: free text is easier to read with them.

use quick_xml::NsReader;
use quick_xml::errors::{Error, IllFormedError};
use quick_xml::escape::{EscapeError, unescape};
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};

use crate::document::{Limits, ReadError, ReadFault};
use crate::json::{is_element_name, is_type_name};
use crate::node::{Kind, Node, Shape};

/// The namespace of FHIR XML.
pub(crate) const FHIR: &str = "http://hl7.org/fhir";
/// The namespace of a narrative's `div`.
pub(crate) const XHTML: &str = "http://www.w3.org/1999/xhtml";

type Fault = ReadFault;

pub(crate) fn read(text: &str, limits: &Limits) -> Result<Node, ReadError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { text, xml: NsReader::from_str(text), at: 0, nodes: 0, limits };
    reader.document().map_err(|fault| ReadError::at(fault, text.as_bytes(), reader.at))
}

/// Whether the text is one well-formed `div` of XHTML and nothing else, fit to be put into XML as it stands.
pub(crate) fn is_div(text: &str) -> bool {
    let limits = Limits::default();
    let mut reader = Reader { text, xml: NsReader::from_str(text), at: 0, nodes: 0, limits: &limits };
    let whole = match reader.next() {
        Ok((Ns::Xhtml, Event::Start(start))) if start.local_name().as_ref() == "div" => {
            reader.narrative(&start, false).is_ok()
        }
        Ok((Ns::Xhtml, Event::Empty(start))) => start.local_name().as_ref() == "div",
        _ => false,
    };
    whole && matches!(reader.next(), Ok((_, Event::Eof))) && text.chars().all(is_xml_char)
}

/// The characters of XML 1.0.
pub(crate) fn is_xml_char(c: char) -> bool {
    !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

enum Ns {
    Fhir,
    Xhtml,
    Other,
}

struct Reader<'a> {
    text: &'a str,
    xml: NsReader<&'a [u8]>,
    at: usize,
    nodes: usize,
    limits: &'a Limits,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Node, Fault> {
        let mut root = None;
        loop {
            match self.next()? {
                (Ns::Fhir, Event::Start(start)) if root.is_none() => root = Some(self.root(&start, false)?),
                (Ns::Fhir, Event::Empty(start)) if root.is_none() => root = Some(self.root(&start, true)?),
                (_, Event::Start(_) | Event::Empty(_)) if root.is_none() => {
                    return Err(Fault::Structure("the root is not in the namespace of FHIR"));
                }
                (_, Event::Start(_) | Event::Empty(_)) => {
                    return Err(Fault::Malformed("something follows the document"));
                }
                (_, Event::Eof) => return root.ok_or(Fault::Truncated),
                (_, event) => self.between(&event)?,
            }
        }
    }

    fn next(&mut self) -> Result<(Ns, Event<'a>), Fault> {
        self.at = position(&self.xml);
        let (namespace, event) = match self.xml.read_resolved_event() {
            Ok(event) => event,
            Err(Error::Syntax(_) | Error::IllFormed(IllFormedError::MissingEndTag(_))) => {
                return Err(Fault::Truncated);
            }
            Err(Error::IllFormed(_)) => return Err(Fault::Malformed("tags do not match")),
            Err(_) => return Err(Fault::Malformed("not XML")),
        };
        let ns = match namespace {
            ResolveResult::Bound(Namespace(FHIR)) => Ns::Fhir,
            ResolveResult::Bound(Namespace(XHTML)) => Ns::Xhtml,
            _ => Ns::Other,
        };
        Ok((ns, event))
    }

    /// What may stand between elements, and means nothing.
    fn between(&self, event: &Event<'_>) -> Result<(), Fault> {
        match event {
            Event::Comment(_) | Event::PI(_) => Ok(()),
            Event::Text(text) if text.as_ref().trim_ascii().is_empty() => Ok(()),
            Event::Text(_) | Event::CData(_) => Err(Fault::Structure("text stands between elements")),
            Event::DocType(_) => Err(Fault::Forbidden("a document type declaration")),
            Event::GeneralRef(_) => Err(Fault::Forbidden("an entity between elements")),
            Event::Decl(decl) => match decl.encoding() {
                _ if self.at != 0 => Err(Fault::Malformed("an XML declaration that is not the first")),
                None => Ok(()),
                Some(Ok(name)) if matches!(&*name.to_ascii_lowercase(), "utf-8" | "utf8" | "us-ascii") => {
                    Ok(())
                }
                Some(_) => Err(Fault::Forbidden("an encoding other than UTF-8")),
            },
            _ => Err(Fault::Malformed("tags do not match")),
        }
    }

    fn root(&mut self, start: &BytesStart<'a>, empty: bool) -> Result<Node, Fault> {
        let name = self.name(start)?;
        if !is_type_name(&name) {
            return Err(Fault::Structure("the root is not a resource"));
        }
        let mut node = self.element(start, &name, empty, 1)?;
        if node.resource.is_some() || node.value.is_some() {
            return Err(Fault::Structure("the root is not a resource"));
        }
        node.resource = Some(name);
        Ok(node)
    }

    fn name(&self, start: &BytesStart<'_>) -> Result<Box<str>, Fault> {
        let name = start.local_name();
        match is_element_name(name.as_ref()) {
            true => Ok(name.as_ref().into()),
            false => Err(Fault::Structure("a tag's name is not that of an element")),
        }
    }

    fn element(
        &mut self,
        start: &BytesStart<'a>,
        name: &str,
        empty: bool,
        depth: usize,
    ) -> Result<Node, Fault> {
        if depth > self.limits.depth {
            return Err(Fault::TooDeep { limit: self.limits.depth });
        }
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return Err(Fault::TooMany { limit: self.limits.nodes });
        }
        let mut node = attributes(start, name)?;
        if empty {
            return Ok(node);
        }
        loop {
            match self.next()? {
                (_, Event::End(_)) => return Ok(node),
                (_, Event::Eof) => return Err(Fault::Truncated),
                (ns, Event::Start(child)) => self.child(&mut node, ns, &child, false, depth)?,
                (ns, Event::Empty(child)) => self.child(&mut node, ns, &child, true, depth)?,
                (_, event) => self.between(&event)?,
            }
        }
    }

    fn child(
        &mut self,
        into: &mut Node,
        ns: Ns,
        start: &BytesStart<'a>,
        empty: bool,
        depth: usize,
    ) -> Result<(), Fault> {
        let name = self.name(start)?;
        match ns {
            Ns::Fhir if is_type_name(&name) => {
                if into.resource.is_some() || into.value.is_some() || !into.children.is_empty() {
                    return Err(Fault::Structure("a resource stands beside other elements"));
                }
                *into = self.element(start, &name, empty, depth + 1)?;
                if into.resource.is_some() || into.value.is_some() {
                    return Err(Fault::Structure("a resource stands where an element should"));
                }
                into.resource = Some(name);
            }
            Ns::Fhir if into.resource.is_some() => {
                return Err(Fault::Structure("a resource stands beside other elements"));
            }
            Ns::Fhir => {
                let child = self.element(start, &name, empty, depth + 1)?;
                into.children.push((name, child));
            }
            Ns::Xhtml if &*name == "div" => {
                let div = self.narrative(start, empty)?;
                let shape = Shape::Primitive;
                into.children
                    .push((name, Node { value: Some(div), kind: Kind::Xhtml, shape, ..Node::default() }));
            }
            Ns::Xhtml | Ns::Other => return Err(Fault::Structure("an element of another namespace")),
        }
        Ok(())
    }

    /// The text of a `div` from its start tag, which was just read, to its end tag.
    fn narrative(&mut self, start: &BytesStart<'a>, empty: bool) -> Result<Box<str>, Fault> {
        let begin = self.at;
        let mut depth = usize::from(!empty);
        while depth > 0 {
            match self.next()?.1 {
                Event::Start(tag) => {
                    safe_attributes(&tag)?;
                    depth += 1;
                }
                Event::Empty(tag) => safe_attributes(&tag)?,
                Event::End(_) => depth -= 1,
                Event::Eof => return Err(Fault::Truncated),
                Event::DocType(_) => return Err(Fault::Forbidden("a document type declaration")),
                Event::GeneralRef(entity) => drop(safe_entities(&format!("&{};", entity.as_ref() as &str))?),
                _ => {}
            }
        }
        safe_attributes(start)?;
        let whole = &self.text[begin..position(&self.xml)];
        Ok(with_namespace(whole, start).into())
    }
}

/// How far the reader has read.
fn position(xml: &NsReader<&[u8]>) -> usize {
    usize::try_from(xml.buffer_position()).unwrap_or(usize::MAX)
}

/// A `div` whose namespace is declared further out gets the declaration itself, to stand alone.
fn with_namespace(whole: &str, start: &BytesStart<'_>) -> String {
    let name = start.name();
    let declaration = match name.prefix() {
        Some(prefix) => format!("xmlns:{}", prefix.as_ref()),
        None => "xmlns".to_owned(),
    };
    if start.attributes().flatten().any(|attribute| attribute.key.as_ref() == declaration) {
        return whole.to_owned();
    }
    let (tag, rest) = whole.split_at(1 + name.as_ref().len());
    format!("{tag} {declaration}=\"{XHTML}\"{rest}")
}

fn attributes(start: &BytesStart<'_>, name: &str) -> Result<Node, Fault> {
    let mut node = Node::default();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| Fault::Malformed("an attribute"))?;
        let key = attribute.key;
        if key.prefix().is_some() || key.as_ref() == "xmlns" {
            continue;
        }
        let value = plain(&attribute.value)?;
        match key.as_ref() {
            "value" => {
                node.value = Some(value);
                node.shape = Shape::Primitive;
            }
            "id" => node.children.push(("id".into(), Node::text_of(&value))),
            "url" if is_extension(name) => node.children.push(("url".into(), Node::text_of(&value))),
            _ => return Err(Fault::Structure("an attribute that FHIR does not have")),
        }
    }
    Ok(node)
}

/// The two elements whose `url` is an attribute.
pub(crate) fn is_extension(name: &str) -> bool {
    matches!(name, "extension" | "modifierExtension")
}

fn plain(raw: &str) -> Result<Box<str>, Fault> {
    let raw = match raw.contains('\r') {
        true => raw.replace("\r\n", "\n").replace('\r', "\n"),
        false => raw.to_owned(),
    };
    let value = safe_entities(&raw)?;
    match value.chars().all(is_xml_char) {
        true => Ok(value.into()),
        false => Err(Fault::Malformed("a character that XML does not have")),
    }
}

fn safe_entities(raw: &str) -> Result<String, Fault> {
    match unescape(raw) {
        Ok(value) => Ok(value.into_owned()),
        Err(EscapeError::UnrecognizedEntity(..)) => Err(Fault::Forbidden("an entity")),
        Err(_) => Err(Fault::Malformed("a character reference")),
    }
}

fn safe_attributes(start: &BytesStart<'_>) -> Result<(), Fault> {
    for attribute in start.attributes() {
        safe_entities(&attribute.map_err(|_| Fault::Malformed("an attribute"))?.value)?;
    }
    Ok(())
}
