//! The door from outside: over TLS, with a log and a ledger behind it.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests may")]

mod asking;
mod cases;
mod cuts;
mod harness;
mod limits;
mod lost;
mod races;
mod side_doors;
mod streams;
mod submitting;
mod withdrawing;
