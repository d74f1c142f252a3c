//! A bare producer of Kafka's own client, on the same brokers at the same time: how long its appends go unacknowledged
//! is the pause that the brokers make by themselves.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

const TOPIC: &str = "bare";
/// Each led by another broker.
const PARTITIONS: i32 = 3;

/// Appends to every partition until it is dropped.
pub(crate) struct Bare {
    _tasks: JoinSet<()>,
    acknowledged: Vec<Acknowledged>,
}

/// When appends to one partition were acknowledged.
type Acknowledged = Arc<Mutex<Vec<Timestamp>>>;

impl Bare {
    /// Begins to append so often to each, with the settings of a node's own producer.
    pub(crate) async fn start(bootstrap: &str, every: Duration) -> Result<Self> {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", bootstrap)
            .set("reconnect.backoff.max.ms", "500")
            .set("retry.backoff.ms", "50")
            .set("topic.metadata.refresh.fast.interval.ms", "50");
        let admin: AdminClient<DefaultClientContext> = client.create()?;
        let topic =
            NewTopic::new(TOPIC, PARTITIONS, TopicReplication::Fixed(3)).set("min.insync.replicas", "2");
        for made in admin.create_topics([&topic], &AdminOptions::new()).await? {
            made.map_err(|(topic, code)| anyhow::anyhow!("{topic}: {code}"))?;
        }
        let producer: FutureProducer = client
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("linger.ms", "0")
            .set("request.timeout.ms", "3000")
            .create()?;
        let (mut tasks, mut acknowledged) = (JoinSet::new(), Vec::new());
        for partition in 0..PARTITIONS {
            let times = Acknowledged::default();
            tasks.spawn(append(producer.clone(), partition, every, times.clone()));
            acknowledged.push(times);
        }
        Ok(Self { _tasks: tasks, acknowledged })
    }

    /// When appends were acknowledged, by partition.
    pub(crate) fn acknowledged(&self) -> Vec<Vec<Timestamp>> {
        let copy = |times: &Acknowledged| times.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.acknowledged.iter().map(copy).collect()
    }
}

async fn append(producer: FutureProducer, partition: i32, every: Duration, times: Acknowledged) {
    let mut tick = interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tick.tick().await;
        let record = FutureRecord::to(TOPIC).partition(partition).key(&[7; 16]).payload(&[7; 2_000]);
        // A full queue is a pause as well.
        let Ok(sent) = producer.send_result(record) else { continue };
        let times = times.clone();
        tokio::spawn(async move {
            if let Ok(Ok(_)) = sent.await {
                times.lock().unwrap_or_else(PoisonError::into_inner).push(Timestamp::now());
            }
        });
    }
}
