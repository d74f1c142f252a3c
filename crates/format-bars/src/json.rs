//! Reads FHIR JSON into a tree (hl7.org/fhir/R4/json.html).
//!
//! A reader of our own, because FHIR wants what a general one does not give: duplicate members refused,
//! numbers kept to the digit, `_name` folded onto `name`, limits, and errors that say where and not what.
//! A member whose value is `null` and an empty array say nothing and are left out.

use crate::document::{Limits, ReadError, ReadFault};
use crate::node::{Kind, Node, Repeats, Shape};

/// More members than any FHIR type has.
const MEMBERS: usize = 256;

type Fault = ReadFault;

pub(crate) fn read(text: &str, limits: &Limits) -> Result<Node, ReadError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { text, at: 0, nodes: 0, limits };
    reader.document().map_err(|fault| ReadError::at(fault, text.as_bytes(), reader.at))
}

/// The fields of an object while it is read: the values under `name` and those under `_name`.
struct Member {
    name: Box<str>,
    plain: Option<Values>,
    under: Option<Values>,
}

struct Values {
    list: bool,
    items: Vec<Node>,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    nodes: usize,
    limits: &'a Limits,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Node, Fault> {
        self.space();
        if self.peek() != Some(b'{') {
            return Err(self.unexpected("an object was expected"));
        }
        let root = self.object(1)?;
        self.space();
        if self.at < self.text.len() {
            return Err(Fault::Malformed("something follows the document"));
        }
        match root.resource {
            Some(_) => Ok(root),
            None => Err(Fault::Structure("resourceType is missing")),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn unexpected(&self, what: &'static str) -> Fault {
        if self.at >= self.text.len() { Fault::Truncated } else { Fault::Malformed(what) }
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), Fault> {
        if self.peek() != Some(byte) {
            return Err(self.unexpected(what));
        }
        self.at += 1;
        Ok(())
    }

    fn count(&mut self) -> Result<(), Fault> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return Err(Fault::TooMany { limit: self.limits.nodes });
        }
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<Node, Fault> {
        if depth > self.limits.depth {
            return Err(Fault::TooDeep { limit: self.limits.depth });
        }
        self.count()?;
        self.expect(b'{', "an object was expected")?;
        let mut node = Node { shape: Shape::Complex, ..Node::default() };
        let mut members: Vec<Member> = Vec::new();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(node);
        }
        loop {
            self.space();
            self.member(depth, &mut node, &mut members)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break self.at += 1,
                _ => return Err(self.unexpected("a comma or the end of the object was expected")),
            }
        }
        for member in members {
            fold(member, &mut node)?;
        }
        Ok(node)
    }

    fn member(&mut self, depth: usize, node: &mut Node, members: &mut Vec<Member>) -> Result<(), Fault> {
        let start = self.at;
        let name = self.string()?;
        let duplicate = |reader: &mut Self| {
            reader.at = start;
            Fault::Forbidden("a member occurs twice")
        };
        self.space();
        self.expect(b':', "a colon was expected")?;
        self.space();
        if name == "resourceType" {
            if node.resource.is_some() {
                return Err(duplicate(self));
            }
            let kind = self.string()?;
            if !is_type_name(&kind) {
                self.at = start;
                return Err(Fault::Structure("resourceType is not a name"));
            }
            node.resource = Some(kind.into());
            return Ok(());
        }
        let under = name.starts_with('_');
        let name = name.strip_prefix('_').unwrap_or(&name);
        if !is_element_name(name) {
            self.at = start;
            return Err(Fault::Structure("a member's name is not that of an element"));
        }
        let values = self.values(depth)?;
        let i = match members.iter().position(|m| &*m.name == name) {
            Some(i) => i,
            None if members.len() == MEMBERS => return Err(Fault::TooMany { limit: MEMBERS }),
            None => {
                members.push(Member { name: name.into(), plain: None, under: None });
                members.len() - 1
            }
        };
        let slot = if under { &mut members[i].under } else { &mut members[i].plain };
        if slot.is_some() {
            return Err(duplicate(self));
        }
        *slot = Some(values);
        Ok(())
    }

    fn values(&mut self, depth: usize) -> Result<Values, Fault> {
        if self.peek() != Some(b'[') {
            return Ok(Values { list: false, items: vec![self.item(depth, Repeats::Alone)?] });
        }
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Values { list: true, items });
        }
        loop {
            self.space();
            if self.peek() == Some(b'[') {
                return Err(Fault::Structure("an array stands in an array"));
            }
            items.push(self.item(depth, Repeats::InList)?);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break self.at += 1,
                _ => return Err(self.unexpected("a comma or the end of the array was expected")),
            }
        }
        if items.iter().any(|item: &Node| item.shape != items[0].shape) {
            return Err(Fault::Structure("an array mixes values and objects"));
        }
        Ok(Values { list: true, items })
    }

    fn item(&mut self, depth: usize, repeats: Repeats) -> Result<Node, Fault> {
        let primitive = |value: Option<Box<str>>, kind| Node {
            value,
            kind,
            repeats,
            shape: Shape::Primitive,
            ..Node::default()
        };
        if self.peek() == Some(b'{') {
            return Ok(Node { repeats, ..self.object(depth + 1)? });
        }
        self.count()?;
        match self.peek() {
            Some(b'"') => Ok(primitive(Some(self.string()?.into()), Kind::Text)),
            Some(b'-' | b'0'..=b'9') => Ok(primitive(Some(self.number()?.into()), Kind::Number)),
            Some(b't') => self.word("true").map(|w| primitive(Some(w.into()), Kind::Boolean)),
            Some(b'f') => self.word("false").map(|w| primitive(Some(w.into()), Kind::Boolean)),
            Some(b'n') => self.word("null").map(|_| primitive(None, Kind::Unstated)),
            _ => Err(self.unexpected("a value was expected")),
        }
    }

    fn word(&mut self, word: &'static str) -> Result<&'static str, Fault> {
        let rest = &self.text.as_bytes()[self.at..];
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(word);
        }
        if word.as_bytes().starts_with(rest) {
            return Err(Fault::Truncated);
        }
        Err(Fault::Malformed("a value was expected"))
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.unexpected("a digit was expected")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<&'a str, Fault> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn string(&mut self) -> Result<String, Fault> {
        self.expect(b'"', "a string was expected")?;
        let mut out = String::new();
        loop {
            let start = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            out.push_str(&self.text[start..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                _ => return Err(self.unexpected("a control character stands in a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        self.at += 1;
        let Some(byte) = self.peek() else { return Err(Fault::Truncated) };
        self.at += 1;
        Ok(match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(Fault::Malformed("an escape that JSON does not have")),
        })
    }

    fn unicode(&mut self) -> Result<char, Fault> {
        let first = self.hex()?;
        let code = match first {
            0xd800..=0xdbff => {
                self.expect(b'\\', "half of a surrogate pair")?;
                self.expect(b'u', "half of a surrogate pair")?;
                match self.hex()? {
                    second @ 0xdc00..=0xdfff => 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                    _ => return Err(Fault::Malformed("half of a surrogate pair")),
                }
            }
            code => code,
        };
        char::from_u32(code).ok_or(Fault::Malformed("half of a surrogate pair"))
    }

    fn hex(&mut self) -> Result<u32, Fault> {
        let mut code = 0;
        for _ in 0..4 {
            match self.peek().and_then(|b| char::from(b).to_digit(16)) {
                Some(digit) => code = code * 16 + digit,
                None => return Err(self.unexpected("four hexadecimal digits were expected")),
            }
            self.at += 1;
        }
        Ok(code)
    }
}

/// Puts `name` and `_name` together, as one node for each value.
fn fold(member: Member, node: &mut Node) -> Result<(), Fault> {
    let Member { name, plain, under } = member;
    let mut values = match (plain, under) {
        (Some(plain), None) => plain,
        (None, Some(under)) => Values {
            list: under.list,
            items: under.items.into_iter().map(as_extended).collect::<Result<_, _>>()?,
        },
        (Some(mut plain), Some(under)) => {
            if plain.list != under.list || plain.items.len() != under.items.len() {
                return Err(Fault::Structure("a member and its extensions do not match"));
            }
            for (value, extended) in plain.items.iter_mut().zip(under.items) {
                if value.shape != Shape::Primitive {
                    return Err(Fault::Structure("an object has extensions beside it"));
                }
                value.children = as_extended(extended)?.children;
            }
            plain
        }
        (None, None) => return Ok(()),
    };
    if !values.list {
        values
            .items
            .retain(|item| item.shape == Shape::Complex || item.value.is_some() || !item.children.is_empty());
    }
    node.children.extend(values.items.into_iter().map(|item| (name.clone(), item)));
    Ok(())
}

fn as_extended(node: Node) -> Result<Node, Fault> {
    if node.value.is_some() || node.resource.is_some() {
        return Err(Fault::Structure("the extensions of a value are not an object"));
    }
    Ok(Node { shape: Shape::Primitive, ..node })
}

/// Element names are ASCII words; nothing else can be carried by both syntaxes.
pub(crate) fn is_element_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// The name of a resource type starts with a capital.
pub(crate) fn is_type_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase()) && name.bytes().all(|b| b.is_ascii_alphanumeric())
}
