//! The set of cuts that a node knows of, past and present.
//!
//! A scope is reachable when no active cut covers it, so cuts are a set and nothing overwrites anything. Cheap to
//! clone and to read; reading a fact or another directory makes the gate's index anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::gate::Gates;
use crate::{Cut, CutCourse, CutFact, CutId, Directory, Heard, Stamp};

/// The cuts that a node knows of, and the control position up to which it knows them.
#[derive(Debug, Clone, Default)]
pub struct Cuts {
    /// The newest control record that these follow from.
    pub position: u64,
    courses: Arc<BTreeMap<CutId, CutCourse>>,
    directory: Arc<Directory>,
    pub(crate) gates: Arc<Gates>,
}

impl PartialEq for Cuts {
    /// The same facts up to the same place.
    fn eq(&self, other: &Self) -> bool {
        self.position == other.position && self.courses == other.courses
    }
}

impl Eq for Cuts {}

impl Cuts {
    /// No cut up to that position.
    pub fn none_up_to(position: u64) -> Self {
        Self { position, ..Self::default() }
    }

    /// Reads one verified fact. The position is the caller's to move: a record may hold other facts too.
    pub fn hear(&mut self, fact: CutFact, stamp: Stamp) -> Heard {
        self.change(fact.cut.clone(), |course| course.hear(fact, stamp))
    }

    /// Reads many at once, for a replay; the index is made once.
    pub fn hear_all(&mut self, facts: impl IntoIterator<Item = (CutFact, Stamp)>) {
        let courses = Arc::make_mut(&mut self.courses);
        for (fact, stamp) in facts {
            course(courses, &fact.cut).hear(fact, stamp);
        }
        self.index();
    }

    /// Takes a cut from the command itself or a peer's push, at this node's time, before the log has it.
    pub fn close_early(&mut self, cut: Cut, at: Timestamp) -> Heard {
        self.change(cut.id.clone(), |course| course.close_early(cut, at))
    }

    /// The log has the last word on an early closing, and it was no: only what the log has of it counts.
    pub fn end_early(&mut self, id: &CutId) -> Heard {
        match self.courses.contains_key(id) {
            true => self.change(id.clone(), CutCourse::end_early),
            false => Heard::Repeat,
        }
    }

    /// From now on scopes mean what this directory says. Whom a cut named stays covered.
    pub fn follow(&mut self, directory: Arc<Directory>) {
        self.directory = directory;
        self.index();
    }

    /// Every cut that is known, by its name.
    pub fn all(&self) -> impl Iterator<Item = &CutCourse> {
        self.courses.values()
    }

    /// Those that are in force, at whatever stage.
    pub fn active(&self) -> impl Iterator<Item = &CutCourse> {
        self.all().filter(|course| course.stage().is_active())
    }

    /// The one of that name.
    pub fn course(&self, id: &CutId) -> Option<&CutCourse> {
        self.courses.get(id)
    }

    /// Whether nothing that was said about a cut differs, whatever the positions.
    pub fn says_the_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.gates, &other.gates)
    }

    /// Names the cuts in force and their stages: equal on two nodes that enforce the same.
    pub fn digest(&self) -> [u8; 16] {
        let mut text = String::new();
        for course in self.active() {
            text.push_str(course.id().as_str());
            text.push(' ');
            text.push_str(course.stage().as_str());
            text.push('\n');
        }
        *uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, text.as_bytes()).as_bytes()
    }

    fn change(&mut self, id: CutId, change: impl FnOnce(&mut CutCourse) -> Heard) -> Heard {
        let heard = change(course(Arc::make_mut(&mut self.courses), &id));
        if heard == Heard::News {
            self.index();
        }
        heard
    }

    fn index(&mut self) {
        self.gates = Arc::new(Gates::of(self.courses.values(), &self.directory));
    }
}

fn course<'a>(courses: &'a mut BTreeMap<CutId, CutCourse>, id: &CutId) -> &'a mut CutCourse {
    courses.entry(id.clone()).or_insert_with(|| CutCourse::new(id.clone()))
}

#[cfg(test)]
#[path = "cuts_tests.rs"]
mod tests;
