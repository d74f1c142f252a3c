//! How fast is the log alone? The floor under everything else: the embedded log by itself, or a plain producer and
//! consumer of Kafka's own client with the settings that ours has.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use bulkhead_log::{
    Embedded, EmbeddedConfig, Log, Partition, Reader, ReaderLimits, Record, Start, Topic, TopicSpec,
};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use crate::spread::Spread;
use crate::store::Store;

const TOPIC: &str = "measured";
const PATIENCE: Duration = Duration::from_secs(30);

/// A log with one partition, and nothing above it.
pub(crate) enum Raw {
    Embedded {
        log: Embedded,
        to: Partition,
        _place: TempDir,
    },
    Kafka {
        producer: FutureProducer,
        consumer: StreamConsumer,
        admin: AdminClient<DefaultClientContext>,
        topic: String,
    },
}

impl Raw {
    pub(crate) async fn start(store: &Store, dir: &Path, name: &str) -> Result<Self> {
        match &store.kafka {
            None => {
                let place = tempfile::tempdir_in(dir)?;
                let log = Embedded::open(EmbeddedConfig::new(place.path().join("log")))?;
                let topic = Topic::new(TOPIC)?;
                log.ensure(&[TopicSpec { topic: topic.clone(), partitions: 1, compacted: false }]).await?;
                Ok(Self::Embedded { log, to: topic.partition(0), _place: place })
            }
            Some(bootstrap) => Self::kafka(bootstrap, store, &format!("{name}.{TOPIC}")).await,
        }
    }

    async fn kafka(bootstrap: &str, store: &Store, topic: &str) -> Result<Self> {
        let client = || {
            let mut client = ClientConfig::new();
            client.set("bootstrap.servers", bootstrap).set("message.max.bytes", "8404992");
            client.set("socket.nagle.disable", "true");
            client
        };
        let admin: AdminClient<DefaultClientContext> = client().create()?;
        let in_sync = store.in_sync().to_string();
        let new = NewTopic::new(topic, 1, TopicReplication::Fixed(i32::from(store.replicas)))
            .set("min.insync.replicas", &in_sync)
            .set("max.message.bytes", "8404992");
        for made in admin.create_topics([&new], &AdminOptions::new()).await? {
            made.map_err(|(topic, code)| anyhow::anyhow!("{topic}: {code}"))?;
        }
        let producer = client()
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("linger.ms", "0")
            .set("max.in.flight.requests.per.connection", "4")
            .set("queue.buffering.max.kbytes", "65536")
            .create()?;
        let consumer: StreamConsumer = client()
            .set("group.id", format!("{topic}.readers"))
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "500")
            .set("fetch.queue.backoff.ms", "5")
            .create()?;
        let mut start = TopicPartitionList::new();
        start.add_partition_offset(topic, 0, Offset::Beginning)?;
        consumer.assign(&start)?;
        Ok(Self::Kafka { producer, consumer, admin, topic: topic.to_owned() })
    }

    fn append(&self, document: &Bytes) -> BoxFuture<'_, Result<Duration>> {
        const KEY: &[u8] = &[7; 16];
        let begin = Instant::now();
        match self {
            Self::Embedded { log, to, .. } => {
                let appended =
                    log.append(to, Record { key: Bytes::from_static(KEY), value: document.clone() });
                Box::pin(async move { Ok(appended.await.map(|_| begin.elapsed())?) })
            }
            Self::Kafka { producer, topic, .. } => {
                let record = FutureRecord::to(topic).partition(0).key(KEY).payload(&document[..]);
                let sent = producer.send_result(record).map_err(|(error, _)| error);
                Box::pin(async move {
                    sent?.await?.map_err(|(error, _)| error)?;
                    Ok(begin.elapsed())
                })
            }
        }
    }

    /// Appends `count` documents with so many in flight.
    pub(crate) async fn appends(&self, document: &Bytes, count: usize, in_flight: usize) -> Result<Spread> {
        for _ in 0..in_flight.max(8) {
            self.append(document).await?;
        }
        let (begin, mut took, mut under_way) = (Instant::now(), Vec::new(), FuturesUnordered::new());
        for _ in 0..count {
            if under_way.len() >= in_flight
                && let Some(done) = under_way.next().await
            {
                took.push(done?);
            }
            under_way.push(self.append(document));
        }
        while let Some(done) = under_way.next().await {
            took.push(done?);
        }
        Ok(Spread::new(took, begin.elapsed()))
    }

    /// From the append of one document until a reader has it, one at a time.
    pub(crate) async fn to_reader(&self, document: &Bytes, count: usize) -> Result<Spread> {
        let mut reading = self.reading().await?;
        let (begin, mut took) = (Instant::now(), Vec::new());
        for number in 0..count + 8 {
            let begin = Instant::now();
            let (appended, read) = tokio::join!(self.append(document), self.next(&mut reading));
            appended?;
            read?;
            if number >= 8 {
                took.push(begin.elapsed());
            }
        }
        Ok(Spread::new(took, begin.elapsed()))
    }

    /// Appends and reads everything, with so many in flight.
    pub(crate) async fn through(&self, document: &Bytes, count: usize, in_flight: usize) -> Result<Spread> {
        let mut reading = self.reading().await?;
        let reads = async {
            let mut read = 0;
            while read < count + in_flight.max(8) {
                read += self.next(&mut reading).await?;
            }
            Ok::<_, anyhow::Error>(())
        };
        let (spread, read) = tokio::join!(self.appends(document, count, in_flight), reads);
        read?;
        spread
    }

    /// A reader from the end on; Kafka's consumer is brought there by reading.
    async fn reading(&self) -> Result<Option<Box<dyn Reader>>> {
        match self {
            Self::Embedded { log, to, .. } => {
                let start = Start { partition: to.clone(), offset: log.bounds(to).await?.end };
                Ok(Some(log.reader(vec![start], ReaderLimits::default()).await?))
            }
            Self::Kafka { producer: _, consumer, topic, .. } => {
                let end = consumer.fetch_watermarks(topic, 0, PATIENCE)?.1;
                let at_end = |consumer: &StreamConsumer| {
                    let at = consumer
                        .position()
                        .ok()
                        .and_then(|at| at.find_partition(topic, 0)?.offset().to_raw());
                    at.unwrap_or(0) >= end
                };
                while end > 0 && !at_end(consumer) {
                    timeout(PATIENCE, consumer.recv()).await.context("nothing can be read")??;
                }
                Ok(None)
            }
        }
    }

    async fn next(&self, reading: &mut Option<Box<dyn Reader>>) -> Result<usize> {
        match (self, reading) {
            (Self::Kafka { consumer, .. }, _) => {
                timeout(PATIENCE, consumer.recv()).await.context("nothing can be read")??;
                Ok(1)
            }
            (Self::Embedded { .. }, Some(reader)) => Ok(reader.next().await?.len()),
            (Self::Embedded { .. }, None) => Ok(0),
        }
    }

    /// Lets go of it and of its disk.
    pub(crate) async fn stop(self) -> Result<()> {
        match self {
            Self::Embedded { log, .. } => log.close().await,
            Self::Kafka { admin, topic, .. } => {
                admin.delete_topics(&[&topic], &AdminOptions::new()).await?;
            }
        }
        Ok(())
    }
}
