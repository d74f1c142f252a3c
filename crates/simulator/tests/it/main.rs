//! Simulators as sidecars and tests meet them: over their sockets.

#![allow(clippy::unwrap_used)] // A helper that fails is a test that fails.

mod bars;
mod behaviour;
mod mllp;
mod pages;
mod send;
mod support;
