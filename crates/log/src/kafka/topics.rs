//! Making topics, and looking at those that are there.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::{
    TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    config::FromClientConfigAndContext,
    error::{KafkaError, RDKafkaErrorCode as Code},
};
use tokio::time::sleep;
use tracing::warn;

use super::{
    asker::{PATIENCE, Seen},
    blocking::Blocking,
    client::{self, Ear},
    config::KafkaConfig,
    faults,
    names::Names,
    requirements::{self, Settings},
};
use crate::{Error, Partition, Topic, TopicSpec};

/// How long a new topic may take until all its partitions can be used.
const PROPAGATION: Duration = Duration::from_secs(30);
const DESCRIBING: &str = "asking for settings";
/// How many topics are made or asked about in one request. A controller refuses one that would take more than 10,000
/// records of its own, and a topic with its settings takes about a dozen.
const AT_ONCE: usize = 250;
/// How long between two looks at a new topic.
const LOOK: Duration = Duration::from_millis(20);

/// What makes topics and looks at them.
pub(super) struct Topics {
    config: KafkaConfig,
    names: Names,
    admin: AdminClient<Ear>,
    ear: Ear,
}

impl Topics {
    pub(super) fn new(config: &KafkaConfig, names: &Names, ear: Ear) -> Result<Self, Error> {
        let admin = AdminClient::from_config_and_context(&client::asking(config), ear.clone());
        let admin = admin.map_err(|e| Error::Store { doing: "making a client", cause: e.to_string() })?;
        Ok(Self { config: config.clone(), names: names.clone(), admin, ear })
    }

    /// Whether the brokers are set up for us.
    pub(super) async fn check_brokers(&self, asking: &Blocking) -> Result<(), Error> {
        let brokers = asking.ask("asking for the brokers", |asker| asker.brokers()).await?;
        for id in brokers {
            match self.describe(&[ResourceSpecifier::Broker(id)]).await {
                Ok(found) => {
                    found.values().try_for_each(|settings| requirements::check_broker(id, settings))?;
                }
                Err(error @ Error::Denied { .. }) => return Err(error),
                // One that is down must not keep a node from starting.
                Err(error) => warn!(broker = id, %error, "the settings of a broker are not known"),
            }
        }
        Ok(())
    }

