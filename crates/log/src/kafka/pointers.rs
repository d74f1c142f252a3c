//! Reading at pointers: all that is asked for at a time is gathered, assigned at once, and read through.
//!
//! One consumer on a thread of its own. Librdkafka has no call for a single record, and what comes close to it stalls
//! for a second now and then; so this is for what was set aside, never for a stream.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Message, Offset, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};
use tokio::sync::{mpsc, oneshot};

use super::{
    asker::{Address, Asker},
    client::{self, Ear},
    config::KafkaConfig,
    faults,
    lane::{acquaint, entry},
    threads::Running,
};
use crate::{Entry, Error, Partition};

/// How many requests may wait; more wait before it.
const REQUESTS: usize = 64;
/// How long a round may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the broker holds back a fetch: a new assignment waits for the one before it.
const FETCH_WAIT: Duration = Duration::from_millis(10);
/// How much one fetch brings of one partition beyond its first record.
const FETCH_BYTES: &str = "65536";
/// A wanted record that lies further on than this is jumped to.
const READ_THROUGH: u64 = 64;

/// Where requests are put.
pub(super) struct Pointers {
    requests: mpsc::Sender<Request>,
}

/// Some offsets of some partitions.
struct Request {
    wanted: HashMap<Address, (Partition, BTreeSet<u64>)>,
    reply: oneshot::Sender<Result<Found, Error>>,
}

/// What was found of them.
pub(super) type Found = HashMap<(Partition, u64), Entry>;

impl Pointers {
    /// Starts the thread, which ends with the log.
    pub(super) fn start(config: &KafkaConfig, asker: Arc<Asker>, running: Running) -> Result<Self, Error> {
        let mut settings = client::reading(config, FETCH_WAIT);
        settings.set("fetch.message.max.bytes", FETCH_BYTES);
        let consumer = BaseConsumer::from_config_and_context(&settings, Ear::default());
        let consumer =
            consumer.map_err(|e| Error::Store { doing: "making a consumer", cause: e.to_string() })?;
        let (requests, queue) = mpsc::channel(REQUESTS);
        thread::Builder::new()
            .name("log-pointers".into())
            .spawn(move || {
                run(&consumer, &asker, queue);
                drop((consumer, asker));
                drop(running);
            })
            .map_err(|e| Error::Store { doing: "starting a reader", cause: e.to_string() })?;
        Ok(Self { requests })
    }

    /// What lies at these offsets.
    pub(super) async fn read(
        &self,
        wanted: HashMap<Address, (Partition, BTreeSet<u64>)>,
    ) -> Result<Found, Error> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request { wanted, reply }).await.map_err(|_| Error::Closed)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }
}

fn run(consumer: &BaseConsumer<Ear>, asker: &Asker, mut queue: mpsc::Receiver<Request>) {
    while let Some(first) = queue.blocking_recv() {
        let mut requests = vec![first];
        while let Ok(request) = queue.try_recv() {
            requests.push(request);
        }
        let mut wanted: HashMap<Address, Wanted> = HashMap::new();
        for (address, (partition, offsets)) in requests.iter().flat_map(|request| &request.wanted) {
            let gathered = wanted.entry(address.clone()).or_insert_with(|| Wanted::new(partition.clone()));
            gathered.left.extend(offsets);
        }
        let read = read(consumer, asker, &mut wanted);
        // Whatever it was, nothing more of it is wanted.
        let _unassigned = consumer.unassign();
        for request in requests {
            let answer = read.clone().and_then(|()| collect(&request, &wanted));
            // Nobody may be waiting any more.
            let _gone = request.reply.send(answer);
        }
    }
}

/// What is wanted of one partition, and what was found.
struct Wanted {
    partition: Partition,
    left: BTreeSet<u64>,
    found: HashMap<u64, Entry>,
    fault: Option<Error>,
    /// Whether this round has come as far as it should here.
    settled: bool,
}

