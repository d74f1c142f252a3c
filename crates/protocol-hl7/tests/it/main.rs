//! A face between a local system and a broker that both do as they are told.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may do what tests may")]

mod answers;
mod bad_input;
mod foreign;
mod hand_over;
mod later;
mod line;
mod responses;
mod translated;
mod world;
