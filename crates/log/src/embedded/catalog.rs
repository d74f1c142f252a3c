//! Which topics there are: in memory for every call, in two tables for the next start.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
};

use rusqlite::{Connection, params};

use super::{
    lock::{hold_to_read, hold_to_write},
    track::{MAX_TRACKS, Marks, Track},
};
use crate::{Error, Partition, Topic, TopicSpec};

type Tracks = Vec<Arc<Track>>;

/// All topics, each with its tracks in the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    topics: RwLock<HashMap<Topic, Tracks>>,
}

impl Catalog {
    /// What the file says.
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare(
            "select topic.name, track.number, topic.compacted, track.id, track.first, track.next, track.last_at
             from topic join track on track.topic = topic.id order by topic.id, track.number",
        )?;
        let mut rows = statement.query([])?;
        let mut topics: HashMap<Topic, Tracks> = HashMap::new();
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            let topic = Topic::new(&name).map_err(|e| {
                rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(e))
            })?;
            let offset = |column| row.get(column).map(i64::cast_unsigned);
            let marks = Marks { first: offset(4)?, next: offset(5)?, last_at: row.get(6)? };
            let track = Track::new(row.get(3)?, topic.partition(row.get(1)?), row.get(2)?, marks);
            topics.entry(topic).or_default().push(track);
        }
        Ok(Self { topics: RwLock::new(topics) })
    }

    /// The partition's track.
    pub(super) fn track(&self, partition: &Partition) -> Result<Arc<Track>, Error> {
        let topics = hold_to_read(&self.topics);
        let Some(tracks) = topics.get(&partition.topic) else {
            return Err(Error::UnknownTopic { topic: partition.topic.clone() });
        };
        match tracks.get(partition.number as usize) {
            Some(track) => Ok(track.clone()),
            None => Err(Error::UnknownPartition { partition: partition.clone() }),
        }
    }

    /// How many partitions the topic has.
    pub(super) fn partitions(&self, topic: &Topic) -> Result<u32, Error> {
        let topics = hold_to_read(&self.topics);
        let tracks = topics.get(topic).ok_or_else(|| Error::UnknownTopic { topic: topic.clone() })?;
        Ok(u32::try_from(tracks.len()).unwrap_or(u32::MAX))
    }

    /// Every track there is.
    pub(super) fn tracks(&self) -> Tracks {
        hold_to_read(&self.topics).values().flatten().cloned().collect()
    }

    /// The topics that would have to be made, if none of the others differs.
    pub(super) fn missing(&self, wanted: &[TopicSpec]) -> Result<Vec<TopicSpec>, Error> {
        let topics = hold_to_read(&self.topics);
        let mut missing: Vec<TopicSpec> = Vec::new();
        for spec in wanted {
            if spec.partitions == 0 || i64::from(spec.partitions) >= MAX_TRACKS {
                return Err(Error::BadPartitions { topic: spec.topic.clone(), partitions: spec.partitions });
            }
            let known = match topics.get(&spec.topic) {
                Some(tracks) => Some(shape(tracks.len(), tracks.iter().any(|track| track.compacted))),
                None => {
                    let twin = missing.iter().find(|other| other.topic == spec.topic);
                    twin.map(|twin| shape(twin.partitions as usize, twin.compacted))
                }
            };
            let asked = shape(spec.partitions as usize, spec.compacted);
            match known {
                None => missing.push(spec.clone()),
                Some(found) if found == asked => {}
                Some(found) => {
                    return Err(Error::TopicDiffers { topic: spec.topic.clone(), found, wanted: asked });
                }
            }
        }
        Ok(missing)
    }

    /// Makes what the commit has made durable known to everyone.
    pub(super) fn publish(&self, made: Vec<(Topic, Tracks)>) {
        hold_to_write(&self.topics).extend(made);
    }
}

/// Writes the rows of a new topic, within the caller's transaction.
pub(super) fn make(connection: &Connection, spec: &TopicSpec) -> rusqlite::Result<(Topic, Tracks)> {
    connection
        .prepare_cached("insert into topic (name, partitions, compacted) values (?1, ?2, ?3)")?
        .execute(params![spec.topic.as_str(), spec.partitions, spec.compacted])?;
    let topic = connection.last_insert_rowid();
    let mut insert = connection
        .prepare_cached("insert into track (topic, number, first, next, last_at) values (?1, ?2, 0, 0, 0)")?;
    let marks = Marks { first: 0, next: 0, last_at: 0 };
    let mut tracks = Tracks::new();
    for number in 0..spec.partitions {
        let id = insert.insert(params![topic, number])?;
        if id >= MAX_TRACKS {
            return Err(rusqlite::Error::IntegralValueOutOfRange(0, id));
        }
        tracks.push(Track::new(id, spec.topic.partition(number), spec.compacted, marks));
    }
    Ok((spec.topic.clone(), tracks))
}

fn shape(partitions: usize, compacted: bool) -> String {
    format!("{partitions} partitions{}", if compacted { ", compacted" } else { "" })
}
