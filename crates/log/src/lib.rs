//! The log: append, read on from a position, read at a pointer, trim, own shards.
//!
//! Everything that Bulkhead knows lies in a log, and this crate is the only place that knows what a log is made
//! of. [`Log`] is the contract; [`Kafka`] keeps it on a cluster of brokers, [`Embedded`] on one machine, in one
//! directory. What the bytes mean is left to `wire`, and what follows from them to `ledger`.
//!
//! Start reading at `contract.rs`. The promises in it are held by the conformance suite in the testkit, which
//! runs unchanged on every implementation.

mod budget;
mod contract;
mod embedded;
mod error;
mod kafka;
mod record;
mod topic;

pub use contract::{AppendFuture, Log, Reader, ReaderLimits, ShardChange, Shards};
pub use embedded::{Embedded, EmbeddedConfig};
pub use error::Error;
pub use kafka::{Kafka, KafkaConfig, KafkaScram, KafkaSecurity, KafkaTls, ScramMechanism};
pub use record::{Appended, DEFAULT_MAX_RECORD_BYTES, Entry, Record, Start};
pub use topic::{Partition, Pointer, Topic, TopicSpec};
