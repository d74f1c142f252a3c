//! The binary itself: `bulkhead dev` and the commands against it.

mod commands;
mod dev;
mod kill_campaign;
mod privacy;
mod support;
