//! The kit between a broker and a local system that both do as they are told.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests may")]

mod config;
mod delivery;
mod directory;
mod mllp;
mod notices;
mod secrecy;
mod spool;
mod system;
mod world;
