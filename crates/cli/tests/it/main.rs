//! The commands against cells over mutual TLS: what they say, and how they end.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests may")]

mod cell;
mod queries;
mod sending;
mod world;
