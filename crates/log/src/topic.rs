//! Where entries lie: topics, their partitions, and pointers to single entries.

use std::{fmt, str::FromStr, sync::Arc};

use crate::Error;

/// The longest name that a topic can have: Kafka's own limit is 249, and a cell's prefix comes before it there.
const MAX_NAME: usize = 200;

/// The name of a topic: 1 to 200 of `A-Z a-z 0-9 . _ -`, but neither `.` nor `..`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Arc<str>);

impl Topic {
    /// The topic of that name, or [`Error::BadTopic`].
    pub fn new(name: &str) -> Result<Self, Error> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let good =
            (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(allowed) && name != "." && name != "..";
        if good { Ok(Self(name.into())) } else { Err(Error::BadTopic { name: name.into() }) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// One of this topic's partitions.
    pub fn partition(&self, number: u32) -> Partition {
        Partition { topic: self.clone(), number }
    }
}

impl FromStr for Topic {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::new(name)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// One partition of a topic: the unit within which order is kept. Shown as `topic/3`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// Its topic.
    pub topic: Topic,
    /// Its number, from 0.
    pub number: u32,
}

impl Partition {
    /// The entry at that offset of this partition.
    pub fn at(&self, offset: u64) -> Pointer {
        Pointer { partition: self.clone(), offset }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.number)
    }
}

/// Where one entry lies. Shown as `topic/3@17`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer {
    /// The partition that holds it.
    pub partition: Partition,
    /// Its offset there.
    pub offset: u64,
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.partition, self.offset)
    }
}

/// What a topic should be like when it is made. None of this changes later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub topic: Topic,
    /// How many partitions it has; at least 1.
    pub partitions: u32,
    /// Whether, of entries with the same key in one partition, all but the last may be dropped after a while.
    pub compacted: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, good: bool) {
        assert_eq!(Topic::new(name).is_ok(), good, "topic name {name:?}");
    }

    #[test]
    fn only_the_alphabet_of_kafka_is_taken() {
        check("in.wales.wast-111", true);
        check("A_b-9.", true);
        check(&"x".repeat(200), true);
        check("", false);
        check(".", false);
        check("..", false);
        check("in.wales/wast-111", false);
        check("café", false);
        check("a b", false);
        check(&"x".repeat(201), false);
    }

    #[test]
    fn places_are_shown_as_an_operator_would_write_them() {
        let topic = Topic::new("events.wales").unwrap();
        assert_eq!(topic.partition(3).at(17).to_string(), "events.wales/3@17");
    }
}