impl Wanted {
    fn new(partition: Partition) -> Self {
        Self { partition, left: BTreeSet::new(), found: HashMap::new(), fault: None, settled: false }
    }

    /// Takes a record that was read.
    fn take(&mut self, entry: Entry) {
        let here = entry.offset;
        if self.left.remove(&here) {
            self.found.insert(here, entry);
        }
        // What was passed over is not there any more.
        self.left = self.left.split_off(&here);
        self.settled = self.left.first().is_none_or(|next| next - here > READ_THROUGH);
    }
}

fn read(
    consumer: &BaseConsumer<Ear>,
    asker: &Asker,
    wanted: &mut HashMap<Address, Wanted>,
) -> Result<(), Error> {
    let failed = |error: KafkaError| faults::failed("reading at pointers", &error, asker.ear());
    let addresses: Vec<_> = wanted.keys().cloned().collect();
    let bounds = asker.bounds(&addresses).map_err(failed)?;
    for (address, wanted) in wanted.iter_mut() {
        match bounds.get(address) {
            Some(Ok(bounds)) => wanted.left.retain(|offset| bounds.contains(offset)),
            Some(Err(code)) if faults::is_absent(*code) => {
                wanted.fault = Some(Error::UnknownPartition { partition: wanted.partition.clone() });
                wanted.left.clear();
            }
            Some(Err(code)) => return Err(failed(KafkaError::OffsetFetch(*code))),
            None => wanted.left.clear(),
        }
    }
    while wanted.values().any(|wanted| !wanted.left.is_empty()) {
        round(consumer, asker, wanted)?;
    }
    Ok(())
}

/// Assigns each partition at the lowest offset that is left, and reads as far as is worth it.
fn round(
    consumer: &BaseConsumer<Ear>,
    asker: &Asker,
    wanted: &mut HashMap<Address, Wanted>,
) -> Result<(), Error> {
    let failed = |error: KafkaError| faults::failed("reading at pointers", &error, asker.ear());
    let mut list = TopicPartitionList::new();
    for ((topic, number), wanted) in wanted.iter_mut() {
        wanted.settled = wanted.left.is_empty();
        if let Some(first) = wanted.left.first() {
            let offset = Offset::Offset((*first).try_into().unwrap_or(i64::MAX));
            list.add_partition_offset(topic, *number, offset).map_err(failed)?;
        }
    }
    // Whether they are there was asked before.
    let _there = acquaint(consumer, &list);
    consumer.assign(&list).map_err(failed)?;
    let begin = Instant::now();
    while wanted.values().any(|wanted| !wanted.settled) {
        let left = PATIENCE.checked_sub(begin.elapsed()).ok_or_else(|| Error::Unreachable {
            doing: "reading at pointers",
            cause: format!("{} partitions did not answer", wanted.values().filter(|w| !w.settled).count()),
        })?;
        match consumer.poll(left.min(Duration::from_millis(100))) {
            Some(Ok(message)) => {
                let address = (message.topic().to_owned(), message.partition());
                let Some(wanted) = wanted.get_mut(&address) else { continue };
                if let Some(entry) = entry(&wanted.partition, &message) {
                    wanted.take(entry);
                }
            }
            Some(Err(error)) => {
                let code = error.rdkafka_error_code();
                if code.is_some_and(faults::is_denied) {
                    return Err(failed(error));
                }
                tracing::debug!(%error, "reading at pointers");
            }
            None => {}
        }
    }
    Ok(())
}

/// One request's part of what was found.
fn collect(request: &Request, wanted: &HashMap<Address, Wanted>) -> Result<Found, Error> {
    let mut found = Found::new();
    for (address, (partition, offsets)) in &request.wanted {
        let Some(here) = wanted.get(address) else { continue };
        if let Some(fault) = &here.fault {
            return Err(fault.clone());
        }
        let entries = offsets.iter().filter_map(|offset| here.found.get(offset));
        found.extend(entries.map(|entry| ((partition.clone(), entry.offset), entry.clone())));
    }
    Ok(found)
}