    /// Checks those that exist, all before any is made; makes the others.
    pub(super) async fn ensure(&self, specs: &[TopicSpec], asking: &Blocking) -> Result<(), Error> {
        let seen = self.look(specs, asking).await?;
        let there: Vec<_> = specs.iter().filter_map(|spec| Some((spec, *seen.get(&spec.topic)?))).collect();
        self.check(&there).await?;
        let missing: Vec<_> = specs.iter().filter(|spec| !seen.contains_key(&spec.topic)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mut theirs = Vec::new();
        for some in missing.chunks(AT_ONCE) {
            theirs.extend(self.make(some).await?);
        }
        let seen = self.await_use(missing, asking).await?;
        let theirs: Vec<_> = theirs.iter().filter_map(|spec| Some((spec, *seen.get(&spec.topic)?))).collect();
        // Another node was quicker; what it made must be what we want.
        self.check(&theirs).await
    }

    /// Those of them that are there.
    async fn look(
        &self,
        specs: impl IntoIterator<Item = &TopicSpec>,
        asking: &Blocking,
    ) -> Result<HashMap<Topic, Seen>, Error> {
        let topics: Vec<_> = specs.into_iter().map(|spec| spec.topic.clone()).collect();
        let names: Vec<_> = topics.iter().map(|topic| self.names.of(topic)).collect();
        let asked = names.clone();
        let seen = asking.ask("asking for topics", move |asker| asker.topics(&asked)).await?;
        let there = topics.into_iter().zip(names);
        Ok(there.filter_map(|(topic, name)| Some((topic, *seen.get(&name)?))).collect())
    }

    async fn check(&self, there: &[(&TopicSpec, Seen)]) -> Result<(), Error> {
        for (spec, seen) in there {
            requirements::differs(&spec.topic, seen.partitions, spec.partitions, "partitions")?;
        }
        let names: Vec<_> = there.iter().map(|(spec, _)| self.names.of(&spec.topic)).collect();
        let resources: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let mut settings = HashMap::new();
        for some in resources.chunks(AT_ONCE) {
            settings.extend(self.describe_all(some).await?);
        }
        for ((spec, seen), name) in there.iter().zip(&names) {
            let settings = settings.get(name).cloned().unwrap_or_default();
            requirements::check(&self.config, spec, *seen, &settings)?;
        }
        Ok(())
    }

    /// Makes topics. Those are answered that were there by then.
    async fn make(&self, missing: &[&TopicSpec]) -> Result<Vec<TopicSpec>, Error> {
        let names: Vec<_> = missing.iter().map(|spec| self.names.of(&spec.topic)).collect();
        let settings: Vec<_> =
            missing.iter().map(|spec| requirements::settings(&self.config, spec.compacted)).collect();
        let mut new = Vec::new();
        for ((spec, name), settings) in missing.iter().zip(&names).zip(&settings) {
            let partitions = i32::try_from(spec.partitions).map_err(|_| bad_partitions(spec))?;
            let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(self.config.replicas.into()));
            new.push(settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value)));
        }
        let options = AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE));
        let made =
            self.admin.create_topics(&new, &options).await.map_err(|e| self.failed("making topics", &e))?;
        let mut theirs = Vec::new();
        for (spec, made) in missing.iter().zip(made) {
            match made {
                Ok(_) => {}
                Err((_, Code::TopicAlreadyExists)) => theirs.push((*spec).clone()),
                Err((name, code)) => return Err(self.not_made(spec, &name, code)),
            }
        }
        Ok(theirs)
    }

    fn not_made(&self, spec: &TopicSpec, name: &str, code: Code) -> Error {
        match code {
            Code::InvalidReplicationFactor => Error::Unfit {
                what: "the number of brokers".to_owned(),
                found: "too small".to_owned(),
                wanted: format!("at least {}", self.config.replicas),
                change: "start more brokers, or configure fewer replicas where a lost broker may lose records",
            },
            Code::InvalidPartitions => bad_partitions(spec),
            code => faults::refused("making topics", code, format!("{name}: {code}"), &self.ear),
        }
    }

    /// Waits until topics that were made can be used.
    async fn await_use(
        &self,
        specs: Vec<&TopicSpec>,
        asking: &Blocking,
    ) -> Result<HashMap<Topic, Seen>, Error> {
        let begin = Instant::now();
        loop {
            let seen = self.look(specs.iter().copied(), asking).await?;
            let waiting = specs.iter().find(|spec| !seen.get(&spec.topic).is_some_and(|seen| seen.led));
            let Some(waiting) = waiting else { return Ok(seen) };
            if begin.elapsed() > PROPAGATION {
                let cause = format!("topic {} was made and has no leader yet", waiting.topic);
                return Err(Error::Unreachable { doing: "making topics", cause });
            }
            sleep(LOOK).await;
        }
    }

    /// The settings of topics that are there. A broker may not know yet of one that was made a moment ago.
    async fn describe_all(
        &self,
        topics: &[ResourceSpecifier<'_>],
    ) -> Result<HashMap<String, Settings>, Error> {
        let begin = Instant::now();
        loop {
            let described = self.describe(topics).await;
            let is_whole = described.as_ref().is_ok_and(|found| {
                found.len() == topics.len() && found.values().all(|settings| !settings.is_empty())
            });
            let is_denied = matches!(&described, Err(Error::Denied { .. }));
            if is_whole || is_denied {
                return described;
            }
            if begin.elapsed() > PROPAGATION {
                let cause = "a broker does not know them all yet".to_owned();
                return described.and(Err(Error::Unreachable { doing: DESCRIBING, cause }));
            }
            sleep(LOOK).await;
        }
    }

    /// The settings of these, by their names.
    async fn describe(
        &self,
        resources: &[ResourceSpecifier<'_>],
    ) -> Result<HashMap<String, Settings>, Error> {
        if resources.is_empty() {
            return Ok(HashMap::new());
        }
        let options = AdminOptions::new().request_timeout(Some(PATIENCE));
        let described = self.admin.describe_configs(resources, &options).await;
        let mut found = HashMap::new();
        for resource in described.map_err(|e| self.failed(DESCRIBING, &e))? {
            let resource = resource.map_err(|code| self.failed(DESCRIBING, &KafkaError::AdminOp(code)))?;
            let name = match resource.specifier {
                rdkafka::admin::OwnedResourceSpecifier::Topic(name)
                | rdkafka::admin::OwnedResourceSpecifier::Group(name) => name,
                rdkafka::admin::OwnedResourceSpecifier::Broker(id) => id.to_string(),
            };
            let entries = resource.entries.into_iter();
            found.insert(name, entries.filter_map(|entry| Some((entry.name, entry.value?))).collect());
        }
        Ok(found)
    }

    /// Gives up what lies below an offset that is there.
    pub(super) async fn delete_before(&self, partition: &Partition, offset: u64) -> Result<(), Error> {
        const DOING: &str = "trimming";
        let mut list = TopicPartitionList::new();
        let number = i32::try_from(partition.number).unwrap_or(i32::MAX);
        let offset = rdkafka::Offset::Offset(offset.try_into().unwrap_or(i64::MAX));
        list.add_partition_offset(&self.names.of(&partition.topic), number, offset)
            .map_err(|e| self.failed(DOING, &e))?;
        let options = AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE));
        let begin = Instant::now();
        loop {
            let answer = self.admin.delete_records(&list, &options).await;
            let error = match answer {
                Ok(answer) => answer.elements().iter().find_map(|element| element.error().err()),
                Err(error) => Some(error),
            };
            let Some(error) = error else { return Ok(()) };
            let passing = faults::code(&error).is_some_and(faults::is_passing);
            if !passing || begin.elapsed() > PATIENCE {
                return Err(self.failed(DOING, &error));
            }
            sleep(LOOK).await;
        }
    }

    fn failed(&self, doing: &'static str, error: &KafkaError) -> Error {
        faults::failed(doing, error, &self.ear)
    }
}

fn bad_partitions(spec: &TopicSpec) -> Error {
    Error::BadPartitions { topic: spec.topic.clone(), partitions: spec.partitions }
}
