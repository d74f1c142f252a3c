//! Simulators as sidecars and tests meet them: over their sockets.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests may")]

mod bars;
mod behaviour;
mod kill;
mod mllp;
mod pages;
mod send;
mod support;
