//! The producers: topics are hashed over several, and what is urgent has one of its own.
//!
//! Each is an idempotent client of librdkafka with a thread that hears its delivery reports. An append is handed to
//! it within the call, so the order of calls is the order of sending. When librdkafka gives a producer up for good,
//! the next append makes another; and when one has written nothing for long.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    config::FromClientConfigAndContext,
    error::{KafkaError, RDKafkaErrorCode as Code},
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use tokio::{sync::oneshot, time::sleep};
use tracing::warn;

use super::{
    client::{self, Ear},
    config::KafkaConfig,
    delivery::{Deliveries, Pending},
    faults,
    load::{Limits, Load, STILL},
    names::Names,
    shapes::Shapes,
};
use crate::{Appended, Error, Partition, Record};

/// How long the thread of a producer listens before it looks whether it is to end. The last millisecond of it is spent
/// asking without a pause: rdkafka waits whole ones only.
const LISTEN: Duration = Duration::from_secs(1);

/// How long a producer that is not permitted to write is kept before another tries.
const DENIED: Duration = Duration::from_secs(5);
/// A producer that has written nothing at all for so long, while something was to be written, is replaced. Brokers may be
/// away as long; but a client was seen to write nothing for minutes when they were back.
const STUCK: Duration = Duration::from_secs(20);
/// How long between two looks whether everything is delivered, when the log is closed.
const SETTLING: Duration = Duration::from_millis(5);

/// What appends go through.
pub(super) struct Producers {
    names: Names,
    bulk: Vec<Producer>,
    urgent: Producer,
    max_record_bytes: usize,
}

struct Producer {
    config: KafkaConfig,
    urgent: bool,
    shapes: Arc<Shapes>,
    ear: Ear,
    load: Arc<Load>,
    client: Mutex<Client>,
}

/// One client, and the thread that hears for it.
struct Client {
    producer: Arc<BaseProducer<Deliveries>>,
    born: Instant,
    ending: Arc<AtomicBool>,
    hearing: Option<thread::JoinHandle<()>>,
    append_timeout: Duration,
}

impl Producers {
    pub(super) fn new(
        config: &KafkaConfig,
        names: &Names,
        shapes: &Arc<Shapes>,
        ear: &Ear,
    ) -> Result<Self, Error> {
        let bulk = (0..config.producers).map(|_| Producer::new(config, false, shapes, ear));
        Ok(Self {
            names: names.clone(),
            bulk: bulk.collect::<Result<_, _>>()?,
            urgent: Producer::new(config, true, shapes, ear)?,
            max_record_bytes: config.max_record_bytes,
        })
    }

    /// Hands the record over, or says at once why not.
    pub(super) fn append(
        &self,
        to: &Partition,
        record: &Record,
    ) -> Result<oneshot::Receiver<Result<Appended, Error>>, Error> {
        let (bytes, limit) = (record.bytes(), self.max_record_bytes);
        if bytes > limit {
            return Err(Error::TooLarge { partition: to.clone(), bytes, limit });
        }
        let producer = if self.names.is_urgent(&to.topic) {
            &self.urgent
        } else {
            let mut hasher = DefaultHasher::new();
            to.topic.hash(&mut hasher);
            let place = hasher.finish() % self.bulk.len() as u64;
            &self.bulk[usize::try_from(place).unwrap_or(0)]
        };
        producer.append(to, &self.names.of(&to.topic), record)
    }
}

impl Producers {
    /// Waits until everything that was taken has its outcome, which comes within the append's time-out.
    pub(super) async fn settled(&self) {
        while self.bulk.iter().chain([&self.urgent]).any(|producer| !producer.load.is_empty()) {
            sleep(SETTLING).await;
        }
    }
}

impl Producer {
    fn new(config: &KafkaConfig, urgent: bool, shapes: &Arc<Shapes>, ear: &Ear) -> Result<Self, Error> {
        let limits = Limits {
            partition_bytes: config.partition_bytes,
            bytes: config.producer_bytes,
            records: config.producer_records,
            still: STILL,
        };
        Ok(Self {
            config: config.clone(),
            urgent,
            shapes: shapes.clone(),
            ear: ear.clone(),
            load: Load::new(limits),
            client: Mutex::new(Client::new(config, urgent, shapes, ear)?),
        })
    }

