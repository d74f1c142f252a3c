//! The log on Kafka: for every real deployment.
//!
//! Four ways lead through the files here. An append goes `producers` → `load` → librdkafka → `delivery`. A reader goes
//! `reader` → `feed` ← `lane`, with the lanes shared by all readers in `pool`, and `scout` to find out what is wrong.
//! What was set aside is read by `pointers`. Topics are made and judged by `topics` and `requirements`; nodes share
//! shards through `shards`.
//!
//! Librdkafka blocks, so everything that waits for it does so on a thread of its own or on one for blocking work.

mod asker;
mod blocking;
mod client;
mod config;
mod delivery;
mod faults;
mod feed;
mod lane;
mod load;
mod names;
mod owner;
mod pointers;
mod pool;
mod producers;
mod reader;
mod requirements;
mod scout;
mod shapes;
mod shards;
mod threads;
mod topics;

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::{FutureExt, future::ready};
use rdkafka::error::KafkaError;
use tokio::{sync::watch, time::sleep};

pub use config::{KafkaConfig, KafkaScram, KafkaSecurity, KafkaTls, ScramMechanism};

use self::{
    asker::{Address, Asker},
    blocking::Blocking,
    client::Ear,
    names::Names,
    pointers::Pointers,
    pool::Pool,
    producers::Producers,
    reader::Positions,
    scout::Scout,
    shapes::Shapes,
    shards::Seat,
    threads::Threads,
    topics::Topics,
};
use crate::{
    AppendFuture, Entry, Error, Log, Partition, Pointer, Reader, ReaderLimits, Record, Shards, Start, Topic,
    TopicSpec,
};

/// How long brokers that are coming up again may not agree on who leads a partition, or not answer.
const RECOVERY: Duration = Duration::from_secs(20);
/// How long a topic that was seen or made must be missing until it counts as gone. Brokers on which a country starts for
/// the first time have been seen to forget what they had for more than ten seconds.
const LAG: Duration = Duration::from_secs(30);
/// How long between two questions meanwhile.
const PAUSE: Duration = Duration::from_millis(200);

/// A cell's log on a Kafka cluster. A handle: clones are the same log, and when the last of them goes, its readers
/// end; what was appended still gets its outcome. [`Kafka::close`] waits for that.
#[derive(Clone)]
pub struct Kafka {
    inner: Arc<Inner>,
}

struct Inner {
    config: KafkaConfig,
    names: Names,
    shapes: Arc<Shapes>,
    /// What `ensure` has seen or made.
    ensured: Mutex<HashMap<Topic, TopicSpec>>,
    pool: Arc<Pool>,
    threads: Threads,
    closing: watch::Sender<bool>,
    /// Taken when the log ends: clients of librdkafka wait for their threads when they go.
    clients: Option<Clients>,
}

struct Clients {
    producers: Producers,
    pointers: Pointers,
    topics: Topics,
    asking: Blocking,
}

impl Kafka {
    /// Connects to the cluster, looks whether it can keep what the contract promises, and whether the prefix is this
    /// cell's. Refuses with [`Error::Unreachable`], [`Error::Denied`], [`Error::Unfit`] or [`Error::OtherCell`].
    pub async fn connect(config: KafkaConfig) -> Result<Self, Error> {
        config.check()?;
        let log = Self::start(config)?;
        let clients = log.clients()?;
        clients.topics.check_brokers(&clients.asking).await?;
        owner::claim(&log, &log.inner.config).await?;
        Ok(log)
    }

