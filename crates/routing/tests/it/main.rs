//! Whole cells over real logs, ledgers and mutual TLS, with sidecars played by the tests.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod backlog;
mod border;
mod cell;
mod compartment;
mod cut;
mod deadline;
mod half_handed_over;
mod lost;
mod nodes;
mod notices;
mod orders;
mod races;
mod read_back;
mod service_notices;
mod side_doors;
mod sidecar;
mod switch;