    fn append(
        &self,
        to: &Partition,
        topic: &str,
        record: &Record,
    ) -> Result<oneshot::Receiver<Result<Appended, Error>>, Error> {
        let number =
            i32::try_from(to.number).map_err(|_| Error::UnknownPartition { partition: to.clone() })?;
        let bytes = record.bytes();
        let room = self.load.take(to, bytes).ok_or_else(|| Error::QueueFull { partition: to.clone() })?;
        let (reply, answer) = oneshot::channel();
        let mut pending = Box::new(Pending { to: to.clone(), bytes, reply, room });
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if self.load.waits() > STUCK {
            warn!("a producer has written nothing for {STUCK:?} and is replaced");
            self.load.begin_anew();
            *client = Client::new(&self.config, self.urgent, &self.shapes, &self.ear)?;
        }
        for again in [true, false] {
            let out = BaseRecord::<[u8], [u8], _>::with_opaque_to(topic, pending)
                .partition(number)
                .key(&record.key[..])
                .payload(&record.value[..]);
            let (error, out) = match client.producer.send(out) {
                Ok(()) => return Ok(answer),
                Err(refused) => refused,
            };
            let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
            match client.producer.client().fatal_error() {
                None => return Err(client.producer.context().failed(to, code, bytes)),
                // Asking again and again would not help.
                Some((code, cause)) if faults::is_denied(code) && client.born.elapsed() < DENIED => {
                    return Err(Error::Denied { doing: "appending", cause });
                }
                Some((_, cause)) => {
                    warn!(%cause, "a producer can write no more and is replaced");
                    if again {
                        *client = Client::new(&self.config, self.urgent, &self.shapes, &self.ear)?;
                    }
                }
            }
            pending = out.delivery_opaque;
        }
        Err(Error::QueueFull { partition: to.clone() })
    }
}

impl Client {
    fn new(config: &KafkaConfig, urgent: bool, shapes: &Arc<Shapes>, ear: &Ear) -> Result<Self, Error> {
        let failed =
            |error: KafkaError| Error::Store { doing: "making a producer", cause: error.to_string() };
        let context = Deliveries {
            ear: ear.clone(),
            shapes: shapes.clone(),
            max_record_bytes: config.max_record_bytes,
        };
        let producer = BaseProducer::from_config_and_context(&client::appending(config, urgent), context);
        let producer = Arc::new(producer.map_err(failed)?);
        let ending = Arc::new(AtomicBool::new(false));
        let hearing = {
            let (producer, ending) = (producer.clone(), ending.clone());
            let hear = move || {
                while !ending.load(Ordering::Acquire) {
                    producer.poll(LISTEN);
                }
            };
            let thread = thread::Builder::new().name("log-producer".into()).spawn(hear);
            thread.map_err(|e| Error::Store { doing: "starting a producer", cause: e.to_string() })?
        };
        let born = Instant::now();
        Ok(Self { producer, born, ending, hearing: Some(hearing), append_timeout: config.append_timeout })
    }
}

impl Drop for Client {
    /// What was taken still gets its outcome, which comes within the append's time-out. That may take a while, so it
    /// is left to a thread of its own, unless everything is delivered already.
    fn drop(&mut self) {
        let (producer, ending, hearing) = (self.producer.clone(), self.ending.clone(), self.hearing.take());
        let patience = self.append_timeout + LISTEN;
        let end = move || {
            if let Err(error) = producer.flush(patience) {
                warn!(%error, "a producer ends with appends of unknown outcome");
            }
            ending.store(true, Ordering::Release);
            if let Some(hearing) = hearing {
                // It answers for its own failures.
                let _ended = hearing.join();
            }
        };
        if let Err(error) = thread::Builder::new().name("log-producer-end".into()).spawn(end) {
            warn!(%error, "a producer could not be ended in order");
            self.ending.store(true, Ordering::Release);
        }
    }
}