    fn start(config: KafkaConfig) -> Result<Self, Error> {
        let names = Names::new(&config);
        let shapes = Arc::new(Shapes::default());
        let ear = Ear::default();
        let asker = Arc::new(Asker::new(&config, ear.clone())?);
        let (closing, closed) = watch::channel(false);
        let threads = Threads::default();
        let scout = Scout::start(asker.clone(), shapes.clone(), threads.begin())?;
        let clients = Clients {
            producers: Producers::new(&config, &names, &shapes, &ear)?,
            pointers: Pointers::start(&config, asker.clone(), threads.begin())?,
            topics: Topics::new(&config, &names, ear)?,
            asking: Blocking::new(asker),
        };
        let pool = Pool::new(config.clone(), names.clone(), scout, threads.clone(), closed);
        let ensured = Mutex::default();
        let clients = Some(clients);
        let inner = Inner { config, names, shapes, ensured, pool, threads, closing, clients };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Ends the readers, and waits until everything that was appended has its outcome. Later calls, on every clone,
    /// get [`Error::Closed`]. The last clone also waits, a few seconds at most, until its clients have ended.
    pub async fn close(self) {
        self.inner.closing.send_replace(true);
        self.inner.pool.end();
        if let Some(clients) = &self.inner.clients {
            clients.producers.settled().await;
        }
        let threads = self.inner.threads.clone();
        if let Some(last) = Arc::into_inner(self.inner) {
            drop(last);
            threads.ended().await;
        }
    }

    fn clients(&self) -> Result<&Clients, Error> {
        if *self.inner.closing.borrow() {
            return Err(Error::Closed);
        }
        self.inner.clients.as_ref().ok_or(Error::Closed)
    }

    /// The brokers' name of a partition that exists.
    async fn address(&self, partition: &Partition) -> Result<Address, Error> {
        let address = self.inner.pool.address(partition)?;
        if !self.inner.shapes.has(partition) {
            let partitions = self.partitions(&partition.topic).await?;
            shapes::check(partition, partitions)?;
        }
        Ok(address)
    }

    /// How many partitions a topic has, by the brokers' word.
    async fn partitions(&self, topic: &Topic) -> Result<u32, Error> {
        let name = self.inner.names.of(topic);
        let seen = self.clients()?.asking.ask("asking for a topic", move |asker| asker.topic(&name)).await?;
        let seen = seen.ok_or_else(|| Error::UnknownTopic { topic: topic.clone() })?;
        self.inner.shapes.insert(topic, seen.partitions);
        Ok(seen.partitions)
    }

    /// What a partition holds, by the brokers' word now.
    async fn bounds_now(&self, partition: &Partition) -> Result<Range<u64>, Error> {
        let address = self.address(partition).await?;
        let bounds = self.clients()?.asking.ask("asking for bounds", move |asker| {
            let mut bounds = asker.bounds(std::slice::from_ref(&address))?;
            match bounds.remove(&address) {
                Some(Ok(bounds)) => Ok(Some(bounds)),
                Some(Err(code)) if faults::is_absent(code) => Ok(None),
                Some(Err(code)) => Err(KafkaError::OffsetFetch(code)),
                None => Ok(None),
            }
        });
        bounds.await?.ok_or_else(|| Error::UnknownPartition { partition: partition.clone() })
    }

    /// The prefixes of cells that are there besides this one's, as far as the brokers show them to us.
    async fn other_prefixes(&self) -> Result<Vec<String>, Error> {
        let names = self.clients()?.asking.ask("asking for topics", |asker| asker.names()).await?;
        let ending = format!(".{}", owner::TOPIC);
        let prefixes = names.iter().filter_map(|name| name.strip_suffix(&ending));
        Ok(prefixes.filter(|prefix| *prefix != self.inner.config.prefix).map(str::to_owned).collect())
    }

    /// Whether this log has made it, or has seen it.
    fn is_ensured(&self, topic: &Topic) -> bool {
        self.inner.ensured.lock().unwrap_or_else(PoisonError::into_inner).contains_key(topic)
    }

    /// Those that were not ensured before, in this shape.
    fn not_ensured(&self, specs: &[TopicSpec]) -> Vec<TopicSpec> {
        let ensured = self.inner.ensured.lock().unwrap_or_else(PoisonError::into_inner);
        let new = |spec: &&TopicSpec| {
            ensured.get(&spec.topic) != Some(*spec)
                || self.inner.shapes.partitions(&spec.topic) != Some(spec.partitions)
        };
        specs.iter().filter(new).cloned().collect()
    }
}

#[async_trait]
impl Log for Kafka {
    async fn ensure(&self, topics: &[TopicSpec]) -> Result<(), Error> {
        let clients = self.clients()?;
        if let Some(spec) = topics.iter().find(|spec| spec.partitions == 0) {
            return Err(Error::BadPartitions { topic: spec.topic.clone(), partitions: 0 });
        }
        let new = self.not_ensured(topics);
        if new.is_empty() {
            return Ok(());
        }
        let begin = Instant::now();
        while let Err(error) = clients.topics.ensure(&new, &clients.asking).await {
            // What was made when time ran out is found there the next time.
            if !matches!(error, Error::Unreachable { .. }) || begin.elapsed() > RECOVERY {
                return Err(error);
            }
            sleep(PAUSE).await;
        }
        let mut ensured = self.inner.ensured.lock().unwrap_or_else(PoisonError::into_inner);
        for spec in new {
            self.inner.shapes.insert(&spec.topic, spec.partitions);
            ensured.insert(spec.topic.clone(), spec);
        }
        Ok(())
    }

