//! Reading with a memory: which pieces of a message were taken, by their place in its bytes.

use std::cell::RefCell;
use std::collections::HashSet;

use bulkhead_format_hl7::{Component, Field, Message, Part, Repetition, Segment};

/// A reader that remembers what it has handed out.
#[derive(Default)]
pub(crate) struct Trail {
    taken: RefCell<HashSet<usize>>,
    implied: RefCell<HashSet<usize>>,
}

/// A text of a message, with its place.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// `PID-18` or `PID-18.4`: never a value.
    pub(crate) name: String,
    /// The text.
    pub(crate) text: String,
    /// The segment it is in, counted from 0.
    pub(crate) segment: usize,
    /// What became of it.
    pub(crate) fate: Fate,
}

/// What became of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nobody read it.
    Left,
    /// It was read, and should be in the target.
    Taken,
    /// It was read, and the target says it in its own way.
    Implied,
}

impl Trail {
    /// The text of a piece without parts, remembered as taken; `None` where it is empty or the null.
    pub(crate) fn take(&self, part: &Part<'_>) -> Option<String> {
        let value = part.value().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())?;
        self.taken.borrow_mut().insert(part.offset());
        Some(value)
    }

    /// The first part of a component.
    pub(crate) fn component(&self, repetition: &Repetition<'_>, number: usize) -> Option<String> {
        self.take(&repetition.component(number).subcomponent(1))
    }

    /// The first part of the first component of a field.
    pub(crate) fn field(&self, segment: &Segment<'_>, number: usize) -> Option<String> {
        self.component(&segment.field(number).repetition(1), 1)
    }

    /// Every part of a component, joined.
    pub(crate) fn whole_component(&self, component: &Component<'_>) -> Vec<String> {
        component.subcomponents().filter_map(|part| self.take(&part)).collect()
    }

    /// Every part of a repetition, joined by blanks.
    pub(crate) fn whole(&self, repetition: &Repetition<'_>) -> Option<String> {
        let parts: Vec<String> = repetition.components().flat_map(|c| self.whole_component(&c)).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }

    /// A code that the target says in its own way.
    pub(crate) fn imply(&self, part: &Part<'_>) {
        if !part.is_empty() {
            self.implied.borrow_mut().insert(part.offset());
        }
    }

    /// Every part of a field is said by the target in its own way: by its form, or in what a fact became.
    pub(crate) fn implied(&self, field: &Field<'_>) {
        for component in field.repetitions().flat_map(|repetition| repetition.components()) {
            self.implied.borrow_mut().extend(component.subcomponents().map(|part| part.offset()));
        }
    }

    /// Every text of the message.
    pub(crate) fn pieces(&self, message: &Message) -> Vec<Piece> {
        let mut all = Vec::new();
        for segment in message.segments() {
            self.pieces_of(segment, &mut all);
        }
        all
    }

    fn pieces_of(&self, segment: Segment<'_>, all: &mut Vec<Piece>) {
        if !segment.is_well_named() {
            let text = String::from_utf8_lossy(segment.raw()).into_owned();
            let name = "a line that is no segment".to_owned();
            all.push(Piece { name, text, segment: segment.index(), fate: Fate::Left });
            return;
        }
        let own = String::from_utf8_lossy(segment.name()).into_owned();
        // Bytes are no text for notes; the original, which is kept, has them.
        let binary = own == "OBX" && matches!(&*segment.field(2).component(1).text(), "ED" | "RP");
        for (index, field) in segment.fields().enumerate() {
            let number = index + 1;
            if is_structure(&own, number) {
                continue;
            }
            if binary && number == 5 {
                let (name, text) =
                    ("OBX-5 (encapsulated data)".to_owned(), "kept in the original".to_owned());
                all.push(Piece { name, text, segment: segment.index(), fate: Fate::Left });
                continue;
            }
            for repetition in field.repetitions() {
                for (component, parts) in repetition.components().enumerate() {
                    for part in parts.subcomponents().filter(|part| !part.is_empty()) {
                        let name = match component {
                            0 => format!("{own}-{number}"),
                            component => format!("{own}-{number}.{}", component + 1),
                        };
                        let fate = self.fate(&part);
                        let text = part.text().trim().to_owned();
                        if !text.is_empty() {
                            all.push(Piece { name, text, segment: segment.index(), fate });
                        }
                    }
                }
            }
        }
    }
}

impl Trail {
    fn fate(&self, part: &Part<'_>) -> Fate {
        match () {
            () if self.implied.borrow().contains(&part.offset()) => Fate::Implied,
            () if self.taken.borrow().contains(&part.offset()) => Fate::Taken,
            () => Fate::Left,
        }
    }
}

/// Fields that say how the message is built and sent, and nothing about the referral: numbering, delimiters, the
/// message's own time, kind, ids and version, acknowledgement, country, charset and language.
fn is_structure(segment: &str, number: usize) -> bool {
    match segment {
        "MSH" => matches!(number, 1 | 2 | 7 | 9..=13 | 15..=21),
        "MSA" | "EVN" => true,
        "PID" | "NK1" | "DG1" | "AL1" | "OBR" | "OBX" | "NTE" | "PR1" | "GT1" | "IN1" | "PV1" => number == 1,
        _ => false,
    }
}
