//! The settings of our clients of Kafka, and what they say when something is wrong.
//!
//! Librdkafka's defaults lose, skip or keep too much; every one that matters is set here, and nowhere else.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext, config::RDKafkaLogLevel, consumer::ConsumerContext, error::KafkaError,
    error::RDKafkaErrorCode,
};
use tracing::{debug, warn};

use super::config::KafkaConfig;

/// What a record takes on the wire and in a topic's limit besides its key and value.
pub(super) const OVERHEAD: usize = 16 * 1024;
/// How much one fetch brings of one partition, if its first record is not larger.
const FETCH_BYTES: usize = 1024 * 1024;
/// How long a request may take. Longer than the broker may hold back a fetch.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// How long trouble explains that something failed.
const FRESH: Duration = Duration::from_secs(15);

/// What all clients have in common.
fn common(config: &KafkaConfig) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", &config.bootstrap)
        .set("client.id", format!("bulkhead.{}", config.cell))
        .set("socket.nagle.disable", "true")
        .set("socket.keepalive.enable", "true")
        .set("socket.timeout.ms", millis(REQUEST_TIMEOUT))
        .set("socket.connection.setup.timeout.ms", "3000")
        // The broker closes idle connections; that is no reason to speak of a failure.
        .set("log.connection.close", "false")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "500")
        .set("retry.backoff.ms", "50")
        .set("retry.backoff.max.ms", "500")
        .set("topic.metadata.refresh.interval.ms", "60000")
        .set("topic.metadata.refresh.fast.interval.ms", "50")
        .set("topic.metadata.propagation.max.ms", "2000")
        .set("allow.auto.create.topics", "false")
        .set("message.max.bytes", (config.max_record_bytes + OVERHEAD).to_string());
    let security = &config.security;
    let protocol = match (&security.tls, &security.scram) {
        (None, None) => "plaintext",
        (Some(_), None) => "ssl",
        (None, Some(_)) => "sasl_plaintext",
        (Some(_), Some(_)) => "sasl_ssl",
    };
    client.set("security.protocol", protocol);
    if let Some(tls) = &security.tls {
        if let Some(ca) = &tls.ca {
            client.set("ssl.ca.location", ca.to_string_lossy());
        }
        if let Some((certificate, key)) = &tls.certificate {
            client.set("ssl.certificate.location", certificate.to_string_lossy());
            client.set("ssl.key.location", key.to_string_lossy());
        }
    }
    if let Some(scram) = &security.scram {
        client
            .set("sasl.mechanism", scram.mechanism.as_str())
            .set("sasl.username", &scram.username)
            .set("sasl.password", &scram.password);
    }
    client
}

/// For metadata, bounds and administration: it fetches nothing and joins nothing.
pub(super) fn asking(config: &KafkaConfig) -> ClientConfig {
    common(config)
}

/// For appends. Its own queue is never the one that fills: the budgets before it are half its size.
pub(super) fn appending(config: &KafkaConfig, urgent: bool) -> ClientConfig {
    let mut client = common(config);
    client
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", "0")
        // With five messages of a partition in flight, librdkafka's thread asks again without a pause whether the next
        // may go (rd_kafka_toppar_producer_serve). Where fewer requests may be in flight the next one is queued, and
        // the thread sleeps; only behind a request of five messages and more does it still ask.
        .set("max.in.flight.requests.per.connection", "4")
        .set("message.timeout.ms", millis(config.append_timeout))
        .set("request.timeout.ms", if urgent { "1500" } else { "3000" })
        .set("queue.buffering.max.messages", (2 * config.producer_records).to_string())
        .set("queue.buffering.max.kbytes", (2 * (config.producer_bytes + OVERHEAD) / 1024).to_string());
    client
}

/// For readers: by assignment, with explicit offsets, and nothing is committed. The group is a name only, which
/// librdkafka asks for before it assigns anything.
pub(super) fn reading(config: &KafkaConfig, fetch_wait: Duration) -> ClientConfig {
    let mut client = common(config);
    client
        .set("group.id", format!("{}.readers", config.prefix))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A position that is not there is said, never skipped.
        .set("auto.offset.reset", "error")
        .set("isolation.level", "read_uncommitted")
        .set("fetch.wait.max.ms", millis(fetch_wait))
        .set("fetch.min.bytes", "1")
        .set("fetch.message.max.bytes", FETCH_BYTES.to_string())
        .set("fetch.max.bytes", fetch_max(config).to_string())
        .set("receive.message.max.bytes", (fetch_max(config) + FETCH_BYTES).to_string())
        .set("fetch.error.backoff.ms", "100")
        .set("fetch.queue.backoff.ms", "5")
        .set("queued.min.messages", "4096")
        .set("queued.max.messages.kbytes", "4096");
    client
}

/// The largest answer to a fetch: four partitions' worth, or the largest record.
fn fetch_max(config: &KafkaConfig) -> usize {
    (4 * FETCH_BYTES).max(config.max_record_bytes + OVERHEAD)
}

/// For sharing shards.
pub(super) fn sharing(config: &KafkaConfig, group: &str) -> ClientConfig {
    let mut client = common(config);
    client
        .set("group.id", group)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", millis(config.session_timeout))
        // How soon a member hears that another has left.
        .set("heartbeat.interval.ms", "200")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // The topic is empty: any position will do, but it must not be an error.
        .set("auto.offset.reset", "earliest")
        .set("max.poll.interval.ms", "300000");
    client
}

pub(super) fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

/// What our clients hear from librdkafka besides answers. It keeps the last trouble, because the calls themselves
/// only say that time ran out. All clients of a log share one: the brokers treat them alike.
#[derive(Clone, Default)]
pub(super) struct Ear {
    trouble: Arc<Mutex<Option<Trouble>>>,
}

struct Trouble {
    at: Instant,
    code: RDKafkaErrorCode,
    reason: String,
}

impl Ear {
    /// Whether the last trouble was about who we are or what we may do.
    pub(super) fn is_denied(&self) -> bool {
        self.trouble().is_some_and(|(code, _)| super::faults::is_denied(code))
    }

    /// The last trouble that was heard of, unless it is long over.
    pub(super) fn trouble(&self) -> Option<(RDKafkaErrorCode, String)> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = trouble.as_ref().filter(|trouble| trouble.at.elapsed() < FRESH)?;
        Some((fresh.code, fresh.reason.clone()))
    }
}

impl ClientContext for Ear {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => warn!(target: "librdkafka", facility, "{message}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                debug!(target: "librdkafka", facility, "{message}");
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // Which is also in its log lines, once per connection.
        debug!(target: "librdkafka", %error, "{reason}");
        if let Some(code) = error.rdkafka_error_code() {
            let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
            // That all brokers are down says less than why each of them is.
            if code != RDKafkaErrorCode::AllBrokersDown || trouble.is_none() {
                *trouble = Some(Trouble { at: Instant::now(), code, reason: reason.to_owned() });
            }
        }
    }
}

impl ConsumerContext for Ear {}