    fn append(&self, to: &Partition, record: Record) -> AppendFuture {
        let taken = self.clients().and_then(|clients| clients.producers.append(to, &record));
        match taken {
            Ok(answer) => {
                let partition = to.clone();
                let lost = |_| Err(Error::Unknown { partition, cause: "the producer is gone".into() });
                answer.map(|answer| answer.unwrap_or_else(lost)).boxed()
            }
            Err(error) => ready(Err(error)).boxed(),
        }
    }

    async fn reader(&self, starts: Vec<Start>, limits: ReaderLimits) -> Result<Box<dyn Reader>, Error> {
        self.clients()?;
        Ok(Box::new(Positions::new(self.inner.pool.clone(), starts, limits)))
    }

    async fn read_at(&self, pointers: &[Pointer]) -> Result<Vec<Option<Entry>>, Error> {
        let mut wanted: HashMap<Address, (Partition, BTreeSet<u64>)> = HashMap::new();
        for Pointer { partition, offset } in pointers {
            let address = self.address(partition).await?;
            let here = wanted.entry(address).or_insert_with(|| (partition.clone(), BTreeSet::new()));
            here.1.insert(*offset);
        }
        let clients = self.clients()?;
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let found = clients.pointers.read(wanted).await?;
        let of = |pointer: &Pointer| found.get(&(pointer.partition.clone(), pointer.offset)).cloned();
        Ok(pointers.iter().map(of).collect())
    }

    async fn bounds(&self, partition: &Partition) -> Result<Range<u64>, Error> {
        let begin = Instant::now();
        loop {
            match self.bounds_now(partition).await {
                Err(Error::Unreachable { .. }) if begin.elapsed() < RECOVERY => sleep(PAUSE).await,
                // A broker that lags does not know yet what another one made.
                Err(Error::UnknownTopic { topic }) if self.is_ensured(&topic) && begin.elapsed() < LAG => {
                    sleep(PAUSE).await;
                }
                bounds => return bounds,
            }
        }
    }

    async fn trim(&self, partition: &Partition, before: u64) -> Result<(), Error> {
        let bounds = self.bounds(partition).await?;
        let before = before.min(bounds.end);
        if before <= bounds.start {
            return Ok(());
        }
        self.clients()?.topics.delete_before(partition, before).await
    }

    async fn own_shards(&self, topic: &Topic, node: &str) -> Result<Box<dyn Shards>, Error> {
        // One that we made a moment ago may not be known yet to the broker that is asked.
        if self.inner.shapes.partitions(topic).is_none() {
            self.partitions(topic).await?;
        }
        let closing = self.inner.closing.subscribe();
        Ok(Box::new(Seat::join(
            &self.inner.config,
            &self.inner.names.of(topic),
            node,
            closing,
            self.inner.threads.begin(),
        )?))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.closing.send_replace(true);
        self.pool.end();
        let clients = self.clients.take();
        // Left to a thread, because it may wait for the network. What cannot be left is dropped here.
        let running = self.threads.begin();
        let _started = thread::Builder::new().name("log-end".into()).spawn(move || {
            drop(clients);
            drop(running);
        });
    }
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka").field("prefix", &self.inner.config.prefix).finish_non_exhaustive()
    }
}
