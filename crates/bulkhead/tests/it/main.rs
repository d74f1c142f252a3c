//! The binary itself: `bulkhead dev` and the commands against it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod commands;
mod cut;
mod cut_campaign;
mod dev;
mod directory;
mod fallback;
mod kafka;
mod kill_campaign;
mod ledger_copy;
mod pack;
mod privacy;
mod readme;
mod runbooks;
mod serve;
mod support;
mod traces;
