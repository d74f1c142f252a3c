//! Questions to the brokers that no reader or producer asks: what topics there are, and what partitions hold.
//!
//! Every call blocks its thread until there is an answer or time has run out.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode as Code},
    metadata::MetadataTopic,
};

use super::{
    client::{self, Ear},
    config::KafkaConfig,
    faults,
};
use crate::Error;

/// How long an answer is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How long until it is asked whether there is any use in waiting on.
const SOON: Duration = Duration::from_millis(500);
/// More topics than these are asked about in one question, for all that there are.
const FEW: usize = 16;
/// How long a topic that is asked about may be unknown to the broker that leads it: it was made a moment ago. Brokers
/// that make hundreds of partitions at once, as for the first start of a country, take seconds.
const NEW: Duration = Duration::from_secs(10);
/// How long between two questions about what is moving.
const PAUSE: Duration = Duration::from_millis(50);

/// A client that only asks.
pub(super) struct Asker {
    consumer: BaseConsumer<Ear>,
    ear: Ear,
}

/// A topic as the brokers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) partitions: u32,
    /// The least number of replicas that one of its partitions has.
    pub(super) replicas: usize,
    /// Whether each partition has a leader, so that it can be used.
    pub(super) led: bool,
}

/// A partition, as the brokers call it.
pub(super) type Address = (String, i32);
/// What is known of each of some partitions, or why it is not.
type Of<T> = HashMap<Address, Result<T, Code>>;
/// What each of some partitions holds.
pub(super) type Bounds = Of<Range<u64>>;

impl Asker {
    pub(super) fn new(config: &KafkaConfig, ear: Ear) -> Result<Self, Error> {
        let consumer = BaseConsumer::from_config_and_context(&client::asking(config), ear.clone());
        let consumer =
            consumer.map_err(|e| Error::Store { doing: "making a client", cause: e.to_string() })?;
        Ok(Self { consumer, ear })
    }

    pub(super) fn ear(&self) -> &Ear {
        &self.ear
    }

    /// The numbers of the brokers that are there.
    pub(super) fn brokers(&self) -> Result<Vec<i32>, KafkaError> {
        let begin = Instant::now();
        let metadata = loop {
            self.forget();
            match self.consumer.fetch_metadata(None, SOON) {
                Ok(metadata) => break metadata,
                // Who is not let in is told so at once.
                Err(error) if begin.elapsed() > PATIENCE || self.ear.is_denied() => return Err(error),
                Err(_) => {}
            }
        };
        Ok(metadata.brokers().iter().map(rdkafka::metadata::MetadataBroker::id).collect())
    }

    /// A topic, by the brokers' name. `None`: there is none.
    pub(super) fn topic(&self, name: &str) -> Result<Option<Seen>, KafkaError> {
        self.forget();
        let metadata = self.consumer.fetch_metadata(Some(name), PATIENCE)?;
        metadata.topics().iter().find(|topic| topic.name() == name).map_or(Ok(None), seen)
    }

