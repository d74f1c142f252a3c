//! A whole English sidecar between a simulated local system and a broker that does as it is told.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests may")]

/// The broker of the kit's own tests.
#[allow(dead_code, reason = "these tests use less of it")]
#[path = "../../../adapter/tests/it/broker.rs"]
mod broker;
mod settings;
mod sidecar;
mod world;
