//! One element of a FHIR document, whichever syntax it came in.
//!
//! A node is what FHIR calls an element: it may have a value (a primitive), children (a complex type), or
//! both (a primitive with extensions). A repeated element is several children of one name. What JSON says
//! beyond that, whether a value was a number and whether one item stood in an array, is kept beside it, so
//! that a document read from JSON is written as the same JSON again. The attributes `id` and `url` of FHIR
//! XML are children of that name, as they are members in JSON (hl7.org/fhir/R4/xml.html, json.html).

use std::fmt;

/// What a primitive looked like in JSON. `Unstated` for what came from XML or was made here; the table of
/// elements decides then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Not known: FHIR XML writes every primitive as an attribute.
    #[default]
    Unstated,
    /// A JSON string.
    Text,
    /// A JSON number; the digits are kept as they were written.
    Number,
    /// A JSON `true` or `false`.
    Boolean,
    /// The `div` of a narrative, kept whole as XHTML text and never looked into.
    Xhtml,
}

/// Whether an element is a primitive, where its syntax says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Shape {
    #[default]
    Unstated,
    Primitive,
    Complex,
}

/// Whether an element stood in a JSON array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Repeats {
    #[default]
    Unstated,
    Alone,
    InList,
}

/// An element of a document. Its `Debug` shows its size, never its content.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Node {
    pub(crate) resource: Option<Box<str>>,
    pub(crate) value: Option<Box<str>>,
    pub(crate) kind: Kind,
    pub(crate) shape: Shape,
    pub(crate) repeats: Repeats,
    pub(crate) children: Vec<(Box<str>, Node)>,
}

impl Node {
    /// An empty complex element, to be filled with [`Node::with`].
    pub fn new() -> Self {
        Self::default()
    }

    /// A resource of that type, to be filled with [`Node::with`].
    pub fn of_type(resource_type: &str) -> Self {
        Self { resource: Some(resource_type.into()), shape: Shape::Complex, ..Self::default() }
    }

    /// A primitive with that value. In JSON it is written as the table of elements says.
    pub fn text_of(value: &str) -> Self {
        Self { value: Some(value.into()), shape: Shape::Primitive, ..Self::default() }
    }

    /// This element with one more child.
    #[must_use]
    pub fn with(mut self, name: &str, child: Node) -> Self {
        self.push(name, child);
        self
    }

    /// This element with one more primitive child.
    #[must_use]
    pub fn with_text(self, name: &str, value: &str) -> Self {
        self.with(name, Node::text_of(value))
    }

    /// This element with one more primitive child, if there is a value.
    #[must_use]
    pub fn with_some(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with_text(name, value),
            None => self,
        }
    }

    /// Adds a child behind the others.
    pub fn push(&mut self, name: &str, child: Node) {
        self.children.push((name.into(), child));
    }

    /// Sets the value of the first child of that name, or puts such a child in front of all others, where
    /// FHIR wants a resource's `id`.
    pub fn set_text(&mut self, name: &str, value: &str) {
        match self.get_mut(name) {
            Some(child) => child.value = Some(value.into()),
            None => self.children.insert(0, (name.into(), Node::text_of(value))),
        }
    }

    /// Replaces the value of this primitive.
    pub fn replace_value(&mut self, value: &str) {
        self.value = Some(value.into());
        self.shape = Shape::Primitive;
    }

    /// Takes every child of that name away.
    pub fn remove(&mut self, name: &str) {
        self.children.retain(|(n, _)| &**n != name);
    }

    /// The type, if this is a resource.
    pub fn resource_type(&self) -> Option<&str> {
        self.resource.as_deref()
    }

    /// The value, if this is a primitive that has one.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// What the value looked like in JSON.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The first child of that name.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|(n, _)| &**n == name).map(|(_, node)| node)
    }

    /// The first child of that name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        self.children.iter_mut().find(|(n, _)| &**n == name).map(|(_, node)| node)
    }

    /// Every child of that name, in order; a single one and a list of one are the same here.
    pub fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a Node> + use<'a, 'n> {
        self.children.iter().filter(move |(n, _)| &**n == name).map(|(_, node)| node)
    }

    /// Every child of that name, to be changed.
    pub fn all_mut<'a, 'n>(&'a mut self, name: &'n str) -> impl Iterator<Item = &'a mut Node> + use<'a, 'n> {
        self.children.iter_mut().filter(move |(n, _)| &**n == name).map(|(_, node)| node)
    }

    /// Every child with its name, in order.
    pub fn children(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.children.iter().map(|(name, node)| (&**name, node))
    }

    /// Every child with its name, to be changed.
    pub fn children_mut(&mut self) -> impl Iterator<Item = (&str, &mut Node)> {
        self.children.iter_mut().map(|(name, node)| (&**name, node))
    }

    /// The value of the first child of that name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Node::value)
    }

    /// Every element at a path such as `reason.coding.code`, through every repetition, in document order.
    pub fn path_all(&self, path: &str) -> Vec<&Node> {
        path.split('.')
            .fold(vec![self], |found, step| found.into_iter().flat_map(|node| node.all(step)).collect())
    }

    /// The first element at a path such as `reason.coding.code`, through every repetition.
    pub fn path(&self, path: &str) -> Option<&Node> {
        match path.split_once('.') {
            None => self.get(path),
            Some((step, rest)) => self.all(step).find_map(|child| child.path(rest)),
        }
    }

    /// The value of the first element at a path.
    pub fn path_text(&self, path: &str) -> Option<&str> {
        self.path(path).and_then(Node::value)
    }

    /// How many elements there are, this one included.
    pub fn count(&self) -> usize {
        1 + self.children.iter().map(|(_, child)| child.count()).sum::<usize>()
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("resource", &self.resource).field("elements", &self.count()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> Node {
        Node::new().with_text("family", "Fairweather").with_text("given", "Ann").with_text("given", "Bea")
    }

    #[test]
    fn repeated_children_are_a_list_and_paths_go_through_them() {
        let patient = Node::of_type("Patient").with("name", Node::new()).with("name", name());
        assert_eq!(patient.path_text("name.family"), Some("Fairweather"));
        assert_eq!(patient.path_all("name.given").len(), 2);
        assert_eq!(patient.path("name.suffix"), None);
    }

    #[test]
    fn an_id_goes_to_the_front() {
        let mut patient = Node::of_type("Patient").with("name", name());
        patient.set_text("id", "a");
        patient.set_text("id", "b");
        assert_eq!(patient.children().map(|(n, _)| n).collect::<Vec<_>>(), ["id", "name"]);
        assert_eq!(patient.text("id"), Some("b"));
    }

    #[test]
    fn debug_shows_no_content() {
        assert!(!format!("{:?}", name()).contains("Fair"));
    }
}