    /// What all topics are called that we may see, in order.
    pub(super) fn names(&self) -> Result<Vec<String>, KafkaError> {
        self.forget();
        let metadata = self.consumer.fetch_metadata(None, PATIENCE)?;
        let mut names: Vec<_> = metadata.topics().iter().map(|topic| topic.name().to_owned()).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Several topics. Those that are not there are left out.
    pub(super) fn topics(&self, names: &[String]) -> Result<HashMap<String, Seen>, KafkaError> {
        if names.len() <= FEW {
            let topics = names.iter().map(|name| Ok(self.topic(name)?.map(|seen| (name.clone(), seen))));
            return topics.filter_map(Result::transpose).collect();
        }
        self.forget();
        let wanted: HashSet<&str> = names.iter().map(String::as_str).collect();
        let metadata = self.consumer.fetch_metadata(None, PATIENCE)?;
        let topics = metadata.topics().iter().filter(|topic| wanted.contains(topic.name()));
        let topics = topics.map(|topic| Ok(seen(topic)?.map(|seen| (topic.name().to_owned(), seen))));
        topics.filter_map(Result::transpose).collect()
    }

    /// What these partitions hold. One question for all of them at a broker, not one for each. While leaders move,
    /// it is asked again.
    pub(super) fn bounds(&self, partitions: &[Address]) -> Result<Bounds, KafkaError> {
        let begin = Instant::now();
        loop {
            let answer = self.bounds_now(partitions);
            let patience = match &answer {
                Ok(bounds) => bounds.values().filter_map(|bounds| patience(*bounds.as_ref().err()?)).max(),
                Err(error) => error.rdkafka_error_code().and_then(patience),
            };
            if patience.is_none_or(|patience| begin.elapsed() > patience) {
                return answer;
            }
            thread::sleep(PAUSE);
            self.learn(partitions);
        }
    }

    /// Has the client look again at the topics of these: what it knows of a new one may be of a moment too early.
    fn learn(&self, partitions: &[Address]) {
        let topics: HashSet<&str> = partitions.iter().map(|(topic, _)| topic.as_str()).collect();
        for topic in topics.into_iter().take(FEW) {
            // What it cannot learn, the question itself says.
            let _ = self.topic(topic);
        }
    }

    fn bounds_now(&self, partitions: &[Address]) -> Result<Bounds, KafkaError> {
        self.forget();
        let firsts = self.offsets(partitions, Offset::Beginning)?;
        let ends = self.offsets(partitions, Offset::End)?;
        let both = partitions.iter().map(|partition| {
            let of = |offsets: &Of<u64>| offsets.get(partition).copied().unwrap_or(Err(Code::Fail));
            let bounds = of(&firsts).and_then(|first| Ok(first..of(&ends)?.max(first)));
            (partition.clone(), bounds)
        });
        Ok(both.collect())
    }

    /// Takes what was said about connections, so that it does not pile up. The producers have heard the same.
    fn forget(&self) {
        while self.consumer.poll(Duration::ZERO).is_some() {}
    }

    fn offsets(&self, partitions: &[Address], which: Offset) -> Result<Of<u64>, KafkaError> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for (topic, number) in partitions {
            list.add_partition_offset(topic, *number, which)?;
        }
        // The beginning and the end are times too, of which the first and the last offset are asked for.
        let list = self.consumer.offsets_for_times(list, PATIENCE)?;
        let found = list.elements();
        let found = found.iter().map(|element| {
            let offset = match (element.error(), element.offset()) {
                (Err(error), _) => Err(error.rdkafka_error_code().unwrap_or(Code::Fail)),
                (Ok(()), Offset::Offset(offset)) => u64::try_from(offset).map_err(|_| Code::NoOffset),
                (Ok(()), _) => Err(Code::NoOffset),
            };
            ((element.topic().to_owned(), element.partition()), offset)
        });
        Ok(found.collect())
    }
}

/// How long an answer of that kind is worth asking again for.
fn patience(code: Code) -> Option<Duration> {
    if faults::is_passing(code) { Some(PATIENCE) } else { faults::is_absent(code).then_some(NEW) }
}

/// What the brokers say of a topic.
fn seen(topic: &MetadataTopic) -> Result<Option<Seen>, KafkaError> {
    match topic.error().map(Code::from) {
        None | Some(Code::LeaderNotAvailable) => {}
        Some(code) if faults::is_absent(code) => return Ok(None),
        Some(code) => return Err(KafkaError::MetadataFetch(code)),
    }
    let partitions = topic.partitions();
    Ok(Some(Seen {
        partitions: u32::try_from(partitions.len()).unwrap_or(u32::MAX),
        replicas: partitions.iter().map(|partition| partition.replicas().len()).min().unwrap_or(0),
        led: !partitions.is_empty() && partitions.iter().all(|partition| partition.leader() >= 0),
    }))
}
