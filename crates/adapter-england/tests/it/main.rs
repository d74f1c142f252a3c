//! A whole English sidecar between a simulated local system and a broker that does as it is told.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests may")]

mod settings;
mod sidecar;
mod world;
