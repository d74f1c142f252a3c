//! The log on real brokers: the suite that every log passes, and what only Kafka can do to us.
//!
//! `./test` starts one broker and three, and names them in the environment. Without that these tests fail; the
//! runner's default profile leaves them out and counts them as skipped.

mod cluster;
mod conformance;
mod many;
mod own_brokers;
mod refused;
mod sharing;
mod topics;
