//! The embedded log, met from outside: the rules of every log, and what only this one promises.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may do what tests may")]

mod child;
mod conformance;
mod embedded;
mod idle;
mod kafka;
mod kill;
mod measure;
mod numbers;
